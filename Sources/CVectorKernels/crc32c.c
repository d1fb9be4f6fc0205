// CRC-32C (Castagnoli): the polynomial 0x1EDC6F41, reflected, as in iSCSI (RFC 3720, B.4).
#include "CVectorKernels.h"

// Four bits at a time.
static const uint32_t nibbles[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

uint32_t cvk_crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; count > 0; count--) {
        crc ^= *at++;
        crc = (crc >> 4) ^ nibbles[crc & 15];
        crc = (crc >> 4) ^ nibbles[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>

static bool has_instruction(void) {
    uint32_t a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 20)) != 0;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    uint64_t state = ~crc;
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; count > 0; count--) rest = _mm_crc32_u8(rest, *at++);
    return ~rest;
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static bool has_instruction(void) { return true; }

static uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = __crc32cd(crc, word);
    }
    for (; count > 0; count--) crc = __crc32cb(crc, *at++);
    return ~crc;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

static bool has_instruction(void) { return (getauxval(AT_HWCAP) & (1ul << 7)) != 0; }

// By name in assembly, as the intrinsics need the feature for the whole file.
static uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    crc = ~crc;
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    }
    for (; count > 0; count--) {
        uint32_t byte = *at++;
        __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(byte));
    }
    return ~crc;
}
#else
static bool has_instruction(void) { return false; }

static uint32_t crc32c_instruction(uint32_t crc, const void *bytes, size_t count) {
    return cvk_crc32c_portable(crc, bytes, count);
}
#endif

uint32_t cvk_crc32c(uint32_t crc, const void *bytes, size_t count) {
    return has_instruction() ? crc32c_instruction(crc, bytes, count) : cvk_crc32c_portable(crc, bytes, count);
}

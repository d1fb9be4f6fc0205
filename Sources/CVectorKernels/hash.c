// A keyed hash of bytes: each word is mixed in by a 64 x 64 -> 128 bit multiplication whose halves are folded.
#include "CVectorKernels.h"

static inline uint64_t fold(uint64_t lhs, uint64_t rhs) {
    unsigned __int128 product = (unsigned __int128)lhs * rhs;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load(const uint8_t *at, size_t count) {
    uint64_t word = 0;
    for (size_t index = 0; index < count; index++) word |= (uint64_t)at[index] << (8 * index);
    return word;
}

static inline uint64_t load_word(const uint8_t *at) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
#else
    return load(at, 8);
#endif
}

uint64_t cvk_hash(uint64_t seed, const void *bytes, size_t count) {
    const uint64_t first = 0x9E3779B97F4A7C15, second = 0xD6E8FEB86659FD93;
    const uint8_t *at = bytes;
    uint64_t state = fold(seed ^ first, (uint64_t)count ^ second);
    size_t rest = count;
    for (; rest >= 8; rest -= 8, at += 8) state = fold(state ^ load_word(at) ^ first, second ^ seed) + first;
    if (rest > 0) state = fold(state ^ load(at, rest) ^ first, second ^ seed) + first;
    return fold(state ^ second, first);
}

// Which kernels this machine can run, and the way to them.
#include "codes.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>

typedef struct features {
    bool avx2, avx512, vnni;
} features;

static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((uint64_t)high << 32) | low;
}

// A register set counts only if the processor has it and the system keeps it when it switches threads.
static features detect(void) {
    features found = {false, false, false};
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    if ((c & (fma | osxsave | avx)) != (fma | osxsave | avx)) return found;
    uint64_t state = enabled_state();
    if ((state & 0x6) != 0x6) return found;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
    found.avx2 = (b & (1u << 5)) != 0;
    found.avx512 = (b & (1u << 16)) != 0 && (state & 0xE6) == 0xE6;
    const uint32_t bw_and_vl = 1u << 30 | 1u << 31;
    found.vnni = found.avx512 && (b & bw_and_vl) == bw_and_vl && (c & (1u << 11)) != 0;
    return found;
}

// Asked for with every block of rows, while `cpuid` takes a virtual machine a long way: 0 is unknown, 1 no, 2 yes. Two
// threads that find out at once write the same.
bool cvk_has_vnni(void) {
    static _Atomic int known = 0;
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        answer = detect().vnni ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}
#elif defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
#endif

bool cvk_has_dotprod(void) {
#if defined(__ARM_FEATURE_DOTPROD)
    return true;
#elif defined(__linux__)
    return (getauxval(AT_HWCAP) & (1ul << 20)) != 0; // ASIMDDP
#else
    return false;
#endif
}
#endif

bool cvk_is_available(cvk_kernel kernel) {
    switch (kernel) {
    case cvk_kernel_portable:
        return true;
#if defined(__x86_64__)
    case cvk_kernel_avx2:
        return detect().avx2;
    case cvk_kernel_avx512:
        return detect().avx512;
#elif defined(__aarch64__)
    case cvk_kernel_neon:
        return true;
#endif
    default:
        return false;
    }
}

cvk_kernel cvk_best_kernel(void) {
    const cvk_kernel fastest_first[] = {cvk_kernel_avx512, cvk_kernel_avx2, cvk_kernel_neon};
    for (size_t i = 0; i < sizeof fastest_first / sizeof *fastest_first; i++)
        if (cvk_is_available(fastest_first[i])) return fastest_first[i];
    return cvk_kernel_portable;
}

#if defined(__x86_64__)
#define CVK_CALL(name, ...)                                                                                            \
    switch (kernel) {                                                                                                  \
    case cvk_kernel_avx2:                                                                                              \
        name##_avx2(__VA_ARGS__);                                                                                      \
        break;                                                                                                         \
    case cvk_kernel_avx512:                                                                                            \
        name##_avx512(__VA_ARGS__);                                                                                    \
        break;                                                                                                         \
    default:                                                                                                           \
        name##_portable(__VA_ARGS__);                                                                                  \
    }
#elif defined(__aarch64__)
#define CVK_CALL(name, ...)                                                                                            \
    switch (kernel) {                                                                                                  \
    case cvk_kernel_neon:                                                                                              \
        name##_neon(__VA_ARGS__);                                                                                      \
        break;                                                                                                         \
    default:                                                                                                           \
        name##_portable(__VA_ARGS__);                                                                                  \
    }
#else
#define CVK_CALL(name, ...) name##_portable(__VA_ARGS__)
#endif

void cvk_measure_rows(cvk_kernel kernel, cvk_measure measure, const float *queries, size_t query_count,
                      const float *rows, size_t row_count, size_t width, float *results, size_t results_stride) {
    CVK_CALL(cvk_measure, measure, queries, query_count, rows, row_count, width, results, results_stride);
}

void cvk_measure_picked(cvk_kernel kernel, cvk_measure measure, const float *queries, size_t query_count,
                        const float *const *picked, size_t row_count, size_t width, float *results,
                        size_t results_stride) {
    CVK_CALL(cvk_measure_picked, measure, queries, query_count, picked, row_count, width, results, results_stride);
}

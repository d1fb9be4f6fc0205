#define _GNU_SOURCE
#include "CStreamRate.h"

#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx512f"))) static float sum512(const float *floats, size_t count) {
    __m512 sums[8];
    for (int i = 0; i < 8; i++) sums[i] = _mm512_setzero_ps();
    for (size_t start = 0; start < count; start += 128)
        for (int i = 0; i < 8; i++) sums[i] = _mm512_add_ps(sums[i], _mm512_loadu_ps(floats + start + 16 * i));
    for (int i = 1; i < 8; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    return _mm512_reduce_add_ps(sums[0]);
}
#endif

typedef float lanes __attribute__((vector_size(16), aligned(4)));

static float sum128(const float *floats, size_t count) {
    lanes sums[16] = {{0}};
    for (size_t start = 0; start < count; start += 64)
        for (int i = 0; i < 16; i++) sums[i] += *(const lanes *)(floats + start + 4 * i);
    float total = 0;
    for (int i = 0; i < 16; i++) total += sums[i][0] + sums[i][1] + sums[i][2] + sums[i][3];
    return total;
}

float stream_sum(const float *floats, size_t count) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return sum512(floats, count);
#endif
    return sum128(floats, count);
}

float *stream_memory(size_t count) {
    void *memory = mmap(0, count * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (memory == MAP_FAILED) return 0;
#if defined(__linux__)
    madvise(memory, count * sizeof(float), MADV_HUGEPAGE);
#endif
    return memory;
}

void stream_copy(float *to, const float *from, size_t count) { memcpy(to, from, count * sizeof(float)); }

void stream_free(float *floats, size_t count) { munmap(floats, count * sizeof(float)); }

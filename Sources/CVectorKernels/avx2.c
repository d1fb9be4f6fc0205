#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CVK_TARGET __attribute__((target("avx2,fma")))

// Lanes 0 to 7 and 8 to 15, added as the fixed tree.
CVK_TARGET CVK_INLINE float reduce(__m256 low, __m256 high) {
    __m256 eight = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

CVK_TARGET CVK_INLINE __m256 step(const cvk_measure measure, __m256 query, __m256 row, __m256 sum) {
    if (measure == cvk_measure_dot) return _mm256_fmadd_ps(query, row, sum);
    __m256 difference = _mm256_sub_ps(query, row);
    return _mm256_fmadd_ps(difference, difference, sum);
}

CVK_TARGET CVK_INLINE void block(const cvk_measure measure, const float *queries, const float *const *at,
                                 const float *const *ahead, size_t width, float *results, size_t stride, const int Q,
                                 const int R, const bool is_picked) {
    __m256 low[4], high[4];
#pragma clang loop unroll(full)
    for (int i = 0; i < Q * R; i++) low[i] = high[i] = _mm256_setzero_ps();
    for (size_t start = 0; start < width; start += CVK_LANES) {
        __m256 row_low[4], row_high[4];
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            row_low[r] = _mm256_loadu_ps(at[r] + start);
            row_high[r] = _mm256_loadu_ps(at[r] + start + 8);
            if (Q == 1 || is_picked) _mm_prefetch((const char *)(ahead[r] + start), _MM_HINT_T0);
        }
#pragma clang loop unroll(full)
        for (int q = 0; q < Q; q++) {
            __m256 query_low = _mm256_loadu_ps(queries + q * width + start);
            __m256 query_high = _mm256_loadu_ps(queries + q * width + start + 8);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                low[q * R + r] = step(measure, query_low, row_low[r], low[q * R + r]);
                high[q * R + r] = step(measure, query_high, row_high[r], high[q * R + r]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) results[q * stride + r] = reduce(low[q * R + r], high[q * R + r]);
    }
}

CVK_DEFINE_MEASURES(CVK_TARGET, avx2, block, 2, 2, 4)
#endif

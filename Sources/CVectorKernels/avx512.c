#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CVK_TARGET __attribute__((target("avx512f")))

// The sum of the 16 lanes, as the fixed tree.
CVK_TARGET CVK_INLINE float reduce(__m512 sums) {
    __m256 low = _mm512_castps512_ps256(sums);
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums), 1));
    __m256 eight = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

CVK_TARGET CVK_INLINE __m512 halve(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
}
CVK_TARGET CVK_INLINE __m512 quarter(__m512 ab, __m512 cd) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
}
CVK_TARGET CVK_INLINE __m512 eighth(__m512 x, __m512 y) {
    return _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x44), _mm512_shuffle_ps(x, y, 0xEE));
}
CVK_TARGET CVK_INLINE __m512 sixteenth(__m512 p, __m512 q) {
    return _mm512_add_ps(_mm512_shuffle_ps(p, q, 0x88), _mm512_shuffle_ps(p, q, 0xDD));
}

// The sums of 16 vectors by the same tree, all at once. The total of `sums[4 * s + g]` is lane 4 * g + s.
CVK_TARGET CVK_INLINE __m512 reduce16(const __m512 *sums) {
    __m512 sets[4];
    for (int s = 0; s < 4; s++)
        sets[s] = quarter(halve(sums[4 * s], sums[4 * s + 1]), halve(sums[4 * s + 2], sums[4 * s + 3]));
    return sixteenth(eighth(sets[0], sets[1]), eighth(sets[2], sets[3]));
}

CVK_TARGET CVK_INLINE void block(const cvk_measure measure, const float *queries, const float *const *at,
                                 const float *const *ahead, size_t width, float *results, size_t stride, const int Q,
                                 const int R, const bool is_picked) {
    __m512 sums[16];
#pragma clang loop unroll(full)
    for (int i = 0; i < Q * R; i++) sums[i] = _mm512_setzero_ps();
    for (size_t start = 0; start < width; start += CVK_LANES) {
        __m512 query[4];
#pragma clang loop unroll(full)
        for (int q = 0; q < Q; q++) query[q] = _mm512_loadu_ps(queries + q * width + start);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            __m512 row = _mm512_loadu_ps(at[r] + start);
            if (Q == 1 || is_picked) _mm_prefetch((const char *)(ahead[r] + start), _MM_HINT_T0);
#pragma clang loop unroll(full)
            for (int q = 0; q < Q; q++) {
                if (measure == cvk_measure_dot) {
                    sums[r * Q + q] = _mm512_fmadd_ps(query[q], row, sums[r * Q + q]);
                } else {
                    __m512 difference = _mm512_sub_ps(query[q], row);
                    sums[r * Q + q] = _mm512_fmadd_ps(difference, difference, sums[r * Q + q]);
                }
            }
        }
    }
    if (Q == 4 && R == 4) {
        __m512 totals = reduce16(sums);
        _mm_storeu_ps(results, _mm512_extractf32x4_ps(totals, 0));
        _mm_storeu_ps(results + stride, _mm512_extractf32x4_ps(totals, 1));
        _mm_storeu_ps(results + 2 * stride, _mm512_extractf32x4_ps(totals, 2));
        _mm_storeu_ps(results + 3 * stride, _mm512_extractf32x4_ps(totals, 3));
    } else {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
#pragma clang loop unroll(full)
            for (int q = 0; q < Q; q++) results[q * stride + r] = reduce(sums[r * Q + q]);
        }
    }
}

CVK_DEFINE_MEASURES(CVK_TARGET, avx512, block, 4, 4, 8)
#endif

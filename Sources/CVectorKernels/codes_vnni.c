#include "codes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CVK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,fma")))

CVK_TARGET CVK_INLINE void block(const cvk_coded_rows *rows, size_t group, const cvk_coded_query *queries,
                                 int32_t *dots, size_t stride, const int G, const int Q) {
    const size_t words = rows->words;
    const uint8_t *codes = rows->codes + group * words * 64;
    __m512i sums[16];
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) sums[q * G + g] = _mm512_set1_epi32(queries[q].offset);
    }
    for (size_t word = 0; word < words; word++) {
        __m512i row[8];
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) row[g] = _mm512_loadu_si512(codes + (g * words + word) * 64);
#pragma clang loop unroll(full)
        for (int q = 0; q < Q; q++) {
            int32_t four;
            memcpy(&four, queries[q].codes + 4 * word, 4);
            __m512i query = _mm512_set1_epi32(four);
#pragma clang loop unroll(full)
            for (int g = 0; g < G; g++) sums[q * G + g] = _mm512_dpbusd_epi32(sums[q * G + g], row[g], query);
        }
    }
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) _mm512_storeu_si512(dots + q * stride + g * CVK_GROUP, sums[q * G + g]);
    }
}

CVK_TARGET void cvk_code_dots_vnni(const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                                   const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride) {
    CVK_FOR_EACH_CODE_BLOCK(block, 4, 4, 4);
}

CVK_TARGET CVK_INLINE int32_t record_dot(const uint8_t *codes, const int8_t *query, size_t count) {
    __m512i sums = _mm512_setzero_si512();
    size_t at = 0;
    for (; at + 64 <= count; at += 64)
        sums = _mm512_dpbusd_epi32(sums, _mm512_loadu_si512(codes + at), _mm512_loadu_si512(query + at));
    if (at < count) {
        __mmask64 rest = ((__mmask64)1 << (count - at)) - 1;
        sums = _mm512_dpbusd_epi32(sums, _mm512_maskz_loadu_epi8(rest, codes + at),
                                   _mm512_maskz_loadu_epi8(rest, query + at));
    }
    return _mm512_reduce_add_epi32(sums);
}

CVK_DEFINE_BOUNDS_AND_REFINE(CVK_TARGET, vnni, record_dot)

CVK_TARGET size_t cvk_select_vnni(const float *bounds, size_t count, float threshold, uint32_t *selected) {
    const __m512 limit = _mm512_set1_ps(threshold);
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t found = 0, row = 0;
    for (; row + 16 <= count; row += 16) {
        __mmask16 good = _mm512_cmp_ps_mask(_mm512_loadu_ps(bounds + row), limit, _CMP_NLT_UQ);
        if (!good) continue;
        __m512i numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)row));
        _mm512_storeu_si512(selected + found, _mm512_maskz_compress_epi32(good, numbers));
        found += (size_t)__builtin_popcount(good);
    }
    return cvk_select_one_by_one(bounds, row, count, threshold, selected, found);
}
#endif

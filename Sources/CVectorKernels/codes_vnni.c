#include "codes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CVK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,fma")))

CVK_TARGET CVK_INLINE __m512i four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm512_set1_epi32(four);
}

// The products of G groups with Q queries: query q and group g at `sums[q * G + g]`.
CVK_TARGET CVK_INLINE void multiply(const cvk_coded_rows *rows, size_t group, const cvk_coded_query *queries,
                                    __m512i *sums, const int G, const int Q) {
    const size_t words = rows->words, all_words = cvk_group_words(rows);
    const uint8_t *codes = rows->codes + group * all_words * 64;
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) sums[q * G + g] = _mm512_set1_epi32(queries[q].offset);
    }
    for (size_t word = 0; word < words; word++) {
        __m512i row[4];
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) {
            const uint8_t *at = codes + (g * all_words + word) * 64;
            row[g] = _mm512_loadu_si512(at);
            // The next groups, as a query alone is faster than memory. An address past the end is no fault.
            if (Q == 1) _mm_prefetch((const char *)at + G * all_words * 64, _MM_HINT_T0);
        }
#pragma clang loop unroll(full)
        for (int q = 0; q < Q; q++) {
            const __m512i query = four_codes(queries[q].codes + 4 * word);
#pragma clang loop unroll(full)
            for (int g = 0; g < G; g++) sums[q * G + g] = _mm512_dpbusd_epi32(sums[q * G + g], row[g], query);
        }
    }
    // Two codes a byte: the lower halves, then the upper ones.
    const __m512i half = _mm512_set1_epi8(15);
    for (size_t word = 0; word < rows->coarse_words; word++) {
        __m512i row[4], further[4];
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) {
            const uint8_t *at = codes + (g * all_words + words + word) * 64;
            const __m512i two = _mm512_loadu_si512(at);
            row[g] = _mm512_and_si512(two, half);
            further[g] = _mm512_and_si512(_mm512_srli_epi16(two, 4), half);
            if (Q == 1) _mm_prefetch((const char *)at + G * all_words * 64, _MM_HINT_T0);
        }
#pragma clang loop unroll(full)
        for (int q = 0; q < Q; q++) {
            const int8_t *of_word = queries[q].codes + 4 * words + 8 * word;
            const __m512i query = four_codes(of_word), other = four_codes(of_word + 4);
#pragma clang loop unroll(full)
            for (int g = 0; g < G; g++) {
                sums[q * G + g] = _mm512_dpbusd_epi32(sums[q * G + g], row[g], query);
                sums[q * G + g] = _mm512_dpbusd_epi32(sums[q * G + g], further[g], other);
            }
        }
    }
}

CVK_TARGET CVK_INLINE void block(const cvk_coded_rows *rows, size_t group, const cvk_coded_query *queries,
                                 int32_t *dots, size_t stride, const int G, const int Q) {
    __m512i sums[16];
    multiply(rows, group, queries, sums, G, Q);
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

// What becomes of a block's products while they are in registers: bounds, and what is good of them, is put down.
CVK_TARGET CVK_INLINE void scan_block(const cvk_shape shape, const bool has_tails, const cvk_coded_rows *rows,
                                      size_t group, uint64_t present, uint32_t number, const cvk_coded_query *queries,
                                      cvk_found *found, const int G, const int Q) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const size_t stride = (has_tails ? 2 : 1) * CVK_GROUP;
    __m512i sums[16];
    multiply(rows, group, queries, sums, G, Q);
#pragma clang loop unroll(full)
    for (int g = 0; g < G; g++) {
        const __mmask16 there = (__mmask16)(present >> (16 * g));
        const uint32_t *factors = rows->factors + (group + g) * stride;
        // As cvk_scale and the others say.
        const __m512i first = _mm512_loadu_si512(factors), upper = _mm512_set1_epi32((int)0xFFFF0000);
        const __m512 scale = _mm512_castsi512_ps(_mm512_and_si512(first, upper));
        const __m512 residual = _mm512_castsi512_ps(_mm512_slli_epi32(first, 16));
        const __m512i second = has_tails ? _mm512_loadu_si512(factors + CVK_GROUP) : _mm512_setzero_si512();
        const __m512 lead = _mm512_cvtepi32_ps(_mm512_srai_epi32(second, 16));
        const __m512 tail = _mm512_cvtepi32_ps(_mm512_andnot_si512(upper, second));
        const __m512 norm = shape != cvk_shape_cosine ? _mm512_loadu_ps(rows->norms + (group + g) * CVK_GROUP)
                                                      : _mm512_setzero_ps();
        const __m512i numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(number + 16 * (uint32_t)g)));
#pragma clang loop unroll(full)
        for (int q = 0; q < Q; q++) {
            const cvk_coded_query *query = queries + q;
            __m512 rest = _mm512_set1_ps(query->constant);
            if (has_tails) {
                rest = _mm512_fmadd_ps(tail, _mm512_set1_ps(query->tail), rest);
                rest = _mm512_fmadd_ps(lead, _mm512_set1_ps(query->lead), rest);
            }
            rest = _mm512_fmadd_ps(residual, _mm512_set1_ps(query->residual), rest);
            __m512 bound = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[q * G + g]),
                                           _mm512_mul_ps(scale, _mm512_set1_ps(query->scale)), rest);
            if (shape == cvk_shape_dot) bound = _mm512_mul_ps(bound, norm);
            if (shape == cvk_shape_l2)
                bound = _mm512_mul_ps(norm, _mm512_fmsub_ps(_mm512_set1_ps(query->weight), bound, norm));
            const __mmask16 good =
                _mm512_mask_cmp_ps_mask(there, bound, _mm512_set1_ps(found[q].threshold), _CMP_NLT_UQ);
            if (__builtin_expect(good != 0, 0)) {
                cvk_found *to = found + q;
                _mm512_storeu_si512(to->numbers + to->count, _mm512_maskz_compress_epi32(good, numbers));
                _mm512_storeu_ps(to->bounds + to->count, _mm512_maskz_compress_ps(good, bound));
                to->count += (size_t)__builtin_popcount(good);
            }
        }
    }
}

CVK_TARGET CVK_INLINE void scan(const cvk_shape shape, const bool has_tails, const cvk_coded_rows *rows,
                                size_t first_group, size_t group_count, const uint64_t *present, uint32_t base,
                                const cvk_coded_query *queries, size_t query_count, cvk_found *found) {
    size_t group = first_group;
    const size_t end = first_group + group_count;
    for (; group + CVK_GROUPS_AT_ONCE <= end; group += CVK_GROUPS_AT_ONCE) {
        const uint64_t word = present[group / CVK_GROUPS_AT_ONCE];
        const uint32_t number = base + (uint32_t)(group * CVK_GROUP);
        if (!word) continue;
        const uint8_t *next = rows->codes + (group + CVK_GROUPS_AT_ONCE) * cvk_group_words(rows) * 64;
        const size_t lines = CVK_GROUPS_AT_ONCE * cvk_group_words(rows);
        size_t query = 0;
        for (; query + 4 <= query_count; query += 4) {
            // The next groups, a share of them with every block.
            for (size_t line = query * lines / query_count; line < (query + 4) * lines / query_count; line++)
                _mm_prefetch((const char *)next + line * 64, _MM_HINT_T0);
            scan_block(shape, has_tails, rows, group, word, number, queries + query, found + query, 4, 4);
        }
        for (; query < query_count; query++)
            scan_block(shape, has_tails, rows, group, word, number, queries + query, found + query, 4, 1);
    }
    for (; group < end; group++) {
        const uint64_t word = present[group / CVK_GROUPS_AT_ONCE] >> (group % CVK_GROUPS_AT_ONCE * CVK_GROUP);
        for (size_t query = 0; query < query_count; query++)
            scan_block(shape, has_tails, rows, group, word & 0xFFFF, base + (uint32_t)(group * CVK_GROUP),
                       queries + query, found + query, 1, 1);
    }
}

#define CVK_SCAN(shape, has_tails)                                                                                     \
    scan(shape, has_tails, rows, first_group, group_count, present, base, queries, query_count, found)

CVK_TARGET void cvk_code_scan_vnni(cvk_shape shape, const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                                   const uint64_t *present, uint32_t base, const cvk_coded_query *queries,
                                   size_t query_count, cvk_found *found) {
    if (rows->factor_words == 2) {
        if (shape == cvk_shape_cosine) CVK_SCAN(cvk_shape_cosine, true);
        if (shape == cvk_shape_dot) CVK_SCAN(cvk_shape_dot, true);
        if (shape == cvk_shape_l2) CVK_SCAN(cvk_shape_l2, true);
    } else {
        if (shape == cvk_shape_cosine) CVK_SCAN(cvk_shape_cosine, false);
        if (shape == cvk_shape_dot) CVK_SCAN(cvk_shape_dot, false);
        if (shape == cvk_shape_l2) CVK_SCAN(cvk_shape_l2, false);
    }
}

CVK_TARGET CVK_INLINE int32_t record_dot(const uint8_t *codes, const int8_t *query, size_t coarse_bytes, size_t count) {
    __m512i sums = _mm512_setzero_si512();
    for (size_t at = 0; at < coarse_bytes; at += 16, query += 32) {
        const __m128i two = _mm_loadu_si128((const __m128i *)(codes + at));
        const __m256i row =
            _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(two, 4), two), _mm256_set1_epi8(15));
        const __m256i other = _mm256_loadu_si256((const __m256i *)query);
        sums = _mm512_dpbusd_epi32(sums, _mm512_zextsi256_si512(row), _mm512_zextsi256_si512(other));
    }
    codes += coarse_bytes;
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

CVK_DEFINE_REFINE(CVK_TARGET, vnni, record_dot)
#endif

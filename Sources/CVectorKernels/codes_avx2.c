#include "codes.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CVK_TARGET __attribute__((target("avx2,fma")))

// Four products a 32-bit lane are added. The instruction's first operand has no sign, as stored bytes have none, and pairs
// of products must fit 16 bits: 2 * 255 * CVK_MOST_OF_QUERY is below 2^15.
CVK_TARGET CVK_INLINE __m256i multiply(__m256i sums, __m256i row, __m256i query) {
    __m256i pairs = _mm256_maddubs_epi16(row, query);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

CVK_TARGET CVK_INLINE __m256i load(const uint8_t *codes) { return _mm256_loadu_si256((const __m256i *)codes); }

// Eight products a 32-bit lane are added, of codes that are halves of bytes: four products fit 16 bits by far.
CVK_TARGET CVK_INLINE __m256i multiply_coarse(__m256i sums, __m256i first, __m256i second, __m256i query,
                                              __m256i further) {
    __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(first, query), _mm256_maddubs_epi16(second, further));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// The lower and the upper halves of bytes.
CVK_TARGET CVK_INLINE __m256i lower(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
CVK_TARGET CVK_INLINE __m256i upper(__m256i bytes) { return lower(_mm256_srli_epi16(bytes, 4)); }

CVK_TARGET CVK_INLINE __m256i four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

// How far ahead a query alone asks for codes: the processor itself stops at the end of a page.
#define CVK_BYTES_AHEAD 8192

CVK_TARGET CVK_INLINE void block(const cvk_coded_rows *rows, size_t group, const cvk_coded_query *queries,
                                 int32_t *dots, size_t stride, const int G, const int Q) {
    const size_t words = rows->words, all_words = cvk_group_words(rows);
    const uint8_t *codes = rows->codes + group * all_words * 64;
    __m256i low[4], high[4];
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) low[q * G + g] = high[q * G + g] = _mm256_set1_epi32(queries[q].offset);
    }
    for (size_t word = 0; word < words; word++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) {
            const uint8_t *at = codes + (g * all_words + word) * 64;
            // An address past the end is no fault.
            if (Q == 1) _mm_prefetch((const char *)at + CVK_BYTES_AHEAD, _MM_HINT_T0);
            __m256i row_low = load(at), row_high = load(at + 32);
#pragma clang loop unroll(full)
            for (int q = 0; q < Q; q++) {
                __m256i query = four_codes(queries[q].codes + 4 * word);
                low[q * G + g] = multiply(low[q * G + g], row_low, query);
                high[q * G + g] = multiply(high[q * G + g], row_high, query);
            }
        }
    }
    for (size_t word = 0; word < rows->coarse_words; word++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) {
            const uint8_t *at = codes + (g * all_words + words + word) * 64;
            if (Q == 1) _mm_prefetch((const char *)at + CVK_BYTES_AHEAD, _MM_HINT_T0);
            __m256i row_low = load(at), row_high = load(at + 32);
#pragma clang loop unroll(full)
            for (int q = 0; q < Q; q++) {
                const int8_t *of_word = queries[q].codes + 4 * words + 8 * word;
                __m256i query = four_codes(of_word), further = four_codes(of_word + 4);
                low[q * G + g] = multiply_coarse(low[q * G + g], lower(row_low), upper(row_low), query, further);
                high[q * G + g] = multiply_coarse(high[q * G + g], lower(row_high), upper(row_high), query, further);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int g = 0; g < G; g++) {
            _mm256_storeu_si256((__m256i *)(dots + q * stride + g * CVK_GROUP), low[q * G + g]);
            _mm256_storeu_si256((__m256i *)(dots + q * stride + g * CVK_GROUP + 8), high[q * G + g]);
        }
    }
}

CVK_TARGET void cvk_code_dots_avx2(const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                                   const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride) {
    CVK_FOR_EACH_CODE_BLOCK(block, 1, 4, 1);
}

CVK_TARGET CVK_INLINE int32_t record_dot(const uint8_t *codes, const int8_t *query, size_t coarse_bytes, size_t count) {
    __m256i sums = _mm256_setzero_si256();
    for (size_t at = 0; at < coarse_bytes; at += 16, query += 32) {
        __m128i two = _mm_loadu_si128((const __m128i *)(codes + at));
        __m256i row = lower(_mm256_set_m128i(_mm_srli_epi16(two, 4), two));
        sums = multiply(sums, row, _mm256_loadu_si256((const __m256i *)query));
    }
    codes += coarse_bytes;
    for (size_t at = 0; at < count; at += 16) {
        __m256i row = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(codes + at)));
        __m256i other = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(query + at)));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(row, other));
    }
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

CVK_TARGET CVK_INLINE uint64_t good(const float *values, float threshold) {
    const __m256 limit = _mm256_set1_ps(threshold);
    uint64_t bits = 0;
    for (int part = 0; part < 8; part++) {
        __m256 passes = _mm256_cmp_ps(_mm256_loadu_ps(values + 8 * part), limit, _CMP_NLT_UQ);
        bits |= (uint64_t)(unsigned)_mm256_movemask_ps(passes) << (8 * part);
    }
    return bits;
}

CVK_DEFINE_SCAN(CVK_TARGET, avx2, good)
CVK_DEFINE_REFINE(CVK_TARGET, avx2, record_dot)
#endif

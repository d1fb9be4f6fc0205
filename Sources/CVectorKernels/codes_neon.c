#include "codes.h"

#if defined(__aarch64__)
#include <arm_neon.h>

// Stored bytes as codes.
CVK_INLINE int8x16_t load(const uint8_t *codes) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes), vdupq_n_u8(0x80)));
}

// The codes in the lower and the upper halves of bytes.
CVK_INLINE int8x16_t lower(uint8x16_t bytes) { return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))); }
CVK_INLINE int8x16_t upper(uint8x16_t bytes) { return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)); }

CVK_INLINE int8x16_t four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// Four products a 32-bit lane are added. A pair of products fits 16 bits: 2 * 127 * 127 is below 2^15.
CVK_INLINE int32x4_t multiply(int32x4_t sums, int8x16_t row, int8x16_t query) {
    int16x8_t low = vmull_s8(vget_low_s8(row), vget_low_s8(query)), high = vmull_high_s8(row, query);
    return vpadalq_s16(sums, vpaddq_s16(low, high));
}

#define CVK_DOTPROD __attribute__((target("dotprod")))

CVK_DOTPROD CVK_INLINE int32x4_t multiply_at_once(int32x4_t sums, int8x16_t row, int8x16_t query) {
    return vdotq_s32(sums, row, query);
}

// `multiply` adds the products of 4 rows. Without the offset, as codes are as they were.
#define CVK_DEFINE_BLOCK(target, block, multiply)                                                                      \
    target CVK_INLINE void block(const cvk_coded_rows *rows, size_t group, const cvk_coded_query *queries,             \
                                 int32_t *dots, size_t stride, const int G, const int Q) {                             \
        const size_t words = rows->words, all_words = cvk_group_words(rows);                                           \
        const uint8_t *codes = rows->codes + group * all_words * 64;                                                   \
        int32x4_t sums[4][4];                                                                                          \
        for (int q = 0; q < Q; q++)                                                                                    \
            for (int g = 0; g < G; g++)                                                                                \
                for (int part = 0; part < 4; part++)                                                                   \
                    sums[q * G + g][part] = vdupq_n_s32(queries[q].coarse_offset);                                     \
        for (size_t word = 0; word < words; word++) {                                                                  \
            for (int g = 0; g < G; g++) {                                                                              \
                for (int q = 0; q < Q; q++) {                                                                          \
                    int8x16_t query = four_codes(queries[q].codes + 4 * word);                                         \
                    for (int part = 0; part < 4; part++) {                                                             \
                        int8x16_t row = load(codes + (g * all_words + word) * 64 + 16 * part);                         \
                        sums[q * G + g][part] = multiply(sums[q * G + g][part], row, query);                           \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (size_t word = 0; word < rows->coarse_words; word++) {                                                     \
            for (int g = 0; g < G; g++) {                                                                              \
                for (int q = 0; q < Q; q++) {                                                                          \
                    const int8_t *of_word = queries[q].codes + 4 * words + 8 * word;                                   \
                    int8x16_t query = four_codes(of_word), further = four_codes(of_word + 4);                          \
                    for (int part = 0; part < 4; part++) {                                                             \
                        uint8x16_t two = vld1q_u8(codes + (g * all_words + words + word) * 64 + 16 * part);            \
                        int32x4_t sum = multiply(sums[q * G + g][part], lower(two), query);                            \
                        sums[q * G + g][part] = multiply(sum, upper(two), further);                                    \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        for (int q = 0; q < Q; q++)                                                                                    \
            for (int g = 0; g < G; g++)                                                                                \
                for (int part = 0; part < 4; part++)                                                                   \
                    vst1q_s32(dots + q * stride + g * CVK_GROUP + 4 * part, sums[q * G + g][part]);                    \
    }

CVK_DEFINE_BLOCK(, block_neon, multiply)
CVK_DEFINE_BLOCK(CVK_DOTPROD, block_dotprod, multiply_at_once)

void cvk_code_dots_neon(const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                        const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride) {
    CVK_FOR_EACH_CODE_BLOCK(block_neon, 1, 4, 2);
}

CVK_DOTPROD void cvk_code_dots_dotprod(const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                                       const cvk_coded_query *queries, size_t query_count, int32_t *dots,
                                       size_t stride) {
    CVK_FOR_EACH_CODE_BLOCK(block_dotprod, 1, 4, 4);
}

// The sum over stored bytes is that over codes and 128 times the query's sum.
#define CVK_DEFINE_RECORD_DOT(target, record_dot, multiply)                                                            \
    target CVK_INLINE int32_t record_dot(const uint8_t *codes, const int8_t *query, size_t coarse_bytes,               \
                                         size_t count) {                                                               \
        int32x4_t sums = vdupq_n_s32(0), query_sum = vdupq_n_s32(0);                                                   \
        for (size_t at = 0; at < coarse_bytes; at += 16, query += 32) {                                                \
            uint8x16_t two = vld1q_u8(codes + at);                                                                     \
            sums = multiply(sums, lower(two), vld1q_s8(query));                                                        \
            sums = multiply(sums, upper(two), vld1q_s8(query + 16));                                                   \
        }                                                                                                              \
        codes += coarse_bytes;                                                                                         \
        for (size_t at = 0; at < count; at += 16) {                                                                    \
            int8x16_t other = vld1q_s8(query + at);                                                                    \
            sums = multiply(sums, load(codes + at), other);                                                            \
            query_sum = vpadalq_s16(query_sum, vpaddlq_s8(other));                                                     \
        }                                                                                                              \
        return vaddvq_s32(sums) + 128 * vaddvq_s32(query_sum);                                                         \
    }

CVK_DEFINE_RECORD_DOT(, record_dot_neon, multiply)
CVK_DEFINE_RECORD_DOT(CVK_DOTPROD, record_dot_dotprod, multiply_at_once)
CVK_INLINE uint64_t good(const float *values, float threshold) {
    const float32x4_t limit = vdupq_n_f32(threshold);
    const uint32_t weights[4] = {1, 2, 4, 8};
    const uint32x4_t weight = vld1q_u32(weights);
    uint64_t bits = 0;
    for (int part = 0; part < 16; part++) {
        uint32x4_t passes = vmvnq_u32(vcltq_f32(vld1q_f32(values + 4 * part), limit));
        bits |= (uint64_t)vaddvq_u32(vandq_u32(passes, weight)) << (4 * part);
    }
    return bits;
}

CVK_DEFINE_SCAN(, neon, good)
CVK_DEFINE_SCAN(CVK_DOTPROD, dotprod, good)
CVK_DEFINE_REFINE(, neon, record_dot_neon)
CVK_DEFINE_REFINE(CVK_DOTPROD, dotprod, record_dot_dotprod)
#endif

// What the kernels for codes share: loops that a compiler turns into the instructions of the function that they are
// inlined into.
#pragma once

#include <math.h>

#include "kernels.h"

#define CVK_NAMES(suffix)                                                                                              \
    void cvk_code_dots_##suffix(const cvk_coded_rows *rows, size_t first_group, size_t group_count,                    \
                                const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride);     \
    void cvk_code_scan_##suffix(cvk_shape shape, const cvk_coded_rows *rows, size_t first_group, size_t group_count,   \
                                const uint64_t *present, uint32_t base, const cvk_coded_query *queries,                \
                                size_t query_count, cvk_found *found);                                                 \
    size_t cvk_refine_##suffix(cvk_shape shape, const cvk_coded_rows *rows, uint32_t base,                             \
                               const cvk_coded_query *query, float threshold, uint32_t *numbers, float *bounds,        \
                               size_t count)

CVK_NAMES(portable);
#if defined(__x86_64__)
CVK_NAMES(avx2);
CVK_NAMES(vnni);
/// Whether this machine has AVX-512 BW, VL and VNNI.
bool cvk_has_vnni(void);
#elif defined(__aarch64__)
CVK_NAMES(neon);
CVK_NAMES(dotprod);
/// Whether this machine multiplies bytes four at a time.
bool cvk_has_dotprod(void);
#endif

// What cvk_most_of_query is where pairs of products have 16 bits.
#define CVK_MOST_OF_QUERY 64

// The words of 64 bytes that a group has for the first stage.
CVK_INLINE size_t cvk_group_words(const cvk_coded_rows *rows) { return rows->words + rows->coarse_words; }

typedef union cvk_dot_or_bound {
    int32_t dot;
    float bound;
} cvk_dot_or_bound;

// What is in the words of `factors`. The second word's halves are in steps.
CVK_INLINE float cvk_as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

CVK_INLINE float cvk_scale(uint32_t word) { return cvk_as_float(word & 0xFFFF0000); }
CVK_INLINE float cvk_residual(uint32_t word) { return cvk_as_float(word << 16); }
CVK_INLINE float cvk_lead(uint32_t word) { return (float)((int32_t)word >> 16); }
CVK_INLINE float cvk_tail(uint32_t word) { return (float)(int32_t)(word & 0xFFFF); }

// The bounds of a group, in place of its products. `contract` off or on, the margin covers it.
CVK_INLINE void cvk_bound_group(const cvk_shape shape, const bool has_tails, const uint32_t *factors,
                                const float *norms, const cvk_coded_query *query, cvk_dot_or_bound *values) {
    for (size_t row = 0; row < CVK_GROUP; row++) {
        float product = (float)values[row].dot * (cvk_scale(factors[row]) * query->scale);
        float rest = query->constant;
        if (has_tails) {
            const uint32_t word = factors[CVK_GROUP + row];
            rest += cvk_tail(word) * query->tail + cvk_lead(word) * query->lead;
        }
        float bound = product + (cvk_residual(factors[row]) * query->residual + rest);
        if (shape == cvk_shape_dot) bound *= norms[row];
        if (shape == cvk_shape_l2) bound = norms[row] * (query->weight * bound - norms[row]);
        values[row].bound = bound;
    }
}

CVK_INLINE void cvk_bound_groups(const cvk_shape shape, const bool has_tails, const cvk_coded_rows *rows, size_t group,
                                 size_t group_count, const cvk_coded_query *query, cvk_dot_or_bound *values) {
    const size_t factors = rows->factor_words * CVK_GROUP;
    for (size_t number = 0; number < group_count; number++)
        cvk_bound_group(shape, has_tails, rows->factors + (group + number) * factors,
                        rows->norms + (group + number) * CVK_GROUP * (shape != cvk_shape_cosine), query,
                        values + number * CVK_GROUP);
}

// Groups whose rows are a word of a bitmap.
#define CVK_GROUPS_AT_ONCE 4

// Bit i is set where value i of 64 is not below a threshold: a NaN counts.
typedef uint64_t cvk_good(const float *values, float threshold);

typedef void cvk_code_dots_function(const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                                    const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride);

// A scan by way of the first cache: products of 64 rows with some queries, their bounds, and what is good of them.
CVK_INLINE void cvk_scan_rows(const cvk_shape shape, const bool has_tails, const cvk_coded_rows *rows,
                              size_t first_group, size_t group_count, const uint64_t *present, uint32_t base,
                              const cvk_coded_query *queries, size_t query_count, cvk_found *found,
                              cvk_code_dots_function *const code_dots, cvk_good *const good) {
    enum { most = 16, at_once = CVK_GROUPS_AT_ONCE * CVK_GROUP };
    cvk_dot_or_bound values[most * at_once];
    memset(values, 0, sizeof values);
    for (size_t group = first_group; group < first_group + group_count; group += CVK_GROUPS_AT_ONCE) {
        size_t groups = first_group + group_count - group;
        groups = groups < CVK_GROUPS_AT_ONCE ? groups : CVK_GROUPS_AT_ONCE;
        uint64_t word = present[group / CVK_GROUPS_AT_ONCE];
        if (groups < CVK_GROUPS_AT_ONCE) word &= ((uint64_t)1 << (groups * CVK_GROUP)) - 1;
        if (!word) continue;
        for (size_t first = 0; first < query_count; first += most) {
            const size_t count = query_count - first < most ? query_count - first : most;
            code_dots(rows, group, groups, queries + first, count, &values->dot, at_once);
            for (size_t query = 0; query < count; query++) {
                cvk_dot_or_bound *of_query = values + query * at_once;
                cvk_found *to = found + first + query;
                cvk_bound_groups(shape, has_tails, rows, group, groups, queries + first + query, of_query);
                uint64_t left = word & good(&of_query->bound, to->threshold);
                for (; left; left &= left - 1) {
                    const unsigned row = (unsigned)__builtin_ctzll(left);
                    to->numbers[to->count] = base + (uint32_t)(group * CVK_GROUP) + row;
                    to->bounds[to->count++] = of_query[row].bound;
                }
            }
        }
    }
}

#define CVK_SCAN_ROWS(shape, has_tails, suffix, good)                                                                  \
    cvk_scan_rows(shape, has_tails, rows, first_group, group_count, present, base, queries, query_count, found,        \
                  cvk_code_dots_##suffix, good)

#define CVK_DEFINE_SCAN(target, suffix, good)                                                                          \
    target void cvk_code_scan_##suffix(cvk_shape shape, const cvk_coded_rows *rows, size_t first_group,                \
                                       size_t group_count, const uint64_t *present, uint32_t base,                     \
                                       const cvk_coded_query *queries, size_t query_count, cvk_found *found) {         \
        if (rows->factor_words == 2) {                                                                                 \
            if (shape == cvk_shape_cosine) CVK_SCAN_ROWS(cvk_shape_cosine, true, suffix, good);                        \
            if (shape == cvk_shape_dot) CVK_SCAN_ROWS(cvk_shape_dot, true, suffix, good);                              \
            if (shape == cvk_shape_l2) CVK_SCAN_ROWS(cvk_shape_l2, true, suffix, good);                                \
        } else {                                                                                                       \
            if (shape == cvk_shape_cosine) CVK_SCAN_ROWS(cvk_shape_cosine, false, suffix, good);                       \
            if (shape == cvk_shape_dot) CVK_SCAN_ROWS(cvk_shape_dot, false, suffix, good);                             \
            if (shape == cvk_shape_l2) CVK_SCAN_ROWS(cvk_shape_l2, false, suffix, good);                               \
        }                                                                                                              \
    }

typedef int32_t cvk_record_dot(const uint8_t *codes, const int8_t *query, size_t coarse_bytes, size_t count);

// The way to records is long: they are asked for this many rows ahead.
#define CVK_RECORDS_AHEAD 8

CVK_INLINE void cvk_ask_for_record(const cvk_shape shape, const cvk_coded_rows *rows, size_t record_bytes, size_t row) {
    const uint8_t *record = rows->records + row * record_bytes;
    for (size_t byte = 0; byte < record_bytes + 63; byte += 64) __builtin_prefetch(record + byte);
    if (shape != cvk_shape_cosine) __builtin_prefetch(rows->norms + row);
}

// `record_dot` is the sum of (half of a byte or byte, as it is stored) * (query's code), without the offset.
CVK_INLINE size_t cvk_refine_rows(const cvk_shape shape, const cvk_coded_rows *rows, uint32_t base,
                                  const cvk_coded_query *query, float threshold, uint32_t *numbers, float *bounds,
                                  size_t count, cvk_record_dot *const record_dot) {
    const size_t coarse = rows->record_coarse_bytes, codes = rows->record_codes;
    const size_t record_bytes = CVK_RECORD_HEAD + coarse + codes;
    size_t kept = 0;
    for (size_t index = 0; index < count && index < CVK_RECORDS_AHEAD; index++)
        cvk_ask_for_record(shape, rows, record_bytes, numbers[index] - base);
    for (size_t index = 0; index < count; index++) {
        if (index + CVK_RECORDS_AHEAD < count)
            cvk_ask_for_record(shape, rows, record_bytes, numbers[index + CVK_RECORDS_AHEAD] - base);
        const size_t row = numbers[index] - base;
        const uint8_t *record = rows->records + row * record_bytes;
        float head[3];
        memcpy(head, record, sizeof head);
        uint32_t first;
        memcpy(&first, record + sizeof head, sizeof first);
        int32_t dot = query->record_offset + record_dot(record + CVK_RECORD_HEAD, query->record_codes, coarse, codes);
        float change = (float)dot * (head[0] * query->record_scale) +
                       (head[1] * query->record_residual - cvk_residual(first >> 16) * query->record_first) +
                       (head[2] * query->record_tail - cvk_tail(first) * query->tail) +
                       query->record_constant;
        float unit = shape == cvk_shape_cosine ? 1 : query->weight * rows->norms[row];
        float bound = bounds[index] + unit * change;
        // Both hold. A row that is always to be chosen stays so: infinity minus infinity is not below anything.
        bound = bound < bounds[index] ? bound : bounds[index];
        numbers[kept] = numbers[index];
        bounds[kept] = bound;
        kept += !(bound < threshold);
    }
    return kept;
}

// The function that has nothing but what it is compiled for to say.
#define CVK_DEFINE_REFINE(target, suffix, record_dot)                                                                  \
    target size_t cvk_refine_##suffix(cvk_shape shape, const cvk_coded_rows *rows, uint32_t base,                      \
                                      const cvk_coded_query *query, float threshold, uint32_t *numbers, float *bounds, \
                                      size_t count) {                                                                  \
        return cvk_refine_rows(shape, rows, base, query, threshold, numbers, bounds, count, record_dot);               \
    }

// Cuts groups x queries into blocks of constant size: `block(rows, group, queries, dots, stride, g, q)`.
#define CVK_FOR_EACH_CODE_BLOCK(block, G, Q, single_G)                                                                 \
    do {                                                                                                               \
        size_t group = 0;                                                                                              \
        if (query_count == 1)                                                                                          \
            for (; group + (single_G) <= group_count; group += (single_G))                                             \
                block(rows, first_group + group, queries, dots + group * CVK_GROUP, stride, (single_G), 1);            \
        for (; group + (G) <= group_count; group += (G)) {                                                             \
            size_t query = 0;                                                                                          \
            for (; query + (Q) <= query_count; query += (Q))                                                           \
                block(rows, first_group + group, queries + query, dots + query * stride + group * CVK_GROUP, stride,   \
                      (G), (Q));                                                                                       \
            for (; query < query_count; query++)                                                                       \
                block(rows, first_group + group, queries + query, dots + query * stride + group * CVK_GROUP, stride,   \
                      (G), 1);                                                                                         \
        }                                                                                                              \
        for (; group < group_count; group++)                                                                           \
            for (size_t query = 0; query < query_count; query++)                                                       \
                block(rows, first_group + group, queries + query, dots + query * stride + group * CVK_GROUP, stride,   \
                      1, 1);                                                                                           \
    } while (0)

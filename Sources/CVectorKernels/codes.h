// What the kernels for codes share: loops that a compiler turns into the instructions of the function that they are
// inlined into.
#pragma once

#include <math.h>

#include "kernels.h"

#define CVK_NAMES(suffix)                                                                                              \
    void cvk_code_dots_##suffix(const cvk_coded_rows *rows, size_t first_group, size_t group_count,                    \
                                const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride);     \
    void cvk_code_bounds_##suffix(cvk_shape shape, const cvk_coded_rows *rows, size_t first_group, size_t group_count, \
                                  const cvk_coded_query *query, void *dots_to_bounds);                                 \
    size_t cvk_select_##suffix(const float *bounds, size_t count, float threshold, uint32_t *selected);                \
    size_t cvk_refine_##suffix(cvk_shape shape, const cvk_coded_rows *rows, const cvk_coded_query *query,              \
                               float threshold, float *bounds, uint32_t *selected, size_t count)

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

typedef union cvk_dot_or_bound {
    int32_t dot;
    float bound;
} cvk_dot_or_bound;

// The bounds of a group. `contract` off or on, the margin covers it.
CVK_INLINE void cvk_bound_group(const cvk_shape shape, const float *factors, const float *norms,
                                const cvk_coded_query *query, cvk_dot_or_bound *values) {
    for (size_t row = 0; row < CVK_GROUP; row++) {
        float product = (float)values[row].dot * (factors[row] * query->scale);
        float bound = product + factors[CVK_GROUP + row] * query->residual +
                      (factors[2 * CVK_GROUP + row] * query->tail + query->constant);
        if (shape == cvk_shape_dot) bound *= norms[row];
        if (shape == cvk_shape_l2) bound = norms[row] * (query->weight * bound - norms[row]);
        values[row].bound = bound;
    }
}

CVK_INLINE void cvk_bound_groups(cvk_shape shape, const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                                 const cvk_coded_query *query, void *dots_to_bounds) {
    cvk_dot_or_bound *values = dots_to_bounds;
    const float *factors = rows->factors + first_group * 3 * CVK_GROUP;
    const float *norms = rows->norms ? rows->norms + first_group * CVK_GROUP : 0;
    for (size_t group = 0; group < group_count; group++) {
        const float *at = factors + group * 3 * CVK_GROUP;
        cvk_dot_or_bound *to = values + group * CVK_GROUP;
        if (shape == cvk_shape_cosine) cvk_bound_group(cvk_shape_cosine, at, 0, query, to);
        if (shape == cvk_shape_dot) cvk_bound_group(cvk_shape_dot, at, norms + group * CVK_GROUP, query, to);
        if (shape == cvk_shape_l2) cvk_bound_group(cvk_shape_l2, at, norms + group * CVK_GROUP, query, to);
    }
}

// Written so that NaN is selected.
CVK_INLINE size_t cvk_select_one_by_one(const float *bounds, size_t start, size_t end, float threshold,
                                        uint32_t *selected, size_t found) {
    for (size_t row = start; row < end; row++) {
        selected[found] = (uint32_t)row;
        found += !(bounds[row] < threshold);
    }
    return found;
}

typedef int32_t cvk_record_dot(const uint8_t *codes, const int8_t *query, size_t count);

// The way to records is long: they are asked for this many rows ahead.
#define CVK_RECORDS_AHEAD 8

// `record_dot` is the sum of (byte as it is stored) * (query's code), without the offset.
CVK_INLINE size_t cvk_refine_rows(const cvk_shape shape, const cvk_coded_rows *rows, const cvk_coded_query *query,
                                  float threshold, float *bounds, uint32_t *selected, size_t count,
                                  cvk_record_dot *const record_dot) {
    const size_t codes = rows->record_codes, record_bytes = CVK_RECORD_HEAD + codes;
    size_t kept = 0;
    for (size_t index = 0; index < count; index++) {
        if (index + CVK_RECORDS_AHEAD < count) {
            const uint8_t *next = rows->records + selected[index + CVK_RECORDS_AHEAD] * record_bytes;
            for (size_t byte = 0; byte < record_bytes + 63; byte += 64) __builtin_prefetch(next + byte);
        }
        const size_t row = selected[index];
        const uint8_t *record = rows->records + row * record_bytes;
        float head[3];
        memcpy(head, record, sizeof head);
        const float *factors = rows->factors + row / CVK_GROUP * 3 * CVK_GROUP + row % CVK_GROUP;
        int32_t dot = query->record_offset + record_dot(record + CVK_RECORD_HEAD, query->record_codes, codes);
        float change = (float)dot * (head[0] * query->record_scale) +
                       (head[1] * query->record_residual - factors[CVK_GROUP] * query->residual) +
                       (head[2] * query->record_tail - factors[2 * CVK_GROUP] * query->tail) + query->record_constant;
        float unit = shape == cvk_shape_cosine ? 1 : query->weight * rows->norms[row];
        float bound = bounds[row] + unit * change;
        // A row that is always to be chosen stays so: infinity minus infinity.
        bounds[row] = bound != bound ? bounds[row] : bound;
        selected[kept] = (uint32_t)row;
        kept += !(bounds[row] < threshold);
    }
    return kept;
}

// The two functions that have nothing but what they are compiled for to say, and the third round its product.
#define CVK_DEFINE_BOUNDS_AND_REFINE(target, suffix, record_dot)                                                       \
    target void cvk_code_bounds_##suffix(cvk_shape shape, const cvk_coded_rows *rows, size_t first_group,              \
                                         size_t group_count, const cvk_coded_query *query, void *dots_to_bounds) {     \
        cvk_bound_groups(shape, rows, first_group, group_count, query, dots_to_bounds);                                \
    }                                                                                                                  \
    target size_t cvk_refine_##suffix(cvk_shape shape, const cvk_coded_rows *rows, const cvk_coded_query *query,       \
                                      float threshold, float *bounds, uint32_t *selected, size_t count) {              \
        return cvk_refine_rows(shape, rows, query, threshold, bounds, selected, count, record_dot);                    \
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

// What the kernels share. Each has one function that measures `query_count` queries against `row_count` rows.
#pragma once

#include "CVectorKernels.h"

#define CVK_LANES 16
#define CVK_INLINE static inline __attribute__((always_inline))

#define CVK_MEASURE_NAMES(suffix)                                                                                      \
    void cvk_measure_##suffix(cvk_measure measure, const float *queries, size_t query_count, const float *rows,        \
                              size_t row_count, size_t width, float *results, size_t results_stride);                  \
    void cvk_measure_picked_##suffix(cvk_measure measure, const float *queries, size_t query_count,                    \
                                     const float *const *picked, size_t row_count, size_t width, float *results,       \
                                     size_t results_stride)

CVK_MEASURE_NAMES(portable);
#if defined(__x86_64__)
CVK_MEASURE_NAMES(avx2);
CVK_MEASURE_NAMES(avx512);
#elif defined(__aarch64__)
CVK_MEASURE_NAMES(neon);
#endif

// Rows are asked for this far ahead in bytes, for a block of 4 rows: about the time that memory takes to answer.
#define CVK_AHEAD 4096

// One block: `at` are its rows, `ahead` what is to be asked for meanwhile. An address past the end is no fault, as a
// prefetch is a hint.
#define CVK_MEASURE_BLOCK(block, Q, R, is_picked, row_at)                                                              \
    do {                                                                                                               \
        const float *at[R], *ahead[R];                                                                                 \
        for (size_t i = 0; i < (R); i++) {                                                                             \
            at[i] = row_at(row + i);                                                                                   \
            ahead[i] = !(is_picked) ? at[i] + CVK_AHEAD / 16 * (R)                                                     \
                       : row + (R) + i < row_count ? row_at(row + (R) + i)                                             \
                                                   : at[i];                                                            \
        }                                                                                                              \
        block(measure, queries + query * width, at, ahead, width, results + query * results_stride + row,              \
              results_stride, (Q), (R), (is_picked));                                                                  \
    } while (0)

// Cuts queries x rows into blocks of constant size, so that each block's sums stay in registers. All queries meet a
// group of rows before the next group comes: a few queries stay in the first cache, and the rows pass once.
#define CVK_FOR_EACH_BLOCK(block, Q, R, single_R, is_picked, row_at)                                                   \
    do {                                                                                                               \
        size_t row = 0;                                                                                                \
        if (query_count == 1) {                                                                                        \
            const size_t query = 0;                                                                                    \
            for (; row + (single_R) <= row_count; row += (single_R))                                                   \
                CVK_MEASURE_BLOCK(block, 1, single_R, is_picked, row_at);                                              \
        }                                                                                                              \
        for (; row + (R) <= row_count; row += (R)) {                                                                   \
            size_t query = 0;                                                                                          \
            for (; query + (Q) <= query_count; query += (Q)) CVK_MEASURE_BLOCK(block, Q, R, is_picked, row_at);        \
            for (; query < query_count; query++) CVK_MEASURE_BLOCK(block, 1, R, is_picked, row_at);                    \
        }                                                                                                              \
        for (; row < row_count; row++)                                                                                 \
            for (size_t query = 0; query < query_count; query++) CVK_MEASURE_BLOCK(block, 1, 1, is_picked, row_at);    \
    } while (0)

#define CVK_SIDE_BY_SIDE(index) (rows + (index) * width)
#define CVK_PICKED(index) (picked[index])

// The functions of a kernel for a measure that is known when they are compiled, and the way to them.
#define CVK_DEFINE_MEASURE(target, name, value, block, Q, R, single_R)                                                 \
    target static void name(const float *queries, size_t query_count, const float *rows, size_t row_count,             \
                            size_t width, float *results, size_t results_stride) {                                     \
        const cvk_measure measure = value;                                                                             \
        CVK_FOR_EACH_BLOCK(block, Q, R, single_R, 0, CVK_SIDE_BY_SIDE);                                                \
    }                                                                                                                  \
    target static void picked_##name(const float *queries, size_t query_count, const float *const *picked,             \
                                     size_t row_count, size_t width, float *results, size_t results_stride) {          \
        const cvk_measure measure = value;                                                                             \
        CVK_FOR_EACH_BLOCK(block, Q, R, 4, 1, CVK_PICKED);                                                             \
    }

#define CVK_DEFINE_MEASURES(target, suffix, block, Q, R, single_R)                                                     \
    CVK_DEFINE_MEASURE(target, dots, cvk_measure_dot, block, Q, R, single_R)                                           \
    CVK_DEFINE_MEASURE(target, distances, cvk_measure_squared_l2, block, Q, R, single_R)                               \
    void cvk_measure_##suffix(cvk_measure measure, const float *queries, size_t query_count, const float *rows,        \
                              size_t row_count, size_t width, float *results, size_t results_stride) {                 \
        (measure == cvk_measure_dot ? dots : distances)(queries, query_count, rows, row_count, width, results,         \
                                                        results_stride);                                               \
    }                                                                                                                  \
    void cvk_measure_picked_##suffix(cvk_measure measure, const float *queries, size_t query_count,                    \
                                     const float *const *picked, size_t row_count, size_t width, float *results,       \
                                     size_t results_stride) {                                                          \
        (measure == cvk_measure_dot ? picked_dots : picked_distances)(queries, query_count, picked, row_count, width,  \
                                                                      results, results_stride);                        \
    }

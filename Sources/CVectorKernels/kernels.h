// What the kernels share. Each has one function that measures `query_count` queries against `row_count` rows.
#pragma once

#include "CVectorKernels.h"

#define CVK_LANES 16
#define CVK_INLINE static inline __attribute__((always_inline))

void cvk_measure_portable(cvk_measure measure, const float *queries, size_t query_count, const float *rows,
                          size_t row_count, size_t width, float *results, size_t results_stride);
#if defined(__x86_64__)
void cvk_measure_avx2(cvk_measure measure, const float *queries, size_t query_count, const float *rows,
                      size_t row_count, size_t width, float *results, size_t results_stride);
void cvk_measure_avx512(cvk_measure measure, const float *queries, size_t query_count, const float *rows,
                        size_t row_count, size_t width, float *results, size_t results_stride);
#elif defined(__aarch64__)
void cvk_measure_neon(cvk_measure measure, const float *queries, size_t query_count, const float *rows,
                      size_t row_count, size_t width, float *results, size_t results_stride);
#endif

// Cuts queries x rows into blocks and calls `block(measure, queries, rows, width, results, results_stride, q, r)` with
// q and r constants, so that each block's sums stay in registers. All queries meet a group of rows before the next
// group comes: a few queries stay in the first cache, and the rows pass once.
#define CVK_FOR_EACH_BLOCK(block, Q, R, single_R)                                                                      \
    do {                                                                                                               \
        size_t row = 0;                                                                                                \
        if (query_count == 1) {                                                                                        \
            for (; row + (single_R) <= row_count; row += (single_R))                                                   \
                block(measure, queries, rows + row * width, width, results + row, results_stride, 1, (single_R));      \
        }                                                                                                              \
        for (; row + (R) <= row_count; row += (R)) {                                                                   \
            size_t query = 0;                                                                                          \
            for (; query + (Q) <= query_count; query += (Q))                                                           \
                block(measure, queries + query * width, rows + row * width, width,                                     \
                      results + query * results_stride + row, results_stride, (Q), (R));                               \
            for (; query < query_count; query++)                                                                       \
                block(measure, queries + query * width, rows + row * width, width,                                     \
                      results + query * results_stride + row, results_stride, 1, (R));                                 \
        }                                                                                                              \
        for (; row < row_count; row++) {                                                                               \
            for (size_t query = 0; query < query_count; query++)                                                       \
                block(measure, queries + query * width, rows + row * width, width,                                     \
                      results + query * results_stride + row, results_stride, 1, 1);                                   \
        }                                                                                                              \
    } while (0)

// Rows here and there: each is asked for while those before it are measured, as memory is slow to answer and nothing
// else tells the processor which row comes next.
#include "CVectorKernels.h"

// Rows that are asked for ahead. Two fill what a core can have under way.
#define CVK_ROWS_AHEAD 2

static inline void ask_for(const float *row, size_t width) {
    for (size_t start = 0; start < width; start += 16) __builtin_prefetch(row + start);
}

void cvk_measure_picked(cvk_kernel kernel, cvk_measure measure, const float *queries, size_t query_count,
                        const float *rows, const uint32_t *picked, size_t picked_count, size_t width, float *results,
                        size_t results_stride) {
    for (size_t i = 0; i < picked_count && i < CVK_ROWS_AHEAD; i++) ask_for(rows + picked[i] * width, width);
    for (size_t i = 0; i < picked_count; i++) {
        if (i + CVK_ROWS_AHEAD < picked_count) ask_for(rows + picked[i + CVK_ROWS_AHEAD] * width, width);
        cvk_measure_rows(kernel, measure, queries, query_count, rows + picked[i] * width, 1, width, results + i,
                         results_stride);
    }
}

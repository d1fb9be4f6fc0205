#include "kernels.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

static float measured(cvk_measure measure, const float *lhs, const float *rhs, size_t width) {
    float sums[CVK_LANES] = {0};
    for (size_t start = 0; start < width; start += CVK_LANES) {
        for (size_t lane = 0; lane < CVK_LANES; lane++) {
            float left = lhs[start + lane], right = rhs[start + lane];
            if (measure == cvk_measure_squared_l2) left = right = left - right;
            sums[lane] = fmaf(left, right, sums[lane]);
        }
    }
    for (size_t half = CVK_LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
    return sums[0];
}

void cvk_measure_portable(cvk_measure measure, const float *queries, size_t query_count, const float *rows,
                          size_t row_count, size_t width, float *results, size_t results_stride) {
    for (size_t query = 0; query < query_count; query++)
        for (size_t row = 0; row < row_count; row++)
            results[query * results_stride + row] =
                measured(measure, queries + query * width, rows + row * width, width);
}

void cvk_measure_picked_portable(cvk_measure measure, const float *queries, size_t query_count,
                                 const float *const *picked, size_t row_count, size_t width, float *results,
                                 size_t results_stride) {
    for (size_t query = 0; query < query_count; query++)
        for (size_t row = 0; row < row_count; row++)
            results[query * results_stride + row] = measured(measure, queries + query * width, picked[row], width);
}

// Eight sums, so that the compiler can use vectors without reordering anything. A product of two floats is exact in a
// double.
#define CVK_SUM_IN_DOUBLE(left_of, right_of)                                                                           \
    double sums[8] = {0};                                                                                              \
    size_t index = 0;                                                                                                  \
    for (; index + 8 <= count; index += 8)                                                                             \
        for (size_t lane = 0; lane < 8; lane++) sums[lane] += (left_of(index + lane)) * (right_of(index + lane));      \
    double rest = 0;                                                                                                   \
    for (; index < count; index++) rest += (left_of(index)) * (right_of(index));                                       \
    return (((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))) + rest

double cvk_sum_of_squares(const float *vector, size_t count) {
#define CVK_COMPONENT(i) (double)vector[i]
    CVK_SUM_IN_DOUBLE(CVK_COMPONENT, CVK_COMPONENT);
#undef CVK_COMPONENT
}

double cvk_dot_double(const float *lhs, const float *rhs, size_t count) {
#define CVK_LEFT(i) (double)lhs[i]
#define CVK_RIGHT(i) (double)rhs[i]
    CVK_SUM_IN_DOUBLE(CVK_LEFT, CVK_RIGHT);
#undef CVK_LEFT
#undef CVK_RIGHT
}

double cvk_squared_l2_double(const float *lhs, const float *rhs, size_t count) {
#define CVK_DIFFERENCE(i) ((double)lhs[i] - (double)rhs[i])
    CVK_SUM_IN_DOUBLE(CVK_DIFFERENCE, CVK_DIFFERENCE);
#undef CVK_DIFFERENCE
}

bool cvk_is_finite(const float *vector, size_t count) {
    // Of exponents, the greatest alone overflows into the sign when one is added. A comparison would become a branch for
    // each component, five times slower.
    uint32_t overflow = 0;
    for (size_t index = 0; index < count; index++) {
        uint32_t bits;
        memcpy(&bits, vector + index, sizeof bits);
        overflow |= (bits & 0x7F800000u) + 0x00800000u;
    }
    return (overflow & 0x80000000u) == 0;
}

void cvk_network_order(const void *words, void *to, size_t count) {
    for (size_t index = 0; index < count; index++) {
        uint32_t word;
        memcpy(&word, (const char *)words + 4 * index, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        word = __builtin_bswap32(word);
#endif
        memcpy((char *)to + 4 * index, &word, sizeof word);
    }
}

// Making codes and axes: in double precision, away from any query.
#include "codes.h"

#pragma STDC FP_CONTRACT OFF

// Adding and taking away this rounds a small double to the nearest whole number.
static const double to_whole = 0x1.8p52;

float cvk_rounded_up(float value) {
    // Written so that NaN, of a damaged file, is no number that rules a row out.
    if (!(value < INFINITY)) return INFINITY;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return cvk_as_float((bits + 0xFFFF) & 0xFFFF0000);
}

uint32_t cvk_pair_of_floats(float scale, float norm) {
    uint32_t upper, lower;
    memcpy(&upper, &scale, sizeof upper);
    memcpy(&lower, &norm, sizeof lower);
    return (upper & 0xFFFF0000) | lower >> 16;
}

uint32_t cvk_pair_of_steps(double lead, double norm) {
    double steps = lead * CVK_STEPS;
    const double most = INT16_MAX;
    steps = steps < most ? steps : most;
    steps = steps > -most ? steps : -most;
    const int32_t nearest = (int32_t)((steps + to_whole) - to_whole);
    double up = ceil(norm * CVK_STEPS);
    up = up < CVK_STEPS ? up : CVK_STEPS;
    return (uint32_t)nearest << 16 | (uint32_t)up;
}

void cvk_encode_group(const float *components, size_t stride, size_t count, const double *row_factors, uint8_t *codes,
                      size_t word_stride, size_t row_stride, float *scales, double *energies, double *residuals) {
    double highest[CVK_GROUP] = {0}, steps[CVK_GROUP], inverses[CVK_GROUP];
    for (size_t row = 0; row < CVK_GROUP; row++) energies[row] = residuals[row] = 0;
    for (size_t k = 0; k < count; k++) {
        for (size_t row = 0; row < CVK_GROUP; row++) {
            double value = (double)components[k * stride + row] * row_factors[row];
            energies[row] += value * value;
            highest[row] = fabs(value) > highest[row] ? fabs(value) : highest[row];
        }
    }
    for (size_t row = 0; row < CVK_GROUP; row++) {
        scales[row] = cvk_rounded_up((float)(highest[row] / 127));
        steps[row] = scales[row];
        inverses[row] = scales[row] > 0 ? 1 / steps[row] : 0;
    }
    for (size_t k = 0; k < count; k++) {
        double whole[CVK_GROUP];
        for (size_t row = 0; row < CVK_GROUP; row++) {
            double value = (double)components[k * stride + row] * row_factors[row];
            double wanted = value * inverses[row];
            // A scale below a float's precision would ask for more; written so that NaN, of a damaged file, goes too.
            wanted = wanted > 127 ? 127 : wanted > -127 ? wanted : -127;
            whole[row] = (wanted + to_whole) - to_whole;
            double missed = value - whole[row] * steps[row];
            residuals[row] += missed * missed;
        }
        uint8_t *to = codes + k / 4 * word_stride + k % 4;
        for (size_t row = 0; row < CVK_GROUP; row++) to[row * row_stride] = (uint8_t)(128 + (int)whole[row]);
    }
}

static double dot(const double *lhs, const double *rhs, size_t count) {
    double sums[8] = {0};
    size_t index = 0;
    for (; index + 8 <= count; index += 8)
        for (size_t lane = 0; lane < 8; lane++) sums[lane] += lhs[index + lane] * rhs[index + lane];
    for (; index < count; index++) sums[0] += lhs[index] * rhs[index];
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

void cvk_orthonormalize(double *vectors, size_t count, size_t width) {
    for (size_t vector = 0; vector < count; vector++) {
        double *at = vectors + vector * width;
        const double before = dot(at, at, width);
        // Once more, as the first time leaves what rounding put in.
        for (int time = 0; time < 2; time++) {
            for (size_t earlier = 0; earlier < vector; earlier++) {
                const double *other = vectors + earlier * width;
                double product = dot(at, other, width);
                for (size_t index = 0; index < width; index++) at[index] -= product * other[index];
            }
        }
        const double after = dot(at, at, width);
        const double inverse = after > before * 0x1p-60 && after > 0 ? 1 / sqrt(after) : 0;
        for (size_t index = 0; index < width; index++) at[index] = inverse > 0 ? at[index] * inverse : 0;
    }
}

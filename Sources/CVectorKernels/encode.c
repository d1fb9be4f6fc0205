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

void cvk_measure_group(const float *components, size_t stride, size_t count, const double *row_factors,
                       double *highest, double *energies) {
    for (size_t row = 0; row < CVK_GROUP; row++) highest[row] = energies[row] = 0;
    for (size_t k = 0; k < count; k++) {
        for (size_t row = 0; row < CVK_GROUP; row++) {
            double value = (double)components[k * stride + row] * row_factors[row];
            energies[row] += value * value;
            highest[row] = fabs(value) > highest[row] ? fabs(value) : highest[row];
        }
    }
}

// A step's multiple next to a value, from `least` to `most` times. A step below a float's precision would ask for more;
// written so that NaN, of a damaged file, goes too.
CVK_INLINE double nearest(double value, double inverse, double least, double most) {
    double wanted = value * inverse;
    wanted = wanted > most ? most : wanted > least ? wanted : least;
    return (wanted + to_whole) - to_whole;
}

CVK_INLINE double inverse(double step) { return step > 0 ? 1 / step : 0; }

void cvk_encode_group(const float *components, size_t stride, size_t count, const double *row_factors,
                      const float *scales, uint8_t *codes, size_t word_stride, size_t row_stride, double *residuals) {
    double inverses[CVK_GROUP];
    for (size_t row = 0; row < CVK_GROUP; row++) {
        inverses[row] = inverse(scales[row]);
        residuals[row] = 0;
    }
    for (size_t k = 0; k < count; k++) {
        double whole[CVK_GROUP];
        for (size_t row = 0; row < CVK_GROUP; row++) {
            const double value = (double)components[k * stride + row] * row_factors[row];
            whole[row] = nearest(value, inverses[row], -127, 127);
            const double missed = value - whole[row] * (double)scales[row];
            residuals[row] += missed * missed;
        }
        uint8_t *to = codes + k / 4 * word_stride + k % 4;
        for (size_t row = 0; row < CVK_GROUP; row++) to[row * row_stride] = (uint8_t)(128 + (int)whole[row]);
    }
}

void cvk_coarse_steps(const float *components, size_t stride, size_t count, const double *row_factors,
                      double *energies, double *steps, double *residuals, double *highest_missed) {
    double highest[CVK_GROUP], tried[CVK_GROUP];
    cvk_measure_group(components, stride, count, row_factors, highest, energies);
    for (size_t row = 0; row < CVK_GROUP; row++) {
        highest[row] /= 7.5;
        // The best for a normal distribution.
        const double least = count > 0 ? 0.36 * sqrt(energies[row] / (double)count) : 0;
        tried[row] = least < highest[row] ? least : highest[row];
        steps[row] = highest[row];
        residuals[row] = INFINITY;
        highest_missed[row] = 0;
    }
    for (bool goes_on = true; goes_on;) {
        double sums[CVK_GROUP] = {0}, maxima[CVK_GROUP] = {0}, inverses[CVK_GROUP];
        for (size_t row = 0; row < CVK_GROUP; row++) inverses[row] = inverse(tried[row]);
        for (size_t k = 0; k < count; k++) {
            for (size_t row = 0; row < CVK_GROUP; row++) {
                const double value = (double)components[k * stride + row] * row_factors[row];
                const double missed = fabs(value - nearest(value, inverses[row], -8, 7) * tried[row]);
                sums[row] += missed * missed;
                maxima[row] = missed > maxima[row] ? missed : maxima[row];
            }
        }
        goes_on = false;
        for (size_t row = 0; row < CVK_GROUP; row++) {
            if (sums[row] < residuals[row]) {
                residuals[row] = sums[row];
                steps[row] = tried[row];
                highest_missed[row] = maxima[row];
            }
            if (!(tried[row] < highest[row])) continue;
            tried[row] = tried[row] * 1.4 < highest[row] ? tried[row] * 1.4 : highest[row];
            goes_on = true;
        }
    }
}

// Puts a code from -8 to 7 into half of a byte.
CVK_INLINE void put(uint8_t *byte, size_t shift, double code) {
    *byte = (uint8_t)((*byte & ~(15 << shift)) | (8 + (int)code) << shift);
}

void cvk_encode_coarse(const float *components, size_t stride, size_t count, const double *row_factors,
                       const float *scales, const float *record_scales, uint8_t *codes, uint8_t *records,
                       size_t record_stride, double *residuals, double *record_residuals) {
    double steps[CVK_GROUP], inverses[CVK_GROUP], record_inverses[CVK_GROUP];
    for (size_t row = 0; row < CVK_GROUP; row++) {
        steps[row] = CVK_COARSE * (double)scales[row];
        inverses[row] = inverse(steps[row]);
        record_inverses[row] = inverse(record_scales[row]);
        residuals[row] = record_residuals[row] = 0;
    }
    for (size_t k = 0; k < count; k++) {
        double whole[CVK_GROUP], further[CVK_GROUP];
        for (size_t row = 0; row < CVK_GROUP; row++) {
            const double value = (double)components[k * stride + row] * row_factors[row];
            whole[row] = nearest(value, inverses[row], -8, 7);
            const double missed = value - whole[row] * steps[row];
            residuals[row] += missed * missed;
            further[row] = nearest(missed, record_inverses[row], -8, 7);
            const double left = missed - further[row] * (double)record_scales[row];
            record_residuals[row] += left * left;
        }
        for (size_t row = 0; row < CVK_GROUP; row++) {
            put(codes + k / 8 * 64 + row * 4 + k % 4, k & 4, whole[row]);
            put(records + row * record_stride + k / 32 * 16 + k % 16, (k & 16) / 4, further[row]);
        }
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

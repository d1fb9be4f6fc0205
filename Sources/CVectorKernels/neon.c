#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

// Four times four lanes, added as the fixed tree.
CVK_INLINE float reduce(const float32x4_t *sums) {
    float32x4_t four = vaddq_f32(vaddq_f32(sums[0], sums[2]), vaddq_f32(sums[1], sums[3]));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

CVK_INLINE void block(const cvk_measure measure, const float *queries, const float *const *at,
                      const float *const *ahead, size_t width, float *results, size_t stride, const int Q,
                      const int R, const bool is_picked) {
    float32x4_t sums[4][4];
#pragma clang loop unroll(full)
    for (int i = 0; i < Q * R; i++) {
#pragma clang loop unroll(full)
        for (int part = 0; part < 4; part++) sums[i][part] = vdupq_n_f32(0);
    }
    for (size_t start = 0; start < width; start += CVK_LANES) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++)
            if (is_picked) __builtin_prefetch(ahead[r] + start);
#pragma clang loop unroll(full)
        for (int part = 0; part < 4; part++) {
            float32x4_t row[4];
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) row[r] = vld1q_f32(at[r] + start + 4 * part);
#pragma clang loop unroll(full)
            for (int q = 0; q < Q; q++) {
                float32x4_t query = vld1q_f32(queries + q * width + start + 4 * part);
#pragma clang loop unroll(full)
                for (int r = 0; r < R; r++) {
                    float32x4_t left = query, right = row[r];
                    if (measure == cvk_measure_squared_l2) left = right = vsubq_f32(query, row[r]);
                    sums[q * R + r][part] = vfmaq_f32(sums[q * R + r][part], left, right);
                }
            }
        }
    }
#pragma clang loop unroll(full)
    for (int q = 0; q < Q; q++) {
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) results[q * stride + r] = reduce(sums[q * R + r]);
    }
}

CVK_DEFINE_MEASURES(, neon, block, 2, 2, 4)
#endif

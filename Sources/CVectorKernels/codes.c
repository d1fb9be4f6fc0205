// The portable kernel for codes, and the way to the others.
#include "codes.h"

static void block(const cvk_coded_rows *rows, size_t group, const cvk_coded_query *queries, int32_t *dots,
                  size_t stride, int G, int Q) {
    for (int q = 0; q < Q; q++) {
        for (int g = 0; g < G; g++) {
            const uint8_t *codes = rows->codes + (group + (size_t)g) * cvk_group_words(rows) * 64;
            const uint8_t *coarse = codes + rows->words * 64;
            const int8_t *query = queries[q].codes + rows->words * 4;
            int32_t sums[CVK_GROUP];
            for (size_t row = 0; row < CVK_GROUP; row++) sums[row] = queries[q].offset;
            for (size_t word = 0; word < rows->words; word++)
                for (size_t row = 0; row < CVK_GROUP; row++)
                    for (size_t lane = 0; lane < 4; lane++)
                        sums[row] += codes[word * 64 + row * 4 + lane] * queries[q].codes[word * 4 + lane];
            for (size_t word = 0; word < rows->coarse_words; word++)
                for (size_t row = 0; row < CVK_GROUP; row++)
                    for (size_t lane = 0; lane < 4; lane++) {
                        const int two = coarse[word * 64 + row * 4 + lane];
                        sums[row] += (two & 15) * query[word * 8 + lane] + (two >> 4) * query[word * 8 + 4 + lane];
                    }
            memcpy(dots + (size_t)q * stride + (size_t)g * CVK_GROUP, sums, sizeof sums);
        }
    }
}

void cvk_code_dots_portable(const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                            const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride) {
    CVK_FOR_EACH_CODE_BLOCK(block, 1, 1, 1);
}

CVK_INLINE int32_t record_dot(const uint8_t *codes, const int8_t *query, size_t coarse_bytes, size_t count) {
    int32_t sum = 0;
    for (size_t at = 0; at < coarse_bytes; at += 16, query += 32)
        for (size_t lane = 0; lane < 16; lane++)
            sum += (codes[at + lane] & 15) * query[lane] + (codes[at + lane] >> 4) * query[16 + lane];
    for (size_t at = 0; at < count; at++) sum += codes[coarse_bytes + at] * query[at];
    return sum;
}

static uint64_t good(const float *values, float threshold) {
    uint64_t bits = 0;
    for (size_t row = 0; row < 64; row++) bits |= (uint64_t)!(values[row] < threshold) << row;
    return bits;
}

CVK_DEFINE_SCAN(, portable, good)
CVK_DEFINE_REFINE(, portable, record_dot)

size_t cvk_keep(float threshold, uint32_t *numbers, float *bounds, size_t count) {
    size_t kept = 0;
    for (size_t index = 0; index < count; index++) {
        const float bound = bounds[index];
        numbers[kept] = numbers[index];
        bounds[kept] = bound;
        kept += !(bound < threshold);
    }
    return kept;
}

size_t cvk_highest(const float *bounds, size_t count) {
    float best[CVK_GROUP];
    for (size_t lane = 0; lane < CVK_GROUP; lane++) best[lane] = -INFINITY;
    size_t row = 0;
    for (; row + CVK_GROUP <= count; row += CVK_GROUP)
        for (size_t lane = 0; lane < CVK_GROUP; lane++)
            best[lane] = bounds[row + lane] > best[lane] ? bounds[row + lane] : best[lane];
    for (; row < count; row++) best[0] = bounds[row] > best[0] ? bounds[row] : best[0];
    float highest = best[0];
    for (size_t lane = 1; lane < CVK_GROUP; lane++) highest = best[lane] > highest ? best[lane] : highest;
    if (highest == -INFINITY) return count;
    for (row = 0; row < count; row++)
        if (bounds[row] == highest) return row;
    return count;
}

// Calls the kernel's function. AVX-512 without VNNI has nothing over AVX2 here.
#if defined(__x86_64__)
#define CVK_CALL(name, ...)                                                                                            \
    switch (kernel) {                                                                                                  \
    case cvk_kernel_avx512:                                                                                            \
        if (cvk_has_vnni()) return name##_vnni(__VA_ARGS__);                                                           \
        return name##_avx2(__VA_ARGS__);                                                                               \
    case cvk_kernel_avx2:                                                                                              \
        return name##_avx2(__VA_ARGS__);                                                                               \
    default:                                                                                                           \
        return name##_portable(__VA_ARGS__);                                                                           \
    }
#elif defined(__aarch64__)
#define CVK_CALL(name, ...)                                                                                            \
    switch (kernel) {                                                                                                  \
    case cvk_kernel_neon:                                                                                              \
        if (cvk_has_dotprod()) return name##_dotprod(__VA_ARGS__);                                                     \
        return name##_neon(__VA_ARGS__);                                                                               \
    default:                                                                                                           \
        return name##_portable(__VA_ARGS__);                                                                           \
    }
#else
#define CVK_CALL(name, ...) return name##_portable(__VA_ARGS__)
#endif

int32_t cvk_most_of_query(cvk_kernel kernel) {
#if defined(__x86_64__)
    if (kernel == cvk_kernel_avx2 || (kernel == cvk_kernel_avx512 && !cvk_has_vnni())) return CVK_MOST_OF_QUERY;
#endif
    (void)kernel;
    return 127;
}

void cvk_code_dots(cvk_kernel kernel, const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                   const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride) {
    CVK_CALL(cvk_code_dots, rows, first_group, group_count, queries, query_count, dots, stride);
}

void cvk_code_scan(cvk_kernel kernel, cvk_shape shape, const cvk_coded_rows *rows, size_t first_group,
                   size_t group_count, const uint64_t *present, uint32_t base, const cvk_coded_query *queries,
                   size_t query_count, cvk_found *found) {
    CVK_CALL(cvk_code_scan, shape, rows, first_group, group_count, present, base, queries, query_count, found);
}

size_t cvk_refine(cvk_kernel kernel, cvk_shape shape, const cvk_coded_rows *rows, uint32_t base,
                  const cvk_coded_query *query, float threshold, uint32_t *numbers, float *bounds, size_t count) {
    CVK_CALL(cvk_refine, shape, rows, base, query, threshold, numbers, bounds, count);
}

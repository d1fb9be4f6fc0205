// The few loops that need SIMD instructions which the compiler cannot be told to use function by function elsewhere.
//
// Every kernel gives the same bits. For a pair of a query and a row there are 16 sums, one for each position modulo 16;
// each is one chain of fused multiply-adds from the first component to the last, and they are added as a fixed tree
// (i with i + 8, then i + 4, i + 2, i + 1). How many pairs are in flight at once changes the speed and nothing else, so
// a query alone and a query in a batch, on any machine, have equal answers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Which instructions a kernel uses.
typedef enum cvk_kernel {
    /// C alone.
    cvk_kernel_portable = 0,
    /// x86: AVX2 with FMA.
    cvk_kernel_avx2 = 1,
    /// x86: AVX-512 F.
    cvk_kernel_avx512 = 2,
    /// ARM, 64 bits.
    cvk_kernel_neon = 3,
} cvk_kernel;

/// What a kernel computes for a pair of vectors.
typedef enum cvk_measure {
    /// The sum of the products.
    cvk_measure_dot = 0,
    /// The sum of the squared differences.
    cvk_measure_squared_l2 = 1,
} cvk_measure;

/// Whether this machine can run a kernel.
bool cvk_is_available(cvk_kernel kernel);

/// The fastest kernel that this machine can run.
cvk_kernel cvk_best_kernel(void);

/// Measures every query against every row.
///
/// `queries` and `rows` are contiguous vectors of `width` floats, a multiple of 16; shorter vectors are padded with
/// zeros. The measure of query q and row r goes to `results[q * results_stride + r]`. The kernel has to be available.
/// Any alignment works; 64 bytes is fastest.
void cvk_measure_rows(cvk_kernel kernel, cvk_measure measure, const float *queries, size_t query_count,
                      const float *rows, size_t row_count, size_t width, float *results, size_t results_stride);

/// Measures every query against rows here and there; the measure of query q and the i-th row goes to
/// `results[q * results_stride + i]`. Otherwise as `cvk_measure_rows`. Rows are asked for while those before them are
/// measured, as memory is slow to answer and nothing else tells the processor which row comes next.
void cvk_measure_picked(cvk_kernel kernel, cvk_measure measure, const float *queries, size_t query_count,
                        const float *const *picked, size_t row_count, size_t width, float *results,
                        size_t results_stride);

/// The sum of the squares in double precision: infinite or NaN exactly if a component is.
double cvk_sum_of_squares(const float *vector, size_t count);

/// The dot product in double precision.
double cvk_dot_double(const float *lhs, const float *rhs, size_t count);

/// The sum of the squared differences in double precision.
double cvk_squared_l2_double(const float *lhs, const float *rhs, size_t count);

/// Whether no component is infinite or NaN.
bool cvk_is_finite(const float *vector, size_t count);

/// Copies 32-bit words from the machine's order of bytes to that of networks, or back. Neither place needs to be aligned,
/// and both may be the same.
void cvk_network_order(const void *words, void *to, size_t count);

/// Has the processor fetch the memory at an offset from an address, which need not be there.
static inline void cvk_prefetch(const void *base, size_t offset) { __builtin_prefetch((const char *)base + offset); }

/// CRC-32C (Castagnoli) of bytes that follow others whose checksum is `crc`; 0 to begin with.
uint32_t cvk_crc32c(uint32_t crc, const void *bytes, size_t count);

/// The same without special instructions, to test the other.
uint32_t cvk_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

/// A number for bytes that is spread evenly over 64 bits. Who does not know the seed cannot choose bytes that share one;
/// it is not for secrets. The same everywhere, so that it may be stored.
uint64_t cvk_hash(uint64_t seed, const void *bytes, size_t count);

/// The order of bytes: negative, zero or positive.
static inline int cvk_compare_bytes(const void *lhs, const void *rhs, size_t count) {
    return count == 0 ? 0 : memcmp(lhs, rhs, count);
}

#ifdef __cplusplus
}
#endif

#include "CVectorCodes.h"

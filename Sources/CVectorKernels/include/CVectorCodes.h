// Products of codes, and what bounds a row's product from them.
//
// A code is a whole number from -127 to 127 (`cvk_most_of_query` for some of a query). Codes of rows are stored as bytes of code + 128, those of queries as
// int8_t. A row's components may have coarse codes too, from -8 to 7, in half a byte as code + 8; their steps are
// CVK_COARSE times as long as those of the row's other codes, and those of a query as much shorter, so that all products
// of codes count the same. Sums are exact 32-bit integers, and every kernel has the same ones; bounds may differ between kernels in the
// last bit, which their margin covers.
//
// Rows come in groups of 16. A group's leading codes are words of 4 components: word w of the 16 rows is 64 bytes, row
// by row, so that one vector register works on 16 rows and nothing is added across its lanes. Words of coarse codes
// follow, of 8 components each: a byte has components 8w + i in its lower half, and 8w + 4 + i in its upper one. The
// codes of the second stage are read for few rows; they lie in records, a record a row.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "CVectorKernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Rows of a group.
#define CVK_GROUP 16

/// How many steps of a row's codes are one of its coarse codes.
#define CVK_COARSE 4

/// How the bound of the cosine, u, becomes the bound that rows are chosen by.
typedef enum cvk_shape {
    /// u
    cvk_shape_cosine = 0,
    /// norm * u
    cvk_shape_dot = 1,
    /// norm * (2 * |query| * u - norm)
    cvk_shape_l2 = 2,
} cvk_shape;

/// Coded rows: whole groups, the last of which may have rows that are not there.
typedef struct cvk_coded_rows {
    /// `(words + coarse_words) * 64` bytes a group.
    const uint8_t *codes;
    /// Words of a row of the first stage, and those of coarse codes.
    size_t words, coarse_words;
    /// What goes with the codes: a word for each of a group's 16 rows, `cvk_pair_of_floats` of the scale and the norm of
    /// the residual; then, where there are 2 words a row, `cvk_pair_of_steps` of the lead, a component beside the codes,
    /// and the norm of the tail.
    const uint32_t *factors;
    /// 1 or 2.
    size_t factor_words;
    /// A norm a row, where the shape asks for it.
    const float *norms;
    /// Records of the second stage: scale, norm of the residual of both stages, norm of the tail, all float, then what
    /// the first stage has in their place, `cvk_pair_of_norms`; then what the coarse codes miss, in halves of bytes like
    /// theirs (byte j of the 16 bytes b has components 32b + j and 32b + 16 + j); then `record_codes` codes.
    const uint8_t *records;
    /// Codes in a record, and bytes before them for the coarse ones: multiples of 16.
    size_t record_codes, record_coarse_bytes;
} cvk_coded_rows;

/// What is before the codes of a record.
#define CVK_RECORD_HEAD 16

/// The largest code of a query, but for the coarse ones and those of the second stage, that a kernel can multiply.
int32_t cvk_most_of_query(cvk_kernel kernel);

/// A coded query. Bounds are sums of products with a row's scale, norm of residual, and steps of tail and lead.
typedef struct cvk_coded_query {
    /// The first stage's codes: `words` words, then 8 codes for each of `coarse_words`; and those of the second stage, 2
    /// for each of `record_coarse_bytes`, then `record_codes`.
    const int8_t *codes, *record_codes;
    /// -128 times the sum of the codes and -8 times the sum of those for coarse ones; the latter alone.
    int32_t offset, record_offset, coarse_offset;
    float scale, residual, tail, lead, constant;
    /// The second stage's; its constant is what it adds to the first's, `record_first` what it takes away of a row's
    /// first residual.
    float record_scale, record_residual, record_tail, record_constant, record_first;
    /// For l2 twice the query's norm, otherwise 1.
    float weight;
} cvk_coded_query;

/// How many steps are 1 in `cvk_pair_of_steps`.
#define CVK_STEPS 16384.0f

/// The least of the floats with 8 bits of precision that are no smaller than a value of at least 0; infinity for NaN.
float cvk_rounded_up(float value);

/// Two values of `cvk_rounded_up` in a word: the scale in the upper half, the norm in the lower one.
uint32_t cvk_pair_of_floats(float scale, float norm);

/// A component between -2 and 2 as the nearest whole number of steps, or one beyond as near as there is, in the upper
/// half of a word; a norm from 0 to 1, rounded up to one, in the lower half.
uint32_t cvk_pair_of_steps(double lead, double norm);

/// The norm of the residual and the steps of the tail out of a row's words of the first stage, in the upper and the lower
/// half of a word.
static inline uint32_t cvk_pair_of_norms(uint32_t floats, uint32_t steps) { return floats << 16 | (steps & 0xFFFF); }

/// The products of groups of rows from `first_group` on with queries: row r of them and query q at
/// `dots[q * stride + r]`.
void cvk_code_dots(cvk_kernel kernel, const cvk_coded_rows *rows, size_t first_group, size_t group_count,
                   const cvk_coded_query *queries, size_t query_count, int32_t *dots, size_t stride);

/// What a query has found so far: the numbers of rows that may be good enough, and their bounds.
typedef struct cvk_found {
    uint32_t *numbers;
    float *bounds;
    size_t count;
    /// Rows whose bound is below do not come in. Finite.
    float threshold;
} cvk_found;

/// Bounds the rows of groups from `first_group` on, a multiple of 4, for every query, and adds those that are present
/// and not below the query's threshold to what it has found, in order. There has to be room for all of the rows and 16
/// more.
///
/// Row r is present if bit r % 64 of `present[r / 64]` is set, and its number is `base + r`. Where none of 64 rows is
/// present, they are not read.
void cvk_code_scan(cvk_kernel kernel, cvk_shape shape, const cvk_coded_rows *rows, size_t first_group,
                   size_t group_count, const uint64_t *present, uint32_t base, const cvk_coded_query *queries,
                   size_t query_count, cvk_found *found);

/// Brings the bounds of rows that a query has found down by the second stage, and keeps those that are not below a
/// threshold, in place. Row r has the number `base + r`. Returns how many.
size_t cvk_refine(cvk_kernel kernel, cvk_shape shape, const cvk_coded_rows *rows, uint32_t base,
                  const cvk_coded_query *query, float threshold, uint32_t *numbers, float *bounds, size_t count);

/// Keeps the rows whose bound is not below a threshold, in place. Returns how many.
size_t cvk_keep(float threshold, uint32_t *numbers, float *bounds, size_t count);

/// The first row with the highest bound; `count` if all are -infinity or NaN.
size_t cvk_highest(const float *bounds, size_t count);

/// The largest magnitude and the square of the norm, for each of the 16 rows of a group, of `count` components: component
/// k of row r is `components[k * stride + r]` times the row's factor.
void cvk_measure_group(const float *components, size_t stride, size_t count, const double *row_factors,
                       double *highest, double *energies);

/// Codes such components by steps of the rows' scales. The code of component k of row r goes to
/// `codes[k / 4 * word_stride + r * row_stride + k % 4]`. Finds the squares of the norms of what the codes miss.
void cvk_encode_group(const float *components, size_t stride, size_t count, const double *row_factors,
                      const float *scales, uint8_t *codes, size_t word_stride, size_t row_stride, double *residuals);

/// The squares of the norms of such components; the steps, of some that are tried, by which coarse codes of them miss
/// least; the squares of the norms of what they miss then, and the most that they miss of a component. The largest
/// components may have no code near them.
void cvk_coarse_steps(const float *components, size_t stride, size_t count, const double *row_factors,
                      double *energies, double *steps, double *residuals, double *highest_missed);

/// Gives such components coarse codes by CVK_COARSE steps of the rows' scales, into words of 64 bytes, and what those
/// miss into records, by steps of the records' scales. Finds the squares of the norms of what the coarse codes miss, and
/// of what both do. Halves of bytes without a component keep what they have.
void cvk_encode_coarse(const float *components, size_t stride, size_t count, const double *row_factors,
                       const float *scales, const float *record_scales, uint8_t *codes, uint8_t *records,
                       size_t record_stride, double *residuals, double *record_residuals);

/// Makes vectors orthonormal, one after the other, in their order (Gram-Schmidt, twice). What is left of a vector that
/// depends on those before it becomes zero.
void cvk_orthonormalize(double *vectors, size_t count, size_t width);

#ifdef __cplusplus
}
#endif

// FAISS as a C++ program calls it, with nothing between.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct direct_index direct_index;
/// An index by its factory text, over rows. `ef_search` and `probes` are set where the type has them.
direct_index *direct_create(
    const char *description, int64_t dimension, bool is_l2, const float *rows, int64_t count, int ef_search, int probes);
void direct_free(direct_index *index);
/// `faiss::Index::search`.
void direct_search(
    const direct_index *index, const float *queries, int64_t query_count, int64_t k, float *distances, int64_t *numbers);
/// OpenMP's threads of the calling thread, the BLAS's, and from how many queries on FAISS uses the BLAS.
void direct_set_threads(int openmp, int blas, int blas_threshold);
#ifdef __cplusplus
}
#endif

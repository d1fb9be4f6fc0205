#include "CFaissDirect.h"

#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/index_factory.h>
#include <faiss/utils/distances.h>
#include <omp.h>

extern "C" void openblas_set_num_threads(int) __attribute__((weak));

static faiss::Index *of(direct_index *index) { return reinterpret_cast<faiss::Index *>(index); }

extern "C" {

direct_index *direct_create(
    const char *description, int64_t dimension, bool is_l2, const float *rows, int64_t count, int ef_search, int probes) {
    auto metric = is_l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    faiss::Index *index = faiss::index_factory(int(dimension), description, metric);
    if (auto graph = dynamic_cast<faiss::IndexHNSW *>(index)) {
        graph->hnsw.efConstruction = 80;
        graph->hnsw.efSearch = ef_search;
    }
    if (!index->is_trained) index->train(count, rows);
    if (auto lists = dynamic_cast<faiss::IndexIVF *>(index)) lists->nprobe = size_t(probes);
    index->add(count, rows);
    return reinterpret_cast<direct_index *>(index);
}

void direct_free(direct_index *index) { delete of(index); }

void direct_search(
    const direct_index *index, const float *queries, int64_t query_count, int64_t k, float *distances, int64_t *numbers) {
    of(const_cast<direct_index *>(index))->search(query_count, queries, k, distances, numbers);
}

void direct_set_threads(int openmp, int blas, int blas_threshold) {
    omp_set_num_threads(openmp);
    if (openblas_set_num_threads) openblas_set_num_threads(blas);
    faiss::distance_compute_blas_threshold = blas_threshold;
}

}  // extern "C"

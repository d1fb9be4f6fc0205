// What the Swift side uses of FAISS, as C functions. No C++ exception leaves them: every call that can fail answers a
// cfaiss_status, and cfaiss_message() then has the reason, for the calling thread, until its next call.
//
// Rows live outside of FAISS, in blocks of (1 << shift) rows each: row r is at
// blocks[r >> shift] + (r & mask) * dimension. An index holds a prefix of them under their row numbers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct cfaiss_index cfaiss_index;

typedef enum {
    CFAISS_OK = 0,
    CFAISS_REFUSED = 1,       // FAISS threw: a parameter it does not take, an index that it cannot read
    CFAISS_OUT_OF_MEMORY = 2,
    CFAISS_FAILED = 3,        // any other exception
} cfaiss_status;

typedef enum { CFAISS_COSINE = 0, CFAISS_DOT = 1, CFAISS_L2 = 2 } cfaiss_metric;

typedef struct {
    const float *const *blocks;
    int shift;
    int64_t dimension;
} cfaiss_rows;

/// What an index can do.
typedef struct {
    int64_t count;          // rows in it
    bool is_trained;
    bool is_flat;           // exact, and rows can be taken out by cfaiss_forget
    bool takes_selector;    // searches can be limited to some rows
} cfaiss_facts;

const char *cfaiss_message(void);
const char *cfaiss_version(void);

/// Bounds the threads of OpenMP and of the BLAS, which the whole process shares, and sets from which number of queries
/// a flat search uses the BLAS: FAISS's distance_compute_blas_threshold and OpenBLAS's number of threads, for everybody
/// in the process.
void cfaiss_set_threads(int threads, int blas_threshold);
/// The processors that this process may run on, at least 1.
int cfaiss_processors(void);
/// How many threads of OpenMP work beside those that call, at this moment.
int cfaiss_helpers(void);

/// An index by a description that index_factory takes; the caller has checked it. Cosine is the inner product of
/// normalised rows. "Flat" keeps l2 rows with minus half their squared norm as one more component, so that the nearest
/// row has the largest inner product, which costs one matrix product and not two passes.
cfaiss_status cfaiss_create(
    const char *description, int64_t dimension, cfaiss_metric metric, int ef_construction, cfaiss_index **out);
/// How many candidates of a graph a search looks at, and how many inverted lists it reads, where the index has them.
void cfaiss_tune(cfaiss_index *index, int ef_search, int probes);
void cfaiss_free(cfaiss_index *index);
cfaiss_facts cfaiss_describe(const cfaiss_index *index);

/// Trains on the rows named.
cfaiss_status cfaiss_train(cfaiss_index *index, cfaiss_rows rows, const int64_t *numbers, int64_t count);
/// Adds the rows [first, first + count), where first is the number of rows in the index.
cfaiss_status cfaiss_add(cfaiss_index *index, cfaiss_rows rows, int64_t first, int64_t count);
/// Makes rows of a flat index compare as nothing, so that no search finds them.
cfaiss_status cfaiss_forget(cfaiss_index *index, const int64_t *numbers, int64_t count);

/// The k best rows of each query, best first; -1 where there are fewer. Approximations are comparable within one answer
/// only: larger is better. A bitmap (one bit a row, little end first), if any, limits the search.
cfaiss_status cfaiss_search(
    const cfaiss_index *index, const float *queries, int64_t query_count, int64_t k, const uint8_t *bitmap,
    size_t bitmap_bytes, float *approximations, int64_t *numbers);

/// The scores of the rows named, in double precision.
void cfaiss_score(
    cfaiss_rows rows, cfaiss_metric metric, const float *query, const int64_t *numbers, int64_t count, float *scores);
/// The largest Euclidean norm among rows [first, first + count).
double cfaiss_largest_norm(cfaiss_rows rows, int64_t first, int64_t count);

/// The index as bytes, to be freed with free().
cfaiss_status cfaiss_serialise(const cfaiss_index *index, uint8_t **bytes, size_t *count);
/// An index from bytes that cfaiss_serialise made; the caller has compared a checksum. Refuses what does not have the
/// dimension and the number of rows.
cfaiss_status cfaiss_deserialise(
    const uint8_t *bytes, size_t count, int64_t dimension, cfaiss_metric metric, int64_t rows, cfaiss_index **out);

#ifdef __cplusplus
}
#endif

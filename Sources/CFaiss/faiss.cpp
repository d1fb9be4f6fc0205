#ifdef MINIORM_FAISS
#include "CFaiss.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/io.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>
#include <omp.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

// Absent where the BLAS is not OpenBLAS.
extern "C" void openblas_set_num_threads(int) __attribute__((weak));

struct cfaiss_index {
    std::unique_ptr<faiss::Index> index;
    int64_t dimension;
    cfaiss_metric metric;
    faiss::IndexFlat *flat;
    bool takes_selector;

    // l2 on a flat index is an inner product with one component more.
    bool is_augmented() const { return flat && metric == CFAISS_L2; }
};

namespace {

// A fixed buffer: noting that memory is short takes no memory.
thread_local char message[512];

void note(const char *text) { std::snprintf(message, sizeof message, "%s", text); }

template <class Body> cfaiss_status guarded(Body body) noexcept {
    try {
        body();
        return CFAISS_OK;
    } catch (const std::bad_alloc &) {
        note("out of memory");
        return CFAISS_OUT_OF_MEMORY;
    } catch (const faiss::FaissException &error) {
        note(error.what());
        return CFAISS_REFUSED;
    } catch (const std::exception &error) {
        note(error.what());
        return CFAISS_FAILED;
    } catch (...) {
        note("an exception of unknown type");
        return CFAISS_FAILED;
    }
}

std::atomic<int> thread_limit{1};
std::atomic<int> helpers{0};

// OpenMP's threads for one call: the one that calls, and helpers, which all callers together have one fewer of than the
// limit. Helpers without a piece of the work would only be started and spin. OpenMP keeps the number per calling
// thread, which gets back what it had.
class Team {
    int before, borrowed = 0;

  public:
    explicit Team(int64_t pieces) : before(omp_get_max_threads()) {
        int most = thread_limit.load() - 1, used = helpers.load();
        do {
            borrowed = int(std::clamp<int64_t>(std::min<int64_t>(most - used, pieces - 1), 0, std::max(most, 0)));
        } while (borrowed > 0 && !helpers.compare_exchange_weak(used, used + borrowed));
        omp_set_num_threads(1 + borrowed);
    }
    ~Team() {
        helpers.fetch_sub(borrowed);
        omp_set_num_threads(before);
    }
    Team(const Team &) = delete;
    Team &operator=(const Team &) = delete;
};

inline const float *row(const cfaiss_rows &rows, int64_t number) {
    return rows.blocks[number >> rows.shift] + (number & ((int64_t(1) << rows.shift) - 1)) * rows.dimension;
}

// Compiled twice where the loader can choose, so that a plain build uses wide registers on machines that have them.
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
#define CFAISS_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define CFAISS_WIDE
#endif

#define CFAISS_INLINE inline __attribute__((always_inline))

// Eight sums at once, so that the compiler can keep them in vector registers without reordering an addition.
CFAISS_INLINE double total(const double *sums) {
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

CFAISS_INLINE double dot(const float *lhs, const float *rhs, int64_t dimension) {
    double sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int64_t at = 0;
    for (; at + 8 <= dimension; at += 8)
        for (int lane = 0; lane < 8; lane++) sums[lane] += double(lhs[at + lane]) * double(rhs[at + lane]);
    for (; at < dimension; at++) sums[at & 7] += double(lhs[at]) * double(rhs[at]);
    return total(sums);
}

CFAISS_INLINE double squared_distance(const float *lhs, const float *rhs, int64_t dimension) {
    double sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int64_t at = 0;
    for (; at + 8 <= dimension; at += 8)
        for (int lane = 0; lane < 8; lane++) {
            double difference = double(lhs[at + lane]) - double(rhs[at + lane]);
            sums[lane] += difference * difference;
        }
    for (; at < dimension; at++) {
        double difference = double(lhs[at]) - double(rhs[at]);
        sums[at & 7] += difference * difference;
    }
    return total(sums);
}

CFAISS_INLINE void dot_and_norm(
    const float *query, const float *row, int64_t dimension, double *product, double *norm) {
    double products[8] = {0, 0, 0, 0, 0, 0, 0, 0}, norms[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    int64_t at = 0;
    for (; at + 8 <= dimension; at += 8)
        for (int lane = 0; lane < 8; lane++) {
            double value = row[at + lane];
            products[lane] += double(query[at + lane]) * value;
            norms[lane] += value * value;
        }
    for (; at < dimension; at++) {
        products[at & 7] += double(query[at]) * double(row[at]);
        norms[at & 7] += double(row[at]) * double(row[at]);
    }
    *product = total(products);
    *norm = total(norms);
}

// The rows of an answer lie far apart: the next one is on its way while one is measured.
CFAISS_INLINE void prefetch(const float *vector, int64_t dimension) {
    for (int64_t at = 0; at < dimension; at += 16) __builtin_prefetch(vector + at);
}

CFAISS_WIDE void score_rows(
    const cfaiss_rows &rows, cfaiss_metric metric, const float *query, const int64_t *numbers, int64_t count,
    float *scores) {
    double query_norm = metric == CFAISS_COSINE ? std::sqrt(dot(query, query, rows.dimension)) : 0;
    for (int64_t at = 0; at < count; at++) {
        const float *vector = row(rows, numbers[at]);
        if (at + 1 < count) prefetch(row(rows, numbers[at + 1]), rows.dimension);
        if (metric == CFAISS_COSINE) {
            double product, norm;
            dot_and_norm(query, vector, rows.dimension, &product, &norm);
            double lengths = query_norm * std::sqrt(norm);
            scores[at] = lengths > 0 ? float(std::clamp(product / lengths, -1.0, 1.0)) : 0;
        } else if (metric == CFAISS_DOT) {
            scores[at] = float(dot(query, vector, rows.dimension));
        } else {
            scores[at] = 0 - float(std::sqrt(squared_distance(query, vector, rows.dimension)));
        }
    }
}

// The width of what FAISS is given.
int64_t width(const cfaiss_index &index) { return index.dimension + (index.is_augmented() ? 1 : 0); }

// A row or a query in the form that the index compares.
void prepare(const cfaiss_index &index, const float *vector, bool is_query, float *out) {
    if (index.metric == CFAISS_COSINE) {
        double norm = std::sqrt(dot(vector, vector, index.dimension));
        double factor = norm > 0 ? 1 / norm : 0;
        for (int64_t at = 0; at < index.dimension; at++) out[at] = float(double(vector[at]) * factor);
    } else {
        std::memcpy(out, vector, sizeof(float) * size_t(index.dimension));
        if (index.is_augmented()) out[index.dimension] = is_query ? 1 : float(-0.5 * dot(vector, vector, index.dimension));
    }
}

faiss::IndexIVF *inverted_file(faiss::Index *index) {
    if (auto chain = dynamic_cast<faiss::IndexPreTransform *>(index)) index = chain->index;
    return dynamic_cast<faiss::IndexIVF *>(index);
}

std::unique_ptr<cfaiss_index> wrapped(std::unique_ptr<faiss::Index> index, int64_t dimension, cfaiss_metric metric) {
    auto wrapper = std::make_unique<cfaiss_index>();
    wrapper->flat = dynamic_cast<faiss::IndexFlat *>(index.get());
    wrapper->takes_selector = wrapper->flat || dynamic_cast<faiss::IndexHNSW *>(index.get()) ||
                              dynamic_cast<faiss::IndexIVF *>(index.get()) ||
                              dynamic_cast<faiss::IndexScalarQuantizer *>(index.get());
    // By default each thread of OpenMP looks for the lists of its own queries, by a matrix product on all of the BLAS's
    // threads. So the product is made once, for all queries, and the threads read the lists.
    if (auto lists = inverted_file(index.get())) lists->parallel_mode = 3;
    wrapper->index = std::move(index);
    wrapper->dimension = dimension;
    wrapper->metric = metric;
    return wrapper;
}

// Reads from memory that outlives it, without a copy.
struct MemoryReader : faiss::IOReader {
    const uint8_t *bytes;
    size_t left;
    MemoryReader(const uint8_t *bytes, size_t count) : bytes(bytes), left(count) {}
    size_t operator()(void *out, size_t size, size_t items) override {
        if (size == 0) return items;
        size_t taken = std::min(items, left / size);
        std::memcpy(out, bytes, taken * size);
        bytes += taken * size;
        left -= taken * size;
        return taken;
    }
};

// Writes to memory that free() frees.
struct MemoryWriter : faiss::IOWriter {
    uint8_t *bytes = nullptr;
    size_t count = 0, capacity = 0;
    ~MemoryWriter() override { std::free(bytes); }
    size_t operator()(const void *in, size_t size, size_t items) override {
        size_t added = size * items;
        if (count + added > capacity) {
            size_t wanted = std::max(count + added, capacity * 2);
            auto grown = static_cast<uint8_t *>(std::realloc(bytes, wanted));
            if (!grown) throw std::bad_alloc();
            bytes = grown;
            capacity = wanted;
        }
        if (added > 0) std::memcpy(bytes + count, in, added);
        count += added;
        return items;
    }
};

}  // namespace

extern "C" {

const char *cfaiss_message(void) { return message; }

const char *cfaiss_version(void) {
#define CFAISS_TEXT(value) #value
#define CFAISS_DOTTED(a, b, c) CFAISS_TEXT(a) "." CFAISS_TEXT(b) "." CFAISS_TEXT(c)
    return CFAISS_DOTTED(FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

void cfaiss_set_threads(int threads, int blas_threshold) {
    thread_limit = threads;
    faiss::distance_compute_blas_threshold = blas_threshold;
    if (openblas_set_num_threads) openblas_set_num_threads(threads);
}

int cfaiss_processors(void) {
#ifdef __linux__
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
    return int(std::clamp<long>(sysconf(_SC_NPROCESSORS_ONLN), 1, 1 << 16));
}

int cfaiss_helpers(void) { return helpers.load(); }

cfaiss_status cfaiss_create(
    const char *description, int64_t dimension, cfaiss_metric metric, int ef_construction, cfaiss_index **out) {
    return guarded([&] {
        bool is_flat = std::strcmp(description, "Flat") == 0;
        bool is_product = metric != CFAISS_L2 || is_flat;
        int wide = int(dimension) + (is_flat && metric == CFAISS_L2 ? 1 : 0);
        std::unique_ptr<faiss::Index> index(
            faiss::index_factory(wide, description, is_product ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2));
        if (auto graph = dynamic_cast<faiss::IndexHNSW *>(index.get())) graph->hnsw.efConstruction = ef_construction;
        *out = wrapped(std::move(index), dimension, metric).release();
    });
}

void cfaiss_tune(cfaiss_index *index, int ef_search, int probes) {
    if (auto lists = inverted_file(index->index.get()))
        lists->nprobe = size_t(std::clamp<int64_t>(probes, 1, int64_t(lists->nlist)));
    if (auto graph = dynamic_cast<faiss::IndexHNSW *>(index->index.get())) graph->hnsw.efSearch = ef_search;
}

void cfaiss_free(cfaiss_index *index) { delete index; }

cfaiss_facts cfaiss_describe(const cfaiss_index *index) {
    return {index->index->ntotal, index->index->is_trained, index->flat != nullptr, index->takes_selector};
}

cfaiss_status cfaiss_train(cfaiss_index *index, cfaiss_rows rows, const int64_t *numbers, int64_t count) {
    return guarded([&] {
        Team team(count);
        int64_t wide = width(*index);
        std::vector<float> sample(size_t(count) * size_t(wide));
        for (int64_t at = 0; at < count; at++) prepare(*index, row(rows, numbers[at]), false, &sample[size_t(at * wide)]);
        index->index->train(count, sample.data());
    });
}

cfaiss_status cfaiss_add(cfaiss_index *index, cfaiss_rows rows, int64_t first, int64_t count) {
    return guarded([&] {
        if (first != index->index->ntotal) throw std::logic_error("rows are added in their order");
        Team team(count);
        int64_t wide = width(*index), step = std::max<int64_t>(1, (1 << 20) / wide);
        std::vector<float> prepared(size_t(std::min(step, count)) * size_t(wide));
        for (int64_t done = 0; done < count; done += step) {
            int64_t now = std::min(step, count - done);
            for (int64_t at = 0; at < now; at++)
                prepare(*index, row(rows, first + done + at), false, &prepared[size_t(at * wide)]);
            index->index->add(now, prepared.data());
        }
    });
}

cfaiss_status cfaiss_forget(cfaiss_index *index, const int64_t *numbers, int64_t count) {
    return guarded([&] {
        if (!index->flat) throw std::logic_error("only a flat index forgets rows");
        float *stored = index->flat->get_xb();
        // Every comparison with NaN is false, so that such a row enters no list of the best.
        for (int64_t at = 0; at < count; at++)
            if (numbers[at] >= 0 && numbers[at] < index->index->ntotal)
                std::fill_n(
                    stored + numbers[at] * index->index->d, index->index->d, std::numeric_limits<float>::quiet_NaN());
    });
}

cfaiss_status cfaiss_search(
    const cfaiss_index *index, const float *queries, int64_t query_count, int64_t k, const uint8_t *bitmap,
    size_t bitmap_bytes, float *approximations, int64_t *numbers) {
    return guarded([&] {
        int64_t wide = width(*index);
        std::vector<float> prepared(size_t(query_count * wide));
        for (int64_t at = 0; at < query_count; at++)
            prepare(*index, queries + at * index->dimension, true, &prepared[size_t(at * wide)]);

        std::unique_ptr<faiss::IDSelectorBitmap> selector;
        if (bitmap) selector = std::make_unique<faiss::IDSelectorBitmap>(bitmap_bytes, bitmap);
        std::unique_ptr<faiss::SearchParameters> parameters;
        if (auto graph = dynamic_cast<faiss::IndexHNSW *>(index->index.get())) {
            auto walk = std::make_unique<faiss::SearchParametersHNSW>();
            // FAISS 1.7.3 reads this from the index and not from here, later ones the other way round.
            walk->efSearch = int(std::max<int64_t>(graph->hnsw.efSearch, k));
            parameters = std::move(walk);
        } else if (auto lists = dynamic_cast<faiss::IndexIVF *>(index->index.get())) {
            auto inverted = std::make_unique<faiss::SearchParametersIVF>();
            inverted->nprobe = lists->nprobe;
            inverted->max_codes = lists->max_codes;
            parameters = std::move(inverted);
        } else if (selector) {
            parameters = std::make_unique<faiss::SearchParameters>();
        }
        if (parameters) parameters->sel = selector.get();

        // A flat search runs on the BLAS's threads, and OpenMP's would spin beside them. All others, and that one with
        // a selector, share the queries among OpenMP's threads.
        Team team(index->flat && !selector ? 1 : query_count);
        index->index->search(query_count, prepared.data(), k, approximations, numbers, parameters.get());
        if (index->index->metric_type == faiss::METRIC_L2)
            for (int64_t at = 0; at < query_count * k; at++) approximations[at] = -approximations[at];
    });
}

void cfaiss_score(
    cfaiss_rows rows, cfaiss_metric metric, const float *query, const int64_t *numbers, int64_t count, float *scores) {
    score_rows(rows, metric, query, numbers, count, scores);
}

double cfaiss_largest_norm(cfaiss_rows rows, int64_t first, int64_t count) {
    double largest = 0;
    for (int64_t at = first; at < first + count; at++) {
        const float *vector = row(rows, at);
        largest = std::max(largest, dot(vector, vector, rows.dimension));
    }
    return std::sqrt(largest);
}

cfaiss_status cfaiss_serialise(const cfaiss_index *index, uint8_t **bytes, size_t *count) {
    return guarded([&] {
        MemoryWriter writer;
        faiss::write_index(index->index.get(), &writer);
        *bytes = writer.bytes;
        *count = writer.count;
        writer.bytes = nullptr;
    });
}

cfaiss_status cfaiss_deserialise(
    const uint8_t *bytes, size_t count, int64_t dimension, cfaiss_metric metric, int64_t rows, cfaiss_index **out) {
    return guarded([&] {
        MemoryReader reader(bytes, count);
        std::unique_ptr<faiss::Index> index(faiss::read_index(&reader));
        if (!index || index->d != dimension || index->ntotal != rows) throw std::runtime_error("another index than expected");
        *out = wrapped(std::move(index), dimension, metric).release();
    });
}

}  // extern "C"
#endif

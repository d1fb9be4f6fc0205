"""The other engines, each behind the same few calls.

Vectors are handed over in the form that an engine takes without conversion, and an answer is what it returns: the
conversions that `ids` needs are not timed. `tune` sets what trades speed for recall.
"""
import shutil

import numpy as np

SPACES = {"dot": "ip", "cosine": "cosine", "l2": "l2"}


class Peer:
    #: What trades speed for recall: its name and the values that are tried.
    knob, values = None, ()

    def __init__(self, rows, metric, buckets, threads, folder):
        self.rows, self.metric, self.buckets, self.threads, self.folder = rows, metric, buckets, threads, folder
        self.knob_value = None

    def form(self, queries):
        """Queries as the engine takes them, one by one."""
        return [np.ascontiguousarray(query).reshape(1, -1) for query in queries]

    def tune(self, value):
        self.knob_value = value

    def kept(self, make):
        """What took long to build is kept in `folder` for the next run; a build that was interrupted is not."""
        if not (self.folder / "complete").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            make()
            (self.folder / "complete").touch()


class FaissFlat(Peer):
    """FAISS IndexFlatIP, IndexFlatL2"""

    def load(self):
        import faiss

        faiss.omp_set_num_threads(self.threads)
        self.index = (faiss.IndexFlatL2 if self.metric == "l2" else faiss.IndexFlatIP)(self.rows.shape[1])
        self.index.add(self.rows)

    def search(self, query, k):
        return self.index.search(query, k)

    batch = search

    def ids(self, answer):
        return answer[1]

    def add(self):
        """Seconds to add every row to a new index, 10,000 a call."""
        import time

        import faiss

        index, time_taken = faiss.IndexFlatIP(self.rows.shape[1]), 0
        for start in range(0, len(self.rows), 10_000):
            block = np.ascontiguousarray(self.rows[start : start + 10_000])
            begin = time.perf_counter()
            index.add(block)
            time_taken += time.perf_counter() - begin
        return time_taken

    def reopen(self):
        """Seconds to read an index of the rows from a file."""
        import time

        import faiss

        path = str(self.folder / "index")
        self.kept(lambda: faiss.write_index(self.index, path))
        begin = time.perf_counter()
        opened = faiss.read_index(path)
        time_taken = time.perf_counter() - begin
        assert opened.ntotal == len(self.rows)
        return time_taken


class FaissFlatFiltered(FaissFlat):
    """FAISS IndexFlatIP with a bitmap of the rows"""

    def load(self):
        super().load()
        self.selectors = {}

    def where(self, filter):
        import data
        import faiss

        mask = np.packbits(data.selected(filter, len(self.rows)), bitorder="little")
        self.parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(mask))

    def search(self, query, k):
        return self.index.search(query, k, params=self.parameters)


class Numpy(Peer):
    """NumPy, product and argpartition"""

    def load(self):
        self.squares = (self.rows.astype(np.float64) ** 2).sum(1).astype(np.float32)

    def form(self, queries):
        return [np.ascontiguousarray(query) for query in queries]

    def nearness(self, product):
        # Rows and queries have unit length, so that the cosine is the product.
        return 2 * product - self.squares if self.metric == "l2" else product

    def search(self, query, k):
        near = self.nearness(self.rows @ query)
        best = np.argpartition(near, len(near) - k)[-k:]
        return best[np.argsort(-near[best])]

    def batch(self, queries, k):
        near = self.nearness(queries @ self.rows.T)
        best = np.argpartition(near, near.shape[1] - k, axis=1)[:, -k:]
        return np.take_along_axis(best, np.argsort(-np.take_along_axis(near, best, 1), axis=1), 1)

    def ids(self, answer):
        return np.atleast_2d(answer)


class HnswlibFlat(Peer):
    """hnswlib BFIndex"""

    def load(self):
        import hnswlib

        self.index = hnswlib.BFIndex(space=SPACES[self.metric], dim=self.rows.shape[1])
        self.index.init_index(max_elements=len(self.rows))
        self.index.add_items(self.rows)

    def search(self, query, k):
        return self.index.knn_query(query, k=k, num_threads=self.threads)

    def ids(self, answer):
        return answer[0]


class UsearchExact(Peer):
    """usearch, exact"""

    def load(self):
        import usearch.index

        self.call, self.kind = usearch.index.search, {"dot": "ip", "cosine": "cos", "l2": "l2sq"}[self.metric]

    def search(self, query, k):
        return self.call(self.rows, query, k, self.kind, exact=True, threads=self.threads)

    def ids(self, answer):
        return np.atleast_2d(answer.keys)


class SqliteVec(Peer):
    """sqlite-vec, in memory"""

    def load(self):
        import apsw
        import sqlite_vec

        self.base = apsw.Connection(":memory:")
        self.base.enable_load_extension(True)
        self.base.load_extension(sqlite_vec.loadable_path())
        metric = {"cosine": "cosine", "l2": "l2"}[self.metric]
        self.base.execute(
            f"create virtual table r using vec0(v float[{self.rows.shape[1]}] distance_metric={metric}, bucket integer)"
        )
        self.condition = ""
        with self.base:
            self.base.executemany(
                "insert into r(rowid, v, bucket) values (?, ?, ?)",
                ((i, row.tobytes(), int(self.buckets[i])) for i, row in enumerate(self.rows)),
            )

    def where(self, filter):
        self.condition = " and " + filter

    def form(self, queries):
        return [query.tobytes() for query in queries]

    def search(self, query, k):
        return self.base.execute(
            f"select rowid, distance from r where v match ? and k = {k}{self.condition}", (query,)
        ).fetchall()

    def ids(self, answer):
        return np.array([[row for row, _ in answer]])


class LanceFlat(Peer):
    """LanceDB without a vector index"""

    condition = None
    index = None

    def load(self):
        import lancedb
        import pyarrow

        def make():
            values = pyarrow.array(np.asarray(self.rows).reshape(-1))
            table = pyarrow.table({
                "row": np.arange(len(self.rows)),
                "bucket": self.buckets.astype(np.int64),
                "vector": pyarrow.FixedSizeListArray.from_arrays(values, self.rows.shape[1]),
            })
            made = lancedb.connect(str(self.folder)).create_table("rows", table)
            made.create_scalar_index("bucket")
            if self.index:
                made.create_index(metric=self.metric, index_type=self.index)

        self.kept(make)
        self.table = lancedb.connect(str(self.folder)).open_table("rows")

    def form(self, queries):
        return list(queries)

    def where(self, filter):
        self.condition = filter.replace("==", "=")

    def search(self, query, k):
        asked = self.table.search(query).distance_type(self.metric).limit(k).select(["row", "_distance"])
        if self.condition:
            asked = asked.where(self.condition, prefilter=True)
        return self.refined(asked).to_arrow()

    def refined(self, asked):
        return asked.bypass_vector_index()

    def ids(self, answer):
        return np.array([answer["row"].to_numpy()])


class LanceIndexed(LanceFlat):
    """LanceDB IVF_HNSW_SQ"""

    knob, values, index = "ef", (20, 40, 80, 160, 320), "IVF_HNSW_SQ"

    def refined(self, asked):
        return asked.ef(self.knob_value).refine_factor(2)


class QdrantExact(Peer):
    """Qdrant Edge, exact"""

    exact = True

    def load(self):
        import qdrant_edge as qdrant

        self.q = qdrant
        distance = {"dot": "Dot", "cosine": "Cosine", "l2": "Euclid"}[self.metric]

        def make():
            place = self.folder / "shard"
            place.mkdir()
            shard = qdrant.EdgeShard.create(
                str(place),
                qdrant.EdgeConfig(
                    vectors=qdrant.EdgeVectorParams(self.rows.shape[1], getattr(qdrant.Distance, distance)),
                    hnsw_config=qdrant.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
                ),
            )
            shard.update(
                qdrant.UpdateOperation.create_field_index("bucket", qdrant.PayloadSchemaType.Integer)
            )
            for start in range(0, len(self.rows), 1000):
                shard.update(qdrant.UpdateOperation.upsert_points([
                    qdrant.Point(i, self.rows[i].tolist(), {"bucket": int(self.buckets[i])})
                    for i in range(start, min(len(self.rows), start + 1000))
                ]))
            shard.optimize()
            shard.flush()
            shard.close()

        self.kept(make)
        self.shard = qdrant.EdgeShard.load(str(self.folder / "shard"))
        self.filter = None
        self.tune(None)

    def tune(self, value):
        self.parameters = self.q.SearchParams(hnsw_ef=value, exact=self.exact)

    def where(self, filter):
        _, operator, value = filter.split()
        key = {"match": self.q.MatchValue(int(value))} if operator == "==" else {"range": self.q.RangeFloat(lt=int(value))}
        self.filter = self.q.Filter(must=[self.q.FieldCondition("bucket", **key)])

    def form(self, queries):
        return [self.q.Query.Nearest(query.tolist()) for query in queries]

    def search(self, query, k):
        return self.shard.search(self.q.SearchRequest(query, k, filter=self.filter, params=self.parameters))

    def ids(self, answer):
        return np.array([[point.id for point in answer]])


class QdrantIndexed(QdrantExact):
    """Qdrant Edge, HNSW"""

    knob, values, exact = "ef", (16, 32, 64, 128, 256, 512), False


class HnswlibIndex(Peer):
    """hnswlib HNSW"""

    knob, values = "ef", (10, 20, 40, 80, 160, 320, 640)

    def load(self):
        import hnswlib

        path = str(self.folder / "index")

        def make():
            index = hnswlib.Index(space=SPACES[self.metric], dim=self.rows.shape[1])
            index.init_index(max_elements=len(self.rows), M=16, ef_construction=200, random_seed=1)
            index.add_items(self.rows)
            index.save_index(path)

        self.kept(make)
        self.index = hnswlib.Index(space=SPACES[self.metric], dim=self.rows.shape[1])
        self.index.load_index(path)

    def tune(self, value):
        self.index.set_ef(value)

    def search(self, query, k):
        return self.index.knn_query(query, k=k, num_threads=self.threads)

    def ids(self, answer):
        return answer[0]


class UsearchIndex(Peer):
    """usearch HNSW"""

    knob, values = "expansion", (10, 20, 40, 80, 160, 320, 640)

    def load(self):
        import usearch.index

        path = str(self.folder / "index")
        kind = {"dot": "ip", "cosine": "cos", "l2": "l2sq"}[self.metric]
        self.index = usearch.index.Index(ndim=self.rows.shape[1], metric=kind, dtype="f32")

        def make():
            self.index.add(np.arange(len(self.rows)), np.asarray(self.rows))
            self.index.save(path)
            self.index.reset()

        self.kept(make)
        self.index.load(path)

    def form(self, queries):
        return [np.ascontiguousarray(query) for query in queries]

    def tune(self, value):
        self.index.expansion_search = value

    def search(self, query, k):
        return self.index.search(query, k, threads=self.threads)

    def ids(self, answer):
        return np.atleast_2d(answer.keys)


class FaissHnsw(Peer):
    """FAISS IndexHNSWFlat"""

    knob, values = "efSearch", (10, 20, 40, 80, 160, 320, 640)

    def make(self):
        import faiss

        index = faiss.IndexHNSWFlat(self.rows.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        index.add(self.rows)
        return index

    def load(self):
        import faiss

        path = str(self.folder / "index")
        self.kept(lambda: faiss.write_index(self.make(), path))
        self.index = faiss.read_index(path)
        faiss.omp_set_num_threads(self.threads)

    def tune(self, value):
        self.index.hnsw.efSearch = value

    def search(self, query, k):
        return self.index.search(query, k)

    def ids(self, answer):
        return answer[1]


class FaissIvf(FaissHnsw):
    """FAISS IndexIVFFlat"""

    knob, values = "nprobe", (1, 4, 16, 64, 256, 512)

    def make(self):
        import faiss

        lists = max(64, int(3 * len(self.rows) ** 0.5))
        self.quantizer = faiss.IndexFlatIP(self.rows.shape[1])
        index = faiss.IndexIVFFlat(self.quantizer, self.rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
        index.train(self.rows[:: max(1, len(self.rows) // (lists * 50))])
        index.add(self.rows)
        return index

    def tune(self, value):
        self.index.nprobe = value


class Chroma(Peer):
    """Chroma, HNSW"""

    knob, values = "ef", (10, 20, 40, 80, 160, 320)

    def load(self):
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient

        settings = chromadb.Settings(anonymized_telemetry=False)

        def make():
            client = chromadb.PersistentClient(str(self.folder), settings)
            made = client.create_collection(
                "rows", configuration={"hnsw": {"space": SPACES[self.metric]}}, embedding_function=None
            )
            for start in range(0, len(self.rows), 5000):
                numbers = range(start, min(len(self.rows), start + 5000))
                made.add(
                    ids=[str(i) for i in numbers],
                    embeddings=np.asarray(self.rows[start : numbers.stop]),
                    metadatas=[{"bucket": int(self.buckets[i])} for i in numbers],
                )

        def open():
            # An index in memory keeps the setting that it was loaded with.
            SharedSystemClient.clear_system_cache()
            self.collection = chromadb.PersistentClient(str(self.folder), settings).get_collection(
                "rows", embedding_function=None
            )

        self.kept(make)
        self.open = open
        self.condition = None
        self.open()
        self.tune(100)

    def tune(self, value):
        self.collection.modify(configuration={"hnsw": {"ef_search": value}})
        self.open()

    def where(self, filter):
        field, operator, value = filter.split()
        self.condition = {field: {{"==": "$eq", "<": "$lt"}[operator]: int(value)}}

    def search(self, query, k):
        return self.collection.query(query_embeddings=query, n_results=k, where=self.condition, include=["distances"])

    def ids(self, answer):
        return np.array([[int(i) for i in answer["ids"][0]]])


PEERS = {
    kind.__name__: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Peer) and kind is not Peer
}

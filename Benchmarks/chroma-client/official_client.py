"""One turn of the official client: official_client.py HOST PORT DATA, prints a line of JSON."""
import json
import resource
import sys
import time

import chromadb
import numpy

host, port, data = sys.argv[1:]
vectors, queries = numpy.load(f"{data}/vectors.npy"), numpy.load(f"{data}/queries.npy")
records = [json.loads(line) for line in open(f"{data}/records.jsonl")]


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


client = chromadb.HttpClient(host=host, port=int(port))
try:
    client.delete_collection("bench-python")
except Exception:
    pass
words = client.create_collection("bench-python", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None)
start, used = time.perf_counter(), cpu()
for at in range(0, len(records), 1000):
    some = records[at : at + 1000]
    words.upsert(
        ids=[record["id"] for record in some],
        embeddings=vectors[at : at + 1000],
        metadatas=[record["payload"] for record in some],
    )
rate, upsert_cpu = len(records) / (time.perf_counter() - start), cpu() - used
for query in queries[:20]:
    words.query(query_embeddings=[query], n_results=10, include=["metadatas", "distances"])
used, times = cpu(), []
for query in queries:
    start = time.perf_counter()
    words.query(query_embeddings=[query], n_results=10, include=["metadatas", "distances"])
    times.append(time.perf_counter() - start)
query_cpu = (cpu() - used) / len(queries)
times.sort()
print(json.dumps({"rate": rate, "upsert_cpu": upsert_cpu, "p50": times[len(times) // 2] * 1e3, "query_cpu": query_cpu * 1e3}))

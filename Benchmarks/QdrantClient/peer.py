"""CPU seconds that the official Python client takes, over gRPC, for the calls that qdrant-client's main.swift makes.

usage: peer.py PORT
"""
import asyncio
import random
import sys
import time
import uuid

from qdrant_client import AsyncQdrantClient, QdrantClient, models

DIMENSION, COUNT, QUERIES, NAME = 384, 20_000, 1_000, "benchmark-theirs"
random.seed(1)
client = QdrantClient(host="127.0.0.1", grpc_port=int(sys.argv[1]), prefer_grpc=True, check_compatibility=False)
client.delete_collection(NAME)
client.create_collection(NAME, vectors_config=models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE))


def vector():
    return [random.random() - 0.5 for _ in range(DIMENSION)]


# The client's own models are made before the clock runs; what it does with them is measured.
points = [models.PointStruct(id=str(uuid.uuid4()), vector=vector(), payload={
    "id": f"record-{number}", "pos": "verb", "links": number % 10,
    "definition": "a definition of some forty characters"}) for number in range(COUNT)]
wanted = [vector() for _ in range(QUERIES)]


def measure(name, body):
    start = time.process_time()
    body()
    print(name, time.process_time() - start)


def upsert():
    for start in range(0, COUNT, 256):
        client.upsert(NAME, points[start:start + 256], wait=True)


def query():
    for vector in wanted:
        assert len(client.query_points(NAME, query=vector, limit=10, with_payload=True).points) == 10


def query_8():
    """Its asynchronous client, with eight calls under way."""
    async def run():
        asynchronous = AsyncQdrantClient(
            host="127.0.0.1", grpc_port=int(sys.argv[1]), prefer_grpc=True, check_compatibility=False)

        async def lane(vectors):
            for vector in vectors:
                answer = await asynchronous.query_points(NAME, query=vector, limit=10, with_payload=True)
                assert len(answer.points) == 10
        await asyncio.gather(*(lane(wanted[QUERIES * i // 8:QUERIES * (i + 1) // 8]) for i in range(8)))
        await asynchronous.close()
    asyncio.run(run())


def batch():
    for start in range(0, QUERIES, 100):
        answers = client.query_batch_points(NAME, [
            models.QueryRequest(query=vector, limit=10, with_payload=True) for vector in wanted[start:start + 100]])
        assert all(len(answer.points) == 10 for answer in answers)


def scroll():
    read, offset = 0, None
    while True:
        page, offset = client.scroll(NAME, limit=1_000, offset=offset, with_payload=True, with_vectors=True)
        read += sum(len(record.vector) // DIMENSION for record in page)
        if offset is None:
            break
    assert read == COUNT


measure("upsert", upsert)
measure("query", query)
measure("query-8", query_8)
measure("batch", batch)
measure("scroll", scroll)
client.delete_collection(NAME)

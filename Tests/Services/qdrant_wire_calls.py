"""Calls of the official Python client, so that what it sends can be compared with what this library sends.

usage: qdrant_wire_calls.py PORT COLLECTION            calls on the points of a collection that is there
       qdrant_wire_calls.py PORT COLLECTION CREATION   calls on a collection from its creation, marked so, to its end
(the test service captures the requests)
"""
import sys

from qdrant_client import QdrantClient, models

port, name = int(sys.argv[1]), sys.argv[2]
client = QdrantClient(host="127.0.0.1", grpc_port=port, prefer_grpc=True, check_compatibility=False)
verb = models.Filter(
    must=[models.FieldCondition(key="pos", match=models.MatchValue(value="verb")),
          models.FieldCondition(key="links", range=models.Range(gte=5))],
    must_not=[models.FieldCondition(key="pos[]", match=models.MatchValue(value="verb")),
              models.FieldCondition(key="links[]", range=models.Range(gte=5))])
own = models.PayloadSelectorInclude(include=["__miniorm"])


def points():
    client.upsert(name, [
        models.PointStruct(
            id="06711c25-7c0c-57e1-9a2d-6ebe0c81fa42", vector=[0.5, -1.5, 2.0],
            payload={"pos": "verb", "links": 7, "ratio": 0.5, "flag": True, "words": ["a", "b"], "inner": {"x": 1},
                     "__miniorm": {"id": "a", "payload": '{"flag":true,"inner":{"x":1},"links":7,"pos":"verb","ratio":0.5,"words":["a","b"]}'}})], wait=True)
    client.query_points(
        name, query=[1.0, 0.0, 0.25], query_filter=verb, limit=3, with_payload=models.PayloadSelectorInclude(
            include=["__miniorm"]), with_vectors=False, search_params=models.SearchParams(exact=True, indexed_only=None))
    client.scroll(
        name, scroll_filter=verb, limit=100, with_payload=models.PayloadSelectorInclude(include=["__miniorm"]),
        with_vectors=True)
    client.retrieve(
        name, ids=["06711c25-7c0c-57e1-9a2d-6ebe0c81fa42"], with_payload=models.PayloadSelectorInclude(include=["__miniorm"]), with_vectors=True)
    client.count(name, count_filter=verb, exact=True)
    client.delete(name, points_selector=models.PointIdsList(points=["06711c25-7c0c-57e1-9a2d-6ebe0c81fa42"]), wait=True)


def collection(creation):
    client.create_collection(
        name, vectors_config=models.VectorParams(size=3, distance=models.Distance.DOT, on_disk=True), shard_number=2,
        replication_factor=1, hnsw_config=models.HnswConfigDiff(m=8, ef_construct=64),
        quantization_config=models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=0.75, always_ram=True)),
        metadata={"miniorm": {"ids": "any", "creation": creation}})
    client.create_payload_index(
        name, "pos", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True))
    client.create_payload_index(name, "pos[]", models.PayloadSchemaType.KEYWORD)
    client.create_payload_index(name, "links", models.PayloadSchemaType.FLOAT)
    client.create_payload_index(name, "flag", models.PayloadSchemaType.BOOL)
    client.create_payload_index(name, "__miniorm.rough", models.PayloadSchemaType.KEYWORD)
    client.get_collection(name)
    client.get_collections()
    client.query_batch_points(name, [
        models.QueryRequest(
            query=vector, filter=verb, limit=3, with_payload=own, with_vector=False, params=models.SearchParams(
                exact=True, indexed_only=None, quantization=models.QuantizationSearchParams(ignore=None, rescore=True)))
        for vector in ([1.0, 0.0, 0.25], [0.0, 1.0, 0.0])])
    client.delete(name, points_selector=models.FilterSelector(filter=verb), wait=True)
    client.delete_collection(name)


if len(sys.argv) > 3:
    collection(sys.argv[3])
else:
    points()

"""Qdrant's engine behind Qdrant's gRPC interface, for tests.

Not Qdrant's server: no package index that the tests use carries that. This program puts the official gRPC stubs (PyPI
`qdrant-client`) in front of Qdrant's own engine as a library (PyPI `qdrant-edge-py`). The engine is real: storage,
normalisation, scores, filters, payload indexes, paging. Written here, and so no proof about a true server: status codes,
collection info, strict mode, metadata, the API key. There is one shard, no cluster, no write-ahead log across restarts;
options for shards, replicas and consistency are checked and kept, and do nothing. What is not known here is refused as
UNIMPLEMENTED, never ignored. To test against a true server, set MINIORM_QDRANT_URL (see qdrant.sh).

usage: qdrant_service.py --port P --control C [--tls-port T --certificate FILE --key FILE] --data DIR

The control port speaks HTTP with JSON bodies:
  POST /faults     {"method": "Upsert", "nth": 2, "times": 1, "status": "UNAVAILABLE", "retry_after": 1,
                    "trailers": {"key": "value"}, "delay": 0.5, "hold": true, "drop": "before" | "after"}
                   what befalls the nth such call from now; one that is held is answered after the next reset
  POST /settings   {"api_key": "...", "legacy_vectors": true, "no_metadata": true, "capture": true,
                    "listed_too": ["a name that List answers, without a collection"],
                    "hold_bytes": true}            nothing passes on any connection until the next reset
  POST /strict     {"collection": "...", "unindexed_filtering_retrieve": false, "upsert_max_batchsize": 10, ...}
  POST /drop       closes every connection now, by reset
  POST /stall      lets every connection of now stand open and passes nothing on any more
  POST /reset      forgets faults, settings, calls and captured requests; collections stay
  GET  /calls      {"Upsert": 3, ...}
  GET  /connections {"accepted": 3}
  GET  /times-left {"Upsert": 29.9, ...}          what the latest call of each method said that it would wait, in seconds
  GET  /captured   [["Upsert", {...request as JSON by the official stubs...}], ...]
"""
import argparse, asyncio, collections, json, os, shutil, signal, socket, struct, threading, time, uuid
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import qdrant_edge as edge
from google.protobuf.json_format import MessageToDict
from qdrant_client import grpc as wire

Status = grpc.StatusCode


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def invalid(message):
    return Refusal(Status.INVALID_ARGUMENT, message)


def only(message, *known):
    """Refuses a message with a field that this service would ignore."""
    for field, _ in message.ListFields():
        if field.name not in known:
            raise Refusal(Status.UNIMPLEMENTED, f"{message.DESCRIPTOR.name}.{field.name}")


def optional(message, field):
    return getattr(message, field) if message.HasField(field) else None


# Messages to the engine's objects and back.

# The engine's Python binding turns the match of a bool into the match of an integer, so bools are kept as strings here.
BOOLS = {True: "\u0001bool:true", False: "\u0001bool:false"}
BOOLS_BACK = {text: value for value, text in BOOLS.items()}


def value_in(value):
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: value_in(member) for key, member in value.struct_value.fields.items()}
    if kind == "list_value":
        return [value_in(element) for element in value.list_value.values]
    if kind == "bool_value":
        return BOOLS[value.bool_value]
    return None if kind in (None, "null_value") else getattr(value, kind)


def value_out(value, target):
    if value is None:
        target.null_value = wire.NULL_VALUE
    elif isinstance(value, str) and value in BOOLS_BACK:
        target.bool_value = BOOLS_BACK[value]
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, int):
        target.integer_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, member in value.items():
            value_out(member, target.struct_value.fields[key])
    else:
        target.list_value.SetInParent()
        for element in value:
            value_out(element, target.list_value.values.add())


def id_in(point):
    if point.WhichOneof("point_id_options") == "num":
        return point.num
    try:
        return str(uuid.UUID(point.uuid))
    except ValueError:
        raise invalid("Unable to parse UUID")


def id_out(point):
    return wire.PointId(num=point) if isinstance(point, int) else wire.PointId(uuid=str(point))


def vector_in(point):
    if point.vectors.WhichOneof("vectors_options") != "vector":
        raise Refusal(Status.UNIMPLEMENTED, "named vectors")
    vector = point.vectors.vector
    only(vector, "data", "dense")
    return list(vector.dense.data if vector.HasField("dense") else vector.data)


DISTANCES = {wire.Cosine: edge.Distance.Cosine, wire.Euclid: edge.Distance.Euclid, wire.Dot: edge.Distance.Dot,
             wire.Manhattan: edge.Distance.Manhattan}


def hnsw_in(config):
    only(config, "m", "ef_construct", "full_scan_threshold", "payload_m")
    return edge.HnswIndexConfig(
        m=config.m if config.HasField("m") else 16,
        ef_construct=config.ef_construct if config.HasField("ef_construct") else 100,
        full_scan_threshold=config.full_scan_threshold if config.HasField("full_scan_threshold") else 10000,
        payload_m=optional(config, "payload_m"))


def quantization_in(config):
    kind = config.WhichOneof("quantization")
    if kind == "scalar":
        only(config.scalar, "type", "quantile", "always_ram")
        if config.scalar.type != wire.Int8:
            raise invalid("Unknown quantization type")
        return edge.ScalarQuantizationConfig(
            edge.ScalarType.Int8, optional(config.scalar, "quantile"), optional(config.scalar, "always_ram"))
    if kind == "product":
        only(config.product, "compression", "always_ram")
        ratio = wire.CompressionRatio.Name(config.product.compression).upper()
        return edge.ProductQuantizationConfig(
            getattr(edge.CompressionRatio, ratio), optional(config.product, "always_ram"))
    if kind == "binary":
        only(config.binary, "always_ram")
        return edge.BinaryQuantizationConfig(optional(config.binary, "always_ram"))
    raise Refusal(Status.UNIMPLEMENTED, f"quantization {kind}")


def match_in(match):
    kind = match.WhichOneof("match_value")
    if kind == "boolean":
        return edge.MatchValue(BOOLS[match.boolean])
    if kind in ("keyword", "integer"):
        return edge.MatchValue(getattr(match, kind))
    if kind == "keywords":
        return edge.MatchAny(list(match.keywords.strings))
    if kind == "integers":
        return edge.MatchAny(list(match.integers.integers))
    raise Refusal(Status.UNIMPLEMENTED, f"match {kind}")


def condition_in(condition):
    kind = condition.WhichOneof("condition_one_of")
    if kind == "filter":
        return filter_in(condition.filter)
    if kind == "is_empty":
        return edge.IsEmptyCondition(condition.is_empty.key)
    if kind == "is_null":
        return edge.IsNullCondition(condition.is_null.key)
    if kind == "has_id":
        return edge.HasIdCondition({id_in(point) for point in condition.has_id.has_id})
    if kind != "field":
        raise Refusal(Status.UNIMPLEMENTED, f"condition {kind}")
    field = condition.field
    only(field, "key", "match", "range")
    bounds = field.range
    return edge.FieldCondition(
        field.key, match=match_in(field.match) if field.HasField("match") else None,
        range=edge.RangeFloat(optional(bounds, "gte"), optional(bounds, "gt"), optional(bounds, "lte"),
                              optional(bounds, "lt")) if field.HasField("range") else None)


def filter_in(message):
    only(message, "must", "should", "must_not")
    parts = {name: [condition_in(condition) for condition in getattr(message, name)] or None
             for name in ("must", "should", "must_not")}
    return edge.Filter(**parts)


MATCHED_BY = {"keyword": {wire.Keyword, wire.Uuid}, "keywords": {wire.Keyword, wire.Uuid},
              "boolean": {wire.Bool}, "integer": {wire.Integer}, "integers": {wire.Integer}}


def conditions_of(message):
    """The conditions of a filter and of its parts: key, the types of index that serve, number of values."""
    for condition in [*message.must, *message.should, *message.must_not]:
        kind = condition.WhichOneof("condition_one_of")
        if kind == "filter":
            yield from conditions_of(condition.filter)
        elif kind == "field" and condition.field.HasField("match"):
            match = condition.field.match
            yield condition.field.key, MATCHED_BY[match.WhichOneof("match_value")], len(match.keywords.strings)
        elif kind == "field":
            yield condition.field.key, {wire.Float, wire.Integer}, 0
        elif kind in ("is_empty", "is_null"):
            yield getattr(condition, kind).key, None, 0
        else:
            yield None, None, 0


def payload_selector_in(selector):
    kind = selector.WhichOneof("selector_options")
    if kind == "include":
        return edge.PayloadSelector.Include(list(selector.include.fields))
    if kind == "exclude":
        return edge.PayloadSelector.Exclude(list(selector.exclude.fields))
    return selector.enable


def params_in(params):
    only(params, "hnsw_ef", "exact", "quantization", "indexed_only")
    quantization = None
    if params.HasField("quantization"):
        chosen = params.quantization
        quantization = edge.QuantizationSearchParams(
            chosen.ignore, optional(chosen, "rescore"), optional(chosen, "oversampling"))
    return edge.SearchParams(optional(params, "hnsw_ef"), params.exact, quantization, params.indexed_only)


FIELD_TYPES = {wire.FieldTypeKeyword: (edge.PayloadSchemaType.Keyword, wire.Keyword),
               wire.FieldTypeInteger: (edge.PayloadSchemaType.Integer, wire.Integer),
               wire.FieldTypeFloat: (edge.PayloadSchemaType.Float, wire.Float),
               wire.FieldTypeDatetime: (edge.PayloadSchemaType.Datetime, wire.Datetime),
               # Bools are strings in the engine; see BOOLS.
               wire.FieldTypeBool: (edge.PayloadSchemaType.Keyword, wire.Bool)}


class Collection:
    """A shard of the engine and what a server remembers of a collection beside it."""

    def __init__(self, request, folder, keeps_metadata):
        config = request.vectors_config
        if config.WhichOneof("config") != "params":
            raise Refusal(Status.UNIMPLEMENTED, "named vectors")
        params = config.params
        only(params, "size", "distance", "on_disk", "hnsw_config", "quantization_config")
        if params.size < 1 or params.size > 65536:
            raise invalid("Validation error: size must be between 1 and 65536")
        if params.distance not in DISTANCES:
            raise invalid("Unknown distance")
        for name in ("shard_number", "replication_factor", "write_consistency_factor"):
            if optional(request, name) == 0:
                raise invalid(f"Validation error: {name} must be 1 or more")
        self.request, self.folder, self.schema = request, folder, {}
        self.strict = wire.StrictModeConfig()
        self.metadata = dict(request.metadata) if keeps_metadata else {}
        self.lock = threading.RLock()
        self.shard = edge.EdgeShard.create(folder, edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=params.size, distance=DISTANCES[params.distance], on_disk=optional(params, "on_disk"),
                hnsw_config=hnsw_in(params.hnsw_config) if params.HasField("hnsw_config") else None,
                quantization_config=quantization_in(params.quantization_config)
                if params.HasField("quantization_config") else None),
            on_disk_payload=optional(request, "on_disk_payload"),
            hnsw_config=hnsw_in(request.hnsw_config) if request.HasField("hnsw_config") else None,
            quantization_config=quantization_in(request.quantization_config)
            if request.HasField("quantization_config") else None))

    @property
    def size(self):
        return self.request.vectors_config.params.size

    def check_filter(self, message, setting):
        if not self.strict.enabled:
            return
        conditions = list(conditions_of(message))
        if optional(self.strict, setting) is False:
            for key, types, _ in conditions:
                index = self.schema.get(key)
                if key is not None and (index is None or types and index.data_type not in types):
                    raise invalid(f"Bad request: Index required but not found for \"{key}\"")
        if self.strict.HasField("filter_max_conditions") and len(conditions) > self.strict.filter_max_conditions:
            raise invalid("Filter condition limit reached")
        if self.strict.HasField("condition_max_size") and any(
                size > self.strict.condition_max_size for _, _, size in conditions):
            raise invalid("Condition size limit reached")

    def check_exact(self, exact):
        if self.strict.enabled and optional(self.strict, "search_allow_exact") is False and exact:
            raise invalid("Exact search disabled!")

    def check_limit(self, limit):
        if self.strict.enabled and self.strict.HasField("max_query_limit") and limit > self.strict.max_query_limit:
            raise invalid("Limit exceeded")

    def update(self, operation):
        with self.lock:
            self.shard.update(operation)
        return wire.PointsOperationResponse(result=wire.UpdateResult(operation_id=1, status=wire.Completed))

    def close(self):
        self.shard.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# The service.

class Service:
    def __init__(self, folder):
        self.folder, self.collections, self.lock = folder, {}, threading.RLock()
        self.proxies, self.released = [], threading.Event()
        self.reset()

    def reset(self):
        self.faults, self.settings = [], {}
        self.calls, self.captured = collections.Counter(), collections.deque(maxlen=4096)
        self.times_left = {}
        released, self.released = self.released, threading.Event()
        released.set()

    def get(self, name):
        try:
            return self.collections[name]
        except KeyError:
            raise Refusal(Status.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")

    def drop_connections(self):
        for proxy in self.proxies:
            proxy.drop()

    def fault(self, method):
        """What befalls this call: each fault counts the calls of its method down."""
        with self.lock:
            for fault in self.faults:
                if fault.get("method", method) != method:
                    continue
                fault["nth"] = fault.get("nth", 1) - 1
                if fault["nth"] > 0:
                    continue
                fault["times"] = fault.get("times", 1) - 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                return fault
        return {}

    def serve(self, method, answer):
        def handle(request, context):
            released = self.released
            self.calls[method] += 1
            self.times_left[method] = context.time_remaining()
            if self.settings.get("capture"):
                self.captured.append([method, MessageToDict(request, preserving_proto_field_name=True)])
            key = self.settings.get("api_key")
            if key and dict(context.invocation_metadata()).get("api-key") != key:
                context.abort(Status.UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token")
            fault = self.fault(method)
            if fault.get("delay"):
                time.sleep(fault["delay"])
            if fault.get("hold"):
                released.wait()
            if fault.get("drop") == "before":
                self.drop_connections()
                context.abort(Status.UNAVAILABLE, "dropped")
            if fault.get("status"):
                trailers = dict(fault.get("trailers", {}))
                if "retry_after" in fault:
                    trailers["retry-after"] = str(fault["retry_after"])
                context.set_trailing_metadata(tuple(trailers.items()))
                context.abort(getattr(Status, fault["status"]), "as told")
            try:
                reply = answer(self, request)
            except Refusal as refusal:
                context.abort(refusal.status, str(refusal))
            except Exception as error:  # the engine's own refusals
                context.abort(Status.INVALID_ARGUMENT, f"Wrong input: {error}")
            if fault.get("drop") == "after":
                self.drop_connections()
            return reply
        return handle

    # Collections.

    def create(self, r):
        only(r, "collection_name", "hnsw_config", "shard_number", "on_disk_payload", "timeout", "vectors_config",
             "replication_factor", "write_consistency_factor", "quantization_config", "metadata")
        name = r.collection_name
        if not 1 <= len(name) <= 255 or any(c in '<>:"/\\|?*\0\x1f' for c in name):
            raise invalid("Validation error in collection name")
        with self.lock:
            if name in self.collections:
                raise Refusal(Status.ALREADY_EXISTS, f"Collection `{name}` already exists!")
            folder = os.path.join(self.folder, uuid.uuid4().hex)
            os.makedirs(folder)
            self.collections[name] = Collection(r, folder, not self.settings.get("no_metadata"))
        return wire.CollectionOperationResponse(result=True)

    def drop(self, r):
        only(r, "collection_name", "timeout")
        with self.lock:
            collection = self.collections.pop(r.collection_name, None)
        if collection:
            with collection.lock:
                collection.close()
        return wire.CollectionOperationResponse(result=collection is not None)

    def info(self, r):
        collection = self.get(r.collection_name)
        created = collection.request
        params = wire.CollectionParams(
            vectors_config=created.vectors_config, shard_number=created.shard_number or 1,
            replication_factor=created.replication_factor or 1,
            write_consistency_factor=created.write_consistency_factor or 1)
        hnsw = wire.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10000)
        hnsw.MergeFrom(created.hnsw_config)
        config = wire.CollectionConfig(
            params=params, hnsw_config=hnsw, wal_config=wire.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
            optimizer_config=wire.OptimizersConfigDiff(
                deleted_threshold=0.2, vacuum_min_vector_number=1000, default_segment_number=0, flush_interval_sec=5))
        if created.HasField("quantization_config"):
            config.quantization_config.CopyFrom(created.quantization_config)
        if collection.strict.enabled:
            config.strict_mode_config.CopyFrom(collection.strict)
        for key, value in collection.metadata.items():
            config.metadata[key].CopyFrom(value)
        state = collection.shard.info()
        reply = wire.CollectionInfo(
            status=wire.Green, optimizer_status=wire.OptimizerStatus(ok=True), segments_count=state.segments_count,
            config=config, points_count=state.points_count, indexed_vectors_count=state.indexed_vectors_count)
        for key, schema in collection.schema.items():
            reply.payload_schema[key].CopyFrom(schema)
        return wire.GetCollectionInfoResponse(result=reply)

    def list(self, r):
        return wire.ListCollectionsResponse(
            collections=[wire.CollectionDescription(name=name)
                         for name in [*self.collections, *self.settings.get("listed_too", [])]])

    def exists(self, r):
        return wire.CollectionExistsResponse(
            result=wire.CollectionExists(exists=r.collection_name in self.collections))

    # Points.

    def upsert(self, r):
        only(r, "collection_name", "wait", "points", "ordering")
        collection = self.get(r.collection_name)
        strict = collection.strict
        if strict.enabled and strict.HasField("upsert_max_batchsize") and len(r.points) > strict.upsert_max_batchsize:
            raise invalid("Upsert limit exceeded")
        points = []
        for point in r.points:
            vector = vector_in(point)
            if len(vector) != collection.size:
                raise invalid(f"Wrong input: Vector dimension error: expected dim: {collection.size}")
            payload = {key: value_in(value) for key, value in point.payload.items()}
            points.append(edge.Point(id_in(point.id), vector, payload))
        return collection.update(edge.UpdateOperation.upsert_points(points))

    def delete(self, r):
        only(r, "collection_name", "wait", "points", "ordering")
        collection = self.get(r.collection_name)
        if r.points.WhichOneof("points_selector_one_of") == "filter":
            collection.check_filter(r.points.filter, "unindexed_filtering_update")
            return collection.update(edge.UpdateOperation.delete_points_by_filter(filter_in(r.points.filter)))
        return collection.update(
            edge.UpdateOperation.delete_points([id_in(point) for point in r.points.points.ids]))

    def create_index(self, r):
        only(r, "collection_name", "wait", "field_name", "field_type", "field_index_params")
        collection = self.get(r.collection_name)
        if r.field_type not in FIELD_TYPES:
            raise Refusal(Status.UNIMPLEMENTED, "index type")
        strict = collection.strict
        if strict.enabled and strict.HasField("max_payload_index_count") and (
                len(collection.schema) >= strict.max_payload_index_count):
            raise invalid("Collection already has the maximum number of payload indices")
        kind, data_type = FIELD_TYPES[r.field_type]
        if r.HasField("field_index_params"):
            only(r.field_index_params, "keyword_index_params")
            only(r.field_index_params.keyword_index_params, "is_tenant")
        reply = collection.update(edge.UpdateOperation.create_field_index(r.field_name, kind))
        collection.schema[r.field_name] = wire.PayloadSchemaInfo(data_type=data_type)
        return reply

    def records(self, found, with_vectors):
        for record in found:
            message = wire.RetrievedPoint(id=id_out(record.id))
            self.fill(message, record, with_vectors)
            yield message

    def fill(self, message, record, with_vectors):
        for key, value in (record.payload or {}).items():
            value_out(value, message.payload[key])
        if with_vectors and record.vector is not None:
            if self.settings.get("legacy_vectors"):
                message.vectors.vector.data.extend(record.vector)
            else:
                message.vectors.vector.dense.data.extend(record.vector)

    def points(self, r):
        only(r, "collection_name", "ids", "with_payload", "with_vectors", "read_consistency", "timeout")
        collection = self.get(r.collection_name)
        with_vectors = r.with_vectors.enable
        found = collection.shard.retrieve(
            [id_in(point) for point in r.ids], payload_selector_in(r.with_payload), with_vectors)
        return wire.GetResponse(result=self.records(found, with_vectors))

    def scroll(self, r):
        only(r, "collection_name", "filter", "offset", "limit", "with_payload", "with_vectors", "read_consistency",
             "timeout")
        collection = self.get(r.collection_name)
        collection.check_filter(r.filter, "unindexed_filtering_retrieve")
        limit = r.limit if r.HasField("limit") else 10
        if limit < 1:
            raise invalid("Validation error: limit must be 1 or more")
        collection.check_limit(limit)
        with_vectors = r.with_vectors.enable
        found, following = collection.shard.scroll(edge.ScrollRequest(
            offset=id_in(r.offset) if r.HasField("offset") else None, limit=limit,
            filter=filter_in(r.filter) if r.HasField("filter") else None,
            with_payload=payload_selector_in(r.with_payload), with_vector=with_vectors))
        return wire.ScrollResponse(
            result=self.records(found, with_vectors),
            next_page_offset=id_out(following) if following is not None else None)

    def answers(self, r):
        only(r, "collection_name", "query", "filter", "params", "limit", "with_vectors", "with_payload",
             "read_consistency", "timeout")
        collection = self.get(r.collection_name)
        collection.check_filter(r.filter, "unindexed_filtering_retrieve")
        collection.check_limit(r.limit)
        collection.check_exact(r.params.exact)
        only(r.query, "nearest")
        only(r.query.nearest, "dense")
        vector = list(r.query.nearest.dense.data)
        if len(vector) != collection.size:
            raise invalid(f"Wrong input: Vector dimension error: expected dim: {collection.size}")
        with_vectors = r.with_vectors.enable
        found = collection.shard.query(edge.QueryRequest(
            limit=r.limit if r.HasField("limit") else 10, query=edge.Query.Nearest(vector, None),
            filter=filter_in(r.filter) if r.HasField("filter") else None,
            params=params_in(r.params) if r.HasField("params") else None, with_vector=with_vectors,
            with_payload=payload_selector_in(r.with_payload)))
        for point in found:
            message = wire.ScoredPoint(id=id_out(point.id), score=point.score, version=point.version)
            self.fill(message, point, with_vectors)
            yield message

    def query(self, r):
        return wire.QueryResponse(result=self.answers(r))

    def query_batch(self, r):
        only(r, "collection_name", "query_points", "read_consistency", "timeout")
        strict = self.get(r.collection_name).strict
        if strict.enabled and strict.HasField("search_max_batchsize") and (
                len(r.query_points) > strict.search_max_batchsize):
            raise invalid("Batch limit exceeded")
        return wire.QueryBatchResponse(result=[wire.BatchResult(result=self.answers(q)) for q in r.query_points])

    def count(self, r):
        only(r, "collection_name", "filter", "exact", "read_consistency", "timeout")
        collection = self.get(r.collection_name)
        collection.check_filter(r.filter, "unindexed_filtering_retrieve")
        collection.check_exact(r.exact)
        count = collection.shard.count(edge.CountRequest(
            exact=True, filter=filter_in(r.filter) if r.HasField("filter") else None))
        return wire.CountResponse(result=wire.CountResult(count=count))

    def health(self, r):
        return wire.HealthCheckReply(title="qdrant test service", version="1.18.0")

    METHODS = {
        "qdrant.Collections": dict(Create=create, Delete=drop, Get=info, List=list, CollectionExists=exists),
        "qdrant.Points": dict(Upsert=upsert, Delete=delete, Get=points, Scroll=scroll, Query=query,
                              QueryBatch=query_batch, Count=count, CreateFieldIndex=create_index),
        "qdrant.Qdrant": dict(HealthCheck=health),
    }
    REQUESTS = {
        "qdrant.Collections": dict(Create="CreateCollection", Delete="DeleteCollection",
                                   Get="GetCollectionInfoRequest", List="ListCollectionsRequest",
                                   CollectionExists="CollectionExistsRequest"),
        "qdrant.Points": dict(Upsert="UpsertPoints", Delete="DeletePoints", Get="GetPoints", Scroll="ScrollPoints",
                              Query="QueryPoints", QueryBatch="QueryBatchPoints", Count="CountPoints",
                              CreateFieldIndex="CreateFieldIndexCollection"),
        "qdrant.Qdrant": dict(HealthCheck="HealthCheckRequest"),
    }

    def handlers(self):
        # A method that has no handler is answered UNIMPLEMENTED by gRPC itself.
        for service, methods in self.METHODS.items():
            handlers = {}
            for method, answer in methods.items():
                label = method if service == "qdrant.Points" else f"{service.split('.')[1]}.{method}"
                handlers[method] = grpc.unary_unary_rpc_method_handler(
                    self.serve(label, answer),
                    request_deserializer=getattr(wire, self.REQUESTS[service][method]).FromString,
                    response_serializer=lambda reply: reply.SerializeToString())
            yield grpc.method_handlers_generic_handler(service, handlers)


class Proxy:
    """Passes bytes between clients and the gRPC server, so that connections can be cut as networks cut them."""

    def __init__(self, loop, upstream, service):
        self.loop, self.upstream, self.service = loop, upstream, service
        self.writers, self.stalled, self.accepted = set(), set(), 0

    async def listen(self, port):
        await asyncio.start_server(self.accept, "127.0.0.1", port)

    async def accept(self, reader, writer):
        self.accepted += 1
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        self.writers.add(writer)
        try:
            await asyncio.gather(
                self.copy(reader, upstream_writer, writer), self.copy(upstream_reader, writer, writer))
        finally:
            self.writers.discard(writer)
            self.stalled.discard(writer)

    async def copy(self, reader, writer, client):
        try:
            while data := await reader.read(1 << 18):
                if client in self.stalled:
                    continue
                while self.service.settings.get("hold_bytes"):
                    await asyncio.sleep(0.01)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def stall(self):
        self.loop.call_soon_threadsafe(lambda: self.stalled.update(self.writers))

    def drop(self):
        done = threading.Event()

        def cut():
            for writer in list(self.writers):
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            done.set()
        self.loop.call_soon_threadsafe(cut)
        done.wait()


def control(service):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            told = json.loads(body) if body else {}
            status, reply = 200, {}
            if self.path == "/faults":
                with service.lock:
                    service.faults.append(told)
            elif self.path == "/settings":
                service.settings.update(told)
            elif self.path == "/strict":
                collection = service.collections[told.pop("collection")]
                collection.strict.CopyFrom(wire.StrictModeConfig(enabled=True, **told))
            elif self.path == "/drop":
                service.drop_connections()
            elif self.path == "/stall":
                for proxy in service.proxies:
                    proxy.stall()
            elif self.path == "/reset":
                service.reset()
            elif self.path == "/calls":
                reply = service.calls
            elif self.path == "/connections":
                reply = {"accepted": sum(proxy.accepted for proxy in service.proxies)}
            elif self.path == "/times-left":
                reply = service.times_left
            elif self.path == "/captured":
                reply = list(service.captured)
            else:
                status = 404
            data = json.dumps(reply, sort_keys=True).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        do_GET = do_POST = answer
    return Handler


def main():
    parser = argparse.ArgumentParser()
    for name in ("--port", "--control", "--tls-port"):
        parser.add_argument(name, type=int)
    for name in ("--data", "--certificate", "--key"):
        parser.add_argument(name)
    told = parser.parse_args()
    shutil.rmtree(told.data, ignore_errors=True)
    os.makedirs(told.data)
    service = Service(told.data)
    server = grpc.server(
        futures.ThreadPoolExecutor(16), handlers=tuple(service.handlers()),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
                 # Qdrant's server does not count pings; this one would say too_many_pings.
                 ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_ping_strikes", 0)])
    loop = asyncio.new_event_loop()
    inner = server.add_insecure_port("127.0.0.1:0")
    service.proxies.append(Proxy(loop, inner, service))
    loop.run_until_complete(service.proxies[0].listen(told.port))
    if told.tls_port:
        with open(told.key, "rb") as key, open(told.certificate, "rb") as certificate:
            credentials = grpc.ssl_server_credentials([(key.read(), certificate.read())])
        server.add_secure_port(f"127.0.0.1:{told.tls_port}", credentials)
    server.start()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("ready", flush=True)
    ThreadingHTTPServer(("127.0.0.1", told.control), control(service)).serve_forever()


if __name__ == "__main__":
    main()

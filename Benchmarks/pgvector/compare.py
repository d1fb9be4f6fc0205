"""Our store beside psycopg 3 with pgvector-python, and asyncpg: in turns, in one run, on one server.

    scripts/services start postgres && eval "$(scripts/services env postgres)"
    pip install 'psycopg[binary]' pgvector asyncpg numpy
    (cd Benchmarks && swift build -c release --traits PgVector --product pgvector-rate)
    python3 Benchmarks/pgvector/compare.py FOLDER [ROUNDS [PARTS]]

FOLDER has vectors.npy (float32, 384 columns), records.jsonl (id and payload a line), queries.npy and truth.json. PARTS,
`write,exact,hnsw` as a whole, chooses what is measured.
"""

import asyncio
import json
import os
import subprocess
import sys
import time

import asyncpg
import numpy
import psycopg
from pgvector.asyncpg import register_vector as register_asyncpg
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

folder, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
parts = (sys.argv[3] if len(sys.argv) > 3 else "write,exact,hnsw").split(",")
address = os.environ["MINIORM_PG18_URL"]
here = os.path.dirname(os.path.abspath(__file__))
vectors = numpy.load(f"{folder}/vectors.npy")
queries = numpy.load(f"{folder}/queries.npy")
records = [json.loads(line) for line in open(f"{folder}/records.jsonl", encoding="utf-8")]
rows = [(record["id"], vector, record["payload"]) for record, vector in zip(records, vectors)]
truth = json.load(open(f"{folder}/truth.json", encoding="utf-8"))
server = psycopg.connect(address, autocommit=True)
server.execute("create extension if not exists vector")
register_vector(server)
server.execute("set hnsw.iterative_scan = strict_order")
ours = subprocess.Popen(
    [f"{here}/../.build/release/pgvector-rate", address, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)


def ask(command):
    ours.stdin.write(command + "\n")
    ours.stdin.flush()
    return json.loads(ours.stdout.readline())


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def make_table():
    server.execute("drop table if exists bench_theirs")
    server.execute("create table bench_theirs (id text primary key, embedding vector(384) not null, payload jsonb)")


def copy():
    with server.cursor().copy("copy bench_theirs from stdin with (format binary)") as copying:
        copying.set_types(["text", "vector", "jsonb"])
        for name, vector, payload in rows:
            copying.write_row((name, vector, Jsonb(payload)))


upsert = """insert into bench_theirs values (%s, %s, %s) on conflict (id) do update
    set embedding = excluded.embedding, payload = excluded.payload"""


# What an upsert changes: another vector, and one key more.
others = [(name, vector[::-1].copy(), payload | {"round": 1}) for name, vector, payload in rows]


def as_they_are(part):
    return [(name, vector, Jsonb(payload)) for name, vector, payload in part]


def as_text(part):
    return [(name, str(vector.tolist()), json.dumps(payload)) for name, vector, payload in part]


def in_a_transaction(part):
    with server.transaction():
        server.cursor().executemany(upsert, as_they_are(part))


def autocommitted(part):
    server.cursor().executemany(upsert, as_they_are(part))


def of_text(part):
    with server.transaction():
        server.cursor().executemany(upsert.replace("(%s, %s, %s)", "(%s, %s::vector, %s::jsonb)"), as_text(part))


def one_by_one(part):
    for row in as_they_are(part):
        server.execute(upsert, row)


def read_all():
    with server.transaction(), server.cursor(name="all_rows", binary=True) as cursor:
        cursor.itersize = 512
        count = 0
        for _ in cursor.execute("select id, embedding, payload from bench_theirs"):
            count += 1
        assert count == len(rows)


def query(filtered=False):
    where = "where payload @> '{\"pos\": \"verb\"}'" if filtered else ""
    sql = f"select id, 1 - (embedding <=> %s), payload from bench_theirs {where} order by embedding <=> %s limit 10"
    times, names = [], []
    for vector in queries:
        start = time.perf_counter()
        found = server.execute(sql, (vector, vector), prepare=True, binary=True).fetchall()
        times.append(time.perf_counter() - start)
        names.append([row[0] for row in found])
    return times, names


async def concurrent(effort=None):
    async def prepare(connection):
        await register_asyncpg(connection)

    # Not by SET: the pool resets a connection that is given back to what it was started with.
    settings = {"hnsw.ef_search": str(effort or 40), "hnsw.iterative_scan": "strict_order"}
    sql = "select id, 1 - (embedding <=> $1), payload from bench_theirs order by embedding <=> $1 limit 10"
    async with asyncpg.create_pool(address, min_size=8, max_size=8, init=prepare, server_settings=settings) as pool:
        waiting = iter(queries)

        async def work():
            for vector in waiting:
                await pool.fetch(sql, vector)

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(16)))
        return time.perf_counter() - start


def recall(names, expected):
    hits = sum(len({name for name, _ in right} & set(found)) for found, right in zip(names, expected))
    return hits / sum(len(right) for right in expected)


def show(what, mine, theirs, unit, higher):
    mine, theirs = numpy.median(mine), numpy.median(theirs)
    ratio = mine / theirs if higher else theirs / mine
    print(f"| {what} | {mine:.2f} {unit} | {theirs:.2f} {unit} | {ratio:.2f} |", flush=True)


def latencies(what, mine, theirs):
    for part in (50, 99):
        show(
            f"{what}, p{part}", [numpy.percentile(times, part) * 1e3 for times in mine],
            [numpy.percentile(times, part) * 1e3 for times in theirs], "ms", False,
        )


count = len(rows)
print(f"{count} rows of 384 dimensions, {len(queries)} queries, medians of {rounds} rounds in turns")
print("| | ours | theirs | times as good |\n|---|---|---|---|")
variants = {
    "executemany in a transaction": in_a_transaction, "executemany, autocommit": autocommitted,
    "executemany of text, in a transaction": of_text, "execute row by row, autocommit": one_by_one,
}


def expected_of_verbs():
    """The nearest verbs by cosine, computed here."""
    verbs = [index for index, record in enumerate(records) if record["payload"]["pos"] == "verb"]
    these = vectors[verbs] / numpy.linalg.norm(vectors[verbs], axis=1, keepdims=True)
    scores = (queries / numpy.linalg.norm(queries, axis=1, keepdims=True)) @ these.T
    best = numpy.argsort(-scores, axis=1)[:, :10]
    return [[(records[verbs[index]]["id"], 0) for index in row] for row in best]


if "write" not in parts:
    ask("new")
    make_table()
    copy()
else:
    new, copied = [], []
    # Both sides' first call warms them up.
    ask("new")
    for _ in range(rounds):
        new.append(count / ask("new")["seconds"])
        make_table()
        copied.append(count / timed(copy))
    show("upsert of new rows / COPY, rows/s", new, copied, "", True)
    changed, same, many = [], [], {name: [] for name in variants}
    for turn in range(rounds):
        changed.append(count / ask("changed")["seconds"])
        same.append(count / ask("again")["seconds"])
        for step, (name, body) in enumerate(variants.items()):
            part = (rows if (turn + step) % 2 else others)[:2000]
            many[name].append(len(part) / timed(lambda: body(part)))
    for name in variants:
        show(f"upsert that changes every row / {name}, rows/s", changed, many[name], "", True)
    many = many["executemany in a transaction"]
    show("upsert of equal rows / executemany in a transaction, rows/s", same, many, "", True)
    pairs = [(count / ask("scan")["seconds"], count / timed(read_all)) for _ in range(rounds)]
    show("every record, by pages / server cursor, rows/s", [a for a, _ in pairs], [b for _, b in pairs], "", True)
    # What the upserts changed, as it was.
    ask("new")
    make_table()
    copy()
for table in ("bench_ours", "bench_theirs"):
    server.execute(f"vacuum analyze {table}")
if "exact" in parts:
    pairs = [(ask("queries"), query()) for _ in range(rounds)]
    latencies("exact query", [a["times"] for a, _ in pairs], [b[0] for _, b in pairs])
    mine, theirs = (recall(found, truth["cosine"]) for found in (pairs[0][0]["ids"], pairs[0][1][1]))
    print(f"| exact recall | {mine:.4f} | {theirs:.4f} | |")
    pairs = [(ask("concurrent")["seconds"], asyncio.run(concurrent())) for _ in range(rounds)]
    show(
        "16 concurrent exact, queries/s", [len(queries) / a for a, _ in pairs],
        [len(queries) / b for _, b in pairs], "", True,
    )
if "hnsw" in parts:
    mine = ask("index 40")["seconds"]
    theirs = timed(lambda: server.execute("create index on bench_theirs using hnsw (embedding vector_cosine_ops)"))
    print(f"| HNSW build, s | {mine:.1f} | {theirs:.1f} | |", flush=True)
    for command, expected in (("queries", truth["cosine"]), ("filtered", expected_of_verbs())):
        what = "HNSW query" + (', filtered by pos == "verb"' if command == "filtered" else "")
        # Each side by what it takes to find 99 of 100.
        efforts = []
        for set_effort, find in (
            (lambda effort: ask(f"effort {effort}"), lambda: ask(command)["ids"]),
            (lambda effort: server.execute(f"set hnsw.ef_search = {effort}"), lambda: query(command == "filtered")[1]),
        ):
            effort, found = 20, 0
            while found < 0.99 and effort < 1000:
                effort += 20
                set_effort(effort)
                found = recall(find(), expected)
            efforts.append(effort)
        pairs = [(ask(command), query(filtered=command == "filtered")) for _ in range(rounds)]
        mine, theirs = (recall(found, expected) for found in (pairs[0][0]["ids"], pairs[0][1][1]))
        print(f"| {what}, recall at ef_search {efforts[0]} and {efforts[1]} | {mine:.4f} | {theirs:.4f} | |")
        latencies(what, [a["times"] for a, _ in pairs], [b[0] for _, b in pairs])
        if command == "queries":
            pairs = [(ask("concurrent")["seconds"], asyncio.run(concurrent(efforts[1]))) for _ in range(rounds)]
            show(
                f"16 concurrent HNSW at ef_search {efforts[0]} and {efforts[1]}, queries/s",
                [len(queries) / a for a, _ in pairs], [len(queries) / b for _, b in pairs], "", True,
            )
ours.stdin.close()
ours.wait()

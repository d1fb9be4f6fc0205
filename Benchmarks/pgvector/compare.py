"""Our store beside psycopg 3 with pgvector-python, and asyncpg: in turns, in one run, on one server.

    scripts/services start postgres && eval "$(scripts/services env postgres)"
    pip install 'psycopg[binary]' pgvector asyncpg numpy
    (cd Benchmarks && swift build -c release --traits PgVector --product pgvector-rate)
    python3 Benchmarks/pgvector/compare.py FOLDER [ROUNDS]

FOLDER has vectors.npy (float32, 384 columns), records.jsonl (id and payload a line), queries.npy and truth.json.
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


def executemany(part):
    with server.transaction():
        server.cursor().executemany(upsert, [(name, vector, Jsonb(payload)) for name, vector, payload in part])


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
        if effort:
            await connection.execute(f"set hnsw.ef_search = {effort}")

    sql = "select id, 1 - (embedding <=> $1), payload from bench_theirs order by embedding <=> $1 limit 10"
    async with asyncpg.create_pool(address, min_size=8, max_size=8, init=prepare) as pool:
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
new, copied, again, many = [], [], [], []
for _ in range(rounds):
    new.append(count / ask("new")["seconds"])
    make_table()
    copied.append(count / timed(copy))
    again.append(count / ask("again")["seconds"])
    part = rows[:2000]
    many.append(len(part) / timed(lambda: executemany(part)))
show("upsert of new rows / COPY, rows/s", new, copied, "", True)
show("upsert of present rows / executemany, rows/s", again, many, "", True)
for table in ("bench_ours", "bench_theirs"):
    server.execute(f"vacuum analyze {table}")
pairs = [(ask("queries"), query()) for _ in range(rounds)]
latencies("exact query", [a["times"] for a, _ in pairs], [b[0] for _, b in pairs])
print(f"| exact recall | {recall(pairs[0][0]['ids'], truth['cosine']):.4f} | {recall(pairs[0][1][1], truth['cosine']):.4f} | |")
pairs = [(ask("concurrent")["seconds"], asyncio.run(concurrent())) for _ in range(rounds)]
show("16 concurrent exact, queries/s", [len(queries) / a for a, _ in pairs], [len(queries) / b for _, b in pairs], "", True)
print(f"| HNSW build, s | {ask('index 40')['seconds']:.1f} | ", end="", flush=True)
print(f"{timed(lambda: server.execute('create index on bench_theirs using hnsw (embedding vector_cosine_ops)')):.1f} | |")
effort = 40
while True:
    ask(f"effort {effort}")
    found = recall(ask("queries")["ids"], truth["cosine"])
    if found >= 0.99 or effort >= 1000:
        break
    effort += 20
server.execute(f"set hnsw.ef_search = {effort}")
pairs = [(ask("queries"), query()) for _ in range(rounds)]
print(f"| HNSW recall at ef_search {effort} | {recall(pairs[0][0]['ids'], truth['cosine']):.4f} | {recall(pairs[0][1][1], truth['cosine']):.4f} | |")
latencies("HNSW query", [a["times"] for a, _ in pairs], [b[0] for _, b in pairs])
pairs = [(ask("filtered"), query(filtered=True)) for _ in range(rounds)]
latencies("HNSW query, filtered", [a["times"] for a, _ in pairs], [b[0] for _, b in pairs])
pairs = [(ask("concurrent")["seconds"], asyncio.run(concurrent(effort))) for _ in range(rounds)]
show("16 concurrent HNSW, queries/s", [len(queries) / a for a, _ in pairs], [len(queries) / b for _, b in pairs], "", True)

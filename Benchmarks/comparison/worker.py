"""A peer's side of a comparison: `worker.py PEER`, told on standard input what to do, a line of JSON at a time.

The same commands and replies as the program of the embedded store; it ends with its input.
"""
import json
import os
import pathlib
import sys
import time

# What an engine prints must not come between the replies.
replies = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import numpy as np

import data
import peers


class Worker:
    def __init__(self, kind):
        self.kind = kind

    def load(self, command):
        rows = np.ascontiguousarray(np.load(command["rows"]))
        self.queries = np.load(command["queries"])
        self.peer = self.kind(
            rows, command["metric"], data.buckets(len(rows)), command["threads"], pathlib.Path(command["path"])
        )
        begin = time.perf_counter()
        self.peer.load()
        self.formed = self.peer.form(self.queries)
        if command.get("filter"):
            self.peer.where(command["filter"])
        return {"seconds": [time.perf_counter() - begin]}

    def tune(self, command):
        self.peer.tune(command["value"])
        return {}

    def asked(self, command):
        start = command.get("start", 0)
        return [self.formed[i % len(self.formed)] for i in range(start, start + command["count"])]

    def query(self, command):
        search, asked = self.peer.search, self.asked(command)
        begin = time.perf_counter()
        for query in asked:
            search(query, 10)
        return {"seconds": [(time.perf_counter() - begin) / len(asked)]}

    def batch(self, command):
        numbers = np.arange(command["start"], command["start"] + command["size"]) % len(self.queries)
        queries = np.ascontiguousarray(self.queries[numbers])
        begin = time.perf_counter()
        self.peer.batch(queries, 10)
        return {"seconds": [time.perf_counter() - begin]}

    def answers(self, command):
        if command.get("size"):
            found = self.peer.ids(self.peer.batch(np.ascontiguousarray(self.queries[: command["count"]]), 10)).tolist()
        else:
            found = [self.peer.ids(self.peer.search(query, 10))[0].tolist() for query in self.asked(command)]
        return {"ids": found}

    def add(self, command):
        return {"seconds": [self.peer.add()]}

    def reopen(self, command):
        return {"seconds": [self.peer.reopen()]}


worker = Worker(peers.PEERS[sys.argv[1]])
for line in sys.stdin:
    command = json.loads(line)
    try:
        reply = getattr(worker, command["op"])(command)
    except Exception as error:
        import traceback

        traceback.print_exc()
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), file=replies)

"""The rows that everybody searches, and the true answers."""
import os
import pathlib

import numpy as np

DIMENSION = 384
QUERIES = 500
TRUE_ANSWERS = 10
NOISE = 0.3
BLOCK = 10_000


def buckets(count):
    """A payload field, uniform in 0 ..< 100, that has nothing to do with the vector. The Swift side has the same."""
    return ((np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)) % np.uint64(100)


def selected(filter, count):
    """Which rows a filter (`bucket == 7`, `bucket < 50`) selects."""
    name, operator, value = filter.split()
    assert name == "bucket"
    return {"==": np.equal, "<": np.less}[operator](buckets(count), int(value))


def normalised(rows):
    return rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True).astype(np.float32)


class Data:
    """Files of rows, queries and true answers, made when they are first asked for."""

    def __init__(self, wordnet, folder):
        self.wordnet = pathlib.Path(wordnet) if wordnet else None
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def save(self, path, write):
        """A file appears whole or not at all."""
        if not path.exists():
            part = path.with_name(path.name + ".part")
            with open(part, "wb") as file:
                write(file)
            os.replace(part, path)
        return path

    def rows_path(self, kind, count):
        def write(file):
            header = {"descr": "<f4", "fortran_order": False, "shape": (count, DIMENSION)}
            np.lib.format.write_array_header_1_0(file, header)
            originals = np.load(self.wordnet / "vectors.npy") if kind == "wordnet" else None
            for start in range(0, count, BLOCK):
                # A block is made from its number alone, so that fewer rows are the beginning of more.
                random = np.random.default_rng([20_000, start, 0 if kind == "wordnet" else 1])
                block = random.standard_normal((BLOCK, DIMENSION), dtype=np.float32)
                if kind == "wordnet":
                    block *= np.float32(NOISE) / np.linalg.norm(block, axis=1, keepdims=True)
                    numbers = random.integers(0, len(originals), BLOCK)
                    numbers[: max(0, len(originals) - start)] = np.arange(start, len(originals))[:BLOCK]
                    block[: max(0, len(originals) - start)] = 0
                    block += originals[numbers]
                file.write(normalised(block)[: count - start].astype("<f4").tobytes())

        return self.save(self.folder / f"{kind}-{count}.npy", write)

    def rows(self, kind, count):
        return np.load(self.rows_path(kind, count), mmap_mode="r")

    def queries_path(self, kind):
        def write(file):
            if kind == "wordnet":
                queries = np.load(self.wordnet / "queries.npy")[:QUERIES]
            else:
                random = np.random.default_rng([20_000, 2])
                queries = normalised(random.standard_normal((QUERIES, DIMENSION), dtype=np.float32))
            np.save(file, np.ascontiguousarray(queries, dtype="<f4"))

        return self.save(self.folder / f"{kind}-queries.npy", write)

    def queries(self, kind):
        return np.load(self.queries_path(kind))

    def truth(self, kind, count, filter=None):
        """Row numbers of the 10 nearest of each query, in float64. As every row has unit length up to rounding, the
        order is not the same for each metric to the last bit, so there is one for each."""

        def write(file):
            rows, queries = self.rows(kind, count), self.queries(kind).astype(np.float64)
            mask = selected(filter, count) if filter else np.ones(count, bool)
            best = {m: (np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)) for m in METRICS}
            for start in range(0, count, BLOCK):
                numbers = np.flatnonzero(mask[start : start + BLOCK]) + start
                if not len(numbers):
                    continue
                block = np.asarray(rows[numbers], np.float64)
                for metric, both in scores(queries, block).items():
                    kept = np.argpartition(-both, min(TRUE_ANSWERS, both.shape[1]) - 1, axis=1)[:, :TRUE_ANSWERS]
                    all_scores = np.hstack([best[metric][0], np.take_along_axis(both, kept, 1)])
                    all_ids = np.hstack([best[metric][1], numbers[kept]])
                    order = np.argsort(-all_scores, axis=1, kind="stable")[:, :TRUE_ANSWERS]
                    best[metric] = (
                        np.take_along_axis(all_scores, order, 1),
                        np.take_along_axis(all_ids, order, 1),
                    )
            np.savez(file, **{f"{m}_{n}": a for m, pair in best.items() for n, a in zip(("scores", "ids"), pair)})

        name = "" if not filter else "-" + "".join(c if c.isalnum() else "_" for c in filter)
        return np.load(self.save(self.folder / f"{kind}-{count}{name}-truth.npz", write))


METRICS = ("dot", "cosine", "l2")


def scores(queries, rows):
    """Float64 scores by metric; higher is better."""
    products = queries @ rows.T
    query_squares, row_squares = (queries**2).sum(1)[:, None], (rows**2).sum(1)[None, :]
    return {
        "dot": products,
        "cosine": products / np.sqrt(query_squares * row_squares),
        "l2": -np.sqrt(np.maximum(0, query_squares + row_squares - 2 * products)),
    }


def wrong_answers(rows, queries, truth, metric, ids, found_scores, filter=None):
    """What is wrong with exact answers, as text, or None; and how many queries have float64's ids in its order.

    An id may differ from float64's only where the true scores of both are the same up to the rounding of float32.
    """
    tolerance = 1e-5 if metric == "l2" else 2e-6
    mask = selected(filter, len(rows)) if filter else None
    same = 0
    for number, (got, got_scores) in enumerate(zip(ids, found_scores)):
        want, want_scores = truth[f"{metric}_ids"][number], truth[f"{metric}_scores"][number]
        if len(got) != len(want) or len(set(got)) != len(got):
            return f"query {number}: {len(set(got))} different answers of {len(want)}", same
        if mask is not None and not mask[got].all():
            return f"query {number}: an answer does not match the filter", same
        own = scores(queries[number : number + 1].astype(np.float64), np.asarray(rows[got], np.float64))[metric][0]
        for place in range(len(want)):
            if abs(own[place] - want_scores[place]) > tolerance:
                return f"query {number}: row {got[place]} in place {place}, where row {want[place]} belongs", same
            if abs(own[place] - got_scores[place]) > tolerance:
                return f"query {number}: row {got[place]} has the score {got_scores[place]}, not {own[place]}", same
        same += list(got) == list(want)
    return None, same


def recall(truth, metric, ids, start=0):
    """The part of the true answers that were found."""
    want = truth[f"{metric}_ids"][start : start + len(ids)]
    return sum(len(set(w.tolist()) & set(g)) for w, g in zip(want, ids)) / want.size

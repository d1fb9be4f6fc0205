"""Runs the cases; `compare` has made ready what this needs."""
import argparse
import os
import pathlib
import re
import signal
import statistics
import sys

import data as rows_data
import peers
from report import Report
from turns import Contestant, Failed, say, told_threads

HERE = pathlib.Path(__file__).resolve().parent
MILLISECONDS = ("ms", lambda seconds: seconds * 1e3)


class Comparison:
    def __init__(self, arguments, report):
        self.arguments, self.report = arguments, report
        self.cache = HERE.parent / ".peers"
        self.data = rows_data.Data(arguments.folder, self.cache / "data")
        self.cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.chosen = re.compile(arguments.cases)
        self.rounds = arguments.rounds
        (self.cache / "logs").mkdir(parents=True, exist_ok=True)

    # Contestants

    def ours(self, kind=None, count=None, metric="dot", threads=1, payload=False):
        contestant = Contestant("MiniORM", [self.arguments.ours], self.cache / "logs" / "MiniORM", told_threads(threads))
        if kind:
            reply = contestant.call("load", payload=payload, **self.files(kind, count, metric), threads=threads)
            contestant.vector_bytes = count * rows_data.DIMENSION * 4
            contestant.loaded_bytes = reply["bytes"]
        return contestant

    def files(self, kind, count, metric):
        return {
            "rows": str(self.data.rows_path(kind, count)),
            "queries": str(self.data.queries_path(kind)),
            "metric": metric,
        }

    def peer(self, name, kind, count, metric, threads, filter=None, building_threads=None):
        """A peer that is ready, or None: it says what went wrong, and the others go on."""
        folder = self.cache / "indexes" / f"{name}-{kind}-{count}-{metric}"
        contestant = None
        try:
            contestant = Contestant(
                label(name, metric),
                [sys.executable, str(HERE / "worker.py"), name],
                self.cache / "logs" / name,
                told_threads(building_threads or threads),
            )
            contestant.kind = name
            contestant.call(
                "load", **self.files(kind, count, metric), threads=threads, path=str(folder), filter=filter
            )
            return contestant
        except Failed as failure:
            self.failed(failure)
            if contestant:
                contestant.end()
            return None

    def failed(self, failure):
        say(f"PEER FAILED: {failure}")
        self.report.failures.append(str(failure))

    def wrong(self, text):
        say(f"WRONG ANSWERS: {text}")
        self.report.wrong.append(f"wrong answers: {text}")

    # What is measured

    def in_turns(self, case, ours, theirs, peer_name, unit):
        """`ours` and `theirs` are called in turns and give seconds. Returns the medians."""
        _, shown = unit
        first, second = [], []
        for number in range(self.rounds):
            first.append(ours(number))
            second.append(theirs(number))
        mine, other = statistics.median(first), statistics.median(second)
        pairs = [b / a for a, b in zip(first, second)]
        self.report.row(case, shown(mine), peer_name, shown(other), other / mine, (min(pairs), max(pairs)))
        return mine, other

    def queries(self, case, ours, peer, filter=None, name=None, own_filter=None):
        """Single queries, the same for both and as many as the slower one does in about half a second."""
        try:
            once = peer.call("query", start=0, count=3, filter=own_filter)["seconds"][0]
            count = max(8, min(250, int((0.1 if self.arguments.quick else 0.4) / once)))
            return self.in_turns(
                case,
                lambda turn: ours.call("query", start=turn * count, count=count, filter=filter)["seconds"][0],
                lambda turn: peer.call("query", start=turn * count, count=count, filter=own_filter)["seconds"][0],
                name or peer.name,
                MILLISECONDS,
            )
        except Failed as failure:
            if ours.process.poll() is not None or str(failure).startswith("MiniORM"):
                raise
            self.failed(failure)
            return None

    def check(self, case, ours, kind, count, metric, filter=None, asked=200, size=None):
        """Whether the answers are those of float64."""
        reply = ours.call("answers", start=0, count=asked, filter=filter, size=size)
        problem, same = rows_data.wrong_answers(
            self.data.rows(kind, count),
            self.data.queries(kind),
            self.data.truth(kind, count, filter),
            metric,
            reply["ids"],
            reply["scores"],
            filter,
        )
        if problem:
            self.wrong(f"{case}: {problem}")
        else:
            said = f"; {reply['note']}" if reply.get("note") else ""
            self.report.notes.append(
                f"{case}: {asked} answers are float64's up to rounding, {same} of them with the same ids in the same order{said}"
            )

    def settled(self, case, ours, **arguments):
        reply = ours.call("settle", **arguments)
        held = ours.loaded_bytes + reply["grown"]
        self.report.notes.append(
            f"{case}: steady after {reply['seconds'][0]:.1f} s of queries; the store takes {held / 1e6:.0f} MB then, "
            f"{held / ours.vector_bytes:.3f} of the vectors ({ours.loaded_bytes / ours.vector_bytes:.3f} before the first query)"
        )

    def found(self, peer, kind, count, metric, filter=None, asked=200, own_filter=None):
        ids = peer.call("answers", start=0, count=asked)["ids"]
        return rows_data.recall(self.data.truth(kind, count, filter), metric, ids)

    # Cases

    def single(self, case, kind, count, metric, names):
        ours = self.ours(kind, count, metric)
        self.settled(case, ours)
        self.check(case, ours, kind, count, metric)
        ours.use_one_core()
        self.stream(case, ours, count)
        for name in names:
            peer = self.peer(name, kind, count, metric, 1)
            if peer:
                peer.use_one_core()
                try:
                    part = self.found(peer, kind, count, metric, asked=20)
                    self.queries(case, ours, peer)
                    if part < 1:
                        self.report.notes.append(f"{case}: {peer.name} has recall {part:.4f} in float32")
                except Failed as failure:
                    self.failed(failure)
                peer.end()
        ours.end()

    def stream(self, case, ours, count, filter=None):
        """The time in which one thread reads the rows' float32 bytes, the least that a full scan can take."""
        size = count * rows_data.DIMENSION * 4
        asked = 20 if self.arguments.quick else 100
        self.in_turns(
            case,
            lambda turn: ours.call("query", start=turn * asked, count=asked, filter=filter)["seconds"][0],
            lambda turn: ours.call("memory", size=size, threads=1, count=3)["seconds"][0],
            "reading the float32 rows from memory",
            MILLISECONDS,
        )

    def batch(self, case, kind, count, names):
        ours = self.ours(kind, count, "dot", threads=self.cores)
        self.settled(case, ours, size=256)
        self.check(case, ours, kind, count, "dot", asked=256, size=256)
        for name in names:
            peer = self.peer(name, kind, count, "dot", self.cores)
            if peer:
                try:
                    peer.call("batch", start=0, size=256)
                    self.in_turns(
                        case,
                        lambda turn: ours.call("batch", start=turn * 31, size=256)["seconds"][0],
                        lambda turn: peer.call("batch", start=turn * 31, size=256)["seconds"][0],
                        peer.name,
                        ("queries/s", lambda seconds: 256 / seconds),
                    )
                except Failed as failure:
                    self.failed(failure)
                peer.end()
        ours.end()

    def filtered(self, case, kind, count, filter, names):
        ours = self.ours(kind, count, "cosine", payload=True)
        self.settled(case, ours)
        self.settled(case, ours, filter=filter)
        self.check(case, ours, kind, count, "cosine", filter, asked=100)
        ours.use_one_core()
        self.queries(case, ours, ours, filter=filter, name="MiniORM, no filter")
        self.stream(case, ours, count, filter)
        for name in names:
            unfiltered = name == "FaissFlat"
            peer = self.peer(name, kind, count, "cosine", 1, None if unfiltered else filter, self.cores)
            if not peer:
                continue
            peer.use_one_core()
            try:
                if unfiltered:
                    shown = f"{peer.name}, no filter"
                else:
                    part = self.found(peer, kind, count, "cosine", filter, asked=50)
                    shown = f"{peer.name}, filter" + (f", recall {part:.3f}" if part < 1 else "")
                self.queries(case, ours, peer, filter=filter, name=shown)
            except Failed as failure:
                self.failed(failure)
            peer.end()
        ours.end()

    def approximate(self, case, kind, count, names):
        ours = self.ours(kind, count, "cosine")
        self.settled(case, ours)
        self.check(case, ours, kind, count, "cosine")
        ours.use_one_core()
        speeds, curves = [], {}
        for name in names:
            # Indexes are built by all cores, and asked by one.
            peer = self.peer(name, kind, count, "cosine", 1, building_threads=self.cores)
            if not peer:
                continue
            peer.use_one_core()
            kind_of_peer = peers.PEERS[name]
            for value in kind_of_peer.values[:: 2 if self.arguments.quick else 1]:
                try:
                    peer.call("tune", value=value)
                    part = self.found(peer, kind, count, "cosine")
                    measured = self.queries(
                        case, ours, peer, name=f"{peer.name}, {kind_of_peer.knob} {value}, recall {part:.4f}"
                    )
                except Failed as failure:
                    self.failed(failure)
                    break
                if measured:
                    speeds.append(1 / measured[0])
                    curves.setdefault(peer.name, []).append((part, 1 / measured[1]))
            peer.end()
        ours.end()
        if curves:
            title = f"{count:,} x {rows_data.DIMENSION} ({kind}), cosine, k = 10"
            self.report.curves[title] = (statistics.median(speeds), curves)

    def upsert(self, case, kind, count):
        ours = self.ours()
        files = self.files(kind, count, "dot")
        size = count * rows_data.DIMENSION * 4
        rate = ("GB/s", lambda seconds: size / seconds / 1e9)

        def mine(_):
            return ours.call("upsert", **files, threads=self.cores)["seconds"][0]

        for place, name in ((1, "memory copy"), (2, "memory copy into new memory")):
            self.in_turns(
                case, mine, lambda _: ours.call("memory", size=size, threads=1, count=1)["seconds"][place], name, rate
            )
        peer = self.peer("FaissFlat", kind, count, "dot", self.cores)
        if peer:
            try:
                self.in_turns(case, mine, lambda _: peer.call("add")["seconds"][0], f"{peer.name}, add", rate)
            except Failed as failure:
                self.failed(failure)
            peer.end()
        ours.end()

    def opening(self, case, kind, count):
        import shutil

        path = self.cache / "store"
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True) if path.is_file() else None
        ours = self.ours()
        files = self.files(kind, count, "cosine")
        try:
            kept = ours.call("keep", **files, path=str(path))
            ours.call("read", path=str(path))
            opened = []

            def mine(_):
                opened.append(ours.call("open", **files, path=str(path)))
                return opened[-1]["seconds"][0]

            self.in_turns(
                case,
                mine,
                lambda _: ours.call("read", path=str(path))["seconds"][0],
                "reading its bytes (from the system's cache)",
                MILLISECONDS,
            )
            problem, _ = rows_data.wrong_answers(
                self.data.rows(kind, count),
                self.data.queries(kind),
                self.data.truth(kind, count),
                "cosine",
                opened[-1]["ids"],
                opened[-1]["scores"],
            )
            if problem or opened[-1]["bytes"] != count:
                self.wrong(f"{case}: {problem or 'records are missing'}")
            first = statistics.median(reply["seconds"][1] for reply in opened)
            self.report.notes.append(
                f"{case}: {kept['bytes'] / 1e6:.0f} MB of files, made in {kept['seconds'][0]:.1f} s; "
                f"the first query after opening took {first * 1e3:.1f} ms"
            )
            peer = self.peer("FaissFlat", kind, count, "cosine", 1)
            if peer:
                try:
                    peer.call("reopen")
                    self.in_turns(
                        case,
                        mine,
                        lambda _: peer.call("reopen")["seconds"][0],
                        f"{peer.name}, read_index",
                        MILLISECONDS,
                    )
                except Failed as failure:
                    self.failed(failure)
                peer.end()
        finally:
            ours.end()
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)

    def bandwidth(self):
        ours = self.ours()
        for threads in sorted({1, self.cores}):
            # Several times, as the system does not always have large pages to give.
            replies = [ours.call("memory", size=180_724_224, threads=threads, count=5) for _ in range(4)]
            best = [min(reply["seconds"][place] for reply in replies) for place in range(3)]
            read, copy, new = (replies[0]["bytes"] / seconds / 1e9 for seconds in best)
            line = (
                f"memory, {threads} thread{'s' if threads > 1 else ''}: read {read:.1f} GB/s, copied {copy:.1f} GB/s, "
                f"copied into new memory {new:.1f} GB/s (best of 20)"
            )
            say(line)
            self.report.machine.append(line)
        ours.end()

    def cases(self):
        """(name, what runs it), in the order of what matters."""
        middle, large = (20_000, None) if self.arguments.quick else (117_659, 1_000_000)
        flat = {
            "dot": ["FaissFlat", "Numpy", "UsearchExact", "HnswlibFlat", "LanceFlat"],
            "l2": ["FaissFlat", "Numpy", "UsearchExact", "HnswlibFlat", "SqliteVec", "LanceFlat"],
            "cosine": ["FaissFlat", "Numpy", "UsearchExact", "HnswlibFlat", "SqliteVec", "LanceFlat", "QdrantExact"],
        }
        for kind in ("wordnet", "isotropic"):
            for metric, names in flat.items():
                names = [n for n in names if kind == "wordnet" or n != "QdrantExact"]
                yield f"query {metric} {kind} {middle} (ms)", self.single, (kind, middle, metric, names)
        for kind in ("wordnet", "isotropic"):
            yield f"batch of 256 dot {kind} {middle} (queries/s)", self.batch, (kind, middle, ["Numpy", "FaissFlat"])
        filters = ["FaissFlat", "FaissFlatFiltered", "SqliteVec", "LanceFlat", "QdrantIndexed", "Chroma"]
        for share, filter in (("1 %", "bucket == 7"), ("50 %", "bucket < 50")):
            yield f"filter {share} cosine wordnet {middle} (ms)", self.filtered, ("wordnet", middle, filter, filters)
        names = ["HnswlibIndex", "UsearchIndex", "FaissHnsw", "FaissIvf", "QdrantIndexed", "Chroma", "LanceIndexed"]
        yield f"approximate cosine wordnet {middle} (ms)", self.approximate, ("wordnet", middle, names)
        size = large or middle
        yield f"upsert {size} (GB/s)", self.upsert, ("wordnet", size)
        yield f"open {size} (ms)", self.opening, ("wordnet", size)
        if large:
            for metric in ("dot", "l2"):
                yield f"query {metric} wordnet {large} (ms)", self.single, ("wordnet", large, metric, ["FaissFlat"])
            yield f"batch of 256 dot wordnet {large} (queries/s)", self.batch, ("wordnet", large, ["Numpy", "FaissFlat"])

    def run(self):
        chosen = [case for case in self.cases() if self.chosen.search(case[0])]
        if not chosen:
            sys.exit(f"no case matches {self.arguments.cases}")
        self.bandwidth()
        for number, (name, run, arguments) in enumerate(chosen, 1):
            say(f"[{number}/{len(chosen)}] {name}")
            try:
                run(name, *arguments)
            except Failed as failure:
                say(f"FAILED: {name}: {failure}")
                self.report.wrong.append(f"{name}: {failure}")
            finally:
                Contestant.end_all()


def label(name, metric):
    """A peer's name in the table."""
    text = peers.PEERS[name].__doc__
    if name == "FaissFlat":
        return "FAISS IndexFlatL2" if metric == "l2" else "FAISS IndexFlatIP"
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder")
    parser.add_argument("--ours", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cases", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--name", default="comparison")
    parser.add_argument("--missing", action="append", default=[])
    arguments = parser.parse_args()
    shown = [a for a in (arguments.quick and "--quick", arguments.cases and f"--cases '{arguments.cases}'") if a]
    report = Report(HERE.parent / "results", HERE.parent.parent, [*shown, f"--rounds {arguments.rounds}"])
    report.failures += [f"{name} was not installed" for name in arguments.missing]
    # A shell's background job would ignore an interrupt otherwise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    try:
        Comparison(arguments, report).run()
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    finally:
        Contestant.end_all()
        if report.rows:
            report.write(arguments.name)
            say(f"written: {report.folder / arguments.name}.md")
    for failure in report.wrong + report.failures:
        say(f"failed: {failure}")
    sys.exit(1 if report.wrong else 0)


main()

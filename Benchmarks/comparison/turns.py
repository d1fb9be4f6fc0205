"""Contestants: a process each, that take turns."""
import collections
import json
import os
import select
import signal
import subprocess
import sys
import time


class Failed(Exception):
    pass


class Contestant:
    """A process that answers one command at a time. It waits between its turns, and ends with its input."""

    running = []

    def __init__(self, name, command, log, environment):
        self.name, self.log = name, log
        with open(log, "w") as errors:
            # A group of its own: an interrupt reaches this program alone, which ends the others.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.received = b""
        Contestant.running.append(self)

    def call(self, op, limit=900, **arguments):
        try:
            self.process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise Failed(f"{self.name} ended: {self.last_words()}") from None
        until = time.monotonic() + limit
        while b"\n" not in self.received:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                self.end()
                raise Failed(f"{self.name} took more than {limit} s for {op}")
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            if not piece:
                raise Failed(f"{self.name} ended: {self.last_words()}")
            self.received += piece
        line, self.received = self.received.split(b"\n", 1)
        reply = json.loads(line)
        if reply.get("error"):
            raise Failed(f"{self.name}: {reply['error']}")
        return reply

    def last_words(self):
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            status = "unknown"
        with open(self.log, errors="replace") as file:
            lines = collections.deque((line.strip() for line in file if line.strip()), 1)
        return f"status {status}, {lines[0] if lines else 'nothing on standard error'}"

    def use_one_core(self):
        """Every thread that there is, and those that they start, on one and the same core."""
        if not hasattr(os, "sched_setaffinity"):
            return
        core = min(os.sched_getaffinity(0))
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                os.sched_setaffinity(int(thread), {core})
            except ProcessLookupError:
                pass

    def end(self):
        if self in Contestant.running:
            Contestant.running.remove(self)
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()

    @classmethod
    def end_all(cls):
        for contestant in list(cls.running):
            try:
                os.killpg(contestant.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            contestant.end()


def told_threads(threads):
    """How an engine's libraries are told the number of threads before they start."""
    names = (
        "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS VECLIB_MAXIMUM_THREADS RAYON_NUM_THREADS "
        "LANCE_CPU_THREADS TOKIO_WORKER_THREADS"
    )
    return {name: str(threads) for name in names.split()}


def say(text):
    print(text, file=sys.stderr, flush=True)

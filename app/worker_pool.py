"""Worker processes for computations that take more than a moment: shared by all visitors, cancelled within 300 ms.

A job is one setting. Visitors who ask for the same setting watch the same job; when nobody watches it any more, the worker
is told to stop between two chunks, and ended if it does not within a fifth of a second. A fresh one takes its place.
"""

from __future__ import annotations

import atexit
import itertools
import json
import logging
import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from worker import CANCEL, QUIT

LOG = logging.getLogger("fimcore.app")
PATIENCE = 0.2  # seconds between asking a worker to stop and ending it
POLL = 0.02
AHEAD = "warm-up"  # watches what is computed before anybody asks for it


class Job:
    """One computation in a worker. `state`: "waiting", "running", then "done", "problem", "broken" or "cancelled"."""

    def __init__(self, key: Hashable, order: tuple[str, str, str]) -> None:
        self.key, self.order = key, order
        self.state = "waiting"
        self.watchers: set[str] = set()
        self.fraction, self.message, self.partial = 0.0, "", None
        self.result: Any = None
        self.sentence = ""
        self.trouble = ""  # class of the error, or a traceback
        self.expected = float("nan")  # seconds, from the cost
        self.began = self.ended = 0.0
        self.finished = threading.Event()

    @property
    def seconds_left(self) -> float:
        """From the pace so far, or from the cost before there is one; nan where neither tells."""
        if self.state != "running":
            return float("nan")
        spent = time.monotonic() - self.began
        if self.fraction > 0.02:
            return spent * (1 - self.fraction) / self.fraction
        return self.expected - spent if self.expected > spent + 1 else float("nan")

    def end(self, state: str) -> None:
        self.state, self.ended = state, time.monotonic()
        self.finished.set()


class WorkerProcess:
    """One process and its connection."""

    def __init__(self) -> None:
        key = secrets.token_bytes(16)
        listener = Listener(authkey=key)
        script = Path(__file__).with_name("worker.py")
        # -P: the script's folder holds modules of the dashboard, which the worker must not pick up by accident.
        self.process = subprocess.Popen([sys.executable, "-P", str(script)], stdin=subprocess.PIPE, text=True)  # noqa: S603
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"address": listener.address, "key": key.hex()}) + "\n")
            self.process.stdin.flush()
        threading.Thread(target=self._unblock, args=(listener.address, key), daemon=True).start()
        try:
            self.connection: Connection = listener.accept()
        finally:
            listener.close()
        self.connection.recv()  # "ready", or EOFError from a process that did not start

    def _unblock(self, address: Any, key: bytes) -> None:
        """If the process dies before it calls, call in its place, so that nobody waits for ever."""
        self.process.wait()
        with suppress(OSError, EOFError):
            Client(address, authkey=key).close()

    def stop(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


class Pool:
    """`size` workers that take jobs in order of arrival."""

    def __init__(self, size: int, on_done: Callable[[Job], None]) -> None:
        self.size, self.on_done = size, on_done
        self._jobs: dict[Hashable, Job] = {}
        self._queue: queue.PriorityQueue[tuple[bool, int, Job]] = queue.PriorityQueue()
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._workers: set[WorkerProcess] = set()
        for _ in range(size):
            threading.Thread(target=self._manage, daemon=True, name="fimcore-worker").start()
        atexit.register(self.close)

    def watch(self, key: Hashable, order: tuple[str, str, str], watcher: str) -> Job:
        """The job of a setting, begun if nobody has asked for it yet."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.finished.is_set() or not job.watchers:
                job = self._jobs[key] = Job(key, order)
                self._put(job, watcher)
            job.watchers.add(watcher)
            return job

    def _put(self, job: Job, watcher: str) -> None:
        """Queue a job; a visitor's comes before, and in the place of, what is only computed ahead of visitors."""
        job.watchers.add(watcher)
        self._queue.put((watcher == AHEAD, next(self._count), job))
        if watcher == AHEAD or sum(other.state == "running" for other in self._jobs.values()) < self.size:
            return
        for other in list(self._jobs.values()):
            if other.state == "running" and other.watchers == {AHEAD}:
                other.watchers.clear()
                again = self._jobs[other.key] = Job(other.key, other.order)
                self._put(again, AHEAD)
                return

    def leave(self, job: Job, watcher: str, *, cancelled: bool = False) -> None:
        """A visitor is no longer interested; the last one to leave stops the work.

        cancelled: the visitor wants the machine for something else, so what is only computed ahead of visitors stops too.
        """
        with self._lock:
            job.watchers.discard(watcher)
            if cancelled and job.watchers == {AHEAD}:
                job.watchers.clear()

    def ahead_of(self, job: Job) -> int:
        """How many jobs are running or were asked for earlier."""
        with self._lock:
            jobs = [other for other in self._jobs.values() if other.watchers - {AHEAD}]
        return jobs.index(job) if job in jobs else 0

    def seconds_ahead(self) -> float:
        """How long until a worker is free, as far as the running jobs tell."""
        with self._lock:
            left = [job.seconds_left for job in self._jobs.values() if job.state == "running"]
        known = [seconds for seconds in left if seconds == seconds]
        return min(known, default=float("nan"))

    def process_ids(self) -> list[int]:
        with self._lock:
            return [worker.process.pid for worker in self._workers]

    def close(self) -> None:
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            with suppress(OSError):
                worker.connection.send(QUIT)
            worker.process.kill()

    def _start(self) -> WorkerProcess | None:
        try:
            worker = WorkerProcess()
        except Exception:
            LOG.exception("a worker process did not start")
            return None
        with self._lock:
            self._workers.add(worker)
        return worker

    def _manage(self) -> None:
        """Life of one worker: started ahead of the first job, replaced when it had to be ended."""
        worker = self._start()
        while True:
            _, _, job = self._queue.get()
            if worker is not None and worker.process.poll() is not None:
                with self._lock:
                    self._workers.discard(worker)
                worker = None
            worker = worker or self._start()
            alive = self._run(job, worker) if worker is not None else False
            if worker is None:
                job.trouble = "no worker process could be started"
                job.end("broken")
            with self._lock:
                if self._jobs.get(job.key) is job:
                    del self._jobs[job.key]
            if worker is not None and not alive:
                with self._lock:
                    self._workers.discard(worker)
                worker = self._start()

    def _run(self, job: Job, worker: WorkerProcess) -> bool:
        """One job; False where the worker is gone afterwards."""
        if not job.watchers:
            job.end("cancelled")
            return True
        job.state, job.began = "running", time.monotonic()
        asked_to_stop = 0.0
        try:
            worker.connection.send(job.order)
            while True:
                if worker.connection.poll(POLL) and self._take(job, worker.connection.recv()):
                    return True
                # Asked also of a worker that sends so much that there is always another message.
                if not job.watchers and not asked_to_stop:
                    asked_to_stop = time.monotonic()
                    worker.connection.send(CANCEL)
                elif asked_to_stop and time.monotonic() - asked_to_stop > PATIENCE:
                    worker.stop()
                    job.end("cancelled")
                    return False
        except (EOFError, OSError):
            worker.stop()
            job.trouble = "the worker process ended in the middle of a job"
            job.end("broken")
            return False

    def _take(self, job: Job, answer: tuple[Any, ...]) -> bool:
        """One message of a worker; True where it is the last of its job."""
        kind = answer[0]
        if kind == "progress":
            job.fraction, job.message = answer[1], answer[2]
            job.partial = job.partial if answer[3] is None else answer[3]
            return False
        if kind == "done":
            job.result, job.fraction = answer[1], 1.0
            self.on_done(job)
        elif kind == "problem":
            job.trouble, job.sentence = answer[1], answer[2]
        elif kind == "broken":
            job.trouble = answer[1]
        job.end(kind)
        return True


def worker_count() -> int:
    """One core stays free for the pages."""
    return max(1, (os.cpu_count() or 2) - 1)

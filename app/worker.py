"""A process that computes for the dashboard: takes orders over a connection, sends progress, partial and final results.

Started by `worker_pool.py` as a script of its own, because a spawned copy of a Streamlit process would run the page again. It never
imports Streamlit. Where the dashboard ends, the connection breaks and so does this process.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Client, Connection
from typing import Any

SECONDS_BETWEEN_MESSAGES = 0.1
SHARE_FOR_PARTIALS = 0.2  # of a worker's time, at most, goes into sending results that are not final
CANCEL, QUIT = "cancel", "quit"


class CancelledError(BaseException):
    """The visitor does not want this result any more. No ordinary handler may swallow it."""


class Reporter:
    """The `progress` of a computation: sends what happens, and stops the computation when told to.

    A partial result that took c seconds to send is followed by 4 c seconds without one: large ones come less often.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sent_at = 0.0
        self.next_partial_at = 0.0

    def __call__(self, fraction: float, message: str = "", partial: Any = None) -> None:
        if self.connection.poll():
            self.connection.recv()
            raise CancelledError
        now = time.monotonic()
        if now < self.next_partial_at or fraction >= 1.0:  # the complete result follows at once
            partial = None
        if partial is not None or now - self.sent_at >= SECONDS_BETWEEN_MESSAGES:
            self.sent_at = now
            self.connection.send(("progress", float(fraction), str(message), partial))
        if partial is not None:
            after = time.monotonic()
            self.next_partial_at = after + (after - now) * (1 / SHARE_FOR_PARTIALS - 1)


def call(function: Any, spec: Any, progress: Any) -> Any:
    """`function(spec)`, with `progress` where it takes one."""
    return function(spec, progress=progress) if takes_progress(function) else function(spec)


def takes_progress(function: Any) -> bool:
    return "progress" in inspect.signature(function).parameters


def serve(connection: Connection, question: str, function: str, settings: str) -> None:
    """One order: compute, and send "done", "problem" (a sentence for the visitor), "broken" (a traceback) or "cancelled"."""
    from fimcore.experiments import load

    try:
        module = load(question)
        spec = module.Spec.model_validate_json(settings)
        result = call(getattr(module, function), spec, Reporter(connection))
        answer: tuple[Any, ...] = ("done", result)
    except CancelledError:
        answer = ("cancelled",)
    except (ValueError, OverflowError) as error:
        answer = ("problem", type(error).__name__, str(error))
    except Exception:
        answer = ("broken", traceback.format_exc())
    connection.send(answer)


def prepare() -> None:
    """Everything slow before the first order, at low priority, so that the pages stay quick."""
    if hasattr(os, "nice"):
        os.nice(5)
    from fimcore.blas_threads import stay_on_one_thread
    from fimcore.experiments import QUESTIONS, load

    stay_on_one_thread()

    for question in QUESTIONS:
        with suppress(ModuleNotFoundError):
            load(question)


def main() -> None:
    opening = json.loads(sys.stdin.readline())
    with Client(opening["address"], authkey=bytes.fromhex(opening["key"])) as connection:
        prepare()
        connection.send(("ready",))
        while True:
            order = connection.recv()
            if order == QUIT:
                return
            if order != CANCEL:  # a cancel that arrives after the end belongs to no order
                serve(connection, *order)


if __name__ == "__main__":
    try:
        main()
    except (EOFError, OSError, KeyboardInterrupt):
        sys.exit(0)

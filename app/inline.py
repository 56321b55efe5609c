"""Computing in the page's own thread: what is quick, once per setting, and stopped as soon as it is overtaken.

Streamlit ends a run that the visitor has overtaken at its next access to the session, so that is what `progress` does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st
from result_cache import ResultCache
from worker import takes_progress
from worker_pool import worker_count

from fimcore.experiments.question_spec import QuestionSpec

BUSY_AFTER, PROGRESS_AFTER = 0.5, 0.3  # seconds
_TOP = "_status_place"

# Shared by all visitors; nothing in it is ever changed.
cache = ResultCache(max_entries=256, max_bytes=384 * 2**20)
_slots = threading.BoundedSemaphore(worker_count())
_turns: dict[Hashable, threading.Lock] = {}
_turns_lock = threading.Lock()


def tick() -> None:
    """Any access to the session state is where Streamlit stops a run that has been overtaken."""
    "n" in st.session_state  # noqa: B015


def open_top() -> None:
    """The place at the top of the page where progress and trouble of its parts appear; made by the entry script."""
    st.session_state[_TOP] = st.container(key="status")


def top() -> Any:
    return st.session_state[_TOP] if _TOP in st.session_state else st.container()


def compute_here(key: Hashable, function: Callable[..., Any], spec: QuestionSpec, *extra: Hashable) -> Any:
    """Compute in this thread: one visitor per setting, and never more computations than cores but one."""
    with top():
        notice = st.empty()
    with _turns_lock:
        turn = _turns.setdefault(key, threading.Lock())
    try:
        with _waiting(turn, notice), _waiting(_slots, notice):
            found = cache.get(key)
            if found is None:
                found = _called(function, spec, extra, notice)
                cache.put(key, found)
        return found
    finally:
        with _turns_lock:
            _turns.pop(key, None)


def _called(function: Callable[..., Any], spec: QuestionSpec, extra: tuple[Hashable, ...], notice: Any) -> Any:
    """The function with a `progress` that lets Streamlit stop it, and shows a bar once it takes a moment."""
    began, shown_at = time.monotonic(), 0.0

    def report(fraction: float, message: str = "", *_: Any) -> None:
        nonlocal shown_at
        tick()
        now = time.monotonic()
        if now - began > PROGRESS_AFTER and now - shown_at > 0.1:
            shown_at = now
            notice.progress(min(max(float(fraction), 0.0), 1.0))

    tick()
    found = function(spec, *extra, **({"progress": report} if takes_progress(function) else {}))
    if shown_at:
        notice.empty()
    return found


@contextmanager
def _waiting(lock: Any, notice: Any) -> Iterator[None]:
    """Hold a lock; whoever waits for long is told, and may ask for something else meanwhile."""
    began, told = time.monotonic(), False
    while not lock.acquire(timeout=0.05):
        tick()
        if not told and time.monotonic() - began > BUSY_AFTER:
            notice.caption("Others are computing. Yours starts in a moment; everything already computed still works.")
            told = True
    try:
        if told:
            notice.empty()
        yield
    finally:
        lock.release()

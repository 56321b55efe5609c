"""How pages get results: from the shared cache, computed at once, or in a worker process with progress and a cancel.

`compute` begins nothing before the cost is known to fit. A computation in the page's own thread (`inline.py`) ends as soon
as the visitor has asked for something else; one in a worker (`worker_pool.py`) once nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import inline
import job_card
import problems
import streamlit as st
from inline import cache as cache  # pages keep pictures of their own in it
from inline import compute_here
from worker_pool import AHEAD, Job, Pool, worker_count

from fimcore.budget import Budget, BudgetError
from fimcore.experiments import load
from fimcore.experiments.control import control_of
from fimcore.experiments.cost import Cost, admit, default_limits, largest_width
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import QuestionSpec

INLINE_SECONDS = 1.5
EXPECTED = (ValueError, OverflowError)  # refusals with a sentence for the visitor: BudgetError, InputError, ...
_TOLD = "_refusals_told"
_GIVEN = "_results_given"  # keys of the complete results of this run, also of those too large for the cache


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The worker processes, one pool per server."""
    return Pool(worker_count(), on_done=lambda job: cache.put(job.key, job.result))


@dataclass
class SessionJobs:
    """What one visitor is waiting for; closed when the visit ends, which stops the work that nobody else watches."""

    name: str = field(default_factory=lambda: uuid4().hex)
    watched: dict[tuple[str, str], Job] = field(default_factory=dict)
    stopped: dict[tuple[str, str], Job] = field(default_factory=dict)
    failed: dict[tuple[str, str], Job] = field(default_factory=dict)  # not begun again until the visitor says so

    def drop(self, place: tuple[str, str], *, cancelled: bool = False) -> None:
        job = self.watched.pop(place, None)
        if job is not None:
            pool().leave(job, self.name, cancelled=cancelled)

    def close(self) -> None:
        for place in list(self.watched):
            self.drop(place)


@st.cache_resource(scope="session", on_release=lambda jobs: jobs.close(), show_spinner=False)
def session_jobs() -> SessionJobs:
    """The jobs of this visit."""
    return SessionJobs()


def key_of(
    question: str, function: str, spec: QuestionSpec, ignore: tuple[str, ...] = (), *extra: Hashable
) -> Hashable:
    """Cache key: fields that do not matter to a function take their defaults in it."""
    return (question, function, _plain_spec(spec, ignore), *extra)


def _plain_spec(spec: QuestionSpec, ignore: tuple[str, ...]) -> QuestionSpec:
    fields = type(spec).model_fields
    return spec.model_copy(update={name: fields[name].default for name in ignore}) if ignore else spec


def admitted(question: str, spec: QuestionSpec, limits: Budget | None = None) -> Cost | None:
    """What a setting costs, or None after showing why it is refused and what would fit."""
    module = load(question)
    try:
        return admit(spec, module.cost, limits)
    except BudgetError as error:
        sentence, fits = str(error), largest_width(spec, module.cost, limits or default_limits())
        size = control_of(type(spec).model_fields[spec.size_name]) if isinstance(spec, NetworkSpec) else None
        remedy = (f"Use width {fits}", {size.url: fits}) if fits and size else None
    except EXPECTED as error:
        sentence, remedy = str(error), None
    told = st.session_state.setdefault(_TOLD, set())
    if sentence not in told:  # the parts of a page are refused together, and once is enough
        told.add(sentence)
        problems.show_problem(sentence, remedy, key=f"refused-{question}-{len(told)}")
    return None


def compute(
    question: str,
    spec: QuestionSpec,
    *,
    function: str = "run",
    draw: Callable[[Any], None] | None = None,
    ignore: tuple[str, ...] = (),
    limits: Budget | None = None,
    seconds: float | None = None,
) -> Any | None:
    """The result of a question's function at a Spec, drawn with `draw` where given; None where there is none yet.

    Cached: at once. Below 1.5 s: computed here, in the page's thread. Longer: a card with progress and cancel, while `draw`
    gets partial results as they arrive. Where nothing can be computed (refused, failed, still running), the last result that
    this visitor saw here is drawn and returned again, so that a picture never goes blank; `is_current` tells.

    ignore: fields of the Spec that the function does not depend on.
    seconds: what this function takes, where it is only a part of what the question costs.
    """
    place, key = (question, function), key_of(question, function, spec, ignore)
    # The same two containers whatever happens, so that what follows keeps its place and its state in the browser.
    name = "-".join(place)
    cards, picture = st.container(key=f"cards-{name}"), st.container(key=f"picture-{name}")

    def show(result: Any | None) -> Any | None:
        with picture:
            if result is not None and draw is not None:
                draw(result)
            else:
                st.empty()
        return result

    mine = session_jobs()
    if place in mine.watched and mine.watched[place].key != key:
        mine.drop(place)
    for kept in (mine.stopped, mine.failed):
        if place in kept and kept[place].key != key:
            del kept[place]
    result = cache.get(key)
    if result is None:
        with cards:
            asked = admitted(question, spec, limits)
        if asked is None:
            return show(_seen(place))
        expected = asked.seconds if seconds is None else seconds
        if expected >= INLINE_SECONDS:
            with cards:
                return _in_background(place, key, _plain_spec(spec, ignore), show, expected)
        with cards, _told(name):
            result = compute_here(key, getattr(load(question), function), _plain_spec(spec, ignore))
        if result is None:
            return show(_seen(place))
    mine.drop(place)
    _give(place, key)
    return show(result)


def compute_part(
    name: str,
    function: Callable[..., Any],
    spec: QuestionSpec,
    *extra: Hashable,
    ignore: tuple[str, ...] = (),
    fallback: bool = True,
    question: str | None = None,
) -> Any | None:
    """A cheap function of a Spec and further hashable arguments, computed here once and then shared.

    fallback: where it fails, the last result that this visitor saw here; without it None, so that what is returned always
        belongs to the Spec.
    question: where given, nothing is computed for a setting that this question refuses.
    """
    key = key_of("part", name, spec, ignore, *extra)
    place = ("part", name)
    found = cache.get(key)
    if found is None:
        with inline.top(), _told(name):
            if question is None or admitted(question, spec) is not None:
                found = compute_here(key, function, _plain_spec(spec, ignore), *extra)
    if found is None:
        return _seen(place) if fallback else None
    _give(place, key)
    return found


def is_current(question: str, spec: QuestionSpec, *, function: str = "run", ignore: tuple[str, ...] = ()) -> bool:
    """Whether `compute` with these arguments gave, or would give at once, the complete result of exactly this setting."""
    key = key_of(question, function, spec, ignore)
    return key in st.session_state.get(_GIVEN, ()) or cache.get(key) is not None


def precompute(question: str, spec: QuestionSpec, function: str = "run", ignore: tuple[str, ...] = ()) -> None:
    """Put a result into the cache without a visitor: at once where it is quick, else by a worker."""
    key, module = key_of(question, function, spec, ignore), load(question)
    plain = _plain_spec(spec, ignore)
    if cache.get(key) is None and admit(spec, module.cost).seconds < INLINE_SECONDS:
        cache.put(key, getattr(module, function)(plain))
    elif cache.get(key) is None:
        pool().watch(key, (question, function, plain.model_dump_json()), AHEAD)


def open_page() -> None:
    """Called once a run by the entry script, above the page."""
    inline.open_top()
    st.session_state[_TOLD], st.session_state[_GIVEN] = set(), set()


def _seen_key(place: tuple[str, str]) -> str:
    return f"_seen_{place[0]}_{place[1]}"


def _give(place: tuple[str, str], key: Hashable) -> None:
    """Remember that the visitor now sees the complete result of a setting."""
    st.session_state[_seen_key(place)] = key
    st.session_state.setdefault(_GIVEN, set()).add(key)


def _seen(place: tuple[str, str]) -> Any | None:
    """What this visitor saw here last, if it is still there."""
    return cache.get(st.session_state.get(_seen_key(place)))


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Refusals become a sentence; anything unexpected a short code, with the traceback in the log only."""
    try:
        yield
    except EXPECTED as error:
        problems.show_problem(str(error), key=f"problem-{where}")
    except Exception as error:
        problems.show_broken(error)


def _in_background(
    place: tuple[str, str],
    key: Hashable,
    spec: QuestionSpec,
    show: Callable[[Any | None], Any | None],
    expected: float,
) -> Any | None:
    """Follow a job: its card, and its partial result (or what was here before) as the picture."""
    mine, name = session_jobs(), "-".join(place)
    stopped = mine.stopped.get(place)
    if stopped is not None:
        job_card.stopped_card(stopped, lambda: mine.stopped.pop(place, None), key=name)
        return show(_seen(place) if stopped.partial is None else stopped.partial)
    failed = mine.failed.get(place)
    job = failed or mine.watched.get(place)
    if job is None:
        job = pool().watch(key, (place[0], place[1], spec.model_dump_json()), mine.name)
        job.expected = expected
        mine.watched[place] = job
    if failed is None and job.finished.is_set():
        mine.drop(place)
        if job.state == "done":  # between two looks at the cache
            _give(place, key)
            return show(job.result)
        failed = mine.failed[place] = job
        if job.state != "problem":
            problems.log(job.trouble)
    if failed is not None:
        job_card.failed_card(failed, lambda: mine.failed.pop(place, None), key=name)
        return show(_seen(place))

    def cancel() -> None:
        mine.stopped[place] = job
        mine.drop(place, cancelled=True)

    job_card.live_card(
        job,
        pool(),
        cancel,
        lambda: show(_seen(place) if job.partial is None else job.partial),
        key=name,
        left=lambda: mine.watched.get(place) is not job,
    )
    return job.partial if job.partial is not None else _seen(place)

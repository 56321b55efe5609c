from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import inline
import jobs
import numpy as np
import pandas as pd
import pytest
import worker_pool
from result_cache import ResultCache, size_of
from streamlit.testing.v1 import AppTest
from worker import CANCEL

from fimcore.experiments import load
from fimcore.experiments.cost import Cost
from fimcore.experiments.network_spec import NetworkSpec

GENEROUS = 240.0  # seconds: tests are about what happens, also on a busy machine


class Question(SimpleNamespace):
    """A question whose `run` the test decides."""


@pytest.fixture
def question(monkeypatch: pytest.MonkeyPatch) -> Question:
    stub = Question(Spec=NetworkSpec, calls=0, seconds=0.1, answer=lambda spec: f"width {spec.width}")

    def run(spec: NetworkSpec, progress: Any = None) -> Any:
        stub.calls += 1
        progress(0.5, "half")
        return stub.answer(spec)

    stub.run = run
    stub.cost = lambda spec: Cost(10, spec.width * 2**28, stub.seconds)
    monkeypatch.setattr(jobs, "load", lambda name: stub)
    fresh = ResultCache(8, 10**6)
    for module in (inline, jobs):
        monkeypatch.setattr(module, "cache", fresh)
    return stub


def frame() -> None:
    import jobs
    import streamlit as st

    from fimcore.experiments.network_spec import NetworkSpec

    jobs.open_page()
    spec = NetworkSpec(width=st.session_state["n"])
    st.session_state["result"] = jobs.compute("explore", spec, draw=lambda result: st.text(f"drawn: {result}"))


def page_at(width: int) -> AppTest:
    page = AppTest.from_function(frame, default_timeout=240)
    page.session_state["n"] = width
    return page.run()


def drawn(page: AppTest) -> list[str]:
    return [each.value for each in page.text]


def test_a_setting_is_computed_once_for_all_visitors(question: Question) -> None:
    assert drawn(page_at(2)) == ["drawn: width 2"]
    page = page_at(2)
    assert page.run().session_state["result"] == "width 2"
    assert question.calls == 1


def test_too_large_is_refused_before_anything_is_computed_with_what_fits(question: Question) -> None:
    page = page_at(512)
    assert question.calls == 0
    assert not page.exception
    sentences = [each.value for each in page.markdown]
    assert any("Width 512" in each and "limit" in each for each in sentences), sentences
    button = next(each for each in page.button if each.label.startswith("Use width"))
    button.click().run()
    assert page.session_state["n"] < 512
    assert question.calls == 1


def test_what_was_drawn_stays_when_the_next_setting_fails(question: Question) -> None:
    page = page_at(2)

    def fail(spec: NetworkSpec) -> Any:
        raise OverflowError("Signals overflow at this depth.")

    question.answer = fail
    page.session_state["n"] = 4
    page.run()
    assert drawn(page) == ["drawn: width 2"]
    assert any("Signals overflow" in each.value for each in page.markdown)


def test_unexpected_trouble_is_a_code_on_the_page_and_a_traceback_in_the_log(
    question: Question, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(spec: NetworkSpec) -> Any:
        raise KeyError("secret path /srv/data")

    question.answer = fail
    page = page_at(2)
    assert not page.exception
    (told,) = [each.value for each in page.error]
    assert told.startswith("Something broke here, not with your settings.")
    assert "secret" not in told
    code = told.split("`")[1]
    assert f"code {code}" in caplog.text
    assert "secret path" in caplog.text


def parts_frame() -> None:
    import jobs
    import streamlit as st

    from fimcore.experiments.network_spec import NetworkSpec

    def part(spec: NetworkSpec) -> str:
        if spec.width == 4:
            raise OverflowError("Signals overflow at this depth.")
        st.session_state["computed"].append(spec.width)
        return f"part of {spec.width}"

    jobs.open_page()
    spec = NetworkSpec(width=st.session_state["n"])
    st.session_state.setdefault("computed", [])
    jobs.compute("explore", spec)
    st.session_state["current"] = jobs.is_current("explore", spec)
    st.session_state["kept"] = jobs.compute_part("kept", part, spec)
    st.session_state["strict"] = jobs.compute_part("strict", part, spec, fallback=False, question="explore")


def test_an_earlier_result_is_told_from_that_of_the_setting_on_screen(question: Question) -> None:
    page = AppTest.from_function(parts_frame, default_timeout=240)
    page.session_state["n"] = 2
    page.run()
    now = page.session_state
    assert (now["current"], now["kept"], now["strict"]) == (True, "part of 2", "part of 2")

    page.session_state["n"] = 4  # the parts fail
    page.run()
    assert (now["current"], now["kept"], now["strict"]) == (True, "part of 2", None)

    page.session_state["n"] = 512  # refused: parts that belong to the question are not even begun
    page.run()
    assert (now["current"], now["strict"]) == (False, None)
    assert now["computed"] == [2, 2, 512]
    assert sum("Width 512" in each.value for each in page.markdown) == 1


def test_a_result_too_large_for_the_cache_is_current(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (inline, jobs):
        monkeypatch.setattr(module, "cache", ResultCache(8, 1))
    page = AppTest.from_function(parts_frame, default_timeout=240)
    page.session_state["n"] = 2
    assert page.run().session_state["current"]


class OvertakenError(BaseException):
    pass


def test_overtaken_work_stops_leaves_nothing_behind_and_frees_its_place(
    question: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken() -> None:
        raise OvertakenError

    with monkeypatch.context() as patch:
        patch.setattr(inline, "tick", overtaken)
        for _ in range(3):
            with pytest.raises(OvertakenError):
                inline.compute_here(("key",), question.run, NetworkSpec())
    assert len(inline.cache) == 0
    assert inline._turns == {}
    assert inline.compute_here(("key",), question.run, NetworkSpec()) == "width 16"


def test_fields_that_do_not_matter_share_one_result(question: Question) -> None:
    first = jobs.key_of("explore", "run", NetworkSpec(seed=3), ("seed",))
    assert first == jobs.key_of("explore", "run", NetworkSpec(seed=9), ("seed",))
    assert first != jobs.key_of("explore", "run", NetworkSpec(seed=9, width=8), ("seed",))


def test_cache_is_bounded_in_number_and_bytes_and_forgets_the_least_used() -> None:
    cache = ResultCache(max_entries=3, max_bytes=1000)
    for name in "abc":
        cache.put(name, np.zeros(25))
    cache.get("a")
    cache.put("d", np.zeros(25))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.put("large", np.zeros(110))
    assert cache.bytes <= 1000
    cache.put("too large", np.zeros(1000))
    assert cache.get("too large") is None
    assert cache.bytes <= 1000


def test_size_counts_arrays_and_tables_inside_results() -> None:
    assert size_of({"a": np.zeros(1000), "b": (np.zeros(500), "text")}) >= 12_000
    assert size_of(pd.DataFrame({"a": np.zeros(1000)})) >= 8_000


@pytest.fixture(scope="module")
def pool() -> Iterator[worker_pool.Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIMCORE_SECONDS", "100000")  # however slow this machine is at the moment
        made = worker_pool.Pool(1, on_done=lambda job: None)
        yield made
        made.close()


def order(question: str, **fields: Any) -> tuple[tuple[Any, ...], tuple[str, str, str]]:
    spec = load(question).Spec(**fields)
    return (question, "run", spec), (question, "run", spec.model_dump_json())


LONG = {"narrowest": 256, "widest": 512, "outputs": 10, "samples": 1000, "seeds": 32}


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_cancelled_job_frees_the_worker_which_stays_usable(pool: worker_pool.Pool) -> None:
    job = pool.watch(*order("width", **LONG), "visitor")
    wait_until(lambda: job.state != "waiting")
    assert job.state == "running", job.sentence or job.trouble
    pool.leave(job, "visitor")
    left = time.monotonic()
    assert job.finished.wait(GENEROUS)
    assert job.state == "cancelled"
    assert job.ended - left < 30.0
    after = pool.watch(*order("explore", width=4, hidden_layers=1, samples=10, seeds=1), "visitor")
    assert after.finished.wait(GENEROUS)
    assert after.state == "done", after.trouble
    assert after.result.question == "explore"


def test_two_visitors_share_a_job_and_one_may_leave(pool: worker_pool.Pool) -> None:
    setting = order("width", **LONG)
    job = pool.watch(*setting, "one")
    assert pool.watch(*setting, "two") is job
    pool.leave(job, "one")
    wait_until(lambda: job.state != "waiting")
    assert job.state == "running", job.sentence or job.trouble
    assert not job.finished.is_set()
    pool.leave(job, "two")
    assert job.finished.wait(GENEROUS)


def test_a_visitor_goes_before_what_is_computed_ahead(pool: worker_pool.Pool) -> None:
    ahead = pool.watch(*order("width", **LONG), worker_pool.AHEAD)
    wait_until(lambda: ahead.state != "waiting")
    mine = pool.watch(*order("explore", width=4, hidden_layers=1, samples=10, seeds=1, seed=5), "visitor")
    assert mine.finished.wait(GENEROUS)
    assert mine.state == "done"
    again = pool.watch(*order("width", **LONG), "visitor")
    assert again is not ahead
    pool.leave(again, worker_pool.AHEAD)
    pool.leave(again, "visitor")
    assert again.finished.wait(GENEROUS)


def test_a_cancel_stops_what_is_computed_ahead_but_not_what_another_visitor_waits_for(pool: worker_pool.Pool) -> None:
    setting = order("width", **LONG)
    job = pool.watch(*setting, worker_pool.AHEAD)
    for visitor in ("one", "two", "three"):
        assert pool.watch(*setting, visitor) is job
    pool.leave(job, "one", cancelled=True)
    pool.leave(job, "two")
    assert job.watchers == {worker_pool.AHEAD, "three"}
    pool.leave(job, "three", cancelled=True)
    assert not job.watchers
    assert job.finished.wait(GENEROUS)
    assert job.state == "cancelled"


def test_a_visitor_who_only_moves_on_leaves_what_is_computed_ahead(pool: worker_pool.Pool) -> None:
    setting = order("width", **LONG, seed=1)
    job = pool.watch(*setting, worker_pool.AHEAD)
    assert pool.watch(*setting, "visitor") is job
    pool.leave(job, "visitor")
    assert job.watchers == {worker_pool.AHEAD}
    pool.leave(job, worker_pool.AHEAD)
    assert job.finished.wait(GENEROUS)


def card_frame() -> None:
    import job_card
    import streamlit as st
    from worker_pool import AHEAD, Job

    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    job = Job("key", ("width", "run", "{}"))
    job.state, job.watchers = "running", {AHEAD, "another visitor"}
    if runs == 1:
        job_card.live_card(job, None, lambda: None, lambda: None, key="card", left=lambda: st.session_state["left"])
    st.text(f"run {runs}")


@pytest.mark.parametrize("left", [False, True])
def test_the_card_goes_when_its_visitor_left_though_others_wait(left: bool) -> None:
    page = AppTest.from_function(card_frame, default_timeout=240)
    page.session_state["left"] = left
    page.run()
    assert not page.exception
    assert [button.label for button in page.button] == ([] if left else ["Cancel"])
    assert drawn(page) == (["run 2"] if left else ["run 1"])


class PoolOfFailures:
    """A pool whose jobs have failed before anybody looks."""

    def __init__(self, state: str) -> None:
        self.state, self.begun = state, 0

    def watch(self, key: Any, order: Any, watcher: str) -> worker_pool.Job:
        self.begun += 1
        job = worker_pool.Job(key, order)
        job.sentence, job.trouble = "Signals overflow at this depth.", "Traceback: /srv/secret"
        job.end(self.state)
        return job

    def leave(self, job: worker_pool.Job, watcher: str, **_: Any) -> None:
        pass


@pytest.mark.parametrize(("state", "told"), [("problem", "Signals overflow"), ("broken", "Something broke here")])
def test_a_failed_job_is_told_and_not_begun_again_until_asked(
    question: Question, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: str, told: str
) -> None:
    failures, mine = PoolOfFailures(state), jobs.SessionJobs()
    question.seconds = 10.0
    monkeypatch.setattr(jobs, "pool", lambda: failures)
    monkeypatch.setattr(jobs, "session_jobs", lambda: mine)
    page = page_at(2)
    for _ in range(3):
        assert any(told in each.value for each in [*page.markdown, *page.error])
        page.run()
    assert failures.begun == 1
    assert caplog.text.count("/srv/secret") == (state == "broken")
    next(button for button in page.button if button.label == "Try again").click().run()
    assert failures.begun == 2
    page.session_state["n"] = 4
    page.run()
    assert failures.begun == 3


def test_faults_of_a_job_are_sentences(pool: worker_pool.Pool) -> None:
    key, (question, function, _) = order("explore", inputs="csv", data_file="/nowhere/table.csv")
    job = pool.watch(key, (question, function, key[2].model_dump_json()), "visitor")
    assert job.finished.wait(GENEROUS)
    assert (job.state, job.trouble) == ("problem", "InputError")
    assert "table.csv" in job.sentence


class Scripted:
    """A worker whose process is a thread of the test."""

    def __init__(self, answers: Callable[[Any, Any], None]) -> None:
        self.connection, self.other_end = multiprocessing.Pipe()
        self.heard: list[Any] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=answers, args=(self, self.other_end), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()


def obedient(worker: Scripted, there: Any) -> None:
    worker.heard += [there.recv(), there.recv()]
    there.send(("cancelled",))


def deaf(worker: Scripted, there: Any) -> None:
    worker.heard += [there.recv(), there.recv()]


def talkative(worker: Scripted, there: Any) -> None:
    worker.heard.append(there.recv())
    while not worker.ended.is_set():
        there.send(("progress", 0.5, "half", None))
        if there.poll():
            worker.heard.append(there.recv())


@pytest.mark.parametrize(("answers", "ended"), [(obedient, False), (deaf, True), (talkative, True)])
def test_a_worker_that_does_not_stop_when_asked_is_ended(
    pool: worker_pool.Pool, monkeypatch: pytest.MonkeyPatch, answers: Any, ended: bool
) -> None:
    if not ended:
        monkeypatch.setattr(worker_pool, "PATIENCE", GENEROUS)
    worker = Scripted(answers)
    job = worker_pool.Job("key", ("explore", "run", "{}"))
    job.watchers.add("visitor")
    threading.Timer(0.1, lambda: pool.leave(job, "visitor")).start()
    assert pool._run(job, worker) is not ended  # type: ignore[arg-type]
    assert job.state == "cancelled"
    assert worker.ended.is_set() is ended
    worker.thread.join(GENEROUS)
    assert worker.heard == [job.order, CANCEL]


def test_a_job_that_nobody_waits_for_any_more_is_not_begun(pool: worker_pool.Pool) -> None:
    worker = Scripted(lambda worker, there: None)
    job = worker_pool.Job("key", ("explore", "run", "{}"))
    assert pool._run(job, worker) is True  # type: ignore[arg-type]
    assert (job.state, job.began, worker.heard) == ("cancelled", 0.0, [])


def test_a_worker_that_dies_breaks_one_job_only(pool: worker_pool.Pool) -> None:
    job = pool.watch(*order("width", **LONG), "visitor")
    wait_until(lambda: job.state != "waiting")
    assert job.state == "running", job.sentence or job.trouble
    (process,) = pool.process_ids()
    os.kill(process, 9)
    assert job.finished.wait(GENEROUS)
    assert job.state == "broken"
    after = pool.watch(*order("explore", width=4, hidden_layers=1, samples=10, seeds=1, seed=9), "visitor")
    assert after.finished.wait(GENEROUS)
    assert after.state == "done"

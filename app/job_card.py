"""The card of a running computation: what is being computed, how long it takes, cancel; and what was stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import problems
import streamlit as st
import words
from worker_pool import Job, Pool

EVERY = 0.25  # seconds


def sentence(job: Job, pool: Pool) -> str:
    """ "Computing network 12 of 24, about 9 s left." """
    if job.state == "waiting":
        ahead, left = pool.ahead_of(job), pool.seconds_ahead()
        if ahead == 0:
            return "Starting …"
        soon = f" Yours starts in {words.about(left)};" if left == left else " Yours comes next;"
        return f"{words.count_of(ahead, 'computation')} ahead.{soon} everything already computed still works."
    what = job.message or "this setting"
    left = job.seconds_left
    return f"Computing {what}, {words.about(left)} left." if left == left else f"Computing {what} …"


def live_card(
    job: Job,
    pool: Pool,
    cancel: Callable[[], None],
    show: Callable[[], Any],
    *,
    key: str,
    left: Callable[[], bool] = lambda: False,
) -> None:
    """Progress that renews itself while the rest of the page stays usable; at the end the page is run once more.

    left: whether this visitor has cancelled, even where the job goes on for others.
    """

    @st.fragment(run_every=EVERY, key=f"job-{key}")
    def live() -> None:
        if job.finished.is_set() or not job.watchers or left():
            st.rerun()
        with st.container(border=True, key=f"job-card-{key}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(sentence(job, pool), width="stretch")
                st.button("Cancel", key=f"cancel-{key}", on_click=cancel)
            st.progress(min(max(job.fraction, 0.0), 1.0))
        show()

    live()


def stopped_card(job: Job, resume: Callable[[], Any], *, key: str) -> None:
    """What a visitor stopped, and a way to go on."""
    done = f"Stopped at {job.message}." if job.message else "Stopped before anything was finished."
    kept = " The picture uses what was finished." if job.partial is not None else ""
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"stopped-{key}"):
        st.markdown(done + kept, width="stretch")
        st.button("Compute again", key=f"resume-{key}", on_click=resume)


def failed_card(job: Job, again: Callable[[], Any], *, key: str) -> None:
    """Why a computation gave nothing, and a way to try once more."""
    if job.state == "problem":
        problems.show_problem(job.sentence, key=f"problem-{key}", again=again)
        return
    with st.container(key=f"broken-{key}"):
        problems.show_broken_text(job.trouble)
        st.button("Try again", key=f"again-{key}", on_click=again)

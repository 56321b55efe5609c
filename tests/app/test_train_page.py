"""The page Train in-process: every control at both ends, words that follow the numbers, figures without bad numbers."""

import math
import re
from pathlib import Path

import jobs
import numpy as np
import pytest
import torch
import train_words
from figures import train as figures
from settings import settings_of
from streamlit.testing.v1 import AppTest

from fimcore.experiments import train
from fimcore.experiments.train_spec import OPTIMIZERS, Spec

VIEW = Path(__file__).parents[2] / "app" / "views" / "train.py"
SMALL = {"n": 8, "N": 20, "S": 2, "T": 10}
ENDS = [
    (key, end)
    for key, setting in settings_of("train").items()
    for end in (
        [setting.control.options[0], setting.control.options[-1]]
        if setting.control.options and not setting.many
        else [("sgd",), OPTIMIZERS]
        if setting.many
        else list(setting.bounds)
    )
    if key not in ("y", "in", "seed")
]
# The upper ends that are not for a test's patience; the browser tests and the cost tests meet them as refusals.
SMALLER = {("n", 512): 32, ("N", 2000): 500, ("S", 32): 5, ("T", 2000): 50, ("k", 64): 5, ("L", 12): 6}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No worker process: everything in the page's own run, with one thread as on the server."""
    monkeypatch.setattr(jobs, "INLINE_SECONDS", math.inf)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def open_page(**values) -> AppTest:
    page = AppTest.from_file(str(VIEW), default_timeout=60)
    for key, value in {**SMALL, **values}.items():
        page.session_state[key] = value
    return page.run()


def texts(page: AppTest) -> str:
    return " ".join(element.value for element in [*page.markdown, *page.caption])


def check(page: AppTest) -> None:
    assert not page.exception
    assert page.title[0].value == "Does the geometry help?"
    for card in page.metric:
        assert re.fullmatch(r"[\d.,]+ steps?|not reached|diverged", card.value), card.value
    assert not re.search(r"\bnan\b|\binf\b", texts(page))


def test_small_race_has_everything():
    page = open_page()
    check(page)
    assert [card.label for card in page.metric] == ["SGD", "Adam", "Natural, exact", "Natural, unit-wise"]
    assert len(page.get("plotly_chart")) == 2
    assert len(page.get("bidi_component")) == 1
    assert "of the starting loss" in page.markdown[0].value
    assert "Stability of SGD" in texts(page)
    page.toggle(key="table-train").set_value(True).run()
    assert list(page.dataframe[0].value["Optimizer"]) == ["SGD", "Adam", "Natural, exact", "Natural, unit-wise"]


@pytest.mark.parametrize(("key", "end"), ENDS, ids=[f"{key}={end}" for key, end in ENDS])
def test_each_control_at_both_ends(key, end):
    values = {key: SMALLER.get((key, end), end)}
    if key == "out" and end == "softmax":
        values["k"] = 3
    check(open_page(**values))


def test_digits_say_what_they_override():
    page = open_page(task="digits", est="score", opt=["sgd", "ngd_unit"])
    check(page)
    assert "sets the input to the 8 × 8 images" in texts(page)
    assert "exact Fisher matrix here" in texts(page)


def test_divergence_has_a_sentence_and_a_button_that_mends_it():
    page = open_page(act="linear", eta_sgd=5.0, opt=["sgd"], T=200)
    check(page)
    said = next(text.value for text in page.markdown if "became infinite" in text.value)
    assert re.search(r"at step \d+ \(SGD, step size 5\)", said)
    assert re.search(r"steps above 2/λ\\_max = [\d.]+ are unstable", said)
    button = page.button(key="remedy-train-sgd")
    assert button.label.startswith("Use 0.")
    button.click().run()
    check(page)
    assert float(button.label.removeprefix("Use ")) == page.session_state["eta_sgd"]
    assert "became infinite" not in texts(page)


def test_no_optimizer_chosen_is_said_and_the_page_stays():
    page = open_page()
    page.session_state["opt"] = []
    page.run()
    assert not page.exception
    assert "choose at least one" in texts(page)
    assert len(page.get("plotly_chart")) == 2


@pytest.fixture(scope="module")
def wild():
    return train.run(
        Spec(width=8, samples=20, seeds=2, steps=400, activation="linear", lr_sgd=5.0, optimizers="sgd,adam")
    )


@pytest.mark.parametrize("dark", [False, True])
def test_figures_hold_only_finite_numbers_and_few_points(wild, dark):
    lines = figures.series(wild.tables["curves"])
    for draw in (figures.loss_against_steps, figures.loss_against_seconds):
        figure = draw(lines, dark=dark, goal=figures.goal_level(wild.tables["races"], 0.01))
        assert sum(len(trace.x) for trace in figure.data) <= figures.MOST_POINTS
        for trace in figure.data:
            assert np.isfinite(np.asarray(trace.x, dtype=float)).all()
            assert (np.asarray(trace.y, dtype=float) > 0).all()
            assert np.isfinite(np.asarray(trace.y, dtype=float)).all()
        assert any(trace.text is not None and "diverged at step" in trace.text[0] for trace in figure.data)
        dashes = [trace.line.dash for trace in figure.data if trace.name in ("SGD", "Adam") and trace.line.dash]
        assert len(set(dashes)) == 2
        low, high = figure.layout.yaxis.range
        assert high - low < 12


def test_a_line_ends_before_its_first_divergence(wild):
    sgd, adam = figures.series(wild.tables["curves"])
    assert np.isnan(sgd.middle[sgd.steps >= sgd.diverged_at]).all()
    assert np.isfinite(adam.middle).all()
    assert np.isnan(adam.diverged_at)


def test_a_seed_that_is_still_running_is_left_out(wild):
    curves = wild.tables["curves"].query("optimizer == 'adam'")
    part = curves[(curves["seed"] == 0) | (curves["step"] < 50)]
    (only,) = figures.series(part)
    (first,) = figures.series(curves[curves["seed"] == 0])
    assert only.middle.tolist() == first.middle.tolist()
    (alone,) = figures.series(curves[(curves["seed"] == 0) & (curves["step"] < 50)])
    assert alone.steps[-1] == 49


def test_playback_positions_follow_the_traces(wild):
    lines = figures.series(wild.tables["curves"])
    figure = figures.loss_against_steps(lines, dark=False, goal=0.1)
    places = figures.positions(figure, lines, [line.steps for line in lines])
    assert len(places) == len(figure.data)
    for trace, place in zip(figure.data, places, strict=True):
        assert (place is None) == (trace.name not in ("SGD", "Adam"))


def test_alt_texts_tell_the_finding(wild):
    text = train_words.alt_text(wild.tables["summary"], "steps")
    assert re.fullmatch(
        r"Loss against steps. To 1 % of the start: Adam after [\d.]+ steps; SGD diverged in 2 of 2 seeds.", text
    )


def test_opening_names_the_clock_winner():
    result = train.run(Spec(width=8, samples=20, seeds=1, steps=60))
    text = train_words.opening(result)
    summary = result.tables["summary"]
    arrived = summary.dropna(subset=["steps_to_goal"])
    quickest = arrived.sort_values("seconds_to_goal")["optimizer"].iloc[0]
    first = arrived.sort_values("steps_to_goal", kind="stable")["optimizer"].iloc[0]
    assert train_words.WORDS[first] in text[0].lower() + text[1:] or train_words.WORDS[first].capitalize() in text
    if quickest != first:
        assert f"On the clock **{train_words.WORDS[quickest]}** is first" in text
    else:
        assert "also first on the clock" in text

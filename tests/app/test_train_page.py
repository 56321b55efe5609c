"""The page Train in-process: every control at both ends, words that follow the numbers, figures without bad numbers."""

import math
import re
from pathlib import Path

import jobs
import numpy as np
import pytest
import torch
import train_rates_words
import train_words
import words
from figures import style, train_rates
from figures import train as figures
from streamlit.testing.v1 import AppTest

from fimcore.experiments import train
from fimcore.experiments.train_names import OPTIMIZERS
from fimcore.experiments.train_spec import DEFAULT_OPTIMIZERS, Spec

VIEW = Path(__file__).parents[2] / "app" / "views" / "train.py"
SMALL = {"n": 8, "N": 20, "S": 2, "T": 10}
HAND = {"eta_sgd": 0.1, "eta_adam": 0.03, "eta_exact": 0.5, "eta_unit": 0.1}


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


def test_small_race_has_everything_and_its_other_views():
    page = open_page()
    check(page)
    names = ["SGD", "Adam", "Natural, exact", "Natural, unit-wise"]
    assert [card.label for card in page.metric] == names
    assert len(page.get("plotly_chart")) == 2
    assert len(page.get("bidi_component")) == 1
    assert "of the starting loss" in page.markdown[0].value
    assert "Stability of SGD" in texts(page)
    assert "linearised network" in texts(page)
    page.toggle(key="table-train").set_value(True).run()
    assert list(page.dataframe[0].value["Optimizer"]) == names
    assert "Cost of a step (SGD = 1)" in page.dataframe[0].value
    page.session_state["per"] = "products"
    page.run()
    check(page)
    assert "Per Fisher-vector product" in [heading.value for heading in page.header]
    page.session_state["view"] = "rates"
    page.run()
    check(page)
    assert len(page.get("plotly_chart")) == 1
    assert "Each at its best step size" in page.markdown[0].value


def test_tasks_say_what_they_override_and_a_table_is_asked_for():
    page = open_page(task="digits", est="score", opt=["sgd", "kfac"], eta_sgd=0.1, eta_kfac=0.3)
    check(page)
    assert "sets the input to the 8 × 8 images" in texts(page)
    assert "The estimator is that of the diagonal natural gradient" in texts(page)
    page.session_state["task"] = "plateau"
    page.run()
    check(page)
    assert "a network of its own" in texts(page)
    page.session_state["task"] = "table"
    page.run()
    assert not page.exception
    assert "learns a column of a table" in texts(page)
    assert page.button(key="remedy-train-table").label == "Choose a CSV"


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
    page = open_page(**HAND)
    page.session_state["opt"] = []
    page.run()
    assert not page.exception
    assert "choose at least one" in texts(page)
    assert len(page.get("plotly_chart")) == 2


@pytest.fixture(scope="module")
def wild():
    return train.run(
        Spec(
            width=8,
            samples=20,
            seeds=2,
            steps=400,
            activation="linear",
            lr_sgd=5.0,
            lr_adam=0.03,
            optimizers="sgd,adam",
        )
    )


@pytest.mark.parametrize("dark", [False, True])
def test_figures_hold_only_finite_numbers_and_few_points(wild, dark):
    lines = figures.series(wild.tables["curves"])
    for draw in (figures.loss_against_steps, figures.loss_against_seconds, figures.loss_against_products):
        figure = draw(lines, dark=dark, goal=figures.goal_level(wild.tables["races"], 0.01))
        assert sum(len(trace.x) for trace in figure.data) <= figures.MOST_POINTS
        for trace in figure.data:
            assert np.isfinite(np.asarray(trace.x, dtype=float)).all()
            assert (np.asarray(trace.y, dtype=float) > 0).all()
            assert np.isfinite(np.asarray(trace.y, dtype=float)).all()
        assert any(trace.text is not None and "diverged at step" in trace.text[0] for trace in figure.data)
        symbols = [
            trace.marker.symbol for trace in figure.data if trace.name in ("SGD", "Adam") and trace.marker.symbol
        ]
        assert len(set(symbols)) == 2
        low, high = figure.layout.yaxis.range
        assert high - low < 12


def test_colours_are_all_different_and_those_of_the_default_race_stay():
    for chosen in (DEFAULT_OPTIMIZERS, OPTIMIZERS[:6], OPTIMIZERS[5:11], OPTIMIZERS[11:]):
        found = figures.colours(chosen)
        assert len(set(found.values())) == len(chosen) <= len(style.SERIES_LIGHT)
    assert figures.colours(("adam", "ngd_unit", "mbf"))["ngd_unit"] == figures.colours(DEFAULT_OPTIMIZERS)["ngd_unit"]


@pytest.mark.parametrize("dark", [False, True])
def test_predictions_are_dashed_and_stay_inside_the_picture(dark):
    result = train.run(Spec(width=8, samples=20, seeds=2, steps=10, lr_sgd=0.1, lr_adam=0.03, optimizers="sgd,adam"))
    lines = figures.series(result.tables["curves"])
    figure = figures.loss_against_steps(lines, dark=dark, predicted=result.tables["prediction"])
    (dashed,) = [trace for trace in figure.data if trace.name == figures.PREDICTED]
    assert dashed.line.dash == "dash"
    own = result.tables["prediction"].pivot(index="step", columns="seed", values="predicted_loss")
    np.testing.assert_allclose(dashed.y, np.exp(np.log(own).mean(axis=1)), rtol=1e-5)
    assert "followed, within a factor of 1.5, by SGD" in train_rates_words.prediction_words(result)


def test_lost_step_sizes_are_crosses_and_never_numbers():
    result = train.run(
        Spec(width=8, samples=20, seeds=2, steps=10, view="rates", activation="linear", optimizers="sgd,ngd_exact")
    )
    figure = train_rates.loss_against_rate(result.tables["rates"], ("sgd", "ngd_exact"), dark=False)
    for trace in figure.data:
        assert np.isfinite(np.asarray(trace.x, dtype=float)).all()
        assert np.isfinite(np.asarray(trace.y, dtype=float)).all()
    assert "SGD: lost" in [trace.name for trace in figure.data]
    table = train_rates_words.shown_table(result.tables["best"])
    assert list(table["Optimizer"]) == ["SGD", "Natural, exact"]


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


def test_a_run_that_stopped_at_a_singular_matrix_has_a_marker_and_the_damping_that_helps():
    spec = Spec(
        width=8, samples=12, seeds=2, steps=15, activation="linear", optimizers="ngd_unit", lr_ngd_unit=0.5,
        damping_ngd_unit=1e-6,
    )  # fmt: skip
    result = train.run(spec)
    races, stability = result.tables["races"], result.tables["stability"]
    assert races["stopped"].str.contains("singular").all()
    assert races["steps_made"].nunique() == 2
    (line,) = figures.series(result.tables["curves"])
    assert (line.seeds, line.stopped_at) == (2, races["steps_made"].min())
    assert np.isnan(line.middle[line.steps > line.stopped_at]).all()
    figure = figures.loss_against_steps([line], dark=False)
    (said,) = [trace.text[0] for trace in figure.data if trace.text is not None]
    assert said == f"stopped at step {line.stopped_at:.0f}"
    (trouble,) = train_words.troubles(result)
    assert "Loss ended above its start in 2 of 2 seeds" in trouble.sentence
    assert races["stopped"].iloc[0] in trouble.sentence
    # the message is absolute, the setting is not
    assert trouble.sentence.endswith(f"here {words.number(stability['damping'].iloc[0] / 1e-6)}.")


def test_classification_that_breaks_off_at_a_finite_loss_is_not_said_to_be_infinite():
    spec = Spec(
        width=8, samples=12, seeds=1, steps=15, task="digits", optimizers="ngd_exact", lr_ngd_exact=0.5,
        damping_ngd_exact=1e-6,
    )  # fmt: skip
    result = train.run(spec)
    final = float(result.tables["races"]["final_loss"].iloc[0])
    assert 1e6 < final < np.inf
    (trouble,) = train_words.troubles(result)
    assert f"broke off at step 2, at a loss of {words.number(final)}" in trouble.sentence


def test_step_sizes_of_a_start_that_is_perfect_can_be_drawn():
    dead = {"width": 1, "activation": "relu", "bias_variance": 0, "hidden_layers": 3, "samples": 2, "steps": 1}
    result = train.run(Spec(**dead, seed=1, seeds=3, view="rates", optimizers="sgd"))
    figure = train_rates.loss_against_rate(result.tables["rates"], ("sgd",), dark=False)
    assert all((np.asarray(trace.y, dtype=float) > 0).all() for trace in figure.data)
    assert "a perfect fit" in train_rates_words.opening(result)
    assert "after 1 step," in train_rates_words.opening(result)


def test_the_label_of_the_settings_tells_of_batches_only_where_there_are_some():
    assert "batches of 20" in train_words.settings_label(Spec(samples=100, batch_size=20))
    assert "batches" not in train_words.settings_label(Spec(samples=100, batch_size=200))

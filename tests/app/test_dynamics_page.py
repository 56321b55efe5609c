"""The page While learning in-process: what it says of every outcome, its pictures, and a run that diverges."""

from __future__ import annotations

import dynamics_words
import numpy as np
import pandas as pd
import pytest
from figures import dynamics as figures

from fimcore.experiments import dynamics
from fimcore.experiments.dynamics_spec import Spec
from fimcore.experiments.result import Result

SMALL = {"width": 4, "samples": 12, "steps": 20, "snapshots": 6, "seeds": 2}


def told(outcome, **changes):
    """What the page says of a run that ended so."""
    row = {
        "seed": 0, "outcome": outcome, "step_size": 0.5, "line": 4.0, "fisher_top_at_start": 3.6, "sharpness_at_start": 3.5,
        "reached": 30.0, "lowest_after": 0.98, "highest_after": 1.1, "highest": 1.1, "final": 1.02, "rose": True, "steps_made": 50,
        "start_loss": 1.0, "final_loss": 0.01, "diverged_at": np.nan, "stopped": "",
    }  # fmt: skip
    shots = pd.DataFrame({"step": [0], "loss": [1.0], "trace": [2.0], "effective_rank": [3.0]})
    outcomes = pd.DataFrame([row | changes])
    return dynamics_words.finding(Result("dynamics", Spec(), {"snapshots": shots, "outcomes": outcomes}))


@pytest.mark.parametrize(
    ("outcome", "changes", "said"),
    [
        ("edge", {}, ["At the edge of stability", "2/η = 4", "step 30", "between 0.98 and 1.10"]),
        ("below", {"final": 0.7, "highest": 0.9}, ["Below the line", "0.70 times", "0.90 at the most"]),
        ("catapult", {"reached": np.nan}, ["Catapulted", "first rises, then falls"]),
        ("catapult", {"rose": False}, ["Came down", "falls all the same", "From step 30 on"]),
        ("above", {"final": 1.8}, ["Above the line", "1.8 times", "not settled"]),
        (
            "diverged",
            {"diverged_at": 7.0, "final_loss": np.nan},
            ["Diverged", "step 7 the loss", "millionfold", "0.88 times"],
        ),
        ("diverged", {"diverged_at": 7.0, "final_loss": 90.0}, ["broke off at step 7, at a loss of 90", "0.88 times"]),
        ("finished", {"line": np.nan}, ["1 to 0.010", "no one line"]),
    ],
)
def test_what_is_said_of_every_outcome(outcome, changes, said):
    text = told(outcome, **changes)
    assert all(each in text for each in said), text
    assert "nan" not in text


def test_pictures_have_a_line_a_cursor_place_for_every_frame_and_finite_numbers():
    result = dynamics.run(Spec(**SMALL))
    shots = result.tables["snapshots"]
    steps = [int(step) for step in shots["step"]]
    assert figures.places([0, 1, 10]).tolist() == [figures.START, 1.0, 10.0]
    chart = figures.curvature(shots, "2/η", dark=False)
    assert {trace.name for trace in chart.data} == {"2/η", figures.TOP, figures.SHARPNESS}
    spectra = figures.spectra(result.tables["eigenvalues"], steps, dark=True)
    assert len(spectra.data) == len(steps)
    frames = figures.frames(result.spec, result.arrays["frames"], result.arrays["edges"], steps)
    assert [frame.caption for frame in frames] == [f"Step {step}" for step in steps]
    assert len({frame.limits for frame in frames}) == 1
    assert len(dynamics_words.read_out(shots)) == len(steps)
    for made in (
        chart,
        spectra,
        figures.size_and_rank(shots, False),
        figures.loss(result.tables["losses"], result.tables["outcomes"], False),
    ):
        assert all(np.isfinite(np.asarray(trace.y, dtype=float)).all() for trace in made.data)


def test_a_run_that_diverges_says_so_with_a_remedy(open_page):
    page = open_page("dynamics", n=4, N=12, S=1, T=20, eta=8.0, task="teacher")
    said = " ".join(element.value for element in page.markdown)
    assert "Diverged." in said
    assert any("Use 0.9" in button.label for button in page.button)


def test_another_optimizer_has_no_line(open_page):
    page = open_page("dynamics", n=4, N=12, S=1, T=5, opt="ngd_unit")
    said = " ".join(element.value for element in page.markdown)
    assert "no one line" in said
    assert "no prediction here" in said

"""The page Spectrum in-process: what every view says, settings that have no prediction, and pictures that hold the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
import spectrum_captions
import spectrum_words
from figure_export import figure_svg
from figures import spectrum as figures
from figures import spectrum_step as steps
from figures import spectrum_views as views

from fimcore.experiments import spectrum
from fimcore.experiments.spectrum_spec import VIEWS

SMALL = {"width": 16, "hidden_layers": 2, "samples": 20, "seeds": 4, "widest": 32, "most_inputs": 20}
ADDRESS = {"n": 16, "N": 20, "S": 2, "wm": 32, "Nm": 20}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            {"view": "density"},
            ["largest eigenvalue is", "gradients span no more than 20 directions", "2\u00a0/\u00a0λ_max"],
        ),
        ({"view": "density", "bias_variance": 0.0}, ["no prediction", "does not stand out"]),
        ({"view": "density", "centred": True}, ["With centred outputs", "down from"]),
        ({"view": "density", "outputs": 3}, ["mean of the 3 largest", "N C = 60"]),
        ({"view": "density", "outputs": 3, "likelihood": "softmax"}, ["N (C − 1) = 40"]),
        ({"view": "density", "samples": 1000, "width": 2, "hidden_layers": 1}, ["None of its 9 eigenvalues is zero"]),
        ({"view": "blocks"}, ["add up to that of the full matrix", "unit blocks of the hidden layers"]),
        ({"view": "width"}, ["at width 2", "at width 32", "last doubling"]),
        ({"view": "inputs"}, ["at N = 10", "at N = 20"]),
        ({"view": "whitened", "width": 32}, ["L = 3", "can fit all the inputs by itself"]),
        ({"view": "whitened", "samples": 200}, ["not all reach L"]),
        ({"view": "step"}, ["fell in 4 of 4 networks", "rose in 4 of 4 networks", "1.21"]),
    ],
    ids=str,
)
def test_what_every_view_finds(setting, said):
    result = spectrum.run(spectrum.Spec(**(SMALL | setting)))
    text = spectrum_words.finding(result)
    assert all(each in text for each in said), text
    assert not re.search(r"\bnan\b|\binf\b|no number|∞", text)


@pytest.mark.parametrize("view", VIEWS)
def test_a_network_that_does_nothing_gets_a_sentence(view):
    # one dead unit a layer, and softmax outputs so certain that their Fisher matrix is zero to rounding
    spec = spectrum.Spec(
        width=1, hidden_layers=1, samples=2, outputs=2, likelihood="softmax", seeds=1, bias_variance=1e2,
        weight_variance=100.0, view=view, widest=2, most_inputs=10, input_dim=1,
    )  # fmt: skip
    text = spectrum_words.finding(spectrum.run(spec))
    assert text
    assert not re.search(r"\bnan\b|\binf\b|no number", text), text


@pytest.mark.parametrize(
    "settings_",
    [
        *({"view": view} for view in VIEWS),
        {"view": "density", "hkh": 1, "res": 1},
        {"view": "density", "out": "softmax", "k": 5, "hkh": 1},
        {"view": "density", "act": "relu", "sb2": 0, "n": 2, "d": 1, "L": 12},
        {"view": "blocks", "res": 1, "k": 3},
        {"view": "width", "res": 1, "out": "softmax", "k": 3},
        {"view": "inputs", "in": "digits", "res": 1},
        {"view": "whitened", "damp": 0.007},
        {"view": "step", "est": "empirical", "gap": 0.2},
    ],
    ids=str,
)
def test_the_page_runs_in_every_view(settings_, open_page):
    page = open_page("spectrum", **(ADDRESS | settings_))
    assert page.get("plotly_chart")
    assert not page.exception
    texts = " ".join(each.value for each in [*page.markdown, *page.caption])
    assert not re.search(r"\bnan\b|\binf\b", texts)


def test_what_is_swept_has_no_control_of_its_own(open_page):
    page = open_page("spectrum", **ADDRESS, view="width")
    keys = {widget.key for widget in page.select_slider}
    assert "n" not in keys
    assert "N" in keys
    assert "N" not in {widget.key for widget in open_page("spectrum", **ADDRESS, view="inputs").select_slider}


def test_validity_is_said_with_its_reason():
    result = spectrum.run(spectrum.Spec(view="inputs", width=64, hidden_layers=3, seeds=2, most_inputs=50))
    said = spectrum_captions.validity(result)
    assert any("Largest and bulk: not predicted" in each and "Depth over width" in each for each in said)
    assert "Mean and second moment: predicted everywhere here." in said
    wide = spectrum.run(spectrum.Spec(view="width", hidden_layers=1, samples=300, seeds=1, widest=256))
    assert "Largest and bulk: predicted from width 200 on." in spectrum_captions.validity(wide)


def test_reasons_are_not_repeated():
    result = spectrum.run(spectrum.Spec(**SMALL, view="blocks"))
    lines = spectrum_captions.verdict_lines(result.verdicts)
    assert len(lines) == 1
    assert lines[0].startswith(
        "Sum over the layers / full, layer 1, layer 2 and layer 3: no prediction here. Depth over"
    )


def test_density_and_ranks_hold_the_numbers_and_draw_theory_only_where_it_is():
    tables = spectrum.run(spectrum.Spec(seeds=2)).tables
    chart = figures.ranks(tables, 1, dark=False)
    drawn = next(trace for trace in chart.data if trace.name == "Measured")
    np.testing.assert_allclose(drawn.y, tables["eigenvalues"]["eigenvalue"], rtol=1e-6)
    dashed = [trace for trace in chart.data if trace.name == "Predicted"]
    assert len(dashed) == 4
    outline = next(trace for trace in figures.density(tables, 2, dark=True).data if trace.name == "Measured")
    # all eigenvalues of both networks are under the outline, empty bins on the floor
    assert outline.y.max() == pytest.approx(tables["density"]["count"].max())
    silent = spectrum.run(spectrum.Spec(seeds=2, bias_variance=0.0)).tables
    names = [trace.text for trace in figures.ranks(silent, 1, dark=False).data if trace.mode == "text"]
    assert [text[0].strip() for text in names] == ["√ second moment", "mean"]


def test_the_staircase_ends_at_the_sum():
    table = spectrum.run(spectrum.Spec(**SMALL, view="blocks")).tables["layers"]
    chart = views.staircase(table, dark=False)
    (line,) = [trace for trace in chart.data if trace.name == "Sum over the layers"]
    total = float(table.loc[table["layer"] == "sum", "measured"].iloc[0])
    np.testing.assert_allclose(line.y, total)


@pytest.mark.parametrize("view", VIEWS)
def test_every_picture_becomes_a_file_with_its_words(view):
    result = spectrum.run(spectrum.Spec(**SMALL, view=view))
    tables = result.tables
    made = {
        "density": lambda: [figures.density(tables, 4, False), figures.ranks(tables, 1, False)],
        "blocks": lambda: [views.staircase(tables["layers"], False), views.structures(tables["structures"], False)],
        "width": lambda: [views.sweep(tables["sweep"], tables["lines"], "mean", False, True)],
        "inputs": lambda: [views.sweep(tables["sweep"], tables["lines"], "bulk", False, False)],
        "whitened": lambda: [views.dampings(tables["dampings"], 1e-3, False)],
        "step": lambda: [steps.descent(tables["descent"], False), steps.factor(tables["factors"], False)],
    }[view]()
    for chart in made:
        text = figure_svg(chart, "Title", ["Caption"])
        assert "nan" not in text
    if view == "density":
        assert "√ second moment" in figure_svg(
            figures.ranks(spectrum.run(spectrum.Spec(seeds=1)).tables, 1, False), "T", []
        )

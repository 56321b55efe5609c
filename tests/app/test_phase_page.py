"""The page Phase in-process: what it says of every phase, a choice that other pages do not have, and files of the diagram."""

from __future__ import annotations

import re

import numpy as np
import phase_words
import plotly.graph_objects as go
import pytest
import settings
import streamlit as st
from figure_export import figure_svg
from figures import phase as figures

from fimcore.experiments import phase_theory
from fimcore.experiments.network_fields import ACTIVATIONS
from fimcore.experiments.phase_spec import Spec


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({}, ["Ordered.", "7.65 layers", "fade on the way back"]),
        (
            {"weight_variance": 3.0, "bias_variance": 0.05},
            ["Chaotic.", "c* = 0.299", "9.05 layers", "grow on the way back"],
        ),
        ({"activation": "relu", "weight_variance": 2.0, "bias_variance": 0.0}, ["Critical.", "algebraic decay"]),
        ({"weight_variance": 1.0, "bias_variance": 0.0}, ["Critical.", "length fades"]),
        ({"activation": "linear", "weight_variance": 1.0, "bias_variance": 0.0}, ["Critical.", "nothing to settle"]),
        ({"weight_variance": 0.5, "bias_variance": 0.0}, ["Ordered.", "fades to zero"]),
        ({"activation": "relu", "weight_variance": 3.0}, ["Divergent.", "by the factor 1.5 per layer"]),
        ({"weight_variance": 1.986}, ["Ordered.", "cannot tell it from critical"]),
    ],
    ids=str,
)
def test_what_depth_does_in_every_phase(setting, said):
    text = phase_words.what_depth_does(Spec(**setting))
    assert all(each in text for each in said), text


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_words_cards_and_a_diagram(activation):
    spec = Spec(activation=activation)
    found = phase_theory.diagram_of(spec)
    text = phase_words.line_words(spec, found)
    assert ("no critical point" in text) == (activation in ("softplus", "sigmoid"))
    assert ("repels" in text) == (activation in ("gelu", "silu"))
    assert ("single point" in text) == (activation in ("relu", "leaky_relu", "linear"))
    assert len(phase_words.cards(spec, phase_theory.depth_scales(spec))) == 4
    names = {trace.name for trace in figures.diagram(found, 1.5, 0.1, dark=False).data}
    assert ("… repels" in names) == (activation in ("gelu", "silu"))
    assert figures.HERE in names


def test_no_number_says_nan_or_inf():
    for activation in ACTIVATIONS:
        for weight, bias in ((0.1, 0.0), (2.0, 0.0), (5.0, 2.0), (1.0, 0.0)):
            spec = Spec(activation=activation, weight_variance=weight, bias_variance=bias)
            text = phase_words.what_depth_does(spec) + str(phase_words.cards(spec, phase_theory.depth_scales(spec)))
            assert not re.search(r"\bnan\b|\binf\b|no number|∞", text), (activation, weight, bias, text)


@pytest.mark.parametrize(
    "settings_",
    [
        {"in": "digits", "n": 16, "S": 2},
        {"act": "linear", "sb2": 0, "n": 8},
        {"act": "relu", "sw2": 5, "D": 64, "n": 16, "res": 1},
        {"c0": 1, "sb2": 0, "sw2": 0.1},
        {"c0": -1, "n": 4, "S": 1},
    ],
    ids=str,
)
def test_the_page_runs_at_odd_settings(settings_, open_page):
    page = open_page("phase", **settings_)
    assert page.get("plotly_chart")
    assert not page.exception


def test_an_activation_that_another_page_does_not_have_is_its_default_there():
    st.session_state.clear()
    try:
        settings.apply({"act": "softplus", "sw2": 2.5})
        settings.move("phase", "width")
        assert st.session_state["act"] == "tanh"
        assert st.session_state["sw2"] == 2.5
    finally:
        st.session_state.clear()


def test_a_heat_map_in_a_file_keeps_its_colours_and_gaps():
    chart = go.Figure()
    z = np.array([[-1.0, -1.0, 1.0], [np.nan, 0.0, 1.0]])
    scale = ((0.0, "#000000"), (1.0, "#ffffff"))
    chart.add_heatmap(x=[0.0, 1.0, 2.0], y=[0.0, 1.0], z=z, zmin=-1, zmax=1, colorscale=scale)
    cells = re.findall(r'<polygon[^>]*fill="(#\w+)"', figure_svg(chart, "Title", ["Caption"]))
    assert cells == ["#000000", "#ffffff", "#808080", "#ffffff"]

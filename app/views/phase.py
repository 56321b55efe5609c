"""The page Phase: what does a signal do on its way? Layers measured beside predicted, the phase diagram, and the maps."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import controls
import jobs
import lessons
import numpy as np
import page
import phase_words
import plotly.graph_objects as go
import settings
import streamlit as st
import words
from chart import show_chart
from figures import phase as figures
from figures import style
from picture_export import picture_menu
from tap_points import tap_points

from fimcore.experiments import phase_theory
from fimcore.experiments.phase_spec import Spec
from fimcore.experiments.result import Result

QUESTION, DIAGRAM = "phase", "phase-diagram"
SHORT = {"length": "Length", "correlation": "Overlap", "gradient": "Gradient"}


def rows_of(result: Result, quantity: str) -> Any:
    table = result.tables["signal"]
    return table[table["quantity"] == quantity]


def finding(result: Result, quantity: str) -> str:
    """What one picture shows: both ends, measured and predicted, and the largest residual."""
    rows = rows_of(result, quantity)
    row = rows.iloc[0] if quantity == "gradient" else rows.iloc[-1]
    if not np.isfinite(row["measured"]):
        return f"{SHORT[quantity]} in layer {row['layer']}: nothing finite was measured."
    theory = f"predicted {words.number(row['predicted'])}" if np.isfinite(row["predicted"]) else "no prediction"
    spread = words.with_spread(row["measured"], row["spread"], int(row["seeds"])).split(" (")[0]
    return f"{SHORT[quantity]} in layer {row['layer']}: {spread}, {theory}; {phase_words.residual_words(rows)}."


def limit_of(result: Result, quantity: str) -> float:
    scales = result.tables["depth_scales"]
    if quantity == "gradient":
        return np.nan
    return float(scales[scales["quantity"] == quantity]["limit"].iloc[0])


def signal_pictures(result: Result) -> None:
    """The three pictures; also drawn from partial results while networks are being measured."""
    residual = bool(settings.values(QUESTION)["res"])
    for place, quantity in zip(st.columns(3), SHORT, strict=True):
        with place:
            chart = figures.signal(
                result.tables["signal"], quantity, limit_of(result, quantity), page.is_dark(), residual
            )
            st.header("Gradient, backwards" if quantity == "gradient" else SHORT[quantity], anchor=False)
            chart.update_yaxes(title_text="")  # the heading says it, and the plot needs the room
            text = finding(result, quantity)
            show_chart(chart, f"signal-{quantity}", text)
            worst = phase_words.residual_words(rows_of(result, quantity))
            st.caption(f"{worst[0].upper()}{worst[1:]}.")


def below_signals(result: Result, current: Spec) -> None:
    """What the three pictures mean, their verdicts and their files."""
    assert isinstance(result.spec, Spec)
    pairs = words.count_of(int(min(current.samples, result.spec.samples)) // 2, "pair")
    st.caption(
        f"Points: mean over {words.count_of(result.spec.seeds, 'network')}, each an average over up to {pairs} of inputs; band: "
        "smallest to largest network; dashed: mean-field prediction for infinite width; dotted: where it tends. Length: ‖u‖² / n "
        "of a layer's pre-activations; overlap: mean u · u′ over mean length; gradient: ‖∂f/∂u‖² of one output, from the last "
        "layer back to the first."
    )
    for sentence in phase_theory.caveats(result.spec):
        st.caption(f":material/info: {sentence}")
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")
    residual, dark = bool(settings.values(QUESTION)["res"]), page.is_dark()
    with st.container(horizontal=True, vertical_alignment="center"):
        for quantity, name in SHORT.items():
            chart = figures.signal(result.tables["signal"], quantity, limit_of(result, quantity), dark, residual)
            text = finding(result, quantity)
            picture_menu(result, "signal", quantity, name, chart, text, f"Export {name.lower()}")
        page.as_table("signal", result.tables["signal"])


def clicked() -> None:
    """A click into the diagram is a setting: both variances, hence the address too."""
    state = st.session_state.get(st.session_state.get("_phase_diagram_key", ""))
    points = state["selection"]["points"] if state else []
    if points:
        settings.apply({"sw2": float(points[0]["x"]), "sb2": float(points[0]["y"])})


def diagram_picture(current: Spec) -> tuple[go.Figure, str] | None:
    """The phase diagram of the activation, with the current setting."""
    with suppress(ValueError, OverflowError):  # told where the signals would be
        found = phase_theory.diagram_of(current)
        chart = figures.diagram(found, current.weight_variance, current.bias_variance, page.is_dark())
        text = phase_words.line_words(current, found)
        st.markdown(text)
        # A click on the point clicked last would only take it back: every setting has a chart of its own.
        key = f"{DIAGRAM}-{current.activation}-{current.weight_variance:g}-{current.bias_variance:g}".replace(".", "_")
        st.session_state["_phase_diagram_key"] = key
        with st.container(key=DIAGRAM, gap=None):
            tap_points(DIAGRAM)
            st.plotly_chart(
                chart,
                key=key,
                theme=None,
                config={**style.CHART_CONFIG, "displayModeBar": False},
                on_select=clicked,
                selection_mode="points",
                alt=f"Phase diagram. {text.replace('**', '')} {phase_words.what_depth_does(current).replace('**', '')}",
            )
        st.caption(
            "Colour: χ₁ at the fixed point; below 1 ordered, above 1 chaotic. Click anywhere, or move the two variances of the "
            "sidebar, to go there."
        )
        return chart, text
    return None


def depth_cards(result: Result) -> None:
    assert isinstance(result.spec, Spec)
    with st.container(key="metric-cards"):
        made = phase_words.cards(result.spec, result.tables["depth_scales"])
        for place, card in zip(st.columns(len(made)), made, strict=True):
            place.metric(
                card.label, card.value, card.below, "off", delta_arrow="off", help=card.about or None, border=True
            )


def maps(result: Result) -> None:
    """From one layer to the next: the two maps with their fixed points, and what was measured."""
    spec, tables = result.spec, result.tables
    assert isinstance(spec, Spec)
    st.header("The maps from layer to layer", anchor=False)
    roots, point = tables["fixed_points"], phase_theory.fixed_point(spec)
    marks = {
        "length": [(float(row["length"]), bool(row["attracts"])) for row in roots.to_dict("records")],
        "correlation": [] if _keeps_overlap(spec) else _correlation_marks(point.chi, point.correlation),
    }
    reasons = {"length": "Lengths overflow here.", "correlation": phase_theory.correlation_map(spec)[1]}
    for place, quantity in zip(st.columns(2), ("length", "correlation"), strict=True):
        with place:
            st.subheader(SHORT[quantity], anchor=False)
            table = tables[f"{quantity}_map"]
            if not len(table):
                st.markdown(reasons[quantity])
                continue
            chart = figures.layer_map(table, tables["signal"], quantity, marks[quantity], page.is_dark())
            text = map_words(quantity, marks[quantity])
            if quantity == "correlation" and _keeps_overlap(spec):
                text = "Every overlap is a fixed point."
            show_chart(chart, f"map-{quantity}", text)
            st.caption(f"{text} {reasons[quantity] if quantity == 'correlation' else ''}".strip())
            name = SHORT[quantity].lower()
            picture_menu(
                result, f"{quantity}_map", f"map-{quantity}", f"Map of the {name}", chart, text, f"Export {name} map"
            )
    page.as_table("fixed-points", roots, label="Show the fixed points of the length as table")


def _keeps_overlap(spec: Spec) -> bool:
    return spec.activation == "linear" and spec.bias_variance == 0


def _correlation_marks(chi: float, limit: float) -> list[tuple[float, bool]]:
    """c = 1 is always a fixed point; it attracts where chi is at most 1, and else c* does."""
    if not np.isfinite(limit):
        return []
    return [(1.0, True)] if limit == 1.0 else [(1.0, chi <= 1.0), (limit, True)]


def map_words(quantity: str, marks: list[tuple[float, bool]]) -> str:
    letter = "q*" if quantity == "length" else "c*"
    said = [f"{letter} = {words.number(place)} {'attracts' if stable else 'repels'}" for place, stable in marks]
    if not said:
        return "This map has no fixed point."
    extra = " The overlap map is that at q*, where lengths settle." if quantity == "correlation" else ""
    return f"Fixed points: {words.joined(said)}.{extra}"


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("What does a signal do on its way?")
st.markdown(phase_words.safely(spec))
page.link_notices()
controls.view_controls(QUESTION, "D", "c0", "res")
found = jobs.compute(QUESTION, spec, draw=signal_pictures, ignore=("residual",))
running = (QUESTION, "run") in jobs.session_jobs().watched
shown = found if isinstance(found, Result) and not running else None
if shown is not None:
    below_signals(shown, spec)
st.header("Where does depth work?", anchor=False)
drawn = diagram_picture(spec)
if shown is not None:
    if drawn is not None:
        chart, text = drawn
        picture_menu(shown, "depth_scales", "diagram", "Phase diagram", chart, text)
    depth_cards(shown)
    maps(shown)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("Into chaos", {"act": "tanh", "sw2": 3.0, "sb2": 0.05}),
        ("The point of ReLU", {"act": "relu", "sw2": 2.0, "sb2": 0.0}),
        ("A line that repels", {"act": "gelu", "sw2": 2.2, "sb2": 0.05}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")

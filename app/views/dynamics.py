"""The page While learning: how does the Fisher matrix change along one run, and does the run go to the edge of stability?"""

from __future__ import annotations

from typing import Any

import controls
import dynamics_words
import exports
import jobs
import lessons
import page
import permalinks
import problems
import streamlit as st
from chart import show_chart
from figures import dynamics as figures
from figures import style
from film import film
from matrix_view import Frame, Sweep, matrix_view
from matrix_view import picture as pictures_of_matrices
from picture_export import picture_menu

from fimcore.experiments.dynamics_spec import Spec
from fimcore.experiments.result import Result

QUESTION = "dynamics"
LOSS, CURVATURE, SPECTRA, RATIOS, SIZE = "dynamics-loss", "dynamics-curvature", "dynamics-spectra", "ratios", "size"
TITLES = {
    LOSS: "Loss",
    CURVATURE: "Curvature and the edge of stability",
    SPECTRA: "Eigenvalues",
    RATIOS: "Entries between units over entries inside",
    SIZE: "Size and effective rank",
}


def charts(result: Result) -> dict[str, Any]:
    """All figures by key."""
    dark, tables = page.is_dark(), result.tables
    shots = tables["snapshots"]
    steps, layers = [int(step) for step in shots["step"]], result.spec.hidden_layers + 1  # type: ignore[attr-defined]
    return {
        LOSS: figures.loss(tables["losses"], tables["outcomes"], dark),
        CURVATURE: figures.curvature(shots, dynamics_words.line_name(result), dark),
        SPECTRA: figures.spectra(tables["eigenvalues"], steps, dark),
        RATIOS: figures.block_ratios(tables["ratios"], layers, steps[-1], dark),
        SIZE: figures.size_and_rank(shots, dark),
    }


def place(key: str, made: dict[str, Any], text: str) -> None:
    show_chart(made[key], key, f"{TITLES[key]} along the run. {text}", heading=TITLES[key])


def drawn_frames(result: Result) -> tuple[Frame, ...]:
    """Frames are kept: the bytes that travel are remembered with the frame's panels."""
    assert isinstance(result.spec, Spec)
    key = ("dynamics-frames", id(result))
    found = jobs.cache.get(key)
    if found is None or found[0] is not result:
        steps = [int(step) for step in result.tables["snapshots"]["step"]]
        found = (result, figures.frames(result.spec, result.arrays["frames"], result.arrays["edges"], steps))
        jobs.cache.put(key, found)
    made: tuple[Frame, ...] = found[1]
    return made


def pictures(result: Result) -> None:
    """The finding, both time lines, and once the run is over the film; also what is drawn while it is running."""
    if not len(result.tables["snapshots"]):
        return
    text = dynamics_words.finding(result)
    st.markdown(text)
    made = charts(result)
    for column, key in zip(st.columns(2), (LOSS, CURVATURE), strict=True):
        with column:
            place(key, made, text)
    one, other = st.columns(2)
    with one:
        playing(result)
    with other:
        for key in (SPECTRA, RATIOS, SIZE):
            place(key, made, text)
    st.caption(dynamics_words.caption(result))


def playing(result: Result) -> None:
    """The heat map with its playback bar, and what follows it."""
    spec, shots = result.spec, result.tables["snapshots"]
    assert isinstance(spec, Spec)
    st.header("The Fisher matrix, step by step", anchor=False)
    if (QUESTION, "run") in jobs.session_jobs().watched:
        st.caption("Its frames can be played once the run is over.")
        return
    shown = drawn_frames(result)
    steps, dark = [int(step) for step in shots["step"]], page.is_dark()
    at = figures.places(steps)
    film(
        matrix="dynamics-film",
        cursors={key: at.tolist() for key in (LOSS, CURVATURE, RATIOS, SIZE)},
        lines={SPECTRA: range(len(steps))},
        texts=dynamics_words.read_out(shots),
        colour=style.series(1, dark),
        key="dynamics-follow",
    )
    with st.container(key="dynamics-film"):
        matrix_view(
            shown[-1],
            dark=dark,
            tick=shown[-1].tick,
            key="dynamics-matrix",
            sweep=Sweep("Step", shown, tuple(f"{step:,}" for step in steps), len(shown) - 1, False, False),
            normalised=spec.values == "normalised",
            colour=figures.colour_of(spec),
            can_dive=False,
        )


def details(result: Result) -> None:
    """Below the pictures: what went wrong, verdicts, files and tables."""
    if not len(result.tables["snapshots"]):
        return
    for number, (sentence, remedy) in enumerate(dynamics_words.troubles(result)):
        problems.show_problem(sentence, remedy, key=f"dynamics-{number}")
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")
    with st.container(horizontal=True, vertical_alignment="center"):
        for key, table, name in (
            (LOSS, "losses", "loss"),
            (CURVATURE, "snapshots", "curvature"),
            (SPECTRA, "eigenvalues", "eigenvalues"),
            (RATIOS, "ratios", "blocks"),
        ):
            export(result, key, table, name)
        export_last_frame(result)
    page.as_table(QUESTION, result.tables["snapshots"])
    page.as_table(f"{QUESTION}-outcomes", result.tables["outcomes"], label="Show all networks as table")


def export(result: Result, key: str, table: str, name: str) -> None:
    """Files of one picture and of the table behind it."""
    picture_menu(result, table, name, TITLES[key], lambda: charts(result)[key], dynamics_words.finding(result))


def export_last_frame(result: Result) -> None:
    """The heat map at the end of the run as a file."""
    assert isinstance(result.spec, Spec)
    spec, dark = result.spec, page.is_dark()
    captions = exports.caption_lines(result, permalinks.current_address(QUESTION))
    options: dict[str, Any] = {
        "scale": "signed_sqrt",
        "dark": dark,
        "settings_lines": captions,
        "normalised": spec.values == "normalised",
        "colour": figures.colour_of(spec),
    }
    exports.export_menu(
        result,
        name="matrix",
        key="matrix",
        label="Export the last frame",
        png=lambda: pictures_of_matrices.png(drawn_frames(result)[-1], **options),
        svg=lambda: pictures_of_matrices.svg(drawn_frames(result)[-1], **options),
    )


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("How does the Fisher matrix change while a network learns?")
page.link_notices()
controls.view_controls(QUESTION, "task", "opt", "eta", "T")
with st.expander("Damping, snapshots, heat map", key="dynamics-more", type="compact"):
    controls.view_controls(QUESTION, "lam", "snap", "map")
for override in spec.overrides():
    st.caption(override)
found = jobs.compute(QUESTION, spec, draw=pictures)
if isinstance(found, Result) and (QUESTION, "run") not in jobs.session_jobs().watched:
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("Start above the line: catapult", {"task": "teacher", "opt": "sgd", "eta": 1.5}),
        ("Stay far below", {"opt": "sgd", "eta": 0.2}),
        ("Too large: diverge", {"task": "teacher", "opt": "sgd", "eta": 4.0}),
        ("With momentum", {"opt": "momentum", "eta": 0.5}),
        ("Adam", {"opt": "adam", "eta": 1.0}),
    ],
)
st.page_link("views/train.py", label="Which optimizer is faster? The race", icon=":material/arrow_forward:")

"""The page Units: is one unit's Fisher matrix diagonal plus rank two? Three matrices, eigenvalues, layers, and A_0, A_1, A_2."""

from __future__ import annotations

from functools import partial
from typing import Any

import controls
import jobs
import lessons
import page
import streamlit as st
import unit_layer_words
import unit_matrices
import unit_words
import words
from chart import show_chart
from figures import unit as figures
from unit_parts import QUESTION, export, form_of, kind_of

from fimcore.experiments import unit
from fimcore.experiments.result import Result
from fimcore.experiments.unit_moments import MOST_INPUTS
from fimcore.experiments.unit_spec import Spec

# What each part of the page does not depend on: those fields do not make it compute again.
VIEW = ("layer", "unit", "isotropic", "along")


def part(spec: Spec, function: str, ignore: tuple[str, ...]) -> Result | None:
    """One quick part of the page at exactly this setting; None where it is refused or failed."""
    try:
        seconds = unit.part_seconds(spec)[function]
    except (ValueError, OverflowError):  # told where the layers would be
        return None
    found = jobs.compute(QUESTION, spec, function=function, ignore=ignore, seconds=seconds)
    return found if jobs.is_current(QUESTION, spec, function=function, ignore=ignore) else None


def eigenvalues(result: Result, spec: Spec) -> None:
    """Diagonal plus rank two, seen in the eigenvalues."""
    kind, table, row = kind_of(spec), result.tables["eigenvalues"], form_of(result, spec)
    text = unit_words.eigenvalue_finding(table, kind, row["factor"], row["A0"], row["variance"])
    st.header("Eigenvalues of the block", anchor=False)
    st.markdown(text)
    figure = figures.eigenvalues(table, kind, page.is_dark())
    show_chart(figure, "eigenvalues", text)
    st.caption(
        "Sampling alone spreads equal eigenvalues. Noise taken out: directions from one half of the inputs, sizes along them in "
        "the other half. Dashed: closed form."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        export(result, spec, "eigenvalues", "Eigenvalues of one unit's block", lambda: figure, text, "eigenvalues")
        page.as_table("eigenvalues", table)


def layer_pictures(result: Result) -> None:
    """Three charts over layers; also drawn from partial results while networks are being measured."""
    table, dark = result.tables["layers"], page.is_dark()
    alone, network, direction = st.columns(3)
    for place, title, matrix in ((alone, "The unit alone", "alone"), (network, "In its network", "network")):
        with place:
            st.subheader(title, anchor=False)
            show_chart(
                figures.errors(table, matrix, dark), f"errors-{matrix}", unit_layer_words.error_finding(table, matrix)
            )
    with direction:
        st.subheader("Natural gradient", anchor=False)
        cosines = result.tables["directions"]
        show_chart(figures.cosines(cosines, dark), "cosines", unit_layer_words.direction_finding(cosines))


def below_layers(result: Result, spec: Spec) -> None:
    """What the three charts mean, their verdicts and their files."""
    table, dark = result.tables["layers"], page.is_dark()
    units = words.count_of(spec.measured_units, "unit")
    st.caption(
        f"Error: ‖measured − closed form‖ / ‖measured‖ of a typical unit (median of {units}) with noise taken out; points: "
        f"{words.count_of(spec.seeds, 'network')}; band: smallest to largest; dotted: the noise taken out of the isotropic form. "
        "Alone: the unit on its layer's real inputs, read out by itself, with no fitted factor. In its network: the block of F, "
        "closed form times E S / A₀. Natural gradient: cosine with (F + λ)⁻¹ g in the metric of the unit's block, noise "
        "included; dotted: exact blocks of two halves of the inputs."
    )
    st.markdown(unit_layer_words.verdict_table(table))
    st.caption(
        "Share of the matrix that is wrong beyond noise. Agrees: no more than chance over the networks (99 %, Student's t); "
        "close: at most 10 %; disagrees: more."
    )
    dead = int(table.groupby("layer")["dead"].first().sum())
    if dead:
        st.caption(f":material/info: {words.count_of(dead, 'unit')} with a block of zeros left out.")
    with st.container(horizontal=True, vertical_alignment="center"):
        for matrix, title in (("alone", "The unit alone"), ("network", "The unit in its network")):
            figure = partial(figures.errors, table, matrix, dark)
            export(result, spec, matrix, title, figure, unit_layer_words.error_finding(table, matrix), "layers")
        cosines = result.tables["directions"]
        text = unit_layer_words.direction_finding(cosines)
        export(
            result,
            spec,
            "directions",
            "Natural gradient of a unit",
            partial(figures.cosines, cosines, dark),
            text,
            "directions",
        )
        page.as_table("layers", table)
        page.as_table("cosines", cosines, label="Show the cosines")
    gaussian = spec.inputs == "gaussian"
    title = "Why is it exact in layer 1 and not deeper?" if gaussian else "What does each layer receive?"
    st.subheader(title, anchor=False)
    st.markdown(
        "The closed form needs Gaussian inputs with mean 0 and one variance in every direction. Layer 1 can have them; activations "
        "are bounded or cut off, have a mean, and point in few directions."
    )
    st.markdown("\n".join(f"- {sentence}" for sentence in unit_layer_words.why_deeper(result.tables["inputs"])))
    factors = [verdict.sentence for verdict in result.verdicts if verdict.quantity.startswith("Factor")]
    st.markdown("\n".join(f"- {sentence}" for sentence in factors))
    st.caption(
        "Factor: E S / A₀, averaged over units, beside mean-field theory for wide layers. With few outputs it differs strongly "
        "from unit to unit, so that no average can stand in for it."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        page.as_table("inputs", result.tables["inputs"], label="Show the inputs as table")
        page.as_table("factors", result.tables["factors"], label="Show the factors as table")


def curves(result: Result, spec: Spec, row: dict[Any, Any]) -> None:
    """A_0, A_1 and A_2 against length and bias."""
    st.header("A₀, A₁ and A₂ of one unit", anchor=False)
    st.markdown("\n".join(f"- {verdict.sentence}" for verdict in result.verdicts))
    dark, tables = page.is_dark(), result.tables
    made = {
        "length": figures.moments(tables["moments"], tables["curves"], "length", float(row["scale"]), dark),
        "bias": figures.moments(tables["moments"], tables["curves"], "bias", float(row["centre"]), dark),
    }
    for place, (against, figure) in zip(st.columns(2), made.items(), strict=True):
        with place:
            fixed = (
                f"at w₀ = {words.number(row['centre'])}"
                if against == "length"
                else f"at |w| = {words.number(row['scale'])}"
            )
            st.subheader(f"Against {'|w|' if against == 'length' else 'w₀'}, {fixed}", anchor=False)
            show_chart(figure, f"moments-{against}", unit_words.moment_finding(result))
    st.caption(
        "Points: entries of the measured matrices of real single units y = φ(w·x + w₀) on "
        f"{min(spec.samples, MOST_INPUTS):,} Gaussian inputs, averages over {words.count_of(spec.seeds, 'draw')} of the "
        "inputs; lines: smallest to largest. Dashed: A_k = E v^k φ′(|w| v + w₀)². Dotted: the unit above; in deeper layers "
        "standard deviation and mean of its pre-activation take the places of |w| and w₀. At |w| = 0, A₂ = A₀ and A₁ = 0."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        text = unit_words.moment_finding(result)
        export(result, spec, "length", "A₀, A₁, A₂ against |w|", partial(made.__getitem__, "length"), text, "moments")
        export(result, spec, "bias", "A₀, A₁, A₂ against w₀", partial(made.__getitem__, "bias"), text, "moments")
        page.as_table("moments", tables["moments"])


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Is one unit's Fisher matrix diagonal plus rank two?")
answer = st.container(key="answer")
page.link_notices()
controls.view_controls(QUESTION, "l", "u", "lam", "iso", "rot")
shown = part(spec, "one", ("seeds",))
if shown is not None:
    unit_matrices.the_unit(shown, spec)
    eigenvalues(shown, spec)
st.header("Layer by layer", anchor=False)
found = jobs.compute(QUESTION, spec, function="layers", draw=layer_pictures, ignore=VIEW)
running = (QUESTION, "layers") in jobs.session_jobs().watched
if isinstance(found, Result):
    with answer:
        st.markdown(unit_layer_words.finding(found))
    if not running:
        below_layers(found, spec)
if shown is not None:
    lines = part(spec, "moments", ("along", "damping"))
    if lines is not None:
        curves(lines, spec, form_of(shown, spec))
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("A deeper layer", {"l": 2}),
        ("With the exact covariance", {"l": 2, "iso": False}),
        ("In the axes of the weights", {"rot": False}),
        ("Less noise", {"N": 10_000}),
    ],
)
st.page_link(
    "views/directions.py", label="Which approximation keeps the natural direction?", icon=":material/arrow_forward:"
)

"""The page Directions: which approximation keeps the natural direction? Cosines beside Frobenius errors, over seeds."""

from __future__ import annotations

from functools import partial

import controls
import exports
import jobs
import lessons
import numpy as np
import page
import pandas as pd
import permalinks
import plotly.graph_objects as go
import streamlit as st
import words
from figure_export import figure_png, figure_svg
from figures import directions as figures
from figures import style

from fimcore.experiments.directions_spec import KINDS, Spec
from fimcore.experiments.result import Result, signed

QUESTION = "directions"
METRIC = "u·v = uᵀ F v"
PLURAL = ("layer_blocks", "unit_blocks")
NOTICEABLE = 0.01  # a difference that is worth a sentence


def said(kind: str, *, first: bool = False) -> str:
    """A structure in a sentence."""
    text = KINDS[kind].words
    return text[0].upper() + text[1:] if first else text


def finding(result: Result) -> str:
    """Whether the two rankings agree, with the pair that shows it best."""
    table, pairs = figures.measured(result.tables["structures"]), result.tables["pairs"]
    if not len(table):
        notes = [note for note in result.tables["structures"]["note"] if note]
        return notes[0] if notes else "Nothing could be measured here."
    best = table.sort_values("rank_cosine").iloc[0]
    kind = best["structure"]
    text = (
        f"Of what is cheaper than the exact matrix, **{said(kind)}** {_verb(kind, 'come')} closest to its direction "
        f"(cosine {best['cosine']:.2f} in the metric of F)"
    )
    if not len(pairs):
        return f"{text}. Here **both rankings agree**: a smaller Frobenius error goes with a better direction."
    pair = pairs.iloc[0]
    closer, better = pair["closer"], pair["better"]
    small, large = apart(pair["error_closer"], pair["error_better"])
    low, high = apart(pair["cosine_closer"], pair["cosine_better"])
    told = (
        f"{said(closer)} {'are' if closer in PLURAL else 'is'} closer to F than {said(better)} (Frobenius error {small} "
        f"against {large}) and {_verb(closer, 'give')} the worse direction (cosine {low} against {high}), "
        f"in {pair['seeds_agree']} of {words.count_of(int(pair['seeds']), 'network')}"
    )
    clear = pair["error_better"] - pair["error_closer"] > NOTICEABLE < pair["cosine_better"] - pair["cosine_closer"]
    if clear:
        return f"{text}. But **the two rankings differ**: {told}."
    return f"{text}. Here **the two rankings nearly agree**; where they do not, it is by little: {told}."


def apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with as many decimals as tell them apart, from two to six."""
    for decimals in range(2, 7):
        pair = signed(one, decimals), signed(other, decimals)
        if pair[0] != pair[1]:
            break
    return pair


def _verb(kind: str, verb: str) -> str:
    return verb if kind in PLURAL else f"{verb}s"


def rank_finding(result: Result) -> str:
    """How many pairs change their order, in a sentence."""
    table, pairs = figures.measured(result.tables["structures"]), result.tables["pairs"]
    total = len(table) * (len(table) - 1) // 2
    if not len(pairs):
        return f"None of the {words.count_of(total, 'pair')} of structures changes its order."
    involved = pd.concat([pairs["closer"], pairs["better"]]).value_counts()
    change = "changes its" if len(pairs) == 1 else "change their"
    text = f"Of {words.count_of(total, 'pair')} of structures, **{len(pairs)}** {change} order between the two measures"
    if len(pairs) > 2 and involved.iloc[0] == len(pairs):
        return f"{text}, all of them with {said(str(involved.index[0]))}."
    if len(pairs) == 1:
        return f"{text}, in {pairs['seeds_agree'].iloc[0]} of {words.count_of(int(pairs['seeds'].iloc[0]), 'network')}."
    firm = int((pairs["seeds_agree"] == pairs["seeds"]).sum())
    return f"{text}, {firm} of them in every network."


def damping_finding(result: Result) -> str:
    """What becomes of the cosines from the weakest to the strongest damping."""
    table = result.tables["sweep"].dropna(subset=["cosine"])
    if not len(table):
        return "Nothing could be measured here."
    ends = (
        table.sort_values("damping")
        .groupby("structure")["cosine"]
        .agg(["first", "last"])
        .loc[lambda t: t.index.isin(KINDS)]
    )
    rising = int((ends["last"] > ends["first"]).sum())
    low, high = table["damping"].min(), table["damping"].max()
    return (
        f"From λ = {damping_words(low)} to {damping_words(high)} of F's mean diagonal the cosine rises for {rising} of "
        f"{words.count_of(len(ends), 'structure')}; the plain gradient goes from {_end(ends, 'gradient', 'first')} to "
        f"{_end(ends, 'gradient', 'last')}."
    )


def damping_words(value: float) -> str:
    """ "0.001", "10⁻⁵", "2.00 × 10⁻⁵"."""
    if value >= 1e-3:
        return f"{value:g}"
    power = round(np.log10(value))
    return words.power_of_ten(power) if np.isclose(value, 10.0**power) else words.number(value)


def _end(ends: pd.DataFrame, kind: str, end: str) -> str:
    return f"{float(ends[end][kind]):.2f}" if kind in ends.index else "no number"


def pictures(result: Result) -> None:
    """Both plots; also drawn from partial results while networks are being measured."""
    table, dark = result.tables["structures"], page.is_dark()
    text = finding(result)
    st.markdown(text)
    if not len(figures.measured(table)):
        return
    one, other = st.columns(2)
    for place, key, title, chart in (
        (one, "cosines", "Direction", figures.cosines(table, dark)),
        (other, "errors", "Entries", figures.errors(table, dark)),
    ):
        with place:
            st.header(title, anchor=False)
            st.plotly_chart(chart, key=key, theme=None, config=style.CHART_CONFIG, alt=_alt(table, key))
    spec = result.spec
    st.caption(
        f"The direction of a structure A is (A + λ)⁻¹ g with the gradient g of the loss, λ = {damping_words(spec.damping)} "  # type: ignore[attr-defined]
        f"of F's mean diagonal. Cosine with (F + λ)⁻¹ g: in the metric of F, {METRIC}, and Euclidean. Error: ‖F − A‖ / ‖F‖. "
        f"Points: averages over {words.count_of(int(table['seeds'].max()), 'network')}; lines: smallest to largest; dashed: "
        "mean-field prediction, where there is one. What keeps more numbers stands higher."
    )
    for _, row in table[(table["note"] != "") & table["cosine"].isna()].iterrows():
        st.caption(f"{said(row['structure'], first=True)}: not shown, {row['note']}.".replace("..", "."))


def _alt(table: pd.DataFrame, name: str) -> str:
    """The finding of a plot, for those who do not see it."""
    rows = figures.measured(table)
    column = {"cosines": "cosine", "errors": "error"}[name]
    listed = [f"{KINDS[kind].label} {value:.2f}" for kind, value in zip(rows["structure"], rows[column], strict=True)]
    what = (
        "Cosine with the exact natural gradient in the metric of F" if name == "cosines" else "Relative Frobenius error"
    )
    return f"{what}: {words.joined(listed)}."


def export(result: Result, table: str, key: str, title: str, chart: go.Figure, text: str) -> None:
    """Files of one picture and of the table behind it."""
    dark = page.is_dark()
    captions = exports.caption_lines(result, permalinks.current_address(QUESTION), text.replace("**", ""))
    exports.export_menu(
        result,
        name=key,
        table=table,
        key=key,
        label=f"Export {key}",
        png=partial(figure_png, chart, title, captions, dark),
        svg=partial(figure_svg, chart, title, captions, dark),
    )


def details(result: Result) -> None:
    """What stands below the first pictures, from networks that are measured or were stopped."""
    table, dark, text = result.tables["structures"], page.is_dark(), finding(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        title = "Cosine with the exact damped natural gradient, metric of F and Euclidean"
        export(result, "structures", "cosines", title, figures.cosines(table, dark), text)
        export(result, "structures", "errors", "Relative Frobenius error", figures.errors(table, dark), text)
        page.as_table("directions", table)
    st.header("Do both measures rank alike?", anchor=False)
    text = rank_finding(result)
    st.markdown(text)
    chart = figures.ranks(table, dark)
    st.plotly_chart(chart, key="ranks", theme=None, config=style.CHART_CONFIG, alt=text.replace("**", ""))
    with st.container(horizontal=True, vertical_alignment="center"):
        export(result, "pairs", "ranks", "Places by direction and by Frobenius error", chart, text)
        page.as_table("pairs", result.tables["pairs"])
    st.header("Does damping help?", anchor=False)
    text = damping_finding(result)
    st.markdown(text)
    chart = figures.sweep(result.tables["sweep"], result.spec.damping, dark)  # type: ignore[attr-defined]
    st.plotly_chart(chart, key="sweep", theme=None, config=style.CHART_CONFIG, alt=text)
    st.caption("Cosine in the metric of F, averaged over the networks. The exact direction changes with λ too.")
    with st.container(horizontal=True, vertical_alignment="center"):
        export(result, "sweep", "damping", "Cosine against damping", chart, text)
        page.as_table("sweep", result.tables["sweep"])
    st.header("What does each cost?", anchor=False)
    st.dataframe(costs(table), hide_index=True, width="stretch", alt="Numbers kept, and milliseconds, per structure")
    st.caption(
        f"The exact matrix has {words.number(_parameters(result) ** 2)} entries. Milliseconds: median over the networks, "
        "measured here; a solve includes its factorisation."
    )
    st.header("Measured and predicted", anchor=False)
    for verdict in result.verdicts:
        st.markdown(f"- {verdict.sentence}")


def _parameters(result: Result) -> int:
    table = result.tables["structures"]
    return int(table.loc[table["structure"] == "diagonal", "numbers"].iloc[0])


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Storage and time per structure, in the reader's words."""

    def milliseconds(values: pd.Series) -> list[str]:
        shown = [1000 * float(value) for value in values]
        return ["" if value != value else "< 0.01" if value < 0.01 else words.number(value, 2) for value in shown]

    return pd.DataFrame(
        {
            "Structure": [KINDS[kind].label for kind in table["structure"]],
            "Keeps": [KINDS[kind].keeps for kind in table["structure"]],
            "Numbers": [f"{value:,}" for value in table["numbers"]],
            "Made in ms": milliseconds(table["build_seconds"]),
            "One solve in ms": milliseconds(table["solve_seconds"]),
        }
    )


spec = page.spec(QUESTION)
assert isinstance(spec, Spec)
page.heading("Which approximation keeps the natural direction?")
page.link_notices()
controls.view_controls(QUESTION, "lam")
found = jobs.compute(QUESTION, spec, draw=pictures)
running = (QUESTION, "run") in jobs.session_jobs().watched
if isinstance(found, Result) and not running and len(figures.measured(found.tables["structures"])):
    details(found)
lessons.show(QUESTION)
page.chips(
    QUESTION,
    [
        ("ReLU, two layers", {"act": "relu", "sw2": 2.0, "sb2": 0.0, "L": 2}),
        ("Ten outputs, fewer inputs", {"k": 10, "N": 100}),
        ("Strong damping", {"lam": 1.0}),
    ],
)
st.page_link("views/train.py", label="Does the geometry help?", icon=":material/arrow_forward:")

"""Sentences and tables of the page Directions, in the reader's words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import words
from figures.directions import measured

from fimcore.experiments.directions_spec import KINDS
from fimcore.experiments.result import Result, signed

PLURAL = ("layer_blocks", "unit_blocks")
NOTICEABLE = 0.01  # a difference that is worth a sentence


def said(kind: str, *, first: bool = False) -> str:
    """A structure in a sentence."""
    text = KINDS[kind].words
    return text[0].upper() + text[1:] if first else text


def finding(result: Result) -> str:
    """Whether the two rankings agree, with the pair that shows it best."""
    table, pairs = measured(result.tables["structures"]), result.tables["pairs"]
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
    table, pairs = measured(result.tables["structures"]), result.tables["pairs"]
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


def alt_text(table: pd.DataFrame, name: str) -> str:
    """The finding of a plot, for those who do not see it."""
    rows = measured(table)
    column = {"cosines": "cosine", "errors": "error"}[name]
    listed = [f"{KINDS[kind].label} {value:.2f}" for kind, value in zip(rows["structure"], rows[column], strict=True)]
    what = (
        "Cosine with the exact natural gradient in the metric of F" if name == "cosines" else "Relative Frobenius error"
    )
    return f"{what}: {words.joined(listed)}."


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Storage and time per structure, in the reader's words."""

    def milliseconds(values: pd.Series) -> list[str]:
        shown = [1000 * float(value) for value in values]
        return ["" if value != value else "< 0.01" if value < 0.01 else words.number(value, 2) for value in shown]

    return pd.DataFrame(
        {
            "Structure": [KINDS[kind].label for kind in table["structure"]],
            "Numbers": [f"{value:,}" for value in table["numbers"]],
            "Made in ms": milliseconds(table["build_seconds"]),
            "One solve in ms": milliseconds(table["solve_seconds"]),
            "Keeps": [KINDS[kind].keeps for kind in table["structure"]],
        }
    )

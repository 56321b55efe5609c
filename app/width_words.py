"""What the page Width says: the finding of a picture, what each observable does along the sweep, and what the numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import words

from fimcore.experiments.result import Result, signed
from fimcore.experiments.width_observables import MEANINGS, NAMES
from fimcore.experiments.width_spec import OBSERVABLES, Spec

SHORT = {**NAMES, "mass": "In-unit share", "spectral": "Spectral norm outside"}
PHRASES = {
    "ratio": "the ratio of RMS entries",
    "normalised": "the RMS entry between units, divided by the diagonal,",
    "normalised_ratio": "the ratio of RMS entries, all of them divided by the diagonal,",
    "mass": "the share of ‖F‖² inside units",
    "spectral": "the spectral norm outside of units' blocks",
    "layer_pairs": "the correlation of two layers' blocks",
}
# One sentence on what an observable's behaviour does and does not mean, by observable and change.
TEACHES = {
    ("normalised", "decays"): (
        "Entries *inside* a unit, divided the same way, fall alike, since only pairs that share an input stay large: by itself "
        "this fall says nothing about blocks."
    ),
    ("normalised_ratio", "stays"): "Divided by the diagonal, entries between units keep their size beside those inside.",
    ("mass", "decays"): "Small entries are many: the blocks of single units hold ever less of the sum of squares.",
    ("mass", "stays"): "The rest of the sum of squares lies outside the units' own blocks.",
    ("mass", "grows"): "The rest of the sum of squares lies outside the units' own blocks.",
    ("spectral", "stays"): "In the spectral norm, what the blocks leave out stays a fixed part of the matrix.",
    ("spectral", "grows"): "In the spectral norm, what the blocks leave out becomes more of the matrix, not less.",
    ("layer_pairs", "stays"): "In a block-diagonal matrix it would be 0.",
    ("layer_pairs", "grows"): "In a block-diagonal matrix it would be 0.",
}  # fmt: skip


def spec_of(result: Result) -> Spec:
    assert isinstance(result.spec, Spec)
    return result.spec


def rows_of(result: Result, observable: str) -> pd.DataFrame:
    """How one observable changes along the sweep, a row per part."""
    trends = result.tables["trends"]
    return trends[trends["observable"] == observable]


def axis_words(result: Result) -> str:
    return "the number of outputs" if spec_of(result).view == "outputs" else "width"


def outputs_words(result: Result) -> str:
    """ "With 10 outputs", or at which width they are varied."""
    spec = spec_of(result)
    if spec.view == "outputs":
        return f"With {words.count_of(spec.width, 'unit')} a layer"
    if spec.outputs == "n":
        return "With as many outputs as units"
    return f"With {words.count_of(int(spec.outputs), 'output')}"


def slope_words(row: Any) -> str:
    """ "layer 1: slope −0.50 (−0.52 to −0.48)"."""
    if not np.isfinite(row["slope"]):
        return f"{row['part']}: too few networks to fit"
    interval = f" ({signed(row['low'])} to {signed(row['high'])})" if np.isfinite(row["low"]) else ""
    return f"{row['part']}: {signed(row['slope'])}{interval}"


def finding(result: Result, observable: str = "ratio") -> str:
    """What the sweep shows of one observable, in two or three sentences with its slopes."""
    rows = rows_of(result, observable)
    if not len(rows):
        return "One hidden layer has no partner: layer pairs need two hidden layers or more."
    if not rows["slope"].notna().any():
        return f"{NAMES[observable]}: nothing to fit here yet, a slope needs two places of the sweep where it is above zero."
    fitted = "; ".join(slope_words(row) for row in rows.to_dict("records"))
    text = f"{outputs_words(result)}, {PHRASES[observable]} has the log-log slopes **{fitted}**."
    expected = rows["predicted"].dropna()
    if len(expected):
        text += f" Predicted: {words.joined([signed(value) for value in expected])}."
    else:
        text += " No prediction."
    return f"{text} {conclusion(result, observable)}".strip()


def conclusion(result: Result, observable: str) -> str:
    """Why, where the slopes leave no doubt."""
    rows, spec = rows_of(result, observable), spec_of(result)
    changes = [change for change in dict.fromkeys(rows["change"]) if change != "cannot tell"]
    if observable != "ratio":
        first = rows["change"].iloc[0]
        if observable == "normalised" and set(rows_of(result, "normalised_ratio")["change"]) != {"stays"}:
            return ""  # the other half of the sentence is not so here
        return TEACHES.get((observable, first), "") if first in changes else ""
    finite = rows["slope"].dropna()
    if spec.view == "outputs":
        if len(finite) and (finite < -0.2).all():
            return "It falls with the outputs, as r / √(C + 2r²) in a wide network: C^(−1/2) once C is large beside r²."
        return ""
    if spec.outputs != "n" and len(finite) and (finite.abs() < 0.1).all():
        return (
            f"It does not fall with width: with few outputs it is the number of outputs that decides.{plateau(result)}"
        )
    if spec.outputs == "n" and len(finite) and ((finite + 0.5).abs() < 0.1).all():
        return "It falls about as n^(−1/2), because the number of outputs grows with the width."
    return plateau(result).strip()


def plateau(result: Result) -> str:
    """Where the ratio levels off, as theory has it."""
    table = result.tables["ratios"]
    last = table[table["width"] == table["width"].max()]
    if not last["plateau"].notna().all() or spec_of(result).view == "outputs":
        return ""
    return f" It levels off at {words.joined([words.number(value, 2) for value in last['plateau']])}, layer by layer."


def short_part(part: str) -> str:
    """ "layers 1 and 2" as "1–2", "layer 1" as "1"."""
    return part.removeprefix("layers ").removeprefix("layer ").replace(" and ", "–").replace(" layers", "")


def change_words(rows: pd.DataFrame) -> str:
    """ "stays"; or "decays (1, 2), stays (3)" where the layers differ. Of shares that of the hidden layers."""
    if rows["observable"].iloc[0] == "mass":
        rows = rows[rows["part"] == "hidden layers"]
    groups = {word: rows[rows["change"] == word]["part"].map(short_part) for word in dict.fromkeys(rows["change"])}
    if len(groups) == 1:
        return f"**{next(iter(groups))}**"
    return ", ".join(f"**{word}** ({', '.join(parts)})" for word, parts in groups.items())


def range_words(values: pd.Series) -> str:
    """ "−0.54 to −0.27", or one number."""
    kept = values.dropna()
    if not len(kept):
        return "none"
    low, high = signed(float(kept.min())), signed(float(kept.max()))
    return low if low == high else f"{low} to {high}"


def slopes_line(rows: pd.DataFrame) -> str:
    """Measured and predicted slopes of one observable, in a line below its small picture."""
    if rows["observable"].iloc[0] == "mass":
        hidden, every = (rows[rows["part"] == part] for part in ("hidden layers", "all layers"))
        return f"Hidden layers: {_slopes(hidden)}. With the read-out: {_slopes(every)}."
    text = _slopes(rows)
    return f"{text[0].upper()}{text[1:]}."


def _slopes(rows: pd.DataFrame) -> str:
    expected = range_words(rows["predicted"])
    return f"slope {range_words(rows['slope'])}, {'no prediction' if expected == 'none' else f'predicted {expected}'}"


def shares_finding(result: Result) -> str:
    """What becomes of the sum of squares, in a sentence."""
    table = result.tables["mass"]
    said = []
    for layers, name in (("hidden layers", "the hidden layers"), ("all layers", "all layers")):
        rows = table[(table["layers"] == layers) & (table["part"] == "in_unit") & table["measured"].notna()]
        if len(rows):
            first, last = rows.iloc[0], rows.iloc[-1]
            said.append(
                f"over {name} **{words.percent(first['measured'])}** at width {first['width']:,} and "
                f"**{words.percent(last['measured'])}** at width {last['width']:,}"
            )
    if not said:
        return "Nothing finite was measured here."
    return (
        f"{outputs_words(result)}, entries inside one unit hold {'; '.join(said)} of the sum of squared entries. "
        "Small entries are many: the rest of the sum lies between units."
    )


def inputs_words(samples: pd.Series) -> str:
    """ "N = 512" or "N = 8 to 512, fewer where networks are wide or outputs many"."""
    low, high = int(samples.min()), int(samples.max())
    return f"N = {low:,}" if low == high else f"N = {low:,} to {high:,}, fewer where networks are wide or outputs many"


def caption(result: Result, observable: str, residual: bool) -> str:
    """What points, band and dashes are."""
    table = result.tables["observables"]
    rows = table[table["observable"] == observable]
    seeds = words.count_of(spec_of(result).seeds, "network")
    what = f"{MEANINGS[observable]}" + ("; drawn: measured / predicted − 1" if residual else "")
    made = "average" if observable == "spectral" else "squares averaged before dividing,"
    points = f"Points: {made} over {seeds} at each place; band: smallest to largest network"
    theory = (
        "; dashed: mean-field prediction at these widths." if rows["predicted"].notna().any() else "; no prediction."
    )
    guides = ""
    if observable == "ratio" and not residual and rows["plateau"].notna().any():
        guides = (
            " Dotted: the plateau for infinite width at this number of outputs. Thin: what a slope of −1/2 would be."
        )
    elif observable in ("ratio", "normalised", "normalised_ratio") and not residual:
        guides = " Thin: what a slope of −1/2 would be."
    return f"{what}. {points}{theory}{guides} {_estimate(result, rows, observable)}"


def _estimate(result: Result, rows: pd.DataFrame, observable: str) -> str:
    inputs = inputs_words(rows["samples"])
    if observable not in ("normalised", "normalised_ratio", "spectral"):
        return f"Without bias from the finite number of inputs ({inputs})."
    axis = spec_of(result).axis
    missing = rows[rows["measured"].isna()][axis].unique()
    left = f" Left out where that takes too long ({axis} {missing.min():,} and more)." if len(missing) else ""
    which = "of exactly these inputs" if observable == "spectral" else "in up to 24 units a layer"
    return f"Of {inputs} at every place, {which}.{left}"


def summary(result: Result) -> pd.DataFrame:
    """One row per observable and part, with a word: the table behind the small pictures."""
    trends = result.tables["trends"]
    made = trends.assign(observable=trends["observable"].map(NAMES))
    return made.drop(columns="reason")


def listed(result: Result) -> list[str]:
    """The observables that this network has, in the order of the control."""
    there = set(result.tables["trends"]["observable"])
    return [name for name in OBSERVABLES if name in there]

"""What the page Units says of layers, in words: where the closed form holds, by how much it fails, and why deeper layers differ."""

from __future__ import annotations

import math

import pandas as pd
import words

from fimcore.experiments.result import Result, signed
from fimcore.experiments.unit_tables import CLOSE


def _pick(table: pd.DataFrame, matrix: str, form: str) -> pd.DataFrame:
    return table[(table["matrix"] == matrix) & (table["form"] == form) & table["error"].notna()]


def in_layers(rows: pd.DataFrame) -> str:
    """ "58.6 % in layer 2 and 52.8 % in layer 3", or the range of many."""
    if len(rows) > 3:
        low, high = rows["error"].min(), rows["error"].max()
        first, last = rows["layer"].min(), rows["layer"].max()
        return f"{words.percent(low)} to {words.percent(high)} in layers {first} to {last}"
    return words.joined([f"{words.percent(row['error'])} in layer {row['layer']}" for _, row in rows.iterrows()])


def layer_names(rows: pd.DataFrame) -> str:
    """ "layer 1", "layers 2 and 3", "layers 2 to 12"."""
    names = [str(layer) for layer in rows["layer"]]
    if len(names) > 3 and rows["layer"].max() - rows["layer"].min() == len(names) - 1:
        return f"layers {names[0]} to {names[-1]}"
    return f"layer{'s' if len(names) > 1 else ''} {words.joined(names)}"


def finding(result: Result) -> str:
    """The answer over networks: a unit alone, and the same unit in its network."""
    table = result.tables["layers"]
    flat = _pick(table, "alone", "isotropic")
    if not len(flat):
        reasons = [reason for reason in table["reason"] if reason]
        return reasons[0] if reasons else "Nothing could be measured here."
    few = " (a verdict needs 4 networks)" if (table["verdict"] == "too few seeds to say").any() else ""
    near = flat["error"] <= CLOSE
    good = flat[near] if few else flat[flat["verdict"] == "agrees"]
    close, bad = flat[near & ~flat.index.isin(good.index)], flat[~near & ~flat.index.isin(good.index)]
    said = []
    if len(good):
        much = "nothing" if not few else "little"
        said.append(f"**In {layer_names(good)}, yes**: {much} of a unit's own matrix is wrong beyond noise{few}.")
    form = (
        "of a unit's own matrix the isotropic form, diagonal plus rank two with the layer's mean and variance, misses"
    )
    for word, rows in (("nearly", close), ("no", bad)):
        if len(rows):
            what = form if rows is close or not len(close) else "it misses"
            said.append(f"**In {layer_names(rows)}, {word}**: {what} {in_layers(rows)}{'' if len(good) else few}.")
    if len(bad):
        said.append(_with_covariance(table, bad))
    return " ".join(sentence for sentence in (*said, _in_network(table)) if sentence)


def _with_covariance(table: pd.DataFrame, bad: pd.DataFrame) -> str:
    full = _pick(table, "alone", "covariance")
    full = full[full["layer"].isin(bad["layer"])]
    if not len(full) or float(full["error"].max()) > 0.5 * float(bad["error"].max()):
        return ""
    if len(full) > 3:
        return f"With the exact covariance it is {in_layers(full)}."
    shares = [words.percent(error) for error in full["error"]]
    return f"With the exact covariance it is {words.joined(shares)}."


def _in_network(table: pd.DataFrame) -> str:
    own = _pick(table, "network", "own inputs")
    if not len(own):
        return ""
    exact, rough = own[own["error"] < 1e-6], own[own["error"] >= 1e-6]
    text = "Inside the network the block is a factor times that matrix"
    if not len(rough):
        return f"{text}, exactly."
    if len(exact):
        return f"{text}: exactly in {layer_names(exact)}, and up to an error of {in_layers(rough)}."
    return f"{text}, up to an error of {in_layers(rough)}."


def why_deeper(table: pd.DataFrame) -> list[str]:
    """What each layer receives, in a sentence: mean, covariance, shape."""
    said = []
    for _, row in table.iterrows():
        if not math.isfinite(row["anisotropy"]):
            continue
        shape = f"excess kurtosis {signed(row['kurtosis'])}" if math.isfinite(row["kurtosis"]) else "constant"
        said.append(
            f"Inputs of layer {row['layer']:.0f}: the mean carries {words.percent(row['mean_share'])} of their squared length, "
            f"{words.percent(row['anisotropy'])} of the covariance is not a multiple of I, {shape} (Gaussian: 0)."
        )
    return said


FORMS = {"isotropic": "Isotropic", "covariance": "Exact covariance", "own inputs": "Factor × own"}


def verdict_table(table: pd.DataFrame) -> str:
    """A Markdown table, narrow enough for a phone: what is wrong beyond noise, and the verdict, per layer and form."""
    lines = ["| Layer | Form | Alone | In network |", "| --- | --- | --- | --- |"]
    for layer, rows in table.groupby("layer"):
        for form, name in FORMS.items():
            cells = [
                _cell(rows[(rows["matrix"] == matrix) & (rows["form"] == form)]) for matrix in ("alone", "network")
            ]
            first = str(layer) if form == "isotropic" else ""
            lines.append(f"| {first} | {name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def _cell(rows: pd.DataFrame) -> str:
    if not len(rows):
        return "—"
    row = rows.iloc[0]
    return f"{words.percent(row['error'])}, {row['verdict']}" if math.isfinite(row["error"]) else str(row["verdict"])


def error_finding(table: pd.DataFrame, matrix: str) -> str:
    """The finding of one chart of errors, for those who do not see it."""
    forms = {
        "isotropic": "isotropic form",
        "covariance": "exact mean and covariance",
        "own inputs": "factor times own matrix",
    }
    said = []
    for form, name in forms.items():
        rows = _pick(table, matrix, form)
        if len(rows):
            said.append(f"{name} {in_layers(rows)}")
    what = "the unit alone" if matrix == "alone" else "the unit in its network"
    return f"Relative error beyond noise of {what}: {'; '.join(said)}." if said else f"Nothing was measured of {what}."


def direction_finding(table: pd.DataFrame) -> str:
    """The finding of the chart of cosines."""
    said = []
    for form, name in (
        ("isotropic", "isotropic form"),
        ("covariance", "exact covariance"),
        ("gradient", "plain gradient"),
    ):
        values = table[(table["form"] == form) & table["cosine"].notna()]
        if len(values):
            said.append(f"{name} {values['cosine'].min():.2f} to {values['cosine'].max():.2f}")
    return (
        f"Cosine with the exact natural gradient of a unit: {', '.join(said)}."
        if said
        else "There is no direction here."
    )

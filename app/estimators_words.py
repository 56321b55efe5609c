"""What the page Two estimators says: who wins where, how tight bounds are, which layer causes the variance, what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import words

from fimcore.experiments.estimators_spec import Spec
from fimcore.experiments.result import Result

NAMES = {"score": "squared score", "hessian": "minus Hessian", "mixture": "best mixture", "fisher": "Fisher diagonal"}
OTHER = {"score": "hessian", "hessian": "score"}
QUANTITY = {
    "fisher": "the Fisher diagonal",
    "score": "the deviation of the squared score",
    "hessian": "the deviation of minus Hessian",
}


def spec_of(result: Result) -> Spec:
    assert isinstance(result.spec, Spec)
    return result.spec


def named(layers: Sequence[int], last: int) -> str:
    """ "layer 1", "layers 1 to 3 and the output layer", "every layer"."""
    if len(layers) == last and last > 1:
        return "every layer"
    hidden = [layer for layer in layers if layer < last]
    said = []
    if len(hidden) > 2 and hidden[-1] - hidden[0] == len(hidden) - 1:
        said.append(f"layers {hidden[0]} to {hidden[-1]}")
    elif hidden:
        said.append(f"layer{'s' if len(hidden) > 1 else ''} {words.joined([str(layer) for layer in hidden])}")
    if last in layers:
        said.append("the output layer")
    return words.joined(said)


def _times(values: Sequence[float]) -> str:
    """ "4.9, 4.2 and 3.3 times" or, of many, "3.3 to 4.9 times"; always at least 1."""
    if len(values) > 4:
        return f"{words.number(min(values), 2)} to {words.number(max(values), 2)} times"
    return f"{words.joined([words.number(value, 2) for value in values])} times"


def finding(result: Result) -> str:
    """Which estimator to trust in which layer, by standard deviation, and by how much."""
    table, last = result.tables["winners"], spec_of(result).layers
    rows = [row for row in table.to_dict("records") if row["layer"] > 0]
    said = []
    for winner in ("score", "hessian"):
        own = [row for row in rows if row["winner"] == winner]
        if not own:
            continue
        both = [row for row in own if math.isfinite(row["ratio"])]
        alone = [row for row in own if not math.isfinite(row["ratio"])]
        if both:
            ratios = [row["ratio"] if winner == "score" else 1 / row["ratio"] for row in both]
            said.append(
                f"**Trust the {NAMES[winner]} in {_places(both, last)}**: the standard deviation of the {NAMES[OTHER[winner]]} is "
                f"{_times(ratios)} as large ({words.count_of(spec_of(result).seeds, 'network')})."
            )
        if alone:
            said.append(
                f"**{'And' if both else 'Trust the'} {NAMES[winner]} in {_places(alone, last)}**: there it never varies"
                f"{_why_exact(result, winner, alone, last)}."
            )
    said += _undecided(rows, last)
    return " ".join(said).replace("the minus Hessian", "minus Hessian").replace("**And ", "**Trust ")


def _undecided(rows: list[dict[Any, Any]], last: int) -> list[str]:
    said = []
    for row in rows:
        if row["winner"] == "varies":
            span = f"{words.number(row['low'], 2)} to {words.number(row['high'], 2)}"
            where = named([row["layer"]], last)
            said.append(
                f"In {where} it depends on the network: minus Hessian deviates {span} times as much as the squared score."
            )
    for winner, text in (("equal", "both vary alike"), ("none", "neither varies at all")):
        own = [row for row in rows if row["winner"] == winner]
        if own:
            said.append(f"In {_places(own, last)} {text}.")
    return said


def _places(rows: list[dict[Any, Any]], last: int) -> str:
    return named([row["layer"] for row in rows], last)


def _why_exact(result: Result, winner: str, rows: list[dict[Any, Any]], last: int) -> str:
    if winner == "score":
        return ": every label gives the same squared score"
    if spec_of(result).activation in ("relu", "leaky_relu", "linear"):
        return ", since the outputs are straight lines in every single weight"
    return ", since the outputs are linear in its weights" if [row["layer"] for row in rows] == [last] else ""


def winner_table(result: Result) -> str:
    """Who wins where, layer by layer, as a table in Markdown."""
    last = spec_of(result).layers
    lines = [
        "| Layer | Varies less | SD, Hessian ÷ score | Score better for |",
        "|---|---|---|---|",
    ]
    order = sorted(result.tables["winners"].to_dict("records"), key=lambda row: row["layer"] or last + 1)
    for row in order:
        layer = int(row["layer"])
        name = "all" if layer == 0 else "output" if layer == last else str(layer)
        ratio = "one never varies"
        if math.isfinite(row["ratio"]):
            ratio = f"{words.number(row['ratio'], 2)} ({words.number(row['low'], 2)} to {words.number(row['high'], 2)})"
        elif row["winner"] == "none":
            ratio = "neither varies"
        what = {"varies": "depends on the network", "equal": "both alike", "none": "neither varies"}
        lines.append(
            f"| {name} | **{NAMES.get(row['winner'], what.get(row['winner'], ''))}** | {ratio} | "
            f"{words.percent(row['score_wins'])} |"
        )
    return "\n".join(lines)


def below_layers(result: Result) -> list[str]:
    """Under every layer of the first picture: its name, and what the winner gains."""
    rows = {int(row["layer"]): row for row in result.tables["winners"].to_dict("records")}
    last, said = spec_of(result).layers, []
    for layer in range(1, last + 1):
        row, name = rows[layer], "output" if layer == last else str(layer)
        if last > 6:
            said.append("out" if layer == last else name)
            continue
        if row["winner"] not in ("score", "hessian"):
            what = {"varies": "it depends", "equal": "both alike"}.get(row["winner"], "neither varies")
            said.append(f"{name}<br>{what}<br> ")
            continue
        ratio = row["ratio"] if row["winner"] == "score" else 1 / row["ratio"]
        gain = f"{words.number(ratio, 2)} × less" if math.isfinite(ratio) else "exact"
        said.append(f"{name}<br>{'score' if row['winner'] == 'score' else 'Hessian'}:<br>{gain}")
    return said

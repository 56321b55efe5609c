"""What stands below the pictures of the page Spectrum: what points and lines are, where a prediction holds, verdicts, residuals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import words
from spectrum_words import SHORT, row_of, spec_of

from fimcore.experiments import spectrum_sweep
from fimcore.experiments.result import Result, Verdict
from fimcore.experiments.spectrum_measured import STEPS, expected_outliers
from fimcore.experiments.spectrum_theory import QUANTITIES


def caption(result: Result, residual: bool) -> str:
    """What the points, the bands and the lines of the view are."""
    spec = spec_of(result)
    networks = words.count_of(len(set(result.tables["points"]["seed"])), "network")
    dashed = "dashed and dotted lines: mean-field prediction, only where it is valid"
    if residual and spec.view in ("density", "blocks"):
        return (
            f"Points: mean over {networks} of measured / predicted − 1; vertical lines: smallest to largest network. What has no "
            f"point is not predicted. {bulk_words(result) if spec.view == 'density' else ''}".strip()
        )
    if spec.view == "density":
        return (
            f"Spectrum of F over {networks}, both axes logarithmic; band: smallest to largest network at every rank; {dashed}. "
            f"{bulk_words(result)} The mean and the second moment are over all P eigenvalues, zeros included, "
            "which is why they lie so low; the second moment is drawn as its root."
        )
    if spec.view == "blocks":
        several = (
            f" With {spec.outputs} outputs a layer's number is the mean of its {spec.outputs} largest."
            if spec.likelihood == "regression" and spec.outputs > 1
            else ""
        )
        return (
            f"Every step: the largest eigenvalue of a layer's own block, mean over {networks}, standing on the layers before; "
            f"vertical lines: smallest to largest network; dashed: mean-field prediction of the step, where there is one.{several} "
            "With one output the read-out layer is one unit, so that its unit block is its layer block."
        )
    if spec.view in ("width", "inputs"):
        return (
            f"Points: mean over {networks}; band: smallest to largest; dashed: mean-field prediction, only where it is valid. The "
            "second moment includes what fluctuating overlaps add."
        )
    if spec.view == "whitened":
        return (
            f"Over {networks}; band: smallest to largest. F_layers keeps every layer's block and drops what lies between layers; "
            "λ is added to its diagonal, in units of each network's own largest eigenvalue. Dashed: the bound L, which is exact."
        )
    loss = (
        "(1/2N) Σ ‖f − f*‖² / σ²"
        if spec.likelihood == "regression"
        else "the divergence of softmax(f) from softmax(f*)"
    )
    return (
        f"{STEPS} steps of full-batch gradient descent on {loss} in {networks}, all layers moving. The target f* is what the same "
        "network says after a tiny step along F's leading eigenvector, so that a minimum is close and the residuals are small: "
        "there F is the curvature, and the loss changes by (1 − η λ_max)² a step (dashed). Far from a minimum a network may "
        "survive a larger step by moving somewhere flatter."
    )


def validity(result: Result) -> list[str]:
    """From where on a sweep's quantities are predicted, one sentence for those with the same answer, and why not before."""
    spec, table = spec_of(result), result.tables["sweep"]
    field = table.columns[0]
    groups: dict[str, list[str]] = {}
    for name in QUANTITIES:
        begin = _begin(result, name)
        rows = table[table["quantity"] == name]
        if begin is None:
            reason = str(rows.iloc[-1]["reason"])
            groups.setdefault(f"not predicted in this range. {reason}", []).append(SHORT[name].lower())
        elif begin > rows[field].min():
            where = f"width {begin:,}" if spec.view == "width" else f"N = {begin:,}"
            groups.setdefault(f"predicted from {where} on.", []).append(SHORT[name].lower())
        else:
            groups.setdefault("predicted everywhere here.", []).append(SHORT[name].lower())
    return [f"{_capital(words.joined(names))}: {text}" for text, names in groups.items()]


def _begin(result: Result, quantity: str) -> int | None:
    """The smallest place of the sweep from which on a quantity is predicted; of softmax the first such measured place."""
    spec, table = spec_of(result), result.tables["sweep"]
    if spec.likelihood == "regression":
        return spectrum_sweep.valid_from(spec, quantity)
    rows = table[(table["quantity"] == quantity) & table["predicted"].notna()]
    return int(rows[table.columns[0]].min()) if len(rows) else None


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """The sentences; those without a prediction for the same reason become one."""
    mark = ": no prediction here."
    lines, silent = [], dict[str, list[str]]()
    for verdict in verdicts:
        if verdict.word == "no prediction" and mark in verdict.sentence:
            silent.setdefault(verdict.sentence.split(mark, 1)[1].strip(), []).append(verdict.quantity)
        else:
            lines.append(verdict.sentence)
    for reason, names in silent.items():
        shown = words.joined([names[0], *(_small(name) for name in names[1:])])
        lines.append(f"{shown}{mark} {reason}".strip())
    return lines


def _small(name: str) -> str:
    return name if name[:1] == name[1:2].upper() else name[0].lower() + name[1:]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def bulk_words(result: Result) -> str:
    """What "bulk" means here, with its median, which lies below its mean."""
    table = result.tables["statistics"]
    median = row_of(table, "quantity", "median")
    apart = expected_outliers(spec_of(result))
    which = "the largest" if apart == 1 else f"the {apart} largest"
    text = f"Bulk: mean of all non-zero eigenvalues but {which}, which is what theory gives"
    if np.isfinite(median["measured"]):
        text += f"; their median is {words.number(float(median['measured']))}"
    return f"{text}."


def residual_words(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """The largest residual and where it is."""
    sizes = rows["residual"].abs().to_numpy(dtype=float)
    if not np.isfinite(sizes).any():
        return "Nothing is predicted here, so there is no residual."
    place = int(np.nanargmax(sizes))
    return f"Largest residual: {words.percent(float(rows['residual'].iloc[place]))} ({names[place]})."

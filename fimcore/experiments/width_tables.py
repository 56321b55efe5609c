"""Tables of a sweep: every observable at every place, how it changes along the sweep, shares, single networks, and notes.

Slopes are least squares of log value on log width (or log number of outputs) over all networks, with their 95 % interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from fimcore.experiments import predicted
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.width_measure import Point, samples_at, some_inputs
from fimcore.experiments.width_observables import NOT_PREDICTED, averages, mean_norms, own_values
from fimcore.experiments.width_spec import Spec
from fimcore.experiments.width_theory import plateaus, predictions

CONFIDENCE = 0.95
# Slopes within this are called flat; an interval wider than WIDE on either side tells nothing.
FLAT, WIDE = 0.1, 0.25
PARTS = ("in_unit", "same_layer", "cross_layer")


def groups(points: Sequence[Point]) -> list[list[Point]]:
    """Networks of one place together, in the order of the sweep."""
    found: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        found.setdefault((point.width, point.outputs), []).append(point)
    return list(found.values())


def observables(spec: Spec, points: Sequence[Point]) -> pd.DataFrame:
    """Per observable, part and place: value of the averages, spread of the networks' own values, prediction, residual."""
    rows: list[dict[str, Any]] = []
    for here in groups(points):
        setting = spec.at(here[0].width, here[0].outputs)
        theory, reason = predictions(setting), predicted.norms(setting).reason
        _, mean = averages(here)
        each = [own_values(point) for point in here]
        limits = plateaus(spec, setting)
        for key, value in mean.items():
            own = np.array([values[key] for values in each])
            expected = theory.get(key, np.nan)
            some = key[0] in NOT_PREDICTED
            rows.append(
                {
                    "observable": key[0],
                    "part": key[1],
                    "width": setting.width,
                    "outputs": setting.outputs,
                    **over_seeds(own),
                    "measured": value,  # of the averages, not the average of the networks' own
                    "predicted": expected,
                    "plateau": limits.get(key, np.nan),
                    "residual": value / expected - 1 if expected > 0 else np.nan,
                    "reason": NOT_PREDICTED.get(key[0], reason),
                    "samples": some_inputs(setting) if some else samples_at(setting),
                }
            )
    table = pd.DataFrame(rows)
    order = {name: place for place, name in enumerate(dict.fromkeys(table["observable"]))}
    return table.sort_values("observable", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def trends(spec: Spec, points: Sequence[Point], table: pd.DataFrame) -> pd.DataFrame:
    """Per observable and part: fitted and predicted slope, both ends of the sweep, and a word."""
    rows = []
    own = [(getattr(point, spec.axis), own_values(point)) for point in points]
    for observable, part in dict.fromkeys(zip(table["observable"], table["part"], strict=True)):
        here = table[(table["observable"] == observable) & (table["part"] == part)]
        pairs = [(place, values[observable, part]) for place, values in own]
        slope, half, networks = fit(pairs)
        expected, _, _ = fit(zip(here[spec.axis], here["predicted"], strict=True))
        there = here[here["measured"].notna()]
        rows.append(
            {
                "observable": observable,
                "part": part,
                "first": there["measured"].iloc[0] if len(there) else np.nan,
                "last": there["measured"].iloc[-1] if len(there) else np.nan,
                "from": there[spec.axis].iloc[0] if len(there) else 0,
                "to": there[spec.axis].iloc[-1] if len(there) else 0,
                "slope": slope,
                "low": slope - half,
                "high": slope + half,
                "predicted": expected,
                "networks": networks,
                "change": change(slope, half),
                "reason": here["reason"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def fit(pairs: Iterable[tuple[int, float]]) -> tuple[float, float, int]:
    """Slope on log-log axes, half-width of its confidence interval (nan where it cannot be had), values in the fit."""
    kept = [(place, value) for place, value in pairs if value > 0 and np.isfinite(value)]
    places = np.log([place for place, _ in kept])
    if len(set(places.tolist())) < 2:
        return np.nan, np.nan, len(kept)
    found = stats.linregress(places, np.log([value for _, value in kept]))
    freedom = len(kept) - 2
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * found.stderr if freedom > 0 else np.nan
    return float(found.slope), float(half), len(kept)


def change(slope: float, half: float) -> str:
    """What a slope says: "decays", "stays", "grows", or "cannot tell" where its interval is too wide for any of them."""
    if not (np.isfinite(slope) and np.isfinite(half)):
        return "cannot tell"
    if abs(slope) > FLAT and abs(slope) > half:
        return "decays" if slope < 0 else "grows"
    return "stays" if abs(slope) + half <= FLAT + WIDE and abs(slope) <= FLAT else "cannot tell"


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """The RMS ratio alone, with layers as numbers."""
    return _by_layer(table[table["observable"] == "ratio"])


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """Slopes of the RMS ratio alone, with layers as numbers."""
    kept = _by_layer(table[table["observable"] == "ratio"])
    return kept[["layer", "slope", "low", "high", "predicted", "networks", "change", "reason"]]


def _by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    made = rows.drop(columns=["observable", "part"]).reset_index(drop=True)
    made.insert(1, "layer", rows["part"].str.removeprefix("layer ").astype(int).to_numpy())
    return made


def mass(spec: Spec, points: Sequence[Point]) -> pd.DataFrame:
    """Shares of the averaged |F|_F^2 per place: in-unit, same-layer off-unit, cross-layer; hidden layers, and all layers."""
    rows = []
    for here in groups(points):
        setting = spec.at(here[0].width, here[0].outputs)
        mean, theory = mean_norms(here).mass, predicted.norms(setting).norms
        each = [point.norms.mass for point in here]
        for place, layers in enumerate(mean["layers"]):
            for part in PARTS:
                seen = over_seeds(np.array([float(table[part].iloc[place]) for table in each]))
                rows.append(
                    {
                        "width": setting.width,
                        "outputs": setting.outputs,
                        "layers": layers,
                        "part": part,
                        "measured": float(mean[part].iloc[place]),
                        "spread": seen["spread"],
                        "seeds": seen["seeds"],
                        "predicted": np.nan if theory is None else float(theory.mass[part].iloc[place]),
                    }
                )
    return pd.DataFrame(rows)


def networks(points: Sequence[Point]) -> pd.DataFrame:
    """Per network and hidden layer: RMS entries and their ratio."""
    rows = [
        {
            "width": point.width,
            "outputs": point.outputs,
            "seed": point.seed,
            "layer": layer + 1,
            "rms_in_unit": point.norms.rms_in_unit[layer],
            "rms_off_unit": point.norms.rms_off_unit[layer],
            "rms_ratio": point.norms.rms_ratio[layer],
        }
        for point in points
        for layer in range(point.norms.layers - 1)
    ]
    return pd.DataFrame(rows)


def notes(spec: Spec, points: Sequence[Point]) -> pd.DataFrame:
    """One sentence for whatever is missing: layers of one unit, dead layers, numbers that overflow."""
    said = []
    for here in groups(points):
        place = _place(spec, here[0])
        overflowing = sum(point.overflows for point in here)
        if overflowing:
            said.append(
                f"{place} numbers overflow in {overflowing} of {len(here)} networks, which are left out: lower the weight "
                "variance or the depth, or raise the noise variance."
            )
        if here[0].width == 1:
            said.append(
                f"{place} a layer is one unit, and there are no entries between units: take a width of 2 or more."
            )
        for layer in range(here[0].norms.layers - 1):
            dead = sum(not point.overflows and point.norms.unit_diagonal[layer] == 0 for point in here)
            if dead:
                said.append(
                    f"{place} layer {layer + 1} is dead in {dead} of {len(here)} networks (all of its units are off, or nothing "
                    "they do reaches the outputs): raise the bias variance or the width."
                )
    return pd.DataFrame({"note": said}, dtype=object)


def _place(spec: Spec, point: Point) -> str:
    setting: NetworkSpec = spec.at(point.width, point.outputs)
    if spec.view != "outputs":
        return f"At width {setting.width:,}"
    return f"With {setting.outputs:,} output{'s' if setting.outputs > 1 else ''}"

"""Width: do entries between units shrink relative to entries inside a unit as the network gets wider, and what of their mass?

R_l = RMS entry between different units of layer l / RMS entry inside a unit, from Gram matrices at any width, with slopes fitted on
log-log axes, beside the finite-width mean-field curve.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fimcore.budget import Budget
from fimcore.experiments import predicted
from fimcore.experiments.cost import Cost, admit, gram_flops, layout_for, machine_speed, pass_flops, rows_per_input
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.result import FEWEST_SEEDS, Result, Verdict, signed
from fimcore.experiments.setting import factors_of, input_dimension, sample_count
from fimcore.experiments.width_spec import Spec
from fimcore.fisher import block_norms_from_factors
from fimcore.norms import BlockNorms

__all__ = ["Spec", "cost", "run"]

Progress = Callable[..., object]

# With as many outputs as units the cost grows with N n^3: fewer inputs do, since the estimate is unbiased at any N.
MANY_OUTPUTS_FLOPS = 6e9
FEWEST_SAMPLES = 16
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Point:
    """Measured block norms of one network of the sweep."""

    width: int
    seed: int
    norms: BlockNorms


def samples_at(spec: Spec, width: int) -> int:
    """Inputs used at one width: as set, fewer where the outputs are many (reported with every number)."""
    setting = spec.at(width)
    layout = layout_for(input_dimension(setting), setting)
    wanted = sample_count(setting)
    per_sample = (
        2.0 * setting.outputs * sum(n * m for place, n in enumerate(layout.units) for m in layout.units[place:])
    )
    affordable = int(max(FEWEST_SAMPLES, MANY_OUTPUTS_FLOPS // per_sample))
    return min(wanted, affordable) if setting.outputs > 1 else wanted


def _setting(spec: Spec, width: int) -> NetworkSpec:
    return spec.at(width).model_copy(update={"samples": samples_at(spec, width)})


def cost(spec: Spec) -> Cost:
    """Bytes of the widest network's factors and estimated seconds of the whole sweep."""
    flops, held, parameters = 0.0, 0, 0
    for width in spec.swept:
        setting = _setting(spec, width)
        layout = layout_for(input_dimension(setting), setting)
        rows = rows_per_input(setting)
        flops += spec.seeds * (pass_flops(layout, setting.samples, rows) + gram_flops(layout, setting.samples, rows))
        entries = setting.samples * (2 * rows * sum(layout.units) + 2 * sum(layout.unit_sizes))
        entries += setting.samples**2 * (layout.layers + 2) + 2 * layout.parameters
        held, parameters = max(held, 8 * entries), max(parameters, layout.parameters)
    return Cost(parameters, held, flops / machine_speed())


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Measure every network of the sweep, narrow ones first, and compare with the predicted curve.

    Tables: "ratios" (per width and hidden layer), "slopes" (per hidden layer), "mass" (shares of |F|_F^2), "points" (per network).
    `progress` receives (fraction, message, partial result) whenever a network is finished.

    Raises:
        BudgetError: the setting exceeds the limits.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    points: list[Point] = []
    total = len(spec.swept) * spec.seeds
    shares = np.array([float(width) ** 2 for width in spec.swept for _ in range(spec.seeds)])
    for width in spec.swept:
        setting = _setting(spec, width)
        for number in range(spec.seeds):
            done = float(shares[: len(points)].sum() / shares.sum())
            inner = _inner(progress, done, float(shares[len(points)] / shares.sum()), len(points), total)
            norms = block_norms_from_factors(factors_of(setting, number), unbiased=True, progress=inner)
            points.append(Point(width, spec.seed + number, norms))
            if progress and len(points) < total:
                partial = summarise(spec, points, time.perf_counter() - start, asked.bytes, complete=False)
                progress(
                    float(shares[: len(points)].sum() / shares.sum()), f"{len(points)} of {total} networks", partial
                )
    result = summarise(spec, points, time.perf_counter() - start, asked.bytes, complete=True)
    if progress:
        progress(1.0, f"{total} of {total} networks", result)
    return result


def _inner(progress: Progress | None, done: float, share: float, number: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda fraction, message: progress(done + share * fraction, f"{number} of {total} networks")


def summarise(spec: Spec, points: list[Point], seconds: float, size: int, complete: bool) -> Result:
    """All tables of the networks measured so far."""
    ratios = _ratios(spec, points)
    slopes = _slopes(points, ratios)
    tables = {"ratios": ratios, "slopes": slopes, "mass": _mass(spec, points), "points": _points(points)}
    return Result(
        "width", spec, tables, {}, _verdicts(slopes, len({point.seed for point in points})), seconds, size, complete
    )


def _points(points: list[Point]) -> pd.DataFrame:
    rows = [
        {
            "width": point.width,
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


def _mean_norms(points: list[Point]) -> BlockNorms:
    """Block norms averaged over networks: what the predicted averages are compared with."""
    pairs = np.mean([point.norms.layer_pairs for point in points], axis=0)
    units = np.mean([point.norms.unit_diagonal for point in points], axis=0)
    return BlockNorms(pairs, units, points[0].norms.widths)


def _ratios(spec: Spec, points: list[Point]) -> pd.DataFrame:
    """Per width and hidden layer: ratio of the seed averages, spread of the seeds' own ratios, and the predicted ratio."""
    rows = []
    for width in sorted({point.width for point in points}):
        here = [point for point in points if point.width == width]
        mean, theory = _mean_norms(here).rms_ratio, predicted.norms(spec.at(width))
        for layer in range(here[0].norms.layers - 1):
            own = np.array([point.norms.rms_ratio[layer] for point in here])
            own = own[np.isfinite(own)]
            rows.append(
                {
                    "width": width,
                    "layer": layer + 1,
                    "measured": mean[layer],
                    "spread": own.std(ddof=1) if len(own) > 1 else np.nan,
                    "low": own.min() if len(own) else np.nan,
                    "high": own.max() if len(own) else np.nan,
                    "seeds": len(own),
                    "predicted": np.nan if theory.norms is None else theory.norms.rms_ratio[layer],
                    "reason": theory.reason,
                    "samples": samples_at(spec, width),
                }
            )
    return pd.DataFrame(rows)


def _slopes(points: list[Point], ratios: pd.DataFrame) -> pd.DataFrame:
    """Per hidden layer: least-squares slope of log ratio against log width over all networks, with its 95 % interval."""
    rows = []
    for place in range(points[0].norms.layers - 1):
        table = ratios[ratios["layer"] == place + 1]
        pairs = [(p.width, float(p.norms.rms_ratio[place])) for p in points if p.norms.rms_ratio[place] > 0]
        slope, half = _fit(pairs)
        theory = table[table["predicted"] > 0]
        expected, _ = _fit(list(zip(theory["width"].tolist(), theory["predicted"].tolist(), strict=True)))
        rows.append(
            {
                "layer": place + 1,
                "slope": slope,
                "low": slope - half,
                "high": slope + half,
                "predicted": expected,
                "networks": len(pairs),
                "reason": table["reason"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def _fit(pairs: list[tuple[int, float]]) -> tuple[float, float]:
    """Slope on log-log axes and the half-width of its confidence interval (nan where it cannot be had)."""
    widths = np.log([width for width, _ in pairs])
    if len(set(widths.tolist())) < 2:
        return np.nan, np.nan
    found = stats.linregress(widths, np.log([value for _, value in pairs]))
    freedom = len(pairs) - 2
    half = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * found.stderr if freedom > 0 else np.nan
    return float(found.slope), float(half)


def _mass(spec: Spec, points: list[Point]) -> pd.DataFrame:
    """Shares of |F|_F^2 per width: in-unit, same-layer off-unit, cross-layer; hidden layers, and all layers."""
    rows = []
    for width in sorted({point.width for point in points}):
        here = [point.norms.mass for point in points if point.width == width]
        theory = predicted.norms(spec.at(width)).norms
        for place, layers in enumerate(("hidden layers", "all layers")):
            for part in ("in_unit", "same_layer", "cross_layer"):
                own = np.array([float(table[part].iloc[place]) for table in here])
                rows.append(
                    {
                        "width": width,
                        "layers": layers,
                        "part": part,
                        "measured": own.mean(),
                        "spread": own.std(ddof=1) if len(own) > 1 else np.nan,
                        "seeds": len(own),
                        "predicted": np.nan if theory is None else float(theory.mass[part].iloc[place]),
                    }
                )
    return pd.DataFrame(rows)


def _verdicts(slopes: pd.DataFrame, seeds: int) -> tuple[Verdict, ...]:
    """Fitted against predicted slope: agrees inside the fit's 95 % interval, close within 10 % or 0.05; no word below 4 seeds."""
    verdicts = []
    for row in slopes.to_dict("records"):
        name = f"Slope of layer {row['layer']}"
        if not np.isfinite(row["predicted"]):
            verdicts.append(Verdict(name, "no prediction", f"{name}: no prediction here. {row['reason']}".strip()))
            continue
        facts = f"predicted {signed(row['predicted'])}, measured {signed(row['slope'])}"
        if np.isfinite(row["high"]):
            facts += f" ({signed(row['low'])} to {signed(row['high'])}, {row['networks']} networks)"
        difference = abs(row["slope"] - row["predicted"])
        if seeds < FEWEST_SEEDS or not np.isfinite(row["high"]):
            word = "too few seeds to say"
        elif row["low"] <= row["predicted"] <= row["high"]:
            word = "agrees"
        else:
            word = "close" if difference <= max(0.05, 0.1 * abs(row["predicted"])) else "disagrees"
        verdicts.append(Verdict(name, word, f"{name}: {facts}: {word}."))
    return tuple(verdicts)

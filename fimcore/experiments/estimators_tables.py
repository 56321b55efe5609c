"""Tables of the question `estimators`, over the networks measured so far.

Input against label randomness: b of N inputs without replacement and m labels an input have the variance
(N - b) / (b (N - 1)) Var_x F + E_x V / (b m); independent inputs have Var_x F / b in the first place.
Source: Soen, Sun, Trade-Offs of Diagonal Fisher Information Matrix Estimators, arXiv 2402.05379.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fimcore.experiments.cost import layout_for
from fimcore.experiments.estimators_measured import QUANTITIES, Measured, z_of
from fimcore.experiments.estimators_spec import LABEL_STEPS, Spec
from fimcore.experiments.over_seeds import over_seeds
from fimcore.experiments.setting import input_dimension, sample_count

PARTS = ("score", "hessian", "mixture")
# Batches of the split: so many on a logarithmic scale, from one input to all.
BATCHES = 24
FEWEST_CARRIERS = 100
EQUAL = 1e-9  # relative difference of two deviations that is nothing but rounding


def layer_name(spec: Spec, layer: int) -> str:
    """A layer inside a sentence: "layer 2", "the output layer"."""
    return "the output layer" if layer == spec.layers else f"layer {layer}"


def all_tables(spec: Spec, found: list[Measured]) -> dict[str, pd.DataFrame]:
    """Every table but that of the samples needed."""
    return {
        "layers": layers(found),
        "winners": winners(spec, found),
        "bounds": bounds(found),
        "causes": causes(found),
        "split": split(spec, found),
        "check": check(found),
        "units": units(spec, found),
        "points": points(spec, found),
    }


def layers(found: list[Measured]) -> pd.DataFrame:
    """Per layer and quantity: mean and spread over networks."""
    rows = []
    for name in QUANTITIES:
        values = np.array([each.layers[name] for each in found])
        rows += [{"layer": place + 1, "quantity": name} | over_seeds(own) for place, own in enumerate(values.T)]
    return pd.DataFrame(rows)


def points(spec: Spec, found: list[Measured]) -> pd.DataFrame:
    """Per network and layer: all quantities side by side."""
    return pd.DataFrame(
        [
            {"seed": spec.seed + number, "layer": layer + 1}
            | {name: float(each.layers[name][layer]) for name in QUANTITIES}
            for number, each in enumerate(found)
            for layer in range(spec.layers)
        ]
    )


def winners(spec: Spec, found: list[Measured]) -> pd.DataFrame:
    """Which estimator has the smaller standard deviation: per layer, and for all parameters together (layer 0).

    winner: "score" or "hessian" where all networks say so, "varies" where they do not, "equal", "none" (neither varies).
    ratio: geometric mean over networks of the Hessian estimator's deviation over the score estimator's.
    """
    deviations = np.array([[each.layers[name] for name in ("score", "hessian")] for each in found])
    wins = np.array([[each.layers[name] for name in ("score_wins", "hessian_wins")] for each in found])
    weights = np.array(layout_for(input_dimension(spec), spec).layer_sizes, dtype=np.float64)
    weights /= weights.sum()
    whole = np.sqrt(deviations**2 @ weights)[..., None], (wins @ weights)[..., None]
    deviations = np.concatenate([whole[0], deviations], axis=2)
    wins = np.concatenate([whole[1], wins], axis=2).mean(axis=0)
    rows = []
    for layer in range(spec.layers + 1):
        score, hessian = deviations[:, 0, layer], deviations[:, 1, layer]
        both = (score > 0) & (hessian > 0)
        ratios = hessian[both] / score[both]
        rows.append(
            {
                "layer": layer,
                "winner": _winner(score, hessian),
                "ratio": float(np.exp(np.log(ratios).mean())) if len(ratios) else np.nan,
                "low": float(ratios.min()) if len(ratios) else np.nan,
                "high": float(ratios.max()) if len(ratios) else np.nan,
                "score_wins": wins[0, layer],
                "hessian_wins": wins[1, layer],
                "seeds": len(found),
            }
        )
    return pd.DataFrame(rows)


def _winner(score: np.ndarray, hessian: np.ndarray) -> str:
    if not (score.any() or hessian.any()):
        return "none"
    same = np.abs(score - hessian) <= EQUAL * np.maximum(score, hessian)
    if same.all():
        return "equal"
    if (score < hessian).all():
        return "score"
    return "hessian" if (hessian < score).all() else "varies"


def bounds(found: list[Measured]) -> pd.DataFrame:
    """Every bound by name: its layer mean (of variances the root), and how close the exact value comes."""
    rows = []
    for quantity, side, form, formula in found[0].forms:
        limits = np.array([each.forms[quantity, side, form, formula] for each in found])
        values = np.array([each.layers[quantity] for each in found])
        over, under = (values, limits) if side == "upper" else (limits, values)
        with np.errstate(divide="ignore", invalid="ignore"):
            close = np.where(under > 0, over / under, np.nan)
        for place in range(limits.shape[1]):
            seen = over_seeds(limits[:, place])
            rows.append(
                {"layer": place + 1, "quantity": quantity, "side": side, "form": form, "formula": formula}
                | {"bound": seen["measured"], "spread": seen["spread"]}
                | {"tightness": over_seeds(close[:, place])["measured"], "seeds": len(found)}
            )
    return pd.DataFrame(rows)


def causes(found: list[Measured]) -> pd.DataFrame:
    """Share of every later layer in the variance of the Hessian estimator; shares of a layer add up to 1."""
    share = np.array([each.causes for each in found])
    alone = np.array([each.alone for each in found])
    whole = share.sum(axis=2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, alone = (np.where(whole > 0, values / whole, np.nan) for values in (share, alone))
    return pd.DataFrame(
        [
            {"layer": layer + 1, "cause": cause + 1}
            | over_seeds(share[:, layer, cause])
            | {"alone": over_seeds(alone[:, layer, cause])["measured"]}
            for layer in range(share.shape[1])
            for cause in range(layer, share.shape[2])
        ]
    )


def split(spec: Spec, found: list[Measured]) -> pd.DataFrame:
    """Input and label variance over F^2, for layer means averaged over networks.

    drawn "subset": b of the N inputs without replacement; "independent": N fresh inputs with m labels each.
    """
    count = sample_count(spec)
    means = {name: np.mean([each.layers[name] ** 2 for each in found], axis=0) for name in (*PARTS, "input")}
    fisher = np.mean([each.layers["fisher"] for each in found], axis=0) ** 2
    batches = np.unique(np.geomspace(1, count, BATCHES).round().astype(int))
    rows = []
    for layer in range(spec.layers):
        if not fisher[layer] > 0:
            continue
        inputs = means["input"][layer] / fisher[layer]
        for part in PARTS:
            one_label = means[part][layer] / fisher[layer]
            for labels in sorted({*LABEL_STEPS, spec.labels}):
                row = {"layer": layer + 1, "part": part, "labels": labels}
                for batch in batches:
                    drawn = inputs * (count - batch) / (batch * max(count - 1, 1))
                    label = one_label / (batch * labels)
                    rows.append(row | {"drawn": "subset", "inputs": int(batch), "input": drawn, "label": label})
                label = one_label / (count * labels)
                rows.append(row | {"drawn": "independent", "inputs": count, "input": inputs / count, "label": label})
    columns = ["layer", "part", "labels", "drawn", "inputs", "input", "label"]
    return pd.DataFrame(rows, columns=columns)


def check(found: list[Measured]) -> pd.DataFrame:
    """Exact variances beside those of drawn labels, and their distance in standard errors."""
    every = np.array([each.check for each in found])
    labels = sum(each.checked for each in found)
    rarity = np.array([each.rarity for each in found]).max(axis=0)
    # Where labels that carry the variance are too rare to be seen, drawn ones say nothing about it.
    distance = np.where((labels < FEWEST_CARRIERS * rarity)[:, None], np.nan, z_of(every))
    error = np.sqrt((every[..., 2] ** 2).sum(axis=0)) / len(found)
    rows = []
    for place, name in enumerate(("score", "hessian")):
        for layer in range(every.shape[1]):
            mean = every[:, layer, place].mean(axis=0)
            rows.append(
                {
                    "layer": layer + 1,
                    "estimator": name,
                    "exact": float(mean[0]),
                    "drawn": float(mean[1]),
                    "standard_error": float(error[layer, place]),
                    "distance": float(distance[layer, place]),
                    "labels": labels,
                }
            )
    return pd.DataFrame(rows)


def units(spec: Spec, found: list[Measured]) -> pd.DataFrame:
    """Every unit's means over its parameters; log_ratio = log10 V2 / V1, empty where one of them is zero."""
    rows = []
    for number, each in enumerate(found):
        for layer in range(spec.layers):
            score, hessian = each.units["var_score"][layer], each.units["var_hessian"][layer]
            there = (score > 0) & (hessian > 0)
            ratio = np.full(len(score), np.nan)
            ratio[there] = np.log10(hessian[there]) - np.log10(score[there])
            rows.append(
                pd.DataFrame(
                    {
                        "seed": spec.seed + number,
                        "layer": layer + 1,
                        "unit": np.arange(1, len(score) + 1),
                        "log_ratio": ratio,
                        "fisher": each.units["fisher"][layer],
                        "var_score": score,
                        "var_hessian": hessian,
                        "negative": each.units["negative"][layer],
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)

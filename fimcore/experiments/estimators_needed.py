"""The samples that the question `estimators` finds necessary, parameter by parameter, and what they come to in a layer.

P(|estimate - F| <= relative_error F) >= confidence, by the central limit theorem, by Chebyshev, or by the exact law.
Source: standard; the variances are those of Soen, Sun, arXiv 2402.05379.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fimcore.estimators import DiagonalVariances, diagonal_variances
from fimcore.experiments.estimators_spec import Spec
from fimcore.experiments.setting import inputs_of, network_of
from fimcore.likelihoods import Bernoulli, Categorical, Gaussian, GaussianWithVariance, LikelihoodWithMoments, Poisson

PARTS = ("score", "hessian", "mixture")
# Per layer: estimator to samples of every parameter; inf where F is zero and the estimate is not, nan where no law is known.
Needed = list[dict[str, np.ndarray]]


def family_of(spec: Spec) -> LikelihoodWithMoments:
    """The output family."""
    if spec.likelihood == "regression":
        return Gaussian(spec.noise_variance)
    made: dict[str, LikelihoodWithMoments] = {
        "softmax": Categorical(),
        "bernoulli": Bernoulli(),
        "poisson": Poisson(),
        "heteroscedastic": GaussianWithVariance(),
    }
    return made[spec.likelihood]


def variances_of(spec: Spec, number: int) -> DiagonalVariances:
    """Both estimators of network `number` in closed form."""
    return diagonal_variances(network_of(spec, number), inputs_of(spec, number), family_of(spec))


def needed_of(spec: Spec, known: DiagonalVariances) -> Needed:
    """Samples that every parameter of one network needs."""
    asked = known.samples_needed(spec.relative_error, spec.confidence, spec.method, spec.pairs)
    pieces = {name: getattr(asked, name).split(known.layout.layer_sizes) for name in PARTS}
    return [{name: pieces[name][layer].numpy() for name in PARTS} for layer in range(known.layout.layers)]


def samples_table(spec: Spec, every: Sequence[Needed]) -> pd.DataFrame:
    """Samples that half, 95 % and all of the parameters need, per layer (0: all layers) and estimator, over the networks."""
    rows = []
    for layer in range(spec.layers + 1):
        chosen = range(spec.layers) if layer == 0 else (layer - 1,)
        for name in PARTS:
            asked = np.concatenate([network[place][name] for network in every for place in chosen])
            told = np.sort(asked[~np.isnan(asked)])
            rows.append(
                {"layer": layer, "estimator": name}
                | {key: _quantile(told, share) for key, share in (("half", 0.5), ("most", 0.95), ("all", 1.0))}
                | {"never": int(np.isinf(told).sum()), "known": len(told) / len(asked)}
            )
    return pd.DataFrame(rows)


def _quantile(told: np.ndarray, share: float) -> float:
    """The smallest count that suffices for this share of the parameters; nan where none does."""
    if not len(told):
        return np.nan
    count = float(told[max(0, int(np.ceil(share * len(told))) - 1)])
    return count if np.isfinite(count) else np.nan

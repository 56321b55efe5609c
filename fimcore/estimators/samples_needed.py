"""How many samples an estimator needs: the smallest n with P(|estimate - F| <= relative_error F) >= confidence.

Chebyshev: n >= V / ((1 - confidence) (relative_error F)^2). Central limit theorem: n >= z^2 V / (relative_error F)^2 with z the
normal quantile at (1 + confidence) / 2. Exact laws of the Gaussian family at fixed inputs: the Hessian estimate is normal, and
n I1 / F is chi-square with n degrees of freedom where F(x) is the same at all inputs (one input, or the biases read out).
Source: standard; the laws follow from the score being normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from scipy import stats
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.likelihoods import Gaussian

if TYPE_CHECKING:
    from fimcore.estimators.variances import DiagonalVariances

METHODS = ("clt", "chebyshev", "exact")
INPUTS = ("fixed", "random")


@dataclass(frozen=True, eq=False)
class SamplesNeeded:
    """Samples each estimator needs for every parameter, (P,) whole numbers; inf where F is zero and the estimate is not.

    With `inputs` "fixed" a sample is a label at one of the given inputs, each of which gets the same number of labels; with
    "random" it is a fresh pair of input and label. `mixture` mixes both estimators of the same label.
    """

    score: Tensor
    hessian: Tensor
    mixture: Tensor


def samples_needed(
    known: DiagonalVariances, relative_error: float, confidence: float, method: str, inputs: str
) -> SamplesNeeded:
    """See `DiagonalVariances.samples_needed`."""
    check_choice("method", method, METHODS)
    check_choice("inputs", inputs, INPUTS)
    if not (math.isfinite(relative_error) and relative_error > 0):
        raise ValueError(f"`relative_error` is {relative_error!r}; give a number above 0, such as 0.1.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` is {confidence!r}; give a number between 0 and 1, such as 0.95.")
    fisher, added = known.fisher, known.input_variance if inputs == "random" else torch.zeros_like(known.fisher)
    variances = [variance + added for variance in (known.var_score, known.var_hessian, known.var_mixture)]
    factor = 1 / (1 - confidence) if method == "chebyshev" else stats.norm.ppf((1 + confidence) / 2) ** 2
    found = [_whole(variance, fisher, factor / relative_error**2) for variance in variances]
    if method == "exact":
        gaussian = isinstance(known.likelihood, Gaussian) and inputs == "fixed"
        even = known.input_variance <= 64 * torch.finfo(fisher.dtype).eps * fisher.square()
        chi_square = torch.full_like(fisher, chi_square_samples(relative_error, confidence))
        known_laws = [chi_square.where(even, torch.nan), found[1], torch.full_like(fisher, torch.nan)]
        found = [
            count.where(variance == 0, law if gaussian else torch.nan)
            for count, variance, law in zip(found, variances, known_laws, strict=True)
        ]
    return SamplesNeeded(*found)


def _whole(variance: Tensor, fisher: Tensor, factor: float) -> Tensor:
    """The smallest whole number >= factor V / F^2, 1 or more; 1 where nothing varies."""
    deviation = variance.sqrt() / fisher  # squared at the end: F^2 of a small F would be zero
    needed = (deviation.square() * factor * (1 - 4 * torch.finfo(fisher.dtype).eps)).ceil().clamp(min=1)
    return needed.where(variance > 0, torch.ones_like(needed))


def chi_square_samples(relative_error: float, confidence: float) -> int:
    """The smallest n with P(|chi^2_n / n - 1| <= relative_error) >= confidence."""

    def covered(n: int) -> bool:
        law = stats.chi2(n)
        return bool(law.cdf(n * (1 + relative_error)) - law.cdf(n * (1 - relative_error)) >= confidence)

    above = 1
    while not covered(above):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (below, middle) if covered(middle) else (middle, above)
    return above

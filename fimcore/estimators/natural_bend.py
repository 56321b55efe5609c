"""What outputs that are no natural parameters add to the second derivative: e(v) with v^T (H_out(y) - Q) v = -s(y).e(v).

H_out = -d^2 log p / df^2 and s is the score, both in the outputs f. In an exponential family with natural parameters h(f) the
vector e(v) is d^2 h(v, v) brought back by (dh/df)^{-1}, and 0 where f = h. It follows from two moments alone,
    Q e(v) = Gamma(v, v; .) - E[(v.s)^2 s] / 2,   Gamma(v, v; w) = D_v Q(v, w) - D_w Q(v, v) / 2.
Source: Amari, Nagaoka, Methods of Information Geometry (2000): the exponential connection and the metric's own differ by half the
third moment.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fimcore.likelihoods import Bernoulli, Categorical, Gaussian, Poisson, output_hessian

# Their outputs are natural parameters.
NATURAL = (Gaussian, Categorical, Bernoulli, Poisson)

# Labels drawn per input to see whether a family bends as an exponential family does.
CHECKED_LABELS = 3


def natural_bend(likelihood: Any, outputs: Tensor, vectors: Tensor) -> Tensor | None:
    """e(v) for every direction v, a column of `vectors` (N, C, m): (N, C, m), or None where it is zero.

    The family's own method `natural_bend(outputs, vectors)` where it has one, else by derivatives of its `output_fisher`.

    Raises:
        ValueError: the second derivative in the outputs is no linear function of the score, or cannot be found.
    """
    if isinstance(likelihood, NATURAL):
        return None
    own = getattr(likelihood, "natural_bend", None)
    if own is not None:
        return own(outputs, vectors)
    along = _metric_part(likelihood, outputs, vectors) - _skewness(likelihood, outputs, vectors) / 2
    found = torch.linalg.pinv(likelihood.output_fisher(outputs), hermitian=True) @ along
    _check(likelihood, outputs, vectors, found)
    return found


def _metric_part(likelihood: Any, outputs: Tensor, vectors: Tensor) -> Tensor:
    """Gamma(v, v; w) for w each output: (N, C, m)."""
    count = outputs.shape[1]
    slopes = []
    with torch.inference_mode(False), torch.enable_grad():
        at = outputs.detach().clone()
        for output in range(count):
            step = torch.zeros_like(at)
            step[:, output] = 1
            try:
                slopes.append(torch.autograd.functional.jvp(likelihood.output_fisher, at, step)[1])
            except RuntimeError as error:
                raise ValueError(
                    f"`likelihood` is {type(likelihood).__name__}, whose output_fisher torch cannot differentiate "
                    f"({str(error).splitlines()[0]}); give it a method natural_bend(outputs, vectors)."
                ) from error
    slope = torch.stack(slopes, dim=1)  # (N, a, b, c): d Q_bc / d f_a
    first = torch.einsum("nabc,nam,nbm->ncm", slope, vectors, vectors)
    return first - torch.einsum("nabc,nbm,ncm->nam", slope, vectors, vectors) / 2


def _skewness(likelihood: Any, outputs: Tensor, vectors: Tensor) -> Tensor:
    """E[(v.s)^2 s_a] for every output a: (N, C, m)."""
    found = []
    for output in range(outputs.shape[1]):
        other = torch.zeros_like(vectors)
        other[:, output] = 1
        found.append(likelihood.third_moment(outputs, vectors, other))
    return torch.stack(found, dim=1)


def _check(likelihood: Any, outputs: Tensor, vectors: Tensor, found: Tensor) -> None:
    """Refuse a family whose second derivative is not what its moments say, at labels drawn from it."""
    generator = torch.Generator().manual_seed(0)
    tolerance = 1e3 * torch.finfo(outputs.dtype).eps ** 0.75
    metric = likelihood.output_fisher(outputs)
    for _ in range(CHECKED_LABELS):
        labels = likelihood.sample(outputs, generator)
        hessian = output_hessian(likelihood, outputs, labels)
        bent = torch.einsum("nbm,nbc,ncm->nm", vectors, hessian - metric, vectors)
        said = -torch.einsum("nc,ncm->nm", likelihood.score(outputs, labels), found)
        scale = torch.einsum("nbm,nbc,ncm->nm", vectors.abs(), hessian.abs() + metric.abs(), vectors.abs())
        if bool(((bent - said).abs() > tolerance * (scale + said.abs())).any()):
            raise ValueError(
                f"`likelihood` is {type(likelihood).__name__}, whose second derivative in the outputs does not follow from "
                "output_fisher, third_moment and score as it does in an exponential family. Either one of these methods is "
                "wrong, or the family is no exponential family, and then the variance of its Hessian estimator is not "
                "known here."
            )

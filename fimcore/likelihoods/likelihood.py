"""What an output family must be able to do, and -d^2 log p(y | f) / df^2 of any of them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Likelihood(Protocol):
    """What an output family must be able to do. Outputs f are (N, C); R is the number of rows of the root."""

    def log_likelihood(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """log p(y | f): (N,)."""
        ...

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """One label per input, drawn from p(y | f)."""
        ...

    def score(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """d log p(y | f) / df: (N, C)."""
        ...

    def output_fisher(self, outputs: Tensor) -> Tensor:
        """Q: (N, C, C)."""
        ...

    def output_fisher_root(self, outputs: Tensor) -> Tensor:
        """B with B^T B = Q: (N, R, C)."""
        ...


@runtime_checkable
class LikelihoodWithMoments(Likelihood, Protocol):
    """A family that also knows the moments of its score s along given directions, as variances of estimators need them.

    Directions are columns: `vectors` and `others` are (N, C, m), and v.s is the sum over the C outputs.

    Where the outputs are not natural parameters of an exponential family, -d^2 log p / df^2 depends on the label. What that adds
    is found from `output_fisher` and `third_moment` by derivatives, or told by an optional method `natural_bend(outputs,
    vectors)`: e (N, C, m) with v^T (-d^2 log p / df^2 - Q) v = -s.e for every label.
    """

    def third_moment(self, outputs: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """E_y [(v.s)^2 (w.s)] with y ~ p(. | f), v of `vectors` and w of `others`: (N, m)."""
        ...

    def fourth_moment(self, outputs: Tensor, vectors: Tensor) -> Tensor:
        """E_y [(v.s)^4] with y ~ p(. | f), v of `vectors`: (N, m)."""
        ...


def output_hessian(likelihood: Likelihood, outputs: Tensor, labels: Tensor) -> Tensor:
    """-d^2 log p(y | f) / df^2 at the given labels: (N, C, C). Its mean over the model's labels is the output Fisher matrix.

    The family's own method `output_hessian(outputs, labels)` where it has one, else two automatic derivatives of its
    `log_likelihood`: all inputs at once, one pass per output. A log-likelihood with kinks (Laplace) has second derivative 0
    almost everywhere, and then that is the answer although the Fisher matrix is not 0.

    Raises:
        ValueError: `log_likelihood` is not twice differentiable by torch.
    """
    own = getattr(likelihood, "output_hessian", None)
    if own is not None:
        return own(outputs, labels)
    # inputs are independent of each other, so the derivative of the sum over inputs holds every input's own derivative
    with torch.inference_mode(False), torch.enable_grad():
        # clones, because tensors made in inference mode cannot enter a derivative
        at, labels = outputs.detach().clone().requires_grad_(True), labels.clone()
        try:
            total = likelihood.log_likelihood(at, labels).sum()
            (gradient,) = torch.autograd.grad(total, at, create_graph=True)
            rows = [_row(gradient, at, output) for output in range(at.shape[1])]
        except RuntimeError as error:
            raise ValueError(
                f"`likelihood` is {type(likelihood).__name__}, whose log_likelihood torch cannot differentiate twice "
                f"({str(error).splitlines()[0]}); write it in differentiable torch operations or give it a method "
                "output_hessian(outputs, labels)."
            ) from error
    return -torch.stack(rows, dim=1)


def _row(gradient: Tensor, at: Tensor, output: int) -> Tensor:
    """d gradient_c / df of every input: (N, C); zero where the gradient does not depend on the outputs."""
    if not gradient.requires_grad:
        return torch.zeros_like(gradient)
    (row,) = torch.autograd.grad(gradient[:, output].sum(), at, retain_graph=True, materialize_grads=True)
    return row

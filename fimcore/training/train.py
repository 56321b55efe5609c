"""`train`: full-batch descent as a generator of frozen steps, that a caller can stop, keep and resume anywhere.

theta <- theta - learning_rate * M^{-1} gradient; M = I (sgd), F + damping I (ngd_exact), unit blocks of it (ngd_unit).
Source: Amari, Natural gradient works efficiently in learning (1998); Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.fisher.factors import factors
from fimcore.fisher.top_eigenvalues import top_eigenvalues_from_factors
from fimcore.inputs import Data
from fimcore.likelihoods import Categorical, Gaussian, Likelihood
from fimcore.networks import Network
from fimcore.training.losses import fit, mean_loss
from fimcore.training.optimizers import OPTIMIZERS, evaluate, move
from fimcore.training.step import Step

__all__ = ["OPTIMIZERS", "train"]


def train(
    network: Network,
    data: Data | tuple[Tensor, Tensor],
    optimizer: str = "ngd_unit",
    learning_rate: float = 0.5,
    damping: float = 1e-3,
    steps: int = 100,
    seed: int = 0,
    likelihood: Likelihood | None = None,
    *,
    fisher_every: int = 0,
    resume: Step | None = None,
) -> Iterator[Step]:
    """Minimise the mean negative log-likelihood; yields step 0 (the network as given), then one step an update.

    Nothing runs between two steps that the caller does not ask for: to cancel, stop iterating. Divergence is a result:
    the step whose loss or gradient is not finite has `diverged = True` and is the last one.

    Args:
        network: where to start.
        data: `fimcore.inputs` data with labels, or a pair (x, y): x (N, n_0), y (N, C) numbers, (N,) numbers where
            C = 1, or (N,) classes 0..C-1.
        optimizer: "sgd" (plain full-batch gradient descent), "adam" (torch.optim.Adam with its defaults), "ngd_exact"
            or "ngd_unit" (natural gradient with the exact Fisher matrix, or with its unit-wise block diagonal).
        learning_rate: above 0.
        damping: added to the diagonal of F in both natural gradients; absolute, as in `F.solve(v, damping)`.
        steps: number of the last step.
        seed: of random choices; full-batch training makes none, so every seed gives the same run.
        likelihood: output family; left out: `Categorical()` for whole-number labels (N,), `Gaussian()` otherwise.
        fisher_every: report the Fisher matrix's largest eigenvalue at every so many steps; 0 never.
        resume: a step of an earlier run to continue from, number, seconds and Adam's moments included. Starting anew
            from `step.network` is the same, except that Adam's moments and the counting start at 0.

    Raises:
        ValueError: bad arguments, at the call and not at the first step; or, at the first update, a damping at which the
            matrix is singular to rounding, with one that works (where that happens later, the run ends: `Step.stopped`).
    """
    check_choice("optimizer", optimizer, OPTIMIZERS)
    _check_number("learning_rate", learning_rate, above_zero=True)
    _check_number("damping", damping)
    for name, value in (("steps", steps), ("seed", seed), ("fisher_every", fisher_every)):
        if int(value) != value or value < 0:
            raise ValueError(f"`{name}` is {value!r}; give a whole number, 0 or more.")
    x, labels = data if isinstance(data, tuple) else (data.x, data.y)
    if labels is None:
        raise ValueError("`data` has no labels (`y` is None); give inputs with labels, or a pair (x, y).")
    if labels.shape[:1] != x.shape[:1]:
        raise ValueError(
            f"`data` has {len(x)} inputs and labels of shape {tuple(labels.shape)}; give one label an input."
        )
    whole = labels.ndim == 1 and not labels.dtype.is_floating_point
    family: Likelihood = likelihood or (Categorical() if whole else Gaussian())
    if isinstance(family, Gaussian):
        labels = labels.to(network.dtype)
        labels = labels[:, None] if labels.ndim == 1 and network.outputs == 1 else labels
    if resume is not None and resume.network.widths != network.widths:
        raise ValueError(
            f"`resume` has widths {resume.network.widths}, `network` {network.widths}; give the same ones."
        )
    # Evaluated here, so that labels of a wrong shape are an error of this call.
    family.log_likelihood(network(x), labels)
    start = resume or Step(0, math.nan, math.nan, math.nan, math.nan, 0.0, math.nan, False, network)
    update = partial(move, optimizer=optimizer, learning_rate=float(learning_rate), damping=float(damping))
    return _run(start, x, labels, family, optimizer, update, int(steps), fisher_every)


def _run(
    start: Step,
    x: Tensor,
    labels: Tensor,
    likelihood: Likelihood,
    optimizer: str,
    update: Callable[..., tuple[Network, tuple[Tensor, ...]]],
    steps: int,
    fisher_every: int,
) -> Iterator[Step]:
    """The steps from `start` on; `start` itself is measured anew."""
    network, state, seconds = start.network, start.state, start.seconds
    for number in range(start.number, steps + 1):
        outputs = network(x)
        loss = mean_loss(likelihood, outputs, labels) if bool(torch.isfinite(outputs).all()) else math.nan
        began = perf_counter()
        evaluated = evaluate(network, x, labels, likelihood, optimizer) if math.isfinite(loss) else None
        gradient_norm = float(evaluated.gradient.norm()) if evaluated else math.nan
        diverged = not math.isfinite(gradient_norm)
        stopped, following = "", None
        if evaluated and not diverged and number < steps:
            try:
                following = update(network, evaluated, state=state)
            except ValueError as error:
                # A singular matrix at the start is a bad argument; later on it is how the run ended.
                if number == start.number:
                    raise
                stopped = str(error)
        spent = perf_counter() - began
        residual, accuracy = fit(likelihood, outputs, labels)
        measure = fisher_every > 0 and number % fisher_every == 0 and not diverged
        top = float(top_eigenvalues_from_factors(factors(network, x, likelihood))[0]) if measure else math.nan
        yield Step(number, loss, residual, accuracy, gradient_norm, seconds, top, diverged, network, state, stopped)
        if following is None:
            return
        network, state = following
        seconds += spent


def _check_number(name: str, value: float, above_zero: bool = False) -> None:
    """Refuse what is not a finite number in range."""
    if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
        raise ValueError(f"`{name}` is {value!r}; give a finite number{' above 0' if above_zero else ', 0 or more'}.")

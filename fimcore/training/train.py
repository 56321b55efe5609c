"""`train`: descent as a generator of frozen steps, that a caller can stop, keep and resume anywhere.

theta <- theta - (learning_rate / alpha) * direction; for a natural gradient the direction is (G + damping I)^{-1} gradient.
Source: Amari, Natural gradient works efficiently in learning (1998); Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor

from fimcore.architecture import check_choice
from fimcore.fisher.blocks import diagonal
from fimcore.fisher.factors import ESTIMATORS, factors
from fimcore.fisher.kfac import FORMS
from fimcore.fisher.top_eigenvalues import top_eigenvalues_from_factors
from fimcore.inputs import Data
from fimcore.likelihoods import Categorical, Gaussian, Likelihood
from fimcore.networks import Network
from fimcore.training.losses import fit, mean_loss
from fimcore.training.optimizers import NATURAL, OPTIMIZERS, UPDATES
from fimcore.training.point import Point, Settings, batch, evaluated
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
    batch_size: int | None = None,
    alpha: float = 1.0,
    form: str = "factored",
    estimator: str = "exact",
    isotropic: bool = True,
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
        optimizer: "sgd", "momentum", "adam" (torch.optim's own), "fadam", "sophia"; natural gradients "ngd_exact", "ngd_layer",
            "ngd_tridiagonal", "ngd_unit", "ngd_closed_form" (Amari's explicit inverse), "ngd_quasi_diagonal", "ngd_diagonal",
            "kfac", "ekfac"; and from gradients at the data's labels "cwngd", "mbf", "empirical_fisher".
        learning_rate: above 0.
        damping: added to the diagonal of the matrix that is inverted; absolute, as in `F.solve(v, damping)`.
        steps: number of the last step.
        seed: of batches and of labels drawn from the model; full-batch runs without drawn labels do not depend on it.
        likelihood: output family; left out: `Categorical()` for whole-number labels (N,), `Gaussian()` otherwise.
        batch_size: inputs an update sees, in a new order every epoch; None: all. Losses are over all data all the same.
        alpha: the step is learning_rate / alpha, so that learning rates mean the same for structures G whose
            (1/N) J G^+ J^T = alpha I (layer blocks L, unit blocks the number of units, ...; `meanfield.ngd_rate`).
        form: how "kfac" is damped, "factored" as its authors do, or "exact" (as in `KFAC.solve`), which takes eigenvalues.
        estimator: of "ngd_diagonal", as in `fisher`.
        isotropic: of "ngd_closed_form": whether a layer's inputs count as isotropic, which costs O(n) a unit; False takes their
            exact covariance, without which the form is far off from the second layer on.
        fisher_every: report the Fisher matrix's largest eigenvalue and trace at every so many steps; 0 never.
        resume: a step of an earlier run to continue from, number, seconds and the optimizer's state included: the same run
            as one that was never interrupted, batches and drawn labels too. Starting anew from `step.network` begins state
            and counting at 0.

    Raises:
        ValueError: bad arguments, at the call and not at the first step; or, at the first update, a damping at which the
            matrix is singular to rounding, with one that works (where that happens later, the run ends: `Step.stopped`).
    """
    check_choice("optimizer", optimizer, OPTIMIZERS)
    check_choice("form", form, FORMS)
    check_choice("estimator", estimator, ESTIMATORS)
    _check_number("learning_rate", learning_rate, above_zero=True)
    _check_number("alpha", alpha, above_zero=True)
    _check_number("damping", damping)
    for name, value in (("steps", steps), ("seed", seed), ("fisher_every", fisher_every)):
        if not math.isfinite(value) or int(value) != value or value < 0:
            raise ValueError(f"`{name}` is {value!r}; give a whole number, 0 or more.")
    if batch_size is not None and not (math.isfinite(batch_size) and int(batch_size) == batch_size >= 1):
        raise ValueError(f"`batch_size` is {batch_size!r}; give a whole number of inputs, 1 or more, or None for all.")
    x, labels, family = checked_data(network, data, likelihood)
    if resume is not None and resume.network.widths != network.widths:
        raise ValueError(
            f"`resume` has widths {resume.network.widths}, `network` {network.widths}; give the same ones."
        )
    if resume is not None and resume.state and resume.optimizer not in ("", optimizer):
        raise ValueError(
            f"`resume` holds the state of {resume.optimizer!r}, not of {optimizer!r}; to go on with another optimizer start "
            "from `step.network`."
        )
    start = resume or Step(0, math.nan, math.nan, math.nan, math.nan, 0.0, math.nan, False, network)
    settings = Settings(float(learning_rate), float(damping), float(alpha), form, estimator, isotropic)
    return _run(start, x, labels, family, optimizer, settings, int(steps), int(seed), batch_size, fisher_every)


def checked_data(
    network: Network, data: Data | tuple[Tensor, Tensor], likelihood: Likelihood | None
) -> tuple[Tensor, Tensor, Likelihood]:
    """Inputs, labels in the shape the output family takes, and the family.

    Raises:
        ValueError: no labels, labels that fit neither the inputs nor the family.
    """
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
    # Evaluated here, so that labels of a wrong shape are an error of this call.
    family.log_likelihood(network(x), labels)
    return x, labels, family


def _run(
    start: Step,
    x: Tensor,
    labels: Tensor,
    likelihood: Likelihood,
    optimizer: str,
    settings: Settings,
    steps: int,
    seed: int,
    batch_size: int | None,
    fisher_every: int,
) -> Iterator[Step]:
    """The steps from `start` on; `start` itself is measured anew."""
    network, state, seconds, update = start.network, start.state, start.seconds, UPDATES[optimizer]
    for number in range(start.number, steps + 1):
        outputs = network(x)
        loss = mean_loss(likelihood, outputs, labels) if bool(torch.isfinite(outputs).all()) else math.nan
        point = Point(network, *batch(x, labels, batch_size, number, seed), likelihood, number, seed)
        began = perf_counter()
        at = evaluated(point, optimizer in NATURAL) if math.isfinite(loss) else None
        gradient_norm = float(at.gradient.norm()) if at else math.nan
        diverged = not math.isfinite(gradient_norm)
        stopped, following = "", None
        if at and not diverged and number < steps:
            try:
                following = update(at, settings, state)
            except ValueError as error:
                # A singular matrix at the start is a bad argument; later on it is how the run ended.
                if number == start.number:
                    raise
                stopped = str(error)
        spent = perf_counter() - began
        residual, accuracy = fit(likelihood, outputs, labels)
        measure = fisher_every > 0 and number % fisher_every == 0 and not diverged
        top, trace = _fisher(network, x, likelihood) if measure else (math.nan, math.nan)
        yield Step(
            number,
            loss,
            residual,
            accuracy,
            gradient_norm,
            seconds,
            top,
            diverged,
            network,
            state,
            stopped,
            trace,
            optimizer,
        )
        if following is None:
            return
        vector, state = following
        network = network.with_parameters(vector)
        seconds += spent


def _fisher(network: Network, x: Tensor, likelihood: Likelihood) -> tuple[float, float]:
    """Largest eigenvalue and trace of the exact Fisher matrix on all data."""
    made = factors(network, x, likelihood)
    return float(top_eigenvalues_from_factors(made)[0]), float(diagonal(made).sum())


def _check_number(name: str, value: float, above_zero: bool = False) -> None:
    """Refuse what is not a finite number in range."""
    if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
        raise ValueError(f"`{name}` is {value!r}; give a finite number{' above 0' if above_zero else ', 0 or more'}.")

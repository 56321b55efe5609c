"""Learning-rate search: the loss after a number of steps as a function of the step size, because one step size proves nothing.

A geometric grid of rates, each run from the same network; a run that diverges, or ends above its start, counts as a loss of
infinity.
Source: Schmidt, Schneider, Hennig, Descending through a Crowded Valley, arXiv 2007.01547 (why optimizers are compared tuned).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from fimcore.inputs import Data
from fimcore.likelihoods import Likelihood
from fimcore.networks import Network
from fimcore.training.train import train

__all__ = ["RATES", "RateSearch", "search_learning_rate"]

# Half decades from 10^-4 to 10.
RATES = tuple(10.0 ** (power / 2) for power in range(-8, 3))


@dataclass(frozen=True)
class RateSearch:
    """What a search found: rates, ascending, with the loss after the last step (inf where the run diverged or was refused).

    best: the rate with the smallest loss; nan where every run diverged. reasons: why a run was refused, "" where it was not.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    reasons: tuple[str, ...]

    @property
    def best(self) -> float:
        """The rate with the smallest loss."""
        loss, rate = min(zip(self.losses, self.rates, strict=True))
        return rate if math.isfinite(loss) else math.nan


def search_learning_rate(
    network: Network,
    data: Data | tuple[Tensor, Tensor],
    optimizer: str,
    *,
    rates: Sequence[float] = RATES,
    damping: float = 1e-3,
    steps: int = 20,
    seed: int = 0,
    likelihood: Likelihood | None = None,
    batch_size: int | None = None,
    alpha: float = 1.0,
    progress: Callable[..., object] | None = None,
) -> RateSearch:
    """Loss after `steps` updates at each of the `rates`, all from the same network.

    Args:
        network, data, optimizer, damping, steps, seed, likelihood, batch_size, alpha: as in `train`.
        rates: step sizes to try, at least one, each above 0.
        progress: called as progress(fraction, message) after every rate.

    Raises:
        ValueError: no rates, or bad arguments of `train`.
    """
    tried = tuple(sorted({float(rate) for rate in rates}))
    if not tried:
        raise ValueError("`rates` is empty; give at least one learning rate above 0.")
    losses, reasons = [], []
    for number, rate in enumerate(tried, start=1):
        # arguments are checked here, so that they are this call's errors; what fails later is a result
        run = train(
            network, data, optimizer, rate, damping, steps, seed, likelihood, batch_size=batch_size, alpha=alpha
        )
        losses.append(math.inf)
        reasons.append("")
        try:
            for step in run:
                reasons[-1] = step.stopped
                if step.number == steps and not step.diverged and not step.stopped:
                    losses[-1] = step.loss
        except ValueError as error:
            reasons[-1] = str(error)
        if progress:
            progress(number / len(tried), f"{number} of {len(tried)} learning rates")
    return RateSearch(tried, tuple(losses), tuple(reasons))

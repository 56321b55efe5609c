"""Step sizes of a race: a search that each optimizer gets alike, on networks that do not race, and the whole curve over seeds.

Search: eleven rates, half decades from 10^-4 to 10, for a few steps each on one network; in the order of their losses they go on
to the end there and on a second network, until three have arrived, and the one that did better where it did worse is used.
Losses below 10^-8 of the start count as equal, and the rate that arrives there first wins.
Source: Schmidt, Schneider, Hennig, Descending through a Crowded Valley, arXiv 2007.01547 (why optimizers are compared tuned).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fimcore.experiments.setting import architecture_of
from fimcore.experiments.train_names import NAMED
from fimcore.experiments.train_spec import Spec
from fimcore.experiments.train_tasks import Start
from fimcore.meanfield import ngd_rate
from fimcore.training import Step, train
from fimcore.training.rate_search import RATES as GRID

__all__ = ["FINALISTS", "GRID", "TUNING_NETWORKS", "Settings", "alpha_of", "first_steps", "runs", "searched"]

FINALISTS, FIRST_STEPS, TUNING_NETWORKS = 3, 15, 2
# What lies below this share of the start is a perfect fit, and its digits are rounding.
PERFECT = 1e-8


@dataclass(frozen=True)
class Settings:
    """How one optimizer runs: step size, absolute damping, the alpha its steps are divided by."""

    learning_rate: float
    damping: float
    alpha: float


def alpha_of(used: Spec, optimizer: str, samples: int) -> float:
    """The alpha of a structure where steps are to be divided by it and the structure has one, else 1."""
    structure = NAMED[optimizer].structure
    if not used.rescaled or not structure:
        return 1.0
    found = ngd_rate(architecture_of(used), structure, samples)
    return found.alpha if math.isfinite(found.alpha) else 1.0


def runs(spec: Spec, start: Start, optimizer: str, settings: Settings) -> Iterator[Step]:
    """The steps of one run; a matrix that is singular at the start ends it there with the reason, like one later on."""
    batch = spec.batch_size if 0 < spec.batch_size < len(start.x) else None
    made = train(
        start.network,
        (start.x, start.labels),
        optimizer,
        settings.learning_rate,
        settings.damping,
        spec.steps,
        spec.seed + start.number,
        start.likelihood,
        batch_size=batch,
        alpha=settings.alpha,
        form=spec.form,
        estimator=spec.estimator if optimizer == "ngd_diagonal" else "exact",
        isotropic=spec.isotropic,
    )
    try:
        yield from made
    except ValueError as error:
        # the start itself, measured by an optimizer that inverts nothing
        first = next(
            iter(train(start.network, (start.x, start.labels), "sgd", 1.0, 0.0, 0, likelihood=start.likelihood))
        )
        yield Step(**(vars(first) | {"stopped": str(error)}))


def first_steps(spec: Spec) -> int:
    """Steps after which the search keeps the best rates only."""
    return min(FIRST_STEPS, spec.steps)


@dataclass
class _Trial:
    rate: float
    going: Iterator[Step]
    loss: float = math.inf
    start: float = math.nan
    arrived: float = math.inf
    reason: str = field(default="")

    def follow(self, until: int) -> None:
        """Run on to a step; a run that ends before counts as lost."""
        for step in self.going:
            self.start = step.loss if step.number == 0 else self.start
            self.reason, self.loss = step.stopped, step.loss
            if step.diverged or step.stopped or not math.isfinite(step.loss):
                self.loss = math.inf
                return
            if step.loss <= PERFECT * self.start:
                self.arrived = min(self.arrived, step.number)
            if step.number >= until:
                return

    @property
    def key(self) -> tuple[float, float, float]:
        """Smaller is better: share of the starting loss, steps to a perfect fit, rate."""
        # a start that is perfect itself has no shares
        share = self.loss / self.start if self.start > 0 else 0.0 if self.loss <= 0 else math.inf
        return max(share, PERFECT), self.arrived, self.rate


def searched(
    spec: Spec,
    tuning: Sequence[tuple[Start, float]],
    optimizer: str,
    alpha: float,
    tell: Callable[[float], object] | None = None,
) -> float:
    """The best rate for an optimizer on these starts, each with its damping; the smallest of the grid where every one fails.

    tell: called with the share of the search that is done.
    """

    def trial_of(rate: float, start: Start, damping: float) -> _Trial:
        return _Trial(rate, runs(spec, start, optimizer, Settings(rate, damping, alpha)))

    trials, first = [trial_of(rate, *tuning[0]) for rate in GRID], first_steps(spec)
    for number, trial in enumerate(trials, start=1):
        trial.follow(first)
        if tell:
            tell(number / (len(trials) + FINALISTS))
    hopeful = sorted((trial for trial in trials if math.isfinite(trial.loss)), key=lambda trial: trial.key)
    finished: list[tuple[float, float, float]] = []
    for trial in hopeful:
        if spec.steps > first:
            trial.follow(spec.steps)
        everywhere = [trial]
        for start, damping in tuning[1:]:
            # what is lost on one network needs no other
            if math.isfinite(everywhere[-1].loss):
                everywhere.append(trial_of(trial.rate, start, damping))
                everywhere[-1].follow(spec.steps)
        if all(math.isfinite(each.loss) for each in everywhere):
            finished.append(max(each.key for each in everywhere))
            if tell:
                tell((len(trials) + len(finished)) / (len(trials) + FINALISTS))
        if len(finished) == FINALISTS:
            break
    # a rate that falls later shows its own divergence in the race
    return min(finished)[-1] if finished else hopeful[-1].rate if hopeful else GRID[0]

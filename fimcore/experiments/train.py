"""Train: does the geometry help? Up to six of seventeen optimizers from the same networks on the same data.

theta <- theta - (eta / alpha) (G + lambda I)^{-1} grad loss; loss = mean negative log-likelihood, (1/2N) sum |f - y|^2 / variance
in regression. Steps, seconds and Fisher-vector products are counted until the loss has fallen to a share of its start.
Source: Amari, Natural gradient works efficiently in learning (1998); Amari, Karakida, Oizumi, arXiv 1808.07172.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from fimcore.budget import Budget
from fimcore.experiments.cost import admit
from fimcore.experiments.result import Result
from fimcore.experiments.train_cost import cost, product_flops, step_flops, step_seconds
from fimcore.experiments.train_predicted import kernels, predicted_losses, reason
from fimcore.experiments.train_rates import TUNING_NETWORKS, Settings, alpha_of, runs, searched
from fimcore.experiments.train_sensitivity import sensitivity
from fimcore.experiments.train_spec import OPTIMIZERS, WORDS, Spec, View
from fimcore.experiments.train_tables import Chosen, Facts, Run, summarise
from fimcore.experiments.train_tasks import Start, start_of
from fimcore.fisher import diagonal, factors
from fimcore.training import largest_stable_rate

__all__ = ["OPTIMIZERS", "Spec", "View", "cost", "run"]

Progress = Callable[..., object]

SECONDS_BETWEEN_PARTIALS = 0.4
# Updates of plain gradient descent that are timed where it does not race.
TIMED_STEPS = 10
# Of an optimizer's work, in steps: the search against the race.
SEARCH_STEPS = 7.0


def facts_of(start: Start, progress: Progress | None = None) -> Facts:
    """lambda_max, its stability limit and the mean of F's diagonal at one start."""
    made = factors(start.network, start.x, start.likelihood)
    limit = largest_stable_rate(made, "sgd", 0.0, progress)
    # A matrix of zeros has no limit.
    known = limit if math.isfinite(limit) else math.nan
    return Facts(known, 2 / limit, float(diagonal(made).mean()))


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Race the optimizers on every seed, or with `view` "rates" try every step size on every seed.

    Tables of a race: "curves" (optimizer, seed, step, seconds, products, loss, ...), "summary" (per optimizer), "races" (per run),
    "stability" (step sizes, dampings, 2 / lambda_max), "prediction" (losses of the linearised network where it has a rule).
    `progress` receives (fraction, message) at every step and (fraction, message, partial result) about twice a second.

    Raises:
        BudgetError: the setting exceeds the limits. InputError: a table without labels that fit.
    """
    began = time.perf_counter()
    asked = admit(spec, cost, limits)
    if spec.view == "rates":
        return sensitivity(spec, facts_of, asked.bytes, progress)
    used = spec.effective()
    race = _Race(spec, used, progress, began, asked.bytes)
    for optimizer in used.optimizers:
        race.compete(optimizer)
    final = race.result(complete=True)
    if progress:
        progress(1.0, f"{len(race.runs)} of {len(race.runs)} runs", final)
    return final


class _Race:
    """The race while it is run: what is known so far, and what is reported of it."""

    def __init__(self, spec: Spec, used: Spec, progress: Progress | None, began: float, held: int) -> None:
        self.spec, self.used, self.progress, self.began, self.held = spec, used, progress, began, held
        # what the diagonal natural gradient estimates with is not a part of `used`
        self.own = used.model_copy(update={"estimator": spec.estimator})
        self.runs: list[Run] = []
        self.reported = time.perf_counter()
        self.starts = [start_of(used, number) for number in range(used.seeds)]
        waiting = (lambda *_: self.tell(0.0, "the networks")) if progress else None
        self.facts = [facts_of(start, waiting) for start in self.starts]
        self.kernels = [kernels(used, start) for start in self.starts] if self.predictable else []
        self.chosen: dict[str, Chosen] = {}
        self.predicted: list[tuple[Any, ...]] = []
        self.weights: dict[str, float] = {name: step_seconds(used, name) for name in used.optimizers}
        self.whole, self.done = used.seeds * sum(self.weights.values()) * self.parts, 0.0
        self.plain_seconds = 0.0 if "sgd" in used.optimizers else self._plain()

    @property
    def parts(self) -> float:
        """Races that the whole of an optimizer's work is worth, its search included."""
        return 1.0 + SEARCH_STEPS / self.used.seeds

    @property
    def predictable(self) -> bool:
        samples = len(self.starts[0].x)
        return any(not reason(self.used, name, samples) for name in self.used.optimizers)

    def tell(self, fraction: float, message: str) -> None:
        """Report, with a partial result now and then."""
        if self.progress is None:
            return
        now = time.perf_counter()
        if self.runs and now - self.reported > SECONDS_BETWEEN_PARTIALS:
            self.progress(fraction, message, self.result(complete=False))
            self.reported = time.perf_counter()
        else:
            self.progress(fraction, message)

    def compete(self, optimizer: str) -> None:
        """Search the step size of one optimizer and run it on every seed."""
        used, weight, words = self.used, self.weights[optimizer], WORDS[optimizer]
        samples = len(self.starts[0].x)
        alpha = alpha_of(used, optimizer, samples)
        rate = used.rate(optimizer) or self._searched(optimizer, alpha)
        self.done += weight * SEARCH_STEPS
        why = reason(used, optimizer, samples)
        self.chosen[optimizer] = Chosen(rate, not used.rate(optimizer), alpha, why)
        products = step_flops(used, optimizer) / product_flops(used)
        if used.rate(optimizer):
            # The first update of a process pays for imports and workspaces: make one that is not counted.
            for _ in runs(
                self.own.model_copy(update={"steps": 1}), self.starts[0], optimizer, self._settings(optimizer, 0)
            ):
                pass
        for number, start in enumerate(self.starts):
            settings, current = self._settings(optimizer, number), Run(optimizer, used.seed + number, products)
            self.runs.append(current)
            if not why:
                losses = predicted_losses(self.kernels[number], start, optimizer, settings, used.steps)
                self.predicted += [(optimizer, current.seed, step, loss) for step, loss in enumerate(losses)]
            for step in runs(self.own, start, optimizer, settings):
                current.take(step)
                fraction = min(1.0, (self.done + weight * step.number / used.steps) / self.whole)
                self.tell(fraction, f"network {number + 1} of {used.seeds} with {words}")
            self.done += weight

    def result(self, complete: bool) -> Result:
        """What is known so far."""
        plain = self.plain_seconds or _seconds_of(self.runs, "sgd")
        made = summarise(self.used, self.runs, self.facts, self.chosen, self.predicted, plain)
        seconds = time.perf_counter() - self.began
        return Result("train", self.spec, made.tables, {}, made.verdicts, seconds, self.held, complete)

    def _settings(self, optimizer: str, number: int) -> Settings:
        damping = self.used.relative_damping(optimizer) * self.facts[number].mean_diagonal
        return Settings(self.chosen[optimizer].learning_rate, damping, self.chosen[optimizer].alpha)

    def _searched(self, optimizer: str, alpha: float) -> float:
        """The best step size on networks that do not race."""
        others = [start_of(self.used, self.used.seeds + number) for number in range(TUNING_NETWORKS)]
        relative = self.used.relative_damping(optimizer)
        tuning = [(other, relative * facts_of(other).mean_diagonal) for other in others]
        done, weight = self.done, self.weights[optimizer] * SEARCH_STEPS
        message = f"step sizes of {WORDS[optimizer]}"
        return searched(
            self.own,
            tuning,
            optimizer,
            alpha,
            lambda share: self.tell(min(1.0, (done + weight * share) / self.whole), message),
        )

    def _plain(self) -> float:
        """Seconds of an update of plain gradient descent, which does not race."""
        short = self.own.model_copy(update={"steps": TIMED_STEPS, "batch_size": self.used.batch_size})
        tiny = Settings(1e-6, 0.0, 1.0)
        taken = [max(step.seconds for step in runs(short, self.starts[0], "sgd", tiny)) for _ in range(3)]
        return float(median(taken)) / TIMED_STEPS


def _seconds_of(made: list[Run], optimizer: str) -> float:
    """Median seconds of an update over the runs of an optimizer."""
    found = [row[3] / row[2] for each in made if each.optimizer == optimizer for row in each.rows[-1:] if row[2]]
    return float(median(found)) if found else 0.0

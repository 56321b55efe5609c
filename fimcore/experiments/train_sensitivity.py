"""Loss after all steps against the step size, for every optimizer of a race: one hand-picked step size proves nothing.

Every rate of a grid of half decades, every seed; a run that diverges or ends above its start counts as lost.
Source: Schmidt, Schneider, Hennig, Descending through a Crowded Valley, arXiv 2007.01547.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fimcore.experiments.result import Result
from fimcore.experiments.train_rates import GRID, PERFECT, Settings, alpha_of, runs
from fimcore.experiments.train_spec import WORDS, Spec
from fimcore.experiments.train_tables import Facts
from fimcore.experiments.train_tasks import Start, start_of

Progress = Callable[..., object]

SECONDS_BETWEEN_PARTIALS = 0.4
# A step size counts as good while its loss is within this factor of the best one's.
GOOD = 2.0
COLUMNS = ("optimizer", "learning_rate", "seed", "start_loss", "loss", "diverged_at", "stopped")


def sensitivity(spec: Spec, facts_of: Callable[[Start], Facts], held: int, progress: Progress | None = None) -> Result:
    """Every step size on every seed.

    Tables: "rates" (a row a run: final loss, empty where it is lost, and the step at which it diverged), "best" (per optimizer:
    best rate, its loss, decades of rates within a factor of two of it, smallest rate that was lost).
    """
    began = time.perf_counter()
    used = spec.effective()
    own = used.model_copy(update={"estimator": spec.estimator})
    starts = [start_of(used, number) for number in range(used.seeds)]
    facts = [facts_of(start) for start in starts]
    rows: list[tuple[Any, ...]] = []
    reported, whole = time.perf_counter(), len(used.optimizers) * len(GRID) * len(starts)

    def result(complete: bool) -> Result:
        rates = pd.DataFrame(rows, columns=list(COLUMNS))
        tables = {"rates": rates, "best": best_of(rates)}
        return Result("train", spec, tables, {}, (), time.perf_counter() - began, held, complete)

    for optimizer in used.optimizers:
        for start, fact in zip(starts, facts, strict=True):
            damping = used.relative_damping(optimizer) * fact.mean_diagonal
            alpha = alpha_of(used, optimizer, len(start.x))
            for rate in GRID:
                first, last = math.nan, None
                for step in runs(own, start, optimizer, Settings(rate, damping, alpha)):
                    first, last = step.loss if step.number == 0 else first, step
                    if progress:
                        done = len(rows) + step.number / used.steps
                        message = f"{WORDS[optimizer]} with step size {rate:.2g}"
                        if rows and time.perf_counter() - reported > SECONDS_BETWEEN_PARTIALS:
                            progress(min(1.0, done / whole), message, result(complete=False))
                            reported = time.perf_counter()
                        else:
                            progress(min(1.0, done / whole), message)
                assert last is not None
                lost = last.diverged or bool(last.stopped) or not last.loss <= first
                loss = math.nan if lost else last.loss
                diverged_at = float(last.number) if last.diverged else math.nan
                rows.append((optimizer, rate, used.seed + start.number, first, loss, diverged_at, last.stopped))
    final = result(complete=True)
    if progress:
        progress(1.0, f"{whole} of {whole} runs", final)
    return final


def best_of(rates: pd.DataFrame) -> pd.DataFrame:
    """One row an optimizer: a rate counts where no seed of it is lost; losses are geometric means over seeds."""
    rows = []
    for optimizer, own in rates.groupby("optimizer", sort=False):
        start = float(own["start_loss"].mean())
        with np.errstate(divide="ignore"):  # a start that is perfect itself
            floored = own.assign(log=np.log(np.maximum(own["loss"], PERFECT * start)))
        middle = floored.groupby("learning_rate")["log"].agg(lambda logs: logs.mean() if logs.notna().all() else np.nan)
        kept, lost = middle.dropna(), middle.index[middle.isna()]
        row = {"optimizer": optimizer, "seeds": own["seed"].nunique(), "start_loss": start}
        row |= {"best_rate": math.nan, "best_loss": math.nan, "good_decades": math.nan}
        if len(kept):
            good = kept[kept <= kept.min() + math.log(GOOD)]
            row |= {
                "best_rate": float(kept.index.to_numpy(np.float64)[int(kept.to_numpy().argmin())]),
                "best_loss": float(np.exp(kept.min())),
                "good_decades": math.log10(good.index.max() / good.index.min()),
            }
        above = lost[lost > row["best_rate"]] if len(kept) else lost
        rows.append(row | {"first_lost_rate": float(above.min()) if len(above) else math.nan})
    columns = ["optimizer", "seeds", "start_loss", "best_rate", "best_loss", "good_decades", "first_lost_rate"]
    return pd.DataFrame(rows, columns=columns)

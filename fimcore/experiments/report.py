"""Report: does this setting obey every prediction that applies to it? Measured over seeds, with an error and a verdict each.

Signals, block sizes, eigenvalues, kernels, the units of layer 1 and rates of natural gradients: every number that
`fimcore.meanfield` predicts, held against networks drawn from the Spec. agrees / disagrees / does not apply, with the reason.
Source: the rule is that of `report_checks`; predictions: `fimcore.meanfield`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pandas as pd

from fimcore.budget import Budget
from fimcore.experiments.cost import (
    ENTRY_FLOPS,
    Cost,
    admit,
    gram_flops,
    layout_for,
    machine_speed,
    pass_flops,
    rows_per_input,
)
from fimcore.experiments.report_checks import AGREES, DISAGREES, NOT_APPLICABLE, evaluated
from fimcore.experiments.report_claims import (
    first_step_checks,
    kernel_checks,
    rate_checks,
    signal_checks,
    size_checks,
    unit_checks,
)
from fimcore.experiments.report_eigenvalues import eigenvalue_checks
from fimcore.experiments.report_measured import KERNEL_INPUTS, Measured, measure, spectrum_inputs
from fimcore.experiments.report_setting import setting_of
from fimcore.experiments.report_spec import FEWEST, Spec
from fimcore.experiments.result import Result, Verdict
from fimcore.experiments.setting import input_dimension, sample_count

__all__ = ["Spec", "cost", "passes", "run"]

Progress = Callable[..., object]

GROUPS = (signal_checks, size_checks, eigenvalue_checks, kernel_checks, unit_checks, rate_checks, first_step_checks)
# Of a symmetric eigenvalue problem, in n^3; kernels of infinite width, for each layer and network.
EIGENPROBLEM, THEORY_SECONDS = 20.0, 0.02
UPDATES = 12  # of all parameters, in the first steps of training


def cost(spec: Spec) -> Cost:
    """Bytes of one network's factors and dual matrices, and estimated seconds of all networks."""
    layout, samples, rows = layout_for(input_dimension(spec), spec), sample_count(spec), rows_per_input(spec)
    side = spectrum_inputs(spec) * rows
    kernel = min(KERNEL_INPUTS, samples) * spec.outputs
    held = samples * (2 * rows * sum(layout.units) + 2 * sum(layout.unit_sizes)) + (layout.layers + 2) * samples**2
    held += 4 * side**2 + 4 * kernel**2 + 4 * layout.parameters
    flops = 4 * pass_flops(layout, samples, rows) + gram_flops(layout, samples, rows)
    flops += UPDATES * ENTRY_FLOPS * layout.parameters
    flops += (layout.layers + 1) * (EIGENPROBLEM * side**3 + 2 * side**2 * max(layout.units))
    flops += 2 * kernel**2 * sum(layout.units) + EIGENPROBLEM * min(side, max(layout.unit_sizes)) ** 3
    return Cost(layout.parameters, 8 * held, spec.seeds * (THEORY_SECONDS * layout.layers + flops / machine_speed()))


def run(spec: Spec, progress: Progress | None = None, limits: Budget | None = None) -> Result:
    """Measure every network of the Spec and hold it against every prediction.

    Tables: "checks" (see `report_checks.evaluated`), "summary" (counts of verdicts per group). `progress` receives (fraction,
    message, partial result) after every network from the fourth on.

    Raises:
        BudgetError: the setting exceeds the limits; InputError: the data cannot be used.
    """
    start = time.perf_counter()
    asked = admit(spec, cost, limits)
    found: list[Measured] = []

    def result(complete: bool) -> Result:
        return summarise(spec, found, time.perf_counter() - start, asked.bytes, complete)

    for number in range(spec.seeds):
        if progress:
            progress(number / spec.seeds, f"{number} of {spec.seeds} networks")
        found.append(measure(spec, number))
        if progress and FEWEST <= number + 1 < spec.seeds:
            progress((number + 1) / spec.seeds, f"{number + 1} of {spec.seeds} networks", result(complete=False))
    complete = result(complete=True)
    if progress:
        progress(1.0, f"{spec.seeds} of {spec.seeds} networks", complete)
    return complete


def summarise(spec: Spec, found: list[Measured], seconds: float, size: int, complete: bool) -> Result:
    """Checks and verdicts of the networks measured so far."""
    setting = setting_of(spec, [each.kernel_inputs for each in found])
    checks = evaluated([check for group in GROUPS for check in group(setting, found)])
    verdicts = tuple(Verdict(name_of(row), row["verdict"], sentence(row)) for row in rows_of(checks))
    tables = {"checks": checks, "summary": counts(checks)}
    return Result("report", spec, tables, {}, verdicts, seconds, size, complete)


def rows_of(checks: pd.DataFrame) -> list[dict[str, Any]]:
    """A dictionary per check."""
    return [{str(name): value for name, value in row.items()} for row in checks.to_dict("records")]


def passes(result: Result) -> bool:
    """Whether no prediction that claims to apply failed."""
    return not (result.tables["checks"]["verdict"] == DISAGREES).any()


def counts(checks: pd.DataFrame) -> pd.DataFrame:
    """Rows: groups in their order; columns: group and the three words."""
    rows = []
    for group in dict.fromkeys(checks["group"]):
        words = checks.loc[checks["group"] == group, "verdict"]
        rows.append(
            {"group": group} | {word: int((words == word).sum()) for word in (AGREES, DISAGREES, NOT_APPLICABLE)}
        )
    return pd.DataFrame(rows)


def name_of(row: dict[str, Any]) -> str:
    """What is compared, and where: signals: length, layer 2."""
    place = (
        f", layer {row['layer']}" if str(row["layer"]).isdigit() else f", {row['layer']} layers" if row["layer"] else ""
    )
    return f"{row['group']}: {row['quantity']}{place}"


def sentence(row: dict[str, Any]) -> str:
    """One check in words."""
    if row["verdict"] == NOT_APPLICABLE:
        return f"{name_of(row)}: does not apply. {row['reason']}"
    return (
        f"{name_of(row)}: measured {row['measured']:.4g} ± {row['standard_error']:.1g} ({row['seeds']} seeds), predicted "
        f"{row['predicted']:.4g}, off by {100 * row['relative_error']:.1f} %: {row['verdict']}."
    )

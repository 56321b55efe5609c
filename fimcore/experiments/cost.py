"""What a setting would cost, known before anything is allocated, and what would fit instead.

Seconds are an estimate: floating-point operations over this machine's measured speed in a small matrix product.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np

from fimcore.blas_threads import one_thread
from fimcore.budget import Budget, BudgetError, available_memory, size_in_words
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import QuestionSpec
from fimcore.parameters import ParameterLayout

AnySpec = TypeVar("AnySpec", bound=QuestionSpec)

# Measured against matrix products: a symmetric eigenproblem costs 4/3 n^3 operations at a fraction of their speed; arrays that
# are only multiplied entry by entry wait for memory, as if each entry cost many operations.
EIGENPROBLEM_SLOWDOWN = 4.0
ENTRY_FLOPS = 150.0
SMALLEST_LIMIT, LARGEST_LIMIT = 2**30, 4 * 2**30  # bytes of one computation
SLOWEST = 5e9  # operations a second that any machine this runs on can do


@dataclass(frozen=True)
class Cost:
    """Parameters P, entries of the full matrix, bytes held at once, and estimated seconds."""

    parameters: int
    bytes: int
    seconds: float

    @property
    def entries(self) -> int:
        """P^2."""
        return self.parameters**2


def default_limits() -> Budget:
    """What one computation may take: its part of half this machine's memory, from 1 to 4 GB, and two minutes.

    Parts: the dashboard computes on all cores but one in worker processes, and in as many page threads at the same time.
    `FIMCORE_SECONDS` changes the two minutes.
    """
    side_by_side = 2 * max(1, (os.cpu_count() or 2) - 1)
    memory = min(max(available_memory() // 2 // side_by_side, SMALLEST_LIMIT), LARGEST_LIMIT)
    seconds = os.environ.get("FIMCORE_SECONDS", "")
    return Budget(memory, float(seconds) if seconds.isdigit() else 120.0)


@lru_cache(maxsize=1)
@one_thread()
def machine_speed() -> float:
    """Floating-point operations a second of one core in a float64 matrix product, measured once in about 20 ms.

    By processor time: what else the machine is doing at that moment must not decide what is refused from then on.
    """
    size, best = 384, float("inf")
    matrix = np.random.default_rng(0).standard_normal((size, size))
    for _ in range(5):
        start = time.process_time()
        matrix @ matrix
        best = min(best, time.process_time() - start)
    return max(float(2 * size**3 / max(best, 1e-6)), SLOWEST)


def layout_for(input_dimension: int, spec: NetworkSpec) -> ParameterLayout:
    """The parameter layout a Spec leads to."""
    return ParameterLayout((input_dimension, *[spec.width] * spec.hidden_layers, spec.outputs))


def rows_per_input(spec: NetworkSpec) -> int:
    """Rows R per input that the Spec's estimator makes."""
    return {"exact": spec.outputs, "score": spec.draws, "empirical": 1}[spec.estimator]


def pass_flops(layout: ParameterLayout, samples: int, rows: int) -> float:
    """Forward and backward pass."""
    return 4.0 * samples * (1 + rows) * layout.parameters


def gram_flops(layout: ParameterLayout, samples: int, rows: int) -> float:
    """Block norms by the cheaper of the two routes of `block_norms`."""
    units = layout.units
    pairs = sum(n * m for place, n in enumerate(units) for m in units[place:])
    by_rows = samples**2 * rows**2 * (sum(units) + ENTRY_FLOPS * layout.layers)
    by_units = 4.0 * samples * rows * pairs + 2.0 * samples**2 * pairs
    return min(by_rows, by_units) + 2.0 * samples**2 * sum(layout.unit_sizes)


def eigenvalue_flops(layout: ParameterLayout, samples: int, rows: int, structure: str) -> float:
    """All eigenvalues of a structure from its smaller sides."""
    dual = samples * rows
    if structure == "dense":
        sides = [min(layout.parameters, dual)]
    elif structure == "layer_blocks":
        sides = [min(size, dual) for size in layout.layer_sizes]
    elif structure == "unit_blocks":
        sides = [size for size, units in zip(layout.unit_sizes, layout.units, strict=True) for _ in range(units)]
    else:
        sides = []
    return sum(EIGENPROBLEM_SLOWDOWN * 4 / 3 * side**3 + side**2 * dual for side in sides)


def large(number: float) -> str:
    """A count as people say it: "833", "12,545", "1.3 million"."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:,.0f}"


def seconds_in_words(seconds: float) -> str:
    """About how long: "0.1 s", "40 s", "5 min", "3 h"."""
    if seconds < 90:
        return f"{seconds:.1g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.0f} h"


def admit(spec: AnySpec, cost: Callable[[AnySpec], Cost], limits: Budget | None = None) -> Cost:
    """The cost of a Spec, or a refusal before anything is allocated.

    Raises:
        BudgetError: with the size asked, the limit, and the largest width that works.
    """
    limits = limits or default_limits()
    asked = cost(spec)
    if asked.bytes <= limits.memory_bytes and asked.seconds <= limits.seconds:
        return asked
    if asked.bytes > limits.memory_bytes:
        what = f"this needs {size_in_words(asked.bytes)}, and {size_in_words(limits.memory_bytes)} is the limit here."
    else:
        what = f"this needs about {seconds_in_words(asked.seconds)}, and {seconds_in_words(limits.seconds)} is the limit here."
    if not isinstance(spec, NetworkSpec):
        raise BudgetError(f"{what[0].upper()}{what[1:]} Lower the seeds or what is counted in steps.")
    network = (
        f"Width {spec.largest_network} with {spec.hidden_layers} hidden layers has {large(asked.parameters)} parameters "
        f"(the full matrix alone is {size_in_words(8.0 * asked.entries)}); "
    )
    fits = largest_width(spec, cost, limits)
    lower = "the widths, the inputs N" if getattr(spec, "widths", ()) else "the inputs N"
    remedy = f"Largest width that works with these settings: {fits}." if fits else f"Lower {lower} or the outputs."
    raise BudgetError(f"{network}{what} {remedy}")


def largest_width(
    spec: AnySpec,
    cost: Callable[[AnySpec], Cost],
    limits: Budget | None = None,
) -> int | None:
    """The largest width below the Spec's, out of those it lists or the usual ones, that fits the limits, or None."""
    limits = limits or default_limits()
    if not isinstance(spec, NetworkSpec):
        return None
    for width in spec.narrower_widths():
        asked = cost(spec.narrowed(width))
        if asked.bytes <= limits.memory_bytes and asked.seconds <= limits.seconds:
            return width
    return None

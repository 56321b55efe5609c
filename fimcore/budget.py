"""Admission control: what a computation would cost is known, and refused, before anything is allocated."""

from __future__ import annotations

import os
from dataclasses import dataclass


class BudgetError(ValueError):
    """A computation that does not fit the memory or time allowed; the message says what was asked, the limit and what fits."""


@dataclass(frozen=True)
class Budget:
    """Memory in bytes and time in seconds that one computation may take."""

    memory_bytes: int
    seconds: float = float("inf")


def available_memory() -> int:
    """Physical memory of this machine in bytes (8 GB where the system does not tell)."""
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


def default_budget() -> Budget:
    """Half of this machine's physical memory, without a limit on time."""
    return Budget(available_memory() // 2)


def size_in_words(count: float) -> str:
    """Bytes in the largest fitting unit with three significant digits: "14.2 TB"."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.3g} {unit}"


def check_memory(what: str, needed: int, budget: Budget | None, remedy: str) -> None:
    """Raise `BudgetError` where `needed` bytes exceed the budget (`default_budget` where None)."""
    limit = (budget or default_budget()).memory_bytes
    if needed > limit:
        raise BudgetError(
            f"{what} would need {size_in_words(needed)}; `budget` allows {size_in_words(limit)}. What fits: {remedy}."
        )

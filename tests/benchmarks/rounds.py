"""Interleaved rounds: everything that is compared runs once in every round, in a changing order; medians over rounds.

Whatever slows the machine for a while then slows all of them. Processor time does not see other programs; wall time does.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

Call = Callable[[], object]
BLOCK_SECONDS = 0.03  # short calls are repeated to at least this
MOST_ROUNDS = 9
LONG_SECONDS = 0.3  # the first call of what takes longer counts; loading kernels and filling caches is nothing to it
ONCE_SECONDS = 2.0  # what takes longer is measured once
HOPELESS = 3.0  # a peer this many times slower than the fastest one stays at its first measurement


@dataclass(frozen=True)
class Seconds:
    """One call: seconds of processor time (of all threads) and by the wall; on a GPU both are between its own events."""

    processor: float
    wall: float


def on_processor(call: Call, repeats: int) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        call()
    return Seconds((time.process_time() - processor) / repeats, (time.perf_counter() - wall) / repeats)


def on_gpu(call: Call, repeats: int) -> Seconds:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    torch.cuda.synchronize()
    seconds = start.elapsed_time(end) / 1000 / repeats
    return Seconds(seconds, seconds)


@dataclass
class Contender:
    """Something timed: its name, its call, and what was measured; `peer` ones may drop out when they are hopeless."""

    name: str
    call: Call
    peer: bool = False
    first: Seconds | None = None
    taken: list[Seconds] = field(default_factory=list)

    @property
    def median(self) -> Seconds:
        measured = self.taken or [self.first or Seconds(math.nan, math.nan)]
        return Seconds(
            statistics.median(one.processor for one in measured), statistics.median(one.wall for one in measured)
        )


def run_rounds(
    contenders: list[Contender], seconds: float, clock: Callable[[Call, int], Seconds] = on_processor
) -> dict[str, str]:
    """Fill `taken` of every contender within `seconds` or so; returns the faults of those whose first call failed."""
    faults = {}
    for contender in contenders:
        try:
            contender.first = clock(contender.call, 1)
            if contender.first.wall < LONG_SECONDS:
                contender.first = clock(contender.call, 1)
            else:
                contender.taken.append(contender.first)
        except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as fault:
            faults[contender.name] = f"{type(fault).__name__}: {str(fault).splitlines()[0][:160]}"
    running = [one for one in contenders if one.first is not None and one.first.wall < ONCE_SECONDS]
    fastest = min((one.first.wall for one in running if one.peer and one.first), default=0.0)
    running = [one for one in running if not one.peer or (one.first and one.first.wall <= HOPELESS * fastest)]
    start, rounds, longest = time.perf_counter(), 0, 0.0
    fewest = 1 if any(one.taken for one in running) else 2
    while running and rounds < MOST_ROUNDS and (rounds < fewest or time.perf_counter() - start + longest < seconds):
        begun = time.perf_counter()
        for position in range(len(running)):
            one = running[(position + rounds) % len(running)]
            repeats = max(1, math.ceil(BLOCK_SECONDS / max(one.first.wall if one.first else 1.0, 1e-6)))
            one.taken.append(clock(one.call, repeats))
        longest, rounds = max(longest, time.perf_counter() - begun), rounds + 1
    return faults

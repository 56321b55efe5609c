"""What one update of every optimizer costs, as a multiple of gradient descent; K-FAC also beside ASDL's, where that is installed.

    .venv/bin/python -m tests.benchmarks.step_costs [--width 256] [--batch 256] [--outputs 1]
    .venv-peers/bin/python -m tests.benchmarks.step_costs        (with ASDL's K-FAC)

Every update in the same process, in interleaved rounds, one thread; medians of processor time. An optimizer whose matrix does not
fit is left out in words.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

import fimcore as fc
from fimcore.training import OPTIMIZERS, teacher_student
from fimcore.training.optimizers import NATURAL, UPDATES
from fimcore.training.point import Point, Settings, evaluated
from tests.benchmarks.machine import hold_threads

ROUNDS = 5
DAMPING = 0.1


def step(task, optimizer: str, form: str = "factored") -> Callable[[], object]:
    """Gradient, direction and new parameters at the task's start; a state made before, where the optimizer has one."""
    point = Point(task.network, task.data.x, task.data.y, task.likelihood, 0, 0)
    settings = Settings(1e-3, DAMPING, form=form)
    _, state = UPDATES[optimizer](evaluated(point, optimizer in NATURAL), settings, ())

    def once() -> object:
        return UPDATES[optimizer](evaluated(point, optimizer in NATURAL), settings, state)

    return once


def peer_step(task) -> Callable[[], object] | None:
    """One K-FAC update of ASDL: factors, their inverses and the preconditioned gradient, all made anew."""
    try:
        from asdl import FISHER_EXACT, KfacGradientMaker, PreconditioningConfig
    except ImportError:
        return None
    model, x, y = task.network.to_torch(), task.data.x, task.data.y
    config = PreconditioningConfig(data_size=len(x), damping=DAMPING)
    maker = KfacGradientMaker(model, config, fisher_type=FISHER_EXACT, loss_type="mse")
    output = maker.setup_model_call(model, x)
    maker.setup_loss_call(torch.nn.functional.mse_loss, output, y)

    def once() -> object:
        found = maker.forward_and_backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(1e-9 * parameter.grad)
        return found

    return once


def measured(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of processor time on one thread, one call of each in every round; what takes over a second runs twice."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    with hold_threads(1):
        for number in range(ROUNDS):
            for name, call in calls.items():
                if number >= 2 and seconds[name][0] > 1:
                    continue
                start = time.process_time()
                call()
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--outputs", type=int, default=1)
    options = parser.parse_args()
    widths = (options.width, options.width, options.width, options.outputs)
    task = teacher_student(fc.Architecture(widths, "tanh", 1.5, 0.1), options.batch)
    calls: dict[str, Callable[[], object]] = {}
    for optimizer in OPTIMIZERS:
        try:
            calls[optimizer] = step(task, optimizer)
        except ValueError as refused:
            print(f"{optimizer}: left out. {refused}")
    calls["kfac, exact damping"] = step(task, "kfac", "exact")
    peer = peer_step(task)
    if peer is not None:
        calls["kfac of ASDL"] = partial(peer)
    found = measured(calls)
    print(f"{'-'.join(map(str, widths))}, batch {options.batch}, float64, one thread")
    print("| optimizer | ms a step | x gradient descent |\n|---|--:|--:|")
    for name, seconds in found.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {seconds / found['sgd']:.1f} |")


if __name__ == "__main__":
    main()

"""What the threads that a process starts with cost or gain beside one thread, for questions at their defaults.

    .venv/bin/python -m tests.benchmarks.thread_pools [--questions explore width]

Seconds by the wall, interleaved, best of three. numpy's BLAS and torch each have a thread for every core; were both let loose on
the same small products, these ratios would be 6 to 30 on two cores.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext

from fimcore.blas_kernels import kernels
from fimcore.experiments import QUESTIONS, load
from tests.benchmarks.machine import hold_threads

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=["explore", "width", "unit", "directions"])
    options = parser.parse_args()
    print("Threads: " + ", ".join(f"{each.user} {each.threads}" for each in kernels()))
    print("| question | as started, s | one thread, s | ratio |\n|---|--:|--:|--:|")
    for question in options.questions:
        module = load(question)
        best = [float("inf")] * 2
        for _ in range(ROUNDS):
            for place, held in enumerate((nullcontext(), hold_threads(1))):
                with held:
                    start = time.perf_counter()
                    module.run(module.Spec())
                    best[place] = min(best[place], time.perf_counter() - start)
        print(f"| {question} | {best[0]:.2f} | {best[1]:.2f} | {best[0] / best[1]:.2f} |")


if __name__ == "__main__":
    main()

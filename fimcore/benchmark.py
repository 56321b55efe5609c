"""This machine's figures: matrix products, and every quantity of the measured wing as a multiple of the product that suffices.

Measured with public functions only, by the wall clock, with the threads and kernels the process has. Rates are the fastest of
a few repeats, times the medians.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.linalg import blas
from torch import Tensor

import fimcore as fc
from fimcore.blas_kernels import Kernel, cores, kernels, known_hints, pinned, processor
from fimcore.sufficient_work import raw_products, sufficient_products

Call = Callable[[], object]
MEBIBYTE = 2**20
# from which ratio on one library's product counts as the faster one
NOTABLE = 1.2


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What `run` measured: three tables, the environment that pins kernels, and hints in sentences."""

    products: pd.DataFrame
    work: pd.DataFrame
    kernels: tuple[Kernel, ...]
    environment: dict[str, str]
    processor: str
    cores: int
    hints: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """One JSON document; what was not measured is null."""
        return {
            "processor": self.processor,
            "cores": self.cores,
            "kernels": [kernel.to_json() for kernel in self.kernels],
            "environment": self.environment,
            "products": _records(self.products),
            "work": _records(self.work),
            "hints": list(self.hints),
            "seconds": round(self.seconds, 2),
        }

    def to_text(self) -> str:
        """The tables and hints for a terminal."""
        libraries = pd.DataFrame([kernel.to_json() for kernel in self.kernels])
        variables = "\n".join(f"{name}={value}" for name, value in self.environment.items()) or "none is set"
        parts = [
            f"{self.processor}, {self.cores} cores",
            f"libraries\n{libraries.to_string(index=False)}",
            f"environment variables that pin kernels or threads\n{variables}",
            f"matrix products, GFLOP/s (2 n^3 counted, also where one triangle is computed)\n{_shown(self.products)}",
            f"{self.work.attrs['title']}\n{_shown(self.work.drop(columns='note'))}",
            *(
                f"not measured: {', '.join(part['work'])} ({reason!s})"
                for reason, part in self.work.groupby("note", sort=False)
                if reason
            ),
            "\n".join(f"hint: {hint}" for hint in self.hints)
            or "no hints: nothing that is known holds this machine back",
            f"{self.seconds:.1f} s · F = E_x E_y|x [score scoreᵀ], mean over inputs",
        ]
        return "\n\n".join(parts)


def works(network: fc.Network, x: Tensor, likelihood: fc.Likelihood, vector: Tensor) -> dict[str, Callable[[], Call]]:
    """Each quantity by name: a function that prepares (making factors, where those are held) and returns the call to time."""
    made = partial(fc.fisher, network, x, likelihood)

    def structure(name: str) -> Callable[[], Call]:
        return lambda: partial(made, name)

    return {
        "dense": structure("dense"),
        "layer_blocks": structure("layer_blocks"),
        "unit_blocks": structure("unit_blocks"),
        "diagonal": structure("diagonal"),
        "sampled_diagonal": lambda: partial(made, "diagonal", estimator="score", seed=0),
        "kfac": structure("kfac"),
        "matvec": lambda: partial(made("implicit").matvec, vector),
        "matvec_with_factors": lambda: lambda: made("implicit").matvec(vector),
        "top_eigenvalue": lambda: partial(fc.top_eigenvalues, network, x, likelihood, k=1),
        "block_norms": lambda: partial(fc.block_norms, network, x, likelihood, unbiased=False),
    }


def seconds_of(call: Call, limit: float = 1.0, most: int = 15) -> list[float]:
    """Wall-clock seconds of repeated calls within `limit` seconds or so; the first one only counts where it takes them all."""
    start = time.perf_counter()
    call()
    times: list[float] = []
    if (first := time.perf_counter() - start) > limit > 0:
        return [first]
    while not times or (len(times) < most and sum(times) + times[-1] < limit):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def run(quick: bool = False, progress: Callable[..., None] | None = None) -> Benchmark:
    """Measure this machine.

    Args:
        quick: a smaller network and smaller products, within five seconds; the full run takes up to twenty.
        progress: called as progress(fraction, message) between measurements; what it raises cancels.
    """
    start = time.perf_counter()
    limit, deadline = (0.12, start + 3.5) if quick else (0.8, start + 15.0)
    busy = _load()
    products = _products(512 if quick else 1024, limit, progress)
    work = _work(width=32 if quick else 64, samples=256, limit=limit, deadline=deadline, progress=progress)
    name, flags = processor()
    used, variables = kernels(), pinned()
    hints = (*known_hints(used, variables, flags, cores()), *_measured_hints(products, variables, busy))
    return Benchmark(products, work, used, variables, name, cores(), hints, time.perf_counter() - start)


def _products(size: int, limit: float, progress: Callable[..., None] | None) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    for precision in ("float32", "float64"):
        a = np.random.default_rng(0).standard_normal((size, size)).astype(precision)
        b, out = a[::-1].copy(), np.zeros_like(a)
        column = np.asfortranarray(a)
        symmetric = blas.ssyrk if precision == "float32" else blas.dsyrk
        target = np.zeros_like(column, order="F")
        left, right = torch.from_numpy(a), torch.from_numpy(b)
        result = torch.zeros_like(left)
        calls: dict[str, Call] = {
            "numpy product": partial(np.matmul, a, b, out=out),
            "numpy XᵀX": partial(np.matmul, a.T, a, out=out),
            "scipy SYRK": partial(symmetric, 1.0, column, trans=1, c=target, overwrite_c=1),
            "torch product": partial(torch.mm, left, right, out=result),
            "torch XᵀX": partial(torch.mm, left.T, left, out=result),
        }
        for done, (name, call) in enumerate(calls.items()):
            if progress:
                progress(0.1 + 0.04 * done, f"{name}, {precision}")
            # the fastest: what the kernels can do, whoever else is busy
            rows.setdefault(name, {})[precision] = 2 * size**3 / min(seconds_of(call, limit / 2)) / 1e9
    return pd.DataFrame([{"product": name, **rates} for name, rates in rows.items()])


def _work(
    width: int, samples: int, limit: float, deadline: float, progress: Callable[..., None] | None
) -> pd.DataFrame:
    architecture = fc.Architecture(widths=(width, width, width, 10), weight_variance=1.5, bias_variance=0.1)
    network = fc.sample_network(architecture, seed=0, dtype=torch.float32)
    x = fc.inputs.gaussian(samples, width, seed=1, dtype=torch.float32)
    vector = torch.linspace(-1, 1, network.layout.parameters)
    offered = works(network, x, fc.Categorical(), vector)
    needed = {name: sufficient_products(name, network.layout, samples) for name in offered}
    rows: dict[str, dict[str, Any]] = {
        name: {"work": name.replace("_", " "), "ms": np.nan, "product_ms": np.nan, "note": ""} for name in offered
    }
    # cheap ones first, so that a slow machine has most of the table before the time is up
    ordered = sorted(offered, key=lambda name: sum(product.multiply_adds for product in needed[name]))
    for done, name in enumerate(ordered):
        row = rows[name]
        if progress:
            progress(0.3 + 0.7 * done / len(ordered), row["work"])
        if time.perf_counter() > deadline:
            row["note"] = "the time of this command was up"
            continue
        try:
            row["ms"] = 1000 * statistics.median(seconds_of(offered[name](), limit))
        except ValueError as fault:  # on a small machine a budget may refuse the largest ones
            row["note"] = str(fault)
        if needed[name]:
            multiply = raw_products(needed[name], np.float32)
            row["product_ms"] = 1000 * statistics.median(seconds_of(multiply, limit / 2))
    table = pd.DataFrame(list(rows.values()))
    table.insert(3, "multiple", table["ms"] / table["product_ms"])
    widths = "-".join(map(str, architecture.widths))
    table.attrs["title"] = (
        f"{widths} tanh network, softmax, N = {samples}, P = {network.layout.parameters:,}, float32: ms, ms of a raw numpy\n"
        "product of the multiply-adds that suffice, and how many times that fimcore takes"
    )
    return table


def _load() -> float:
    """Programs that want to run at this moment, averaged over a minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _measured_hints(products: pd.DataFrame, variables: dict[str, str], busy: float) -> tuple[str, ...]:
    said: list[str] = []
    if busy > cores() / 2:
        said.append(
            f"other programs were busy (load {busy:.1f} on {cores()} cores) before this began: products of several threads wait "
            "for the slowest of them, so the figures above are lower than this machine can give."
        )
        return tuple(said)
    rates = {row["product"]: row for row in products.to_dict("records")}
    for precision in ("float32", "float64"):
        ours, theirs = (float(rates[f"{name} product"][precision]) for name in ("numpy", "torch"))
        if max(ours, theirs) > NOTABLE * min(ours, theirs):
            first, second = ("numpy", "torch") if ours > theirs else ("torch", "numpy")
            said.append(
                f"{first}'s {precision} product is {max(ours, theirs) / min(ours, theirs):.1f} times as fast as {second}'s here; "
                "on the CPU fimcore's large products are numpy's."
            )
    filled = {"torch": _fresh_memory(partial(torch.empty, dtype=torch.float64)), "numpy": _fresh_memory(np.empty)}
    if "THP_MEM_ALLOC_ENABLE" not in variables and filled["numpy"] > 2 * filled["torch"]:
        said.append(
            f"torch fills fresh memory at {filled['torch']:.1f} GB/s and numpy at {filled['numpy']:.1f}: THP_MEM_ALLOC_ENABLE=1 "
            "in the environment lets torch ask for huge pages too, and `out=` avoids fresh memory."
        )
    return tuple(said)


def _fresh_memory(empty: Callable[[int], Any], size: int = 64 * MEBIBYTE) -> float:
    """GB/s of touching memory for the first time, float64 numbers."""
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        fresh = empty(size // 8)
        fresh[:] = 0.0
        rates.append(size / (time.perf_counter() - start) / 1e9)
        del fresh
    return statistics.median(rates)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with plain numbers; missing ones as None."""
    return [
        {str(key): None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _shown(table: pd.DataFrame) -> str:
    return table.to_string(index=False, float_format=lambda number: f"{number:.3g}", na_rep="")

"""The machine a table was made on, and the number of threads it was made with."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from fimcore.blas_kernels import cores, kernels, pinned, processor

PACKAGES = ("nngeometry", "curvlinops-for-pytorch", "backpack-for-pytorch", "asdfghjkl", "torch", "numpy", "scipy")


@contextmanager
def hold_threads(threads: int) -> Iterator[None]:
    """So many threads for torch and for every BLAS that is loaded."""
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded to be limited)

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(limits=threads):
            yield
    finally:
        torch.set_num_threads(before)


def description() -> dict[str, object]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": processor()[0],
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "kernels": [kernel.to_json() for kernel in kernels()],
        "environment": pinned(),
        "versions": versions,
    }


def in_words(machine: dict[str, object]) -> str:
    used = ", ".join(f"{one['user']} {one['library']} {one['version']} ({one['kernel']})" for one in machine["kernels"])
    variables = " ".join(f"{name}={value}" for name, value in machine["environment"].items()) or "none pinned"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}. {used}; {variables}. {versions}."

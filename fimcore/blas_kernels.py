"""Which linear-algebra libraries numpy, scipy and torch picked on this machine, and what in the environment pins them.

Only reports; nothing here sets anything. Kernels and threads are those that threadpoolctl reads from the loaded libraries;
what a library does not tell (torch's MKL is linked statically) is called "not reported".
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "ATEN_CPU_CAPABILITY",
    "THP_MEM_ALLOC_ENABLE",
    "NUMPY_MADVISE_HUGEPAGE",
)
NOT_REPORTED = "not reported"
# OpenBLAS's names of its x86 kernels, by the widest instructions they use
_BELOW_AVX2 = {"PRESCOTT", "CORE2", "PENRYN", "DUNNINGTON", "NEHALEM", "ATOM", "SANDYBRIDGE", "BARCELONA", "BOBCAT"}
_BELOW_AVX2 |= {"BULLDOZER", "PILEDRIVER", "STEAMROLLER", "OPTERON", "GENERIC"}
_AVX2 = {"HASWELL", "ZEN", "EXCAVATOR"}


@dataclass(frozen=True)
class Kernel:
    """One library: who uses it, its name, version, kernel architecture and threads (0 where not reported)."""

    user: str
    library: str
    version: str
    kernel: str
    threads: int

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return asdict(self)


def kernels() -> tuple[Kernel, ...]:
    """numpy's, scipy's and torch's libraries, in this order; each is loaded where it was not yet."""
    import scipy.linalg  # noqa: F401  (its library is only listed once loaded)
    import torch
    from threadpoolctl import threadpool_info

    found = {}
    for entry in threadpool_info():
        if entry.get("user_api") == "blas":
            folder = Path(entry["filepath"]).as_posix()
            user = next((name for name in ("numpy", "scipy", "torch") if f"/{name}" in folder), "numpy")
            found[user] = Kernel(
                user,
                str(entry["internal_api"]),
                str(entry.get("version") or NOT_REPORTED),
                str(entry.get("architecture") or NOT_REPORTED),
                int(entry["num_threads"]),
            )
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    unknown = Kernel("numpy", str(built.get("name")), str(built.get("version")), NOT_REPORTED, 0)
    of_numpy = found.get("numpy", unknown)
    of_scipy = found.get(
        "scipy", Kernel("scipy", of_numpy.library, of_numpy.version, of_numpy.kernel, of_numpy.threads)
    )
    return of_numpy, of_scipy, found.get("torch", _of_torch(torch.__config__.show(), torch.get_num_threads()))


def _of_torch(build: str, threads: int) -> Kernel:
    library = re.search(r"BLAS_INFO=(\w+)", build)
    version = re.search(r"Math Kernel Library Version ([\w.]+)", build)
    return Kernel(
        "torch",
        library.group(1) if library else NOT_REPORTED,
        version.group(1) if version else NOT_REPORTED,
        NOT_REPORTED,
        threads,
    )


def pinned() -> dict[str, str]:
    """The variables of `VARIABLES` that are set in this process's environment."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


@lru_cache(maxsize=1)
def processor() -> tuple[str, frozenset[str]]:
    """The processor's name and, on Linux, its instruction sets as /proc/cpuinfo names them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    found = frozenset(flags.group(1).split()) if flags else frozenset()
    return (name.group(1).strip() if name else platform.machine()), found


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def known_hints(
    used: tuple[Kernel, ...], variables: dict[str, str], flags: frozenset[str], available: int
) -> tuple[str, ...]:
    """What the environment is known to cost, a sentence each; empty where nothing is held back.

    Args:
        used: see `kernels`.
        variables: see `pinned`.
        flags: see `processor`.
        available: cores.
    """
    said = []
    for kernel in used:
        slower = _slower_than(kernel.kernel.upper(), flags)
        if kernel.library == "openblas" and slower:
            core = variables.get("OPENBLAS_CORETYPE")
            cause = (
                f"OPENBLAS_CORETYPE={core} pins it; unset it" if core else "OpenBLAS chose so; a newer build may not"
            )
            said.append(
                f"{kernel.user}'s products use the {kernel.kernel} kernel although the processor has {slower}: {cause}."
            )
    counts = {variables[name] for name in VARIABLES if name.endswith("NUM_THREADS") and name in variables}
    held = {kernel.user: kernel.threads for kernel in used if 0 < kernel.threads < available}
    if counts and held:
        fewest = min(held.values())
        names = ", ".join(f"{name}={variables[name]}" for name in VARIABLES if name in variables and "THREADS" in name)
        *others, last = held
        users = f"{', '.join(others)} and {last} use" if others else f"{last} uses"
        said.append(f"{users} {fewest} of {available} cores: {names}.")
    if "MKL_DEBUG_CPU_TYPE" in variables:
        said.append("MKL_DEBUG_CPU_TYPE is set; MKL has ignored it since version 2020.1.")
    return tuple(said)


def _slower_than(kernel: str, flags: frozenset[str]) -> str:
    """The wider instructions the processor has and the kernel does not use; "" where there are none or they are not known."""
    if {"avx512f", "avx512bw", "avx512vl"} <= flags and kernel in _BELOW_AVX2 | _AVX2:
        return "AVX-512"
    return "AVX2" if "avx2" in flags and kernel in _BELOW_AVX2 else ""

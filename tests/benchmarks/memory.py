"""Peak memory in a process of its own: resident high-water mark of one call above what was resident before it.

`python -m tests.benchmarks.memory dense` prints the dense matrix's peak as a multiple of the matrix and its factors (bar 1.2);
`... block_norms` the extra memory (bar 2 GB) and the time, as a multiple of its matrix products (bar 4), of block norms of a
network with 134 million parameters: n = 8192, L = 3, C = 1, N = 1024, float32.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[2]
DENSE = ((64, 256, 10), (32, 2048, 10), (64, 256, 1))
DENSE_BAR, LARGE_BAR_BYTES, LARGE_BAR_PRODUCT = 1.2, 2_000_000_000, 4


def _resident(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process in bytes."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE).group(1)) * 1024
    except (OSError, AttributeError):  # elsewhere only the peak of the whole life of the process is known
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _forget_peak() -> None:
    """Let the high-water mark start again from what is resident now (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def extra_bytes(call: Any) -> tuple[int, float]:
    """Bytes above the start at the call's peak, and its wall-clock seconds."""
    gc.collect()
    _forget_peak()
    before, start = _resident("VmRSS"), time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    peak = _resident("VmHWM")
    del result
    return peak - before, seconds


def dense() -> list[dict[str, Any]]:
    import torch

    import fimcore as fc
    from tests.peers.case import Case

    def call(case: Case) -> Any:
        return fc.fisher(case.network, case.x, case.likelihood)

    # libraries allocate their own buffers once, at their first large products
    call(Case((48, 48, 48, 10), 512, "softmax", torch.float32))
    found = []
    for width, samples, outputs in DENSE:
        case = Case((width, width, width, outputs), samples, "gaussian", torch.float32)
        layout, item = case.network.layout, case.x.element_size()
        matrix = layout.parameters**2 * item
        factors = samples * (sum(layout.unit_sizes) + outputs * sum(layout.units)) * item
        peak, seconds = extra_bytes(lambda case=case: call(case))
        found.append(
            {
                "case": case.name,
                "peak_bytes": peak,
                "matrix_and_factors_bytes": matrix + factors,
                "ratio": peak / (matrix + factors),
                "bar": DENSE_BAR,
                "seconds": seconds,
            }
        )
    return found


def block_norms(width: int = 8192, samples: int = 1024) -> list[dict[str, Any]]:
    import numpy as np
    import torch

    import fimcore as fc
    from fimcore.sufficient_work import raw_products, sufficient_products
    from tests.peers.case import Case

    small = Case((64, 64, 64, 1), 64, "gaussian", torch.float32)
    fc.block_norms(small.network, small.x, small.likelihood)
    case = Case((width, width, width, 1), samples, "gaussian", torch.float32)
    network, x = case.network, case.x
    extra, seconds = extra_bytes(lambda: fc.block_norms(network, x, case.likelihood))
    products = sufficient_products("block_norms", network.layout, samples)
    multiply = raw_products(products, np.float32)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    return [
        {
            "case": f"{case.name}, {network.layout.parameters:,} parameters",
            "extra_bytes": extra,
            "bar_bytes": LARGE_BAR_BYTES,
            "seconds": seconds,
            "product_seconds": sorted(times)[1],
            "multiple": seconds / sorted(times)[1],
            "bar": LARGE_BAR_PRODUCT,
        }
    ]


def in_a_process(name: str, threads: int) -> list[dict[str, Any]]:
    """The measurement `name` in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", name, str(threads)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return [{"case": name, "note": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed"}]
    return json.loads(done.stdout.splitlines()[-1])


def markdown(found: list[dict[str, Any]]) -> str:
    lines = ["", "### memory", ""]
    for row in found:
        if "note" in row:
            lines.append(f"- {row['case']}: not measured ({row['note']})")
        elif "peak_bytes" in row:
            lines.append(
                f"- dense, {row['case']}: peak {row['peak_bytes'] / 1e6:,.0f} MB, matrix and factors "
                f"{row['matrix_and_factors_bytes'] / 1e6:,.0f} MB: {row['ratio']:.2f}× (bar {row['bar']}×)"
            )
        else:
            lines.append(
                f"- block norms, {row['case']}: {row['extra_bytes'] / 1e6:,.0f} MB above the network (bar 2,000 MB), "
                f"{row['seconds']:.2f} s, products {row['product_seconds']:.2f} s: {row['multiple']:.2f}× (bar {row['bar']}×)"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    from tests.benchmarks.machine import hold_threads

    with hold_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        print(json.dumps({"dense": dense, "block_norms": block_norms}[sys.argv[1]]()))

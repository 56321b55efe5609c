"""The whole comparison on a GPU: `python -m tests.benchmarks.on_gpu`, with whatever peers can be imported.

Times are between CUDA events around a block of calls, after a synchronisation; the raw product is torch's on the same device.
Before it is timed, every result that fits a table of both is compared with the CPU's, to the dtype's accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings

import torch

import fimcore as fc
from tests.benchmarks import comparison
from tests.benchmarks.against_peers import DTYPES, OUT
from tests.benchmarks.machine import description
from tests.benchmarks.rounds import on_gpu
from tests.benchmarks.table import markdown
from tests.peers.case import Case

TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-10}
STRUCTURES = ("dense", "layer_blocks", "unit_blocks", "kfac", "diagonal", "implicit")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dtype", choices=DTYPES, default="both")
    parser.add_argument("--seconds", type=float, default=1.0, help="for the rounds of one row (default: 1)")
    parser.add_argument("--full", action="store_true", help="also 64-64-64-10 at N 2048 with the Gaussian family")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(
            "torch sees no CUDA device here, so there is nothing to measure; install a CUDA build of torch beside one."
        )
    warnings.simplefilter("ignore")
    libraries, missing = comparison.importable_peers()
    machine = description() | {"gpu": torch.cuda.get_device_name(0), "cuda": torch.version.cuda}
    print(f"{machine['gpu']}, CUDA {machine['cuda']}, torch {torch.__version__}. Device time between events; ms.")
    for name, reason in missing.items():
        print(f"{name} is missing: {reason}")
    rows, differences = [], {}
    table = comparison.Comparison(libraries, on_gpu, "wall", options.seconds)
    for dtype in DTYPES[options.dtype]:
        worst = difference_from_cpu(dtype)
        differences[str(dtype)] = worst
        verdict = "agrees with the CPU" if worst < TOLERANCES[dtype] else "DIFFERS from the CPU"
        print(f"\n{dtype}: the GPU {verdict}, largest relative difference of a product {worst:.1e}")
        for case in comparison.cases(dtype, "cuda", options.full):
            found = list(table.rows(case))
            rows += found
            print(markdown(found), flush=True)
    OUT.mkdir(exist_ok=True)
    document = {"machine": machine, "rows": [row.to_json() for row in rows], "differences": differences}
    (OUT / "gpu.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return (
        0
        if all(worst < TOLERANCES[dtype] for dtype in DTYPES[options.dtype] for worst in [differences[str(dtype)]])
        else 1
    )


def difference_from_cpu(dtype: torch.dtype) -> float:
    """The largest relative difference of F v between the two devices, over structures and families."""
    worst = 0.0
    for family in ("softmax", "gaussian"):
        one, other = (Case((20, 18, 17, 5), 300, family, dtype, device) for device in ("cpu", "cuda"))
        for structure in STRUCTURES:
            wanted, got = (
                fc.fisher(case.network, case.x, case.likelihood, structure).matvec(case.vector).cpu()
                for case in (one, other)
            )
            worst = max(worst, float((got - wanted).norm() / wanted.norm()))
    return worst


if __name__ == "__main__":
    sys.exit(main())

"""`make bench-peers`: fimcore against nngeometry, curvlinops, BackPACK, ASDL and torch.func, in one process.

One thread and processor time, or `--threads 2` and wall time. The table goes to stdout as Markdown, all numbers to
tests/benchmarks/out/. No library but ASDL has unit blocks; without it the row shows the vmap baseline alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import torch

from tests.benchmarks import comparison, memory
from tests.benchmarks.machine import description, hold_threads, in_words
from tests.benchmarks.table import markdown

OUT = Path(__file__).resolve().parent / "out"
DTYPES = {"float32": (torch.float32,), "float64": (torch.float64,), "both": (torch.float32, torch.float64)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-peers", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--threads", type=int, default=1, help="1: processor time; more: wall time (default: 1)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for the rounds of one row (default: 1)")
    parser.add_argument("--full", action="store_true", help="also 64-64-64-10 at N 2048 with the Gaussian family")
    parser.add_argument(
        "--large", action="store_true", help="also block norms of a network with 134 million parameters"
    )
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers' own
    libraries, missing = comparison.importable_peers()
    shown = "processor" if options.threads == 1 else "wall"
    start, rows = time.monotonic(), []
    with hold_threads(options.threads):
        machine = description()
        print(in_words(machine))
        print(f"{options.threads} thread(s), {shown} time, medians of interleaved rounds; ms.")
        for name, reason in missing.items():
            print(f"{name} is missing: {reason}")
        table = comparison.Comparison(libraries, shown=shown, seconds=options.seconds)
        for dtype in DTYPES[options.dtype]:
            for case in comparison.cases(dtype, full=options.full):
                if options.only in case.name:
                    found = list(table.rows(case))
                    rows += found
                    print(markdown(found), flush=True)
    measured = memory.in_a_process("dense", options.threads)
    if options.large:
        measured += memory.in_a_process("block_norms", options.threads)
    print(memory.markdown(measured))
    OUT.mkdir(exist_ok=True)
    file = OUT / f"peers_{options.dtype}_{options.threads}_threads.json"
    document = {
        "machine": machine,
        "threads": options.threads,
        "rows": [row.to_json() for row in rows],
        "memory": measured,
        "missing": missing,
        "seconds": round(time.monotonic() - start),
    }
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    missed = [row for row in rows if row.met == "no"]
    print(
        f"\n{len(missed)} of {sum(row.met != '' for row in rows)} rows miss a bar; {document['seconds']} s; {file.name}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

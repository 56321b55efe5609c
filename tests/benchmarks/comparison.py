"""fimcore against the peers and against the raw product that suffices: cases, bars and rows, for a CPU or a GPU."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import torch
from torch import Tensor

import fimcore as fc
from fimcore.benchmark import works
from fimcore.sufficient_work import raw_products, sufficient_products
from tests.benchmarks.rounds import Call, Contender, Seconds, on_processor, run_rounds
from tests.benchmarks.table import Row
from tests.peers.case import Case

PEERS = ("nngeometry", "curvlinops", "backpack", "asdl", "torch_func")
FIMCORE, RAW = "fimcore", "raw product"
# (work, many outputs): how many times the fastest peer; the works that are not listed have the same bar for both
PEER_BARS = {
    ("dense", True): 12,
    ("layer_blocks", True): 12,
    ("dense", False): 2,
    ("layer_blocks", False): 2,
    ("dense, out reused", False): 2,
    ("layer_blocks, out reused", False): 2,
    ("unit_blocks", True): 8,
    ("unit_blocks", False): 1.5,
    ("diagonal", None): 2,
    ("kfac", None): 3,
    ("sampled_diagonal", None): 2,
    ("matvec", None): 3,
    ("top_eigenvalue", None): 3,
}
BLOCK_NORM_BAR = 500  # 64-64-64-1, N 256
# how many times the raw product of the multiply-adds that suffice
PRODUCT_BARS = {("dense", True): 4, ("layer_blocks", True): 4}
# what a work of fimcore is compared with, where the peers' work has another name
PEER_WORK = {
    "matvec_with_factors": "matvec",
    "dense, out reused": "dense",
    "layer_blocks, out reused": "layer_blocks",
    "block_norms": "dense",
}
# Only the fastest peer counts, so the others are spared what they cannot win: one that was this many times slower in an
# earlier case with as many outputs; and where a peer would take longer than so many seconds, all but the one that was
# fastest with as many inputs (or, before there is such a case, with the same widths).
HOPELESS, PATIENCE_SECONDS = 5.0, 5.0
# within one case a work that repeats an earlier one of the peers' keeps so many of them
KEPT = 2


def cases(dtype: torch.dtype, device: str = "cpu", full: bool = False) -> list[Case]:
    """The cases of the table; fewer inputs first, so that hopeless peers are known when there are many.

    64-64-64-10 at N 2048 takes the peers most of a minute a matrix: once, with softmax, unless `full`.
    """
    many = [
        Case((width, width, width, 10), samples, family, dtype, device)
        for samples in (256, 2048)
        for width in (32, 64)
        for family in ("softmax", "gaussian")
        if full or (width, samples, family) != (64, 2048, "gaussian")
    ]
    single = [((64, 64, 64, 1), 256), ((32, 32, 32, 1), 2048)]
    return [Case(widths, samples, "gaussian", dtype, device) for widths, samples in single] + many


def importable_peers() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The peers that can be imported here, and why the others cannot."""
    found, missing = {}, {}
    for name in PEERS:
        try:
            found[name] = importlib.import_module(f"tests.peers.{name}_peer")
        except ImportError as fault:
            missing[name] = str(fault)
    return found, missing


class Comparison:
    """Rows case by case; remembers which peers were hopeless at fewer inputs."""

    def __init__(
        self,
        libraries: dict[str, ModuleType],
        clock: Callable[[Call, int], Seconds] = on_processor,
        shown: str = "processor",
        seconds: float = 1.5,
    ) -> None:
        self.libraries, self.clock, self.shown, self.seconds = libraries, clock, shown, seconds
        # per number of outputs and work: the earlier cases, and every peer's seconds in them
        self._before: dict[tuple[int, str], list[tuple[Case, dict[str, float]]]] = {}

    def rows(self, case: Case) -> Iterator[Row]:
        theirs = {name: library.works(case) for name, library in self.libraries.items()}
        for work, prepare in ours(case).items():
            yield from self._row(case, work, prepare, theirs)

    def _row(
        self, case: Case, work: str, prepare: Callable[[], Call], theirs: dict[str, dict[str, Call]]
    ) -> Iterator[Row]:
        notes, contenders = [], []
        try:
            contenders.append(Contender(FIMCORE, prepare()))
        except (TypeError, ValueError) as fault:
            notes.append(f"fimcore: {fault}")
        raw = raw_call(case, work)
        if raw is not None:
            contenders.append(Contender(RAW, raw))
        same = PEER_WORK.get(work, work)
        for name, offered in theirs.items():
            if same in offered and not self._hopeless(case, same, name):
                call = partial(_norms_of, case, offered[same]) if work == "block_norms" else offered[same]
                contenders.append(Contender(name, call, peer=True))
        faults = run_rounds(contenders, self.seconds, self.clock)
        notes += [f"{name}: {fault}" for name, fault in faults.items()]
        measured = {one.name: one.median for one in contenders if one.name not in faults}
        peers = {name: seconds for name, seconds in measured.items() if name in theirs}
        if same == work and peers:
            times = {name: one.wall for name, one in peers.items()}
            self._before.setdefault((case.outputs, work), []).append((case, times))
        for clock in ("processor", "wall") if "out" in work and self.shown == "processor" else (self.shown,):
            yield _as_row(case, work, clock, measured, peers, notes)

    def _hopeless(self, case: Case, work: str, name: str) -> bool:
        before = self._before.get((case.outputs, work), [])
        for earlier, times in before:
            fewest = sorted(times, key=times.__getitem__)[:KEPT]
            if times.get(name, 0.0) > HOPELESS * min(times.values()) or (earlier == case and name not in fewest):
                return True
        kin = [times for earlier, times in before if earlier.samples == case.samples and earlier != case]
        same = [(earlier, times) for earlier, times in before if earlier.widths == case.widths and earlier != case]
        if not same:
            return False
        earlier, times = same[-1]
        expected = times.get(name, math.inf) * case.samples / earlier.samples
        leaders = kin[-1] if kin else times
        return expected > PATIENCE_SECONDS and name != min(leaders, key=leaders.__getitem__)


def _as_row(
    case: Case, work: str, clock: str, measured: dict[str, Seconds], peers: dict[str, Seconds], notes: list[str]
) -> Row:
    def milliseconds(name: str) -> float:
        return 1000 * getattr(measured[name], clock) if name in measured else math.nan

    times = {name: milliseconds(name) for name in peers}
    fastest = min(times, key=times.__getitem__, default="")
    many = case.outputs > 1
    bar = PEER_BARS.get((work, many), PEER_BARS.get((work, None)))
    if work == "block_norms" and case.widths == (64, 64, 64, 1) and case.samples == 256:
        bar = BLOCK_NORM_BAR
    return Row(
        case.name,
        work,
        clock,
        milliseconds(FIMCORE),
        fastest,
        times.get(fastest, math.nan),
        bar,
        milliseconds(RAW),
        PRODUCT_BARS.get((work, many)),
        times,
        notes,
    )


def ours(case: Case) -> dict[str, Callable[[], Call]]:
    """fimcore's calls: those of `fimcore bench`, and with one output also into memory that is there already."""
    offered = works(case.network, case.x, case.likelihood, case.vector)
    if case.outputs > 1:
        del offered["block_norms"]
        return offered

    def reused(structure: str) -> Callable[[], Call]:
        layout = case.network.layout

        def square(size: int) -> Tensor:
            return torch.zeros(size, size, dtype=case.dtype, device=case.device)

        def prepare() -> Call:
            dense = structure == "dense"
            out = square(layout.parameters) if dense else [square(size) for size in layout.layer_sizes]
            return partial(fc.fisher, case.network, case.x, case.likelihood, structure, out=out)

        return prepare

    return offered | {f"{structure}, out reused": reused(structure) for structure in ("dense", "layer_blocks")}


def raw_call(case: Case, work: str) -> Call | None:
    """The raw product of the multiply-adds that suffice (see fimcore.sufficient_work): numpy's, or torch's on a GPU."""
    products = sufficient_products(work.removesuffix(", out reused"), case.network.layout, case.samples)
    if not products:
        return None
    if case.device == "cpu":
        return raw_products(products, str(case.dtype).removeprefix("torch."))

    def draw(rows: int, columns: int) -> Tensor:
        return torch.ones(rows, columns, dtype=case.dtype, device=case.device)

    operands = [(draw(m, k), draw(k, n), draw(m, n)) for m, k, n in products]

    def multiply() -> None:
        for left, right, result in operands:
            torch.mm(left, right, out=result)

    return multiply


def _norms_of(case: Case, dense: Call) -> list[float]:
    """Squared norms of all layer pairs from a peer's dense matrix, whose layers are contiguous as well."""
    matrix, layout = dense(), case.network.layout
    assert isinstance(matrix, Tensor)
    parts = [layout.layer_slice(layer) for layer in range(1, layout.layers + 1)]
    return [float(matrix[one, other].square().sum()) for one in parts for other in parts]

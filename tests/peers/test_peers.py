"""fimcore against nngeometry, curvlinops, BackPACK, ASDL and torch.func, after undoing each library's scale.

Run by `make test-peers` in an environment of its own; `make test` never collects this folder.
Sampled diagonals are compared with the exact one by their mean over many calls, since every library draws its own labels.
"""

from __future__ import annotations

import importlib
import statistics
from functools import cache

import pytest
import torch

import fimcore as fc
from tests.peers.case import Case
from tests.peers.scales import weights_of

PEERS = ("nngeometry", "curvlinops", "backpack", "asdl", "torch_func")
WORKS = ("dense", "layer_blocks", "unit_blocks", "diagonal", "kfac", "matvec", "top_eigenvalue", "gram")
# relative, in the Frobenius norm; the top eigenvalue additionally carries Lanczos' 1e-6
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-5}
LANCZOS = 1e-5
CASES = [
    Case((7, 6, 5, classes), 40, family, dtype)
    for dtype in TOLERANCES
    for family, classes in (("softmax", 4), ("gaussian", 3), ("gaussian", 1))
]
PACKAGES = {"backpack": "backpack-for-pytorch", "curvlinops": "curvlinops-for-pytorch", "asdl": "asdfghjkl"}
pytestmark = pytest.mark.filterwarnings("ignore")


@cache
def peer(name: str):
    try:
        return importlib.import_module(f"tests.peers.{name}_peer")
    except ImportError as fault:
        pytest.skip(f"{PACKAGES.get(name, name)} cannot be imported here ({fault}); `make test-peers` installs it.")


@cache
def ours(case: Case, work: str):
    """The same quantity from fimcore's public names, in the form the peers' `undo` gives."""
    layers = range(1, case.network.layout.layers + 1)
    if work == "top_eigenvalue":
        return fc.top_eigenvalues(case.network, case.x, case.likelihood, k=1)[0]
    if work == "gram":
        return fc.spectrum(case.network, case.x, case.likelihood)
    structure = {"matvec": "implicit"}.get(work, work)
    made = fc.fisher(case.network, case.x, case.likelihood, structure)
    if work == "dense":
        return made.dense()
    if work == "diagonal":
        return made.diagonal()
    if work == "matvec":
        return made.matvec(case.vector)
    if work == "unit_blocks":
        units = case.network.layout.units
        return [torch.stack([made.block(layer, unit + 1) for unit in range(units[layer - 1])]) for layer in layers]
    blocks = [made.block(layer) for layer in layers]
    if work == "kfac":
        return [weights_of(block, size) for block, size in zip(blocks, case.network.layout.unit_sizes, strict=True)]
    return blocks


def relative_error(got, wanted) -> float:
    if isinstance(wanted, list):
        assert len(got) == len(wanted)
        return max(relative_error(one, other) for one, other in zip(got, wanted, strict=True))
    got, wanted = torch.as_tensor(got).double(), torch.as_tensor(wanted).double()
    assert got.shape == wanted.shape
    return float((got - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_and_fimcore_agree(name, work, case):
    library = peer(name)
    call = library.works(case).get(work)
    if call is None:
        pytest.skip(f"{PACKAGES.get(name, name)} does not offer {work} for {case.family}")
    theirs = library.undo(case, work, call())
    if work == "gram":
        # the dual Gram matrix and the matrix itself share their non-zero eigenvalues
        listed = ours(case, work).values
        values = torch.linalg.eigvalsh(theirs.double()).flip(0)[: len(listed)]
        assert relative_error(values, listed) < 10 * TOLERANCES[case.dtype]
        return
    limit = TOLERANCES[case.dtype] + (LANCZOS if work == "top_eigenvalue" else 0)
    assert relative_error(theirs, ours(case, work)) < limit


@pytest.mark.parametrize("case", [case for case in CASES if case.dtype == torch.float64], ids=lambda case: case.name)
@pytest.mark.parametrize("name", PEERS)
def test_sampled_diagonals_have_the_exact_one_as_mean(name, case):
    library = peer(name)
    call = library.works(case).get("sampled_diagonal")
    if call is None:
        pytest.skip(f"{PACKAGES.get(name, name)} does not sample the diagonal for {case.family}")
    torch.random.default_generator.manual_seed(0)  # the libraries draw from the global state
    traces = [float(library.undo(case, "sampled_diagonal", call()).sum()) for _ in range(200)]
    mine = [
        fc.fisher(case.network, case.x, case.likelihood, "diagonal", estimator="score", seed=seed).trace()
        for seed in range(200)
    ]
    exact = float(ours(case, "diagonal").sum())
    for drawn in (traces, mine):
        standard_error = statistics.stdev(drawn) / len(drawn) ** 0.5
        assert abs(statistics.mean(drawn) - exact) < 5 * standard_error
    # as many draws an input, so as much scatter
    assert 0.7 < statistics.stdev(traces) / statistics.stdev(mine) < 1.4

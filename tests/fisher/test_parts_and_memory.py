"""Parts of the inputs, budgets and buffers: the same numbers whatever the part, and a refusal before anything is allocated."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import brute_force
import numpy as np
import pytest
import torch
from reference_structures import reference

import fimcore as fc
from fimcore.fisher import (
    ESTIMATORS,
    STRUCTURES,
    FactorParts,
    Factors,
    Spectrum,
    block_norms_from_factors,
    diagonal_square,
    factor_parts,
    from_factors,
    layer_spectra,
    off_block_norm_from_factors,
    spectrum_from_factors,
    spectrum_moments_from_factors,
    top_eigenvalues_from_factors,
    unit_norms_from_factors,
    unit_spectra,
    whitened_spectrum_from_factors,
)
from fimcore.fisher import (
    block as block_of,
)
from fimcore.networks import Network

COUNT = 7
FAMILIES = [fc.Gaussian(variance=1.5), fc.GaussianWithVariance(), fc.Categorical(), fc.Bernoulli(), fc.Poisson()]


def setting(dtype=torch.float64, outputs=4, count=COUNT):
    network = fc.sample_network(fc.Architecture((3, 4, 3, outputs), "gelu", 1.4, 0.2), seed=2, dtype=dtype)
    return network, fc.inputs.gaussian(count, 3, seed=3, dtype=dtype)


def given(estimator):
    if estimator == "empirical":
        return {"estimator": estimator, "labels": torch.tensor([0, 3, 1, 1, 2, 0, 3])}
    return {"estimator": estimator, **({} if estimator == "exact" else {"seed": 6, "draws": 2})}


def cut(size, estimator="exact", likelihood=FAMILIES[2], dtype=torch.float64):
    made = factor_parts(*setting(dtype), likelihood, **given(estimator), size=size)
    assert isinstance(made, FactorParts if size < COUNT else Factors)
    assert len(list(made.parts)) == -(-COUNT // size)
    assert sum(part.samples for part in made.parts) == made.samples == COUNT
    return made


def close(found, expected, dtype=torch.float64):
    rounding = 1e-11 if dtype is torch.float64 else 1e-4
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=rounding, atol=rounding)


def padded(spectrum):
    """With its zeros: which eigenvalues are zero to rounding is a matter of rounding."""
    return np.concatenate([spectrum.values, np.zeros(spectrum.zeros)])


# ------------------------------------------------------------------------------------------- the same numbers in every part


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_do_not_depend_on_parts(structure, estimator, size):
    whole, pieces = (from_factors(cut(count, estimator), structure) for count in (COUNT, size))
    close(pieces.dense(), whole.dense())
    close(pieces.diagonal(), whole.diagonal())
    close(pieces.eigenvalues(), whole.eigenvalues())
    vector = torch.randn(len(whole.diagonal()), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    close(pieces.matvec(vector), whole.matvec(vector))
    damping = 0.2 - 2 * min(0.0, float(whole.eigenvalues()[-1]))
    close(pieces.solve(vector, damping=damping), whole.solve(vector, damping=damping))
    close(pieces.block(2), whole.block(2))
    close(pieces.block(2, unit=3), whole.block(2, unit=3))
    close([pieces.trace(), pieces.frobenius_norm()], [whole.trace(), whole.frobenius_norm()])


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("likelihood", FAMILIES, ids=repr)
@pytest.mark.parametrize("estimator", ["exact", "score", "hessian", "probe"])
def test_a_seed_means_the_same_labels_in_every_part(likelihood, estimator, size):
    whole, pieces = (from_factors(cut(count, estimator, likelihood), "dense") for count in (COUNT, size))
    close(pieces.dense(), whole.dense())


FROM_FACTORS = {
    "layer_spectra": lambda made: np.concatenate([padded(s) for s in layer_spectra(made)]),
    "unit_spectra": lambda made: unit_spectra(made, 2),
    "block_norms": lambda made: block_norms_from_factors(made).layer_pairs,
    "plug_in_block_norms": lambda made: block_norms_from_factors(made, unbiased=False).layer_pairs,
    "unit_diagonal": lambda made: block_norms_from_factors(made).unit_diagonal,
    "diagonal_square": diagonal_square,
    "unit_norms": lambda made: unit_norms_from_factors(made, 1, 2),
    "unit_norms_of_one_layer": lambda made: unit_norms_from_factors(made, 2, 2, units=2),
    "moments": lambda made: spectrum_moments_from_factors(made, 5),
    "whitened_by_layers": lambda made: padded(whitened_spectrum_from_factors(made, "layer_blocks", 1e-2)),
    "whitened_by_units": lambda made: padded(whitened_spectrum_from_factors(made, "unit_blocks", 1e-2)),
    "off_layer_norm": lambda made: off_block_norm_from_factors(made, "layer_blocks", tol=1e-12),
    "off_unit_norm": lambda made: off_block_norm_from_factors(made, "unit_blocks", tol=1e-12),
    **{f"spectrum_{s}": lambda made, s=s: padded(spectrum_from_factors(made, s)) for s in STRUCTURES},
    "top_eigenvalues": lambda made: top_eigenvalues_from_factors(made, 4, tol=1e-12).values,
}
# A second derivative is no sum of squares of rows: these are refused.
ROWS_ONLY = {name for name in FROM_FACTORS if "norm" in name or "whitened" in name}
ROWS_ONLY |= {"unit_diagonal"}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", FROM_FACTORS)
def test_functions_of_factors_do_not_depend_on_parts(name, estimator):
    run = FROM_FACTORS[name]
    if estimator == "hessian" and name in ROWS_ONLY:
        for size in (COUNT, 2):
            with pytest.raises(ValueError, match="`estimator` is 'hessian'"):
                run(cut(size, estimator))
        return
    expected = run(cut(COUNT, estimator))
    for size in (1, 2):
        close(run(cut(size, estimator)), expected)


def test_standard_error_does_not_depend_on_parts(monkeypatch):
    network, x = setting()
    for estimator in ("score", "hessian", "probe"):
        expected = fc.fisher(network, x, fc.Categorical(), "diagonal", **given(estimator)).standard_error()
        budget, seen = smallest(
            partial(fc.fisher, network, x, fc.Categorical(), "diagonal", **given(estimator)), monkeypatch
        )
        assert seen[-1] is FactorParts
        found = fc.fisher(network, x, fc.Categorical(), "diagonal", **given(estimator), budget=budget).standard_error()
        close(found.diagonal, expected.diagonal)
        assert found.trace == pytest.approx(expected.trace, rel=1e-12)


# What the sizes of tiles, cuts and chunks are set to: one of everything, odd remainders, and all at once.
TILINGS = [(1, 1, 1, 1), (700, 9, 2, 0), (300, 10**6, 5, 10**6), (10**9, 10**6, 10**6, 10**9)]


@pytest.mark.parametrize(("tile_bytes", "cut_products", "fewest_inputs", "kept_bytes"), TILINGS)
@pytest.mark.parametrize("estimator", ["exact", "hessian"])
@pytest.mark.parametrize("size", [COUNT, 3])
def test_matrices_do_not_depend_on_tiles(
    estimator, size, tile_bytes, cut_products, fewest_inputs, kept_bytes, monkeypatch
):
    """Every way to cut a block into tiles, and the inputs into chunks, gives the matrix from autograd."""
    pairs, blocks = (sys.modules[f"fimcore.fisher.{name}"] for name in ("layer_pairs", "blocks"))
    for module, name, value in (
        (pairs, "TILE_BYTES", {"cpu": tile_bytes, "cuda": tile_bytes}),
        (pairs, "CUT_PRODUCTS", cut_products),
        (pairs, "WORK_BYTES", 1 if fewest_inputs < COUNT else 10**9),
        (pairs, "FEWEST_INPUTS", fewest_inputs),
        (pairs, "KEPT_BYTES", kept_bytes),
        (blocks, "OUTER_BYTES", tile_bytes),
        (blocks, "FEWEST_INPUTS", fewest_inputs),
    ):
        monkeypatch.setattr(module, name, value)
    network, x = setting()
    chosen = given(estimator)
    single = brute_force.per_input(network, x, FAMILIES[2], **chosen)
    made = cut(size, estimator)
    for structure in ("dense", "layer_blocks", "block_tridiagonal", "unit_blocks"):
        close(from_factors(made, structure).dense(), reference(structure, single, [], network))
    full = single.mean(dim=0)
    few, others = slice(1, 3), slice(0, 2)
    first, second = network.layout.unit_slice(1, 2).start, network.layout.unit_slice(2, 1).start
    found = block_of(made, 1, 2, few, others)
    close(found, full[first : first + 8, second : second + 10])
    close(block_of(made, 2, 1, others, few), found.T)
    close(block_of(made, 2, 2, others, few), full[second : second + 10, second + 5 : second + 15])


# ------------------------------------------------------------------------------------------------------------- budgets


def smallest(run, monkeypatch):
    """The least budget that is not refused, and what kinds of factors were made under it."""
    seen = []

    def recorded(*args, real=factor_parts, **kwargs):
        made = real(*args, **kwargs)
        seen.append(type(made))
        return made

    for name, module in list(sys.modules.items()):
        if name.startswith("fimcore.fisher.") and hasattr(module, "factor_parts"):
            monkeypatch.setattr(module, "factor_parts", recorded)
    low, high = 0, 2**24
    run(budget=fc.Budget(high))
    while high - low > 1:
        middle = (low + high) // 2
        try:
            run(budget=fc.Budget(middle))
            high = middle
        except fc.BudgetError:
            low = middle
    seen.clear()
    run(budget=fc.Budget(high))
    return fc.Budget(high), seen


PUBLIC = {
    **{f"fisher_{s}": partial(fc.fisher, structure=s) for s in STRUCTURES},
    **{f"spectrum_{s}": partial(fc.spectrum, structure=s) for s in STRUCTURES},
    "spectrum_of_a_layer": partial(fc.spectrum, layer=2),
    "spectrum_of_a_unit": partial(fc.spectrum, layer=2, unit=1),
    "block_norms": fc.block_norms,
    "unit_block_norm_map": partial(fc.unit_block_norm_map, layers=(1, 2)),
    "top_eigenvalues": partial(fc.top_eigenvalues, k=3, tol=1e-12),
    "whitened_spectrum": partial(fc.whitened_spectrum, damping=1e-2),
    "whitened_unit_spectrum": partial(fc.whitened_spectrum, damping=1e-2, structure="unit_blocks"),
    "off_block_norm": partial(fc.off_block_norm, tol=1e-12),
    "spectrum_moments": fc.spectrum_moments,
}


def numbers(result):
    """A public function's result as one array."""
    if hasattr(result, "dense"):
        return result.dense()
    if hasattr(result, "layer_pairs"):
        return np.concatenate([result.layer_pairs.ravel(), result.unit_diagonal])
    if isinstance(result, Spectrum):
        return padded(result)
    return np.asarray(result)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_smallest_budget_gives_the_same_numbers_in_parts(name, monkeypatch):
    network, x = setting()
    run = partial(PUBLIC[name], network, x, fc.Categorical())
    expected = numbers(run())
    budget, seen = smallest(run, monkeypatch)
    assert seen == [FactorParts]
    close(numbers(run(budget=budget)), expected)


@pytest.mark.parametrize("name", [*PUBLIC, "factors"])
def test_a_refusal_comes_before_the_network_is_run_and_says_what_to_do(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was run before the budget was checked")

    network, x = setting()
    monkeypatch.setattr(Network, "forward", refuse)
    run = {**PUBLIC, "factors": fc.factors}[name]
    allowed = r"\d+" if name == "block_norms" else "50"  # of which a part may take a share
    with pytest.raises(
        fc.BudgetError, match=rf"would need .* (bytes|kB); `budget` allows {allowed} bytes\. What fits: \w+"
    ):
        run(network, x, fc.Categorical(), budget=fc.Budget(50))


def test_a_refusal_states_the_bytes_of_the_matrix():
    network, x = setting()
    parameters = network.layout.parameters
    with pytest.raises(fc.BudgetError, match=rf"{parameters} parameters would need {parameters**2 * 8 / 1000:.3g} kB"):
        fc.fisher(network, x, budget=fc.Budget(parameters**2 * 8 - 1))
    small, y = setting(torch.float32)
    with pytest.raises(fc.BudgetError, match=rf"would need {parameters**2 * 4 / 1000:.3g} kB"):
        fc.fisher(small, y, budget=fc.Budget(parameters**2 * 4 - 1))


def test_a_network_whose_matrix_takes_terabytes_is_refused_at_once():
    network = fc.sample_network(fc.Architecture((256, 1024, 1024, 10)), dtype=torch.float32)
    x = fc.inputs.gaussian(2, 256, dtype=torch.float32)
    for structure in ("dense", "layer_blocks", "block_tridiagonal"):
        with pytest.raises(fc.BudgetError, match="TB"):
            fc.fisher(network, x, fc.Categorical(), structure)


# -------------------------------------------------------------------------------------------------------------- buffers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("limit", [None, "least"])
def test_out_of_dense_is_the_memory_given(dtype, limit, monkeypatch):
    network, x = setting(dtype)
    side = network.layout.parameters
    out = torch.full((side, side), float("nan"), dtype=dtype)
    run = partial(fc.fisher, network, x, fc.Categorical(), out=out)
    budget = smallest(run, monkeypatch)[0] if limit else None
    out.fill_(float("nan"))
    made = run(budget=budget)
    assert made.dense().data_ptr() == out.data_ptr()
    close(out, fc.fisher(network, x, fc.Categorical()).dense(), dtype)
    again = fc.fisher(network, x + 1, fc.Categorical(), out=out)
    close(again.dense(), fc.fisher(network, x + 1, fc.Categorical()).dense(), dtype)


@pytest.mark.parametrize("limit", [None, "least"])
def test_out_of_layer_blocks_is_the_memory_given(limit, monkeypatch):
    network, x = setting()
    out = [torch.full((size, size), float("nan"), dtype=torch.float64) for size in network.layout.layer_sizes]
    run = partial(fc.fisher, network, x, fc.Categorical(), "layer_blocks", out=out)
    budget = smallest(run, monkeypatch)[0] if limit else None
    for block in out:
        block.fill_(float("nan"))
    made = run(budget=budget)
    expected = fc.fisher(network, x, fc.Categorical(), "layer_blocks")
    for layer, block in enumerate(out, start=1):
        assert made.block(layer).data_ptr() == block.data_ptr()
        close(block, expected.block(layer))


def test_out_may_be_part_of_a_larger_buffer():
    """Strided memory: every other row and column of a larger matrix, whose rest stays as it was."""
    network, x = setting()
    side = network.layout.parameters
    large = torch.full((2 * side, 2 * side), -7.0, dtype=torch.float64)
    fc.fisher(network, x, fc.Categorical(), out=large[::2, ::2])
    close(large[::2, ::2], fc.fisher(network, x, fc.Categorical()).dense())
    assert bool((large[1::2] == -7).all())
    assert bool((large[:, 1::2] == -7).all())


def test_out_of_another_shape_or_dtype_is_refused():
    network, x = setting()
    side = network.layout.parameters
    for wrong in (torch.zeros(side, side + 1).double(), torch.zeros(side, side), torch.zeros(side).double()):
        kept = wrong.clone()
        with pytest.raises(ValueError, match=rf"`out` is \(.*; give \({side}, {side}\) torch.float64"):
            fc.fisher(network, x, fc.Categorical(), out=wrong)
        assert torch.equal(kept, wrong)
    blocks = [torch.zeros(size, size).double() for size in network.layout.layer_sizes]
    with pytest.raises(ValueError, match="`out` has 2 tensors; give one a layer, 3"):
        fc.fisher(network, x, fc.Categorical(), "layer_blocks", out=blocks[:2])
    for place in range(3):
        wrong = [block.float() if number == place else block for number, block in enumerate(blocks)]
        with pytest.raises(ValueError, match=r"`out` is .* torch\.float32"):
            fc.fisher(network, x, fc.Categorical(), "layer_blocks", out=wrong)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_options_of_other_structures_are_refused_in_one_sentence(structure):
    network, x = setting()
    takes = {"out": ("dense", "layer_blocks"), "rank": ("low_rank",), "isotropic": ("unit_closed_form",)}
    values = {"out": torch.zeros(1), "rank": 2, "isotropic": True}
    for name, owners in takes.items():
        if structure not in owners:
            with pytest.raises(ValueError, match=rf"^`{name}` is given, but only .* takes? it, not '{structure}'\.$"):
                fc.fisher(network, x, fc.Categorical(), structure, **{name: values[name]})


@pytest.mark.parametrize("rank", [0, -1, 10**6])
def test_a_rank_out_of_range_is_refused(rank):
    network, x = setting()
    with pytest.raises(ValueError, match=rf"`rank` is {rank}; .*give 1 to"):
        fc.fisher(network, x, fc.Categorical(), "low_rank", rank=rank)


# ---------------------------------------------------------------------------------------------------------- peak memory

MEASURE = """
import os, resource, sys, torch
import fimcore as fc
torch.set_num_threads(1)
widths, count = (48, 48, 48, 10), 512
network = fc.sample_network(fc.Architecture(widths, "tanh", 1.5, 0.1), dtype=torch.float32)
x = fc.inputs.gaussian(count, 48, dtype=torch.float32)
fc.fisher(network, x[:2], fc.Categorical(), "layer_blocks")  # code and libraries are loaded
small = fc.sample_network(fc.Architecture((8, 8, 4), "tanh"), dtype=torch.float32)
fc.fisher(small, x[:2, :8], fc.Categorical())
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts again from here

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

before = status("VmRSS")
made = fc.fisher(network, x, fc.Categorical())
matrix = made.matrix.numel() * 4
factors = count * (sum(n + 1 for n in widths[:-1]) + 10 * sum(widths[1:])) * 4
print(status("VmHWM") - before, matrix, factors)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_of_dense_is_little_more_than_the_matrix():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=False, timeout=120)
    if "clear_refs" in done.stderr:
        pytest.skip("this system does not reset the peak of a process's memory")
    assert done.returncode == 0, done.stderr
    peak, matrix, factors = (int(word) for word in done.stdout.split())
    assert matrix > 100e6
    assert peak < 1.2 * (matrix + factors), f"{peak / 1e6:.0f} MB for {matrix / 1e6:.0f} + {factors / 1e6:.0f} MB"

"""The contract in a small form on a GPU: the same numbers as on the CPU, and every result on the device it was asked on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.fisher import ESTIMATORS, STRUCTURES, FactorParts, entry, factor_parts, factors, from_factors

if not torch.cuda.is_available():
    pytest.skip("this machine has no GPU that torch can use", allow_module_level=True)

FAMILIES = [fc.Gaussian(variance=2.5), fc.GaussianWithVariance(), fc.Categorical(), fc.Bernoulli(), fc.Poisson()]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 5e-4}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: str(dtype).removeprefix("torch."))


def setting(dtype, device, activation="tanh"):
    """The same parameters and inputs on either device."""
    network = fc.sample_network(fc.Architecture((3, 4, 3, 4), activation, 1.2, 0.2), seed=3, dtype=dtype)
    x = fc.inputs.gaussian(5, 3, seed=4, dtype=dtype)
    moved = [[p.to(device) for p in parameters] for parameters in (network.weights, network.biases)]
    return fc.Network(*moved, activation), x.to(device)


def options(estimator, family, device, dtype):
    if estimator == "empirical":
        outputs = {fc.GaussianWithVariance: 2, fc.Categorical: 1}.get(type(family), 4)
        labels = torch.arange(5 * outputs).reshape(5, outputs) % 2
        labels = labels[:, 0] if isinstance(family, fc.Categorical) else labels.to(dtype)
        return {"estimator": estimator, "labels": labels.to(device)}
    return {"estimator": estimator, **({} if estimator == "exact" else {"seed": 1, "draws": 2})}


def close(found, expected, dtype):
    if isinstance(found, torch.Tensor):
        assert found.device.type == "cuda"
        assert found.dtype is expected.dtype
        found, expected = found.cpu().numpy(), expected.numpy()
    scale = max(float(np.abs(expected).max(initial=0)), 1e-300)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


@DTYPES
@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_are_those_of_the_cpu(structure, estimator, family, dtype):
    made = {}
    for device in ("cpu", "cuda"):
        network, x = setting(dtype, device)
        made[device] = fc.fisher(network, x, family, structure, **options(estimator, family, device, dtype))
    here, there = made["cpu"], made["cuda"]
    damping = 0.2 + 2 * float(here.eigenvalues().abs().max())
    vector = torch.randn(len(here.diagonal()), 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    for name in ("dense", "diagonal", "eigenvalues", "trace", "frobenius_norm"):
        close(getattr(there, name)(), getattr(here, name)(), dtype)
    close(there.matvec(vector.cuda()), here.matvec(vector), dtype)
    close(there.matvec(vector[:, 0].cuda()), here.matvec(vector[:, 0]), dtype)
    close(there.solve(vector.cuda(), damping=damping), here.solve(vector, damping=damping), dtype)
    close(there.block(2), here.block(2), dtype)
    close(there.block(2, unit=1), here.block(2, unit=1), dtype)
    close(there.standard_error().diagonal, here.standard_error().diagonal, dtype)
    assert there.standard_error().trace == pytest.approx(here.standard_error().trace, rel=10 * TOLERANCE[dtype])


@DTYPES
@pytest.mark.parametrize("activation", fc.ACTIVATION_NAMES)
def test_activations_are_those_of_the_cpu(activation, dtype):
    expected, found = (
        fc.fisher(*setting(dtype, device, activation), fc.Categorical(), estimator="hessian", seed=0).dense()
        for device in ("cpu", "cuda")
    )
    close(found, expected, dtype)


FUNCTIONS = {
    "block_norms": lambda n, x, f: fc.block_norms(n, x, f).layer_pairs,
    "unit_diagonal": lambda n, x, f: fc.block_norms(n, x, f, unbiased=False).unit_diagonal,
    "unit_block_norm_map": lambda n, x, f: fc.unit_block_norm_map(n, x, f, layers=(1, 2)),
    "top_eigenvalues": lambda n, x, f: fc.top_eigenvalues(n, x, f, k=3, tol=1e-8).values,
    "whitened_by_layers": lambda n, x, f: fc.whitened_spectrum(n, x, f, damping=0.1).values[:5],
    "whitened_by_units": lambda n, x, f: fc.whitened_spectrum(n, x, f, "unit_blocks", damping=0.1).values[:5],
    "off_block_norm": lambda n, x, f: fc.off_block_norm(n, x, f, tol=1e-8),
    "off_unit_norm": lambda n, x, f: fc.off_block_norm(n, x, f, "unit_blocks", tol=1e-8),
    "spectrum_moments": lambda n, x, f: fc.spectrum_moments(n, x, f, 5),
    "spectrum_of_a_layer": lambda n, x, f: fc.spectrum(n, x, f, layer=2).values[:5],
    "spectrum_of_a_unit": lambda n, x, f: fc.spectrum(n, x, f, layer=2, unit=1).values[:3],
    **{f"spectrum_{s}": lambda n, x, f, s=s: fc.spectrum(n, x, f, s).values[:5] for s in STRUCTURES},
    "low_rank_2": lambda n, x, f: fc.fisher(n, x, f, "low_rank", rank=2).dense(),
    "isotropic": lambda n, x, f: fc.fisher(n, x, f, "unit_closed_form", isotropic=True).dense(),
    "factored_damping": lambda n, x, f: fc.fisher(n, x, f, "kfac").solve(
        torch.ones_like(x).new_ones(47), 0.1, "factored"
    ),
}


@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_the_cpu(name, dtype):
    expected, found = (FUNCTIONS[name](*setting(dtype, device), fc.Bernoulli()) for device in ("cpu", "cuda"))
    close(found, expected, dtype)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_parts_on_the_device_give_the_same_matrix(structure):
    network, x = setting(torch.float64, "cuda")
    parts = factor_parts(network, x, fc.Categorical(), "score", 3, size=2)
    assert isinstance(parts, FactorParts)
    whole = from_factors(factors(network, x, fc.Categorical(), "score", 3), structure).dense()
    torch.testing.assert_close(from_factors(parts, structure).dense(), whole, rtol=1e-10, atol=1e-12)


def test_out_stays_on_the_device_and_must_be_there():
    network, x = setting(torch.float64, "cuda")
    side = network.layout.parameters
    out = torch.full((side, side), float("nan"), dtype=torch.float64, device="cuda")
    made = fc.fisher(network, x, fc.Categorical(), out=out)
    assert made.dense().data_ptr() == out.data_ptr()
    torch.testing.assert_close(out, fc.fisher(network, x, fc.Categorical()).dense())
    with pytest.raises(ValueError, match=r"`out` is .* on cpu; give .* on cuda"):
        fc.fisher(network, x, fc.Categorical(), out=out.cpu())


def test_a_network_and_inputs_on_two_devices_are_refused():
    network, x = setting(torch.float64, "cuda")
    with pytest.raises(ValueError, match=r"`x` is .* on cpu, the network .* on cuda"):
        fc.fisher(network, x.cpu())


def test_one_entry_is_the_matrix_entry():
    network, x = setting(torch.float64, "cuda")
    matrix = fc.fisher(network, x).dense()
    assert entry(factors(network, x, fc.Gaussian()), 3, 20) == pytest.approx(float(matrix[3, 20]), rel=1e-10)


def test_networks_are_made_on_the_device():
    network = fc.sample_network(fc.Architecture((3, 4, 2)), seed=1, device="cuda")
    expected = fc.sample_network(fc.Architecture((3, 4, 2)), seed=1)
    for found, here in zip(network.weights, expected.weights, strict=True):
        assert found.device.type == "cuda"
        torch.testing.assert_close(found.cpu(), here)

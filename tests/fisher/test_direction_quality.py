"""How far a structure is from F, and how far its directions are: against dense matrices, for one and several outputs."""

from __future__ import annotations

import pytest
import torch

import fimcore as fc
from fimcore.fisher import from_factors
from fimcore.fisher.approximation_error import identity_error, inner_product, relative_error
from fimcore.fisher.direction_cosines import cosines, fisher_cosines
from fimcore.fisher.exact_inverse import exact_inverse
from fimcore.fisher.parts import factor_parts
from fimcore.fisher.structures import Origin
from fimcore.fisher.unit_closed_form import unit_closed_form

STRUCTURES = [name for name in fc.fisher.STRUCTURES if name != "implicit"]


def made_of(outputs=2, samples=40, widths=(3, 5, 4), likelihood=None, seed=0, activation="tanh"):
    network = fc.sample_network(fc.Architecture((*widths, outputs), activation, 1.5, 0.2), seed)
    x = fc.inputs.gaussian(samples, widths[0], seed + 1)
    return factor_parts(network, x, likelihood or fc.Gaussian(0.7))


def brute_force(made):
    j = made.jacobian()
    return j.T @ j / made.samples


@pytest.mark.parametrize("structure", [*STRUCTURES, "isotropic"])
@pytest.mark.parametrize("family", [fc.Gaussian(0.7), fc.Categorical()], ids=["gaussian", "categorical"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_errors_and_inner_products_equal_those_of_dense_matrices(structure, family, activation):
    made = made_of(outputs=3, likelihood=family, activation=activation)
    exact = brute_force(made)
    if structure == "isotropic":
        found = unit_closed_form(made, Origin("exact", "", made.samples), isotropic=True)
    else:
        found = from_factors(made, structure)
    wanted = float(torch.linalg.matrix_norm(exact - found.dense()) / torch.linalg.matrix_norm(exact))
    assert inner_product(made, found) == pytest.approx(float((exact * found.dense()).sum()), rel=1e-9)
    assert relative_error(made, found) == pytest.approx(wanted, rel=1e-7, abs=2e-7)
    norm = float(torch.linalg.matrix_norm(exact))
    assert relative_error(made, found, norm) == pytest.approx(wanted, rel=1e-7, abs=2e-7)


@pytest.mark.parametrize("structure", ["kfac", "quasi_diagonal", "unit_closed_form", "layer_blocks"])
def test_errors_do_not_depend_on_the_parts_of_the_inputs(structure):
    network = fc.sample_network(fc.Architecture((3, 5, 4, 2)), 0)
    x = fc.inputs.gaussian(30, 3, 1)
    whole, cut = (factor_parts(network, x, fc.Gaussian(), size=size) for size in (30, 7))
    found = [relative_error(made, from_factors(made, structure)) for made in (whole, cut)]
    assert found[0] == pytest.approx(found[1], rel=1e-10)


def test_the_best_multiple_of_the_identity():
    made = made_of()
    exact = brute_force(made)
    best = exact.trace() / len(exact) * torch.eye(len(exact), dtype=exact.dtype)
    wanted = float(torch.linalg.matrix_norm(exact - best) / torch.linalg.matrix_norm(exact))
    assert identity_error(made, float(exact.trace())) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("samples", [5, 100], ids=["dual", "primal"])
def test_the_exact_inverse_is_that_of_the_dense_matrix_on_both_sides(samples):
    made = made_of(samples=samples)
    exact, vector = brute_force(made), torch.randn(made.layout.parameters, dtype=torch.float64)
    inverse = exact_inverse(made)
    assert inverse.primal == (samples == 100)
    eye = torch.eye(len(exact), dtype=exact.dtype)
    for damping in (1e-5, 1e-2, 1.0):
        wanted = torch.linalg.solve(exact + damping * eye, vector)
        torch.testing.assert_close(inverse.solve(vector, damping), wanted, rtol=1e-7, atol=1e-9)
    assert inverse.trace() == pytest.approx(float(exact.trace()), rel=1e-12)
    assert inverse.frobenius_norm() == pytest.approx(float(torch.linalg.matrix_norm(exact)), rel=1e-12)


@pytest.mark.parametrize("samples", [4, 100], ids=["dual", "primal"])
def test_the_inverses_of_the_layers_are_those_of_the_layer_blocks(samples):
    made = made_of(samples=samples)
    blocks = from_factors(made, "layer_blocks")
    vector = torch.randn(made.layout.parameters, dtype=torch.float64)
    inverses = [exact_inverse(made, layer) for layer in (1, 2, 3)]
    assert any(inverse.primal for inverse in inverses) == (samples == 100)
    found = torch.stack([inverse.solve(vector, 1e-3) for inverse in inverses]).sum(dim=0)
    torch.testing.assert_close(found, blocks.solve(vector, 1e-3), rtol=1e-7, atol=1e-9)
    own = sum(inverse.frobenius_norm() ** 2 for inverse in inverses)
    assert own**0.5 == pytest.approx(blocks.frobenius_norm(), rel=1e-12)


@pytest.mark.parametrize("layer", [None, 1, 2])
def test_inverses_do_not_depend_on_the_parts_of_the_inputs(layer):
    network = fc.sample_network(fc.Architecture((3, 9, 8, 2)), 0)
    x = fc.inputs.gaussian(7, 3, 1)
    vector = torch.randn(network.layout.parameters, dtype=torch.float64)
    inverses = [exact_inverse(factor_parts(network, x, fc.Gaussian(), size=size), layer) for size in (7, 3)]
    assert not inverses[0].primal
    torch.testing.assert_close(*[inverse.solve(vector, 1e-2) for inverse in inverses], rtol=1e-9, atol=1e-11)


def test_what_cannot_be_inverted_is_refused():
    inverse = exact_inverse(made_of(samples=5))
    with pytest.raises(ValueError, match="`damping` is 0"):
        inverse.solve(torch.ones(inverse.made.layout.parameters, dtype=torch.float64), 0.0)
    with pytest.raises(ValueError, match="`vector` has shape"):
        inverse.solve(torch.ones(3, dtype=torch.float64), 1.0)
    network = fc.sample_network(fc.Architecture((3, 4, 1)), 0)
    hessian = factor_parts(network, fc.inputs.gaussian(5, 3, 1), fc.Gaussian(), "hessian", 0)
    for ask in (exact_inverse, lambda made: relative_error(made, from_factors(made, "diagonal"))):
        with pytest.raises(ValueError, match="hessian"):
            ask(hessian)


def test_cosines_in_the_metric_of_the_dense_matrix():
    made = made_of()
    exact = brute_force(made)
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.randn(len(exact), 4, generator=generator, dtype=torch.float64) for _ in range(2))
    v[:, 0] = -3 * u[:, 0]
    inner = (
        (u.T @ exact @ v) / ((u.T @ exact @ u).diagonal()[:, None] * (v.T @ exact @ v).diagonal()).sqrt()
    ).diagonal()
    torch.testing.assert_close(fisher_cosines(made, u, v), inner, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(cosines(u, v), torch.nn.functional.cosine_similarity(u, v, dim=0))
    assert float(cosines(u, v)[0]) == pytest.approx(-1)
    assert bool(fisher_cosines(made, 0 * u, v).isnan().all())
    with pytest.raises(ValueError, match="`references` has shape"):
        fisher_cosines(made, u, v[:, :2])

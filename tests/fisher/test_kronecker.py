"""K-FAC and E-KFAC against matrices formed from autograd's Jacobian: Kronecker products, their bases, both ways of damping."""

from __future__ import annotations

import pytest
import torch
from brute_force import exact_fisher, jacobians

import fimcore as fc
from fimcore.fisher.ekfac import ekfac
from fimcore.fisher.factors import factors
from fimcore.fisher.kfac import kfac
from fimcore.fisher.parts import factor_parts
from fimcore.fisher.structures import Origin

WIDTHS = (4, 6, 5, 3)
SEEDED = ("score", "hessian", "probe")
BUILDERS = {"kfac": kfac, "ekfac": ekfac}


def setting(inputs=60, activation="tanh", widths=WIDTHS, dtype=torch.float64):
    network = fc.sample_network(fc.Architecture(widths, activation, 1.5, 0.3), seed=1, dtype=torch.float32)
    network = fc.Network(
        tuple(w.to(dtype) for w in network.weights), tuple(b.to(dtype) for b in network.biases), activation
    )
    return network, fc.inputs.gaussian(inputs, widths[0], seed=2, dtype=torch.float32).to(dtype)


def made_of(network, x, estimator="exact", family=None, size=None):
    given = {"seed": 3, "draws": 2} if estimator in SEEDED else {}
    labels = torch.arange(len(x)) % network.outputs if estimator == "empirical" else None
    return factor_parts(network, x, family or fc.Categorical(), estimator, labels=labels, size=size, **given)


def origin_of(made):
    return Origin(made.estimator, "", made.samples)


def apart(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def mean_factors(made, layer):
    """A and G of one layer by plain sums over inputs and rows."""
    a, g = 0, 0
    for part in made.parts:
        for number in range(part.samples):
            vector = part.inputs[layer - 1][number]
            a = a + torch.outer(vector, vector)
            g = g + part.folded(layer, layer)[number]
    return a / made.samples, g / made.samples


@pytest.mark.parametrize("estimator", ["exact", "score", "hessian", "empirical", "probe"])
def test_kfac_is_the_kronecker_product_of_mean_factors(estimator):
    made = made_of(*setting(), estimator)
    structure = kfac(made, origin_of(made))
    expected = torch.block_diag(*[torch.kron(*mean_factors(made, layer)[::-1]) for layer in (1, 2, 3)])
    assert apart(structure.dense(), expected) < 1e-14
    assert apart(structure.diagonal(), expected.diagonal()) < 1e-14
    assert structure.trace() == pytest.approx(float(expected.trace()), rel=1e-13)
    assert structure.frobenius_norm() == pytest.approx(float(expected.norm()), rel=1e-13)
    assert apart(structure.eigenvalues(), torch.linalg.eigvalsh(expected).flip(0)) < 1e-13
    vectors = torch.randn(len(expected), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert apart(structure.matvec(vectors), expected @ vectors) < 1e-14
    assert apart(structure.matvec(vectors[:, 1]), expected @ vectors[:, 1]) < 1e-14
    assert torch.equal(structure.block(2), structure.dense()[made.layout.layer_slice(2), made.layout.layer_slice(2)])
    unit = made.layout.unit_slice(2, 4)
    assert apart(structure.block(2, 4), expected[unit, unit]) < 1e-14


@pytest.mark.parametrize("estimator", ["exact", "hessian", "probe"])
def test_ekfac_holds_the_diagonal_of_the_fisher_matrix_in_the_bases_of_kfac(estimator):
    made = made_of(*setting(), estimator)
    structure = ekfac(made, origin_of(made))
    identity = torch.eye(made.layout.parameters, dtype=torch.float64)
    fisher = made.fisher_product(identity) / made.samples
    for layer in (1, 2, 3):
        basis = torch.kron(structure.output_bases[layer - 1], structure.input_bases[layer - 1])
        assert apart(basis.T @ basis, torch.eye(len(basis), dtype=torch.float64)) < 1e-14
        a, g = mean_factors(made, layer)
        assert float((basis.T @ torch.kron(g, a) @ basis).fill_diagonal_(0).norm()) < 1e-14 * float(g.norm() * a.norm())
        block = fisher[made.layout.layer_slice(layer), made.layout.layer_slice(layer)]
        expected = (basis.T @ block @ basis).diagonal()
        assert (
            float((structure.scales[layer - 1].reshape(-1) - expected).abs().max())
            < 1e-15 * float(expected.abs().max()) * 50
        )
        assert apart(structure.block(layer), basis @ torch.diag(expected) @ basis.T) < 1e-13
        unit = slice(made.layout.unit_sizes[layer - 1], 2 * made.layout.unit_sizes[layer - 1])
        assert apart(structure.block(layer, 2), structure.block(layer)[unit, unit]) < 1e-13
    dense = structure.dense()
    assert apart(structure.diagonal(), dense.diagonal()) < 1e-13
    assert apart(structure.eigenvalues(), torch.linalg.eigvalsh(dense).flip(0)) < 1e-13
    assert structure.trace() == pytest.approx(float(fisher.trace()), rel=1e-12)
    assert structure.frobenius_norm() == pytest.approx(float(dense.norm()), rel=1e-13)
    vectors = torch.randn(len(dense), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert apart(structure.matvec(vectors), dense @ vectors) < 1e-13


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ekfac_is_never_further_from_the_layer_blocks_than_kfac(activation, seed):
    network = fc.sample_network(fc.Architecture(WIDTHS, activation, 1.5, 0.3), seed=seed)
    x = fc.inputs.gaussian(50, WIDTHS[0], seed=seed)
    made = factors(network, x, fc.Categorical())
    fisher = exact_fisher(network, x, "categorical")
    coarse, fine = kfac(made, origin_of(made)), ekfac(made, origin_of(made))
    for layer in (1, 2, 3):
        part = made.layout.layer_slice(layer)
        errors = [float((fisher[part, part] - structure.block(layer)).norm()) for structure in (fine, coarse)]
        assert errors[0] <= errors[1]
        assert fine.block(layer).trace() == pytest.approx(float(fisher[part, part].trace()), rel=1e-12)


def test_both_are_exact_for_one_input():
    network, x = setting(inputs=1)
    made = factors(network, x, fc.Categorical())
    fisher = exact_fisher(network, x, "categorical")
    for builder in BUILDERS.values():
        for layer in (1, 2, 3):
            part = made.layout.layer_slice(layer)
            assert apart(builder(made, origin_of(made)).block(layer), fisher[part, part]) < 1e-13


def test_both_are_exact_for_a_deep_linear_network_with_gaussian_outputs():
    network, x = setting(activation="linear")
    made = factors(network, x, fc.Gaussian())
    jacobian = jacobians(network, x).reshape(-1, made.layout.parameters)
    for builder in BUILDERS.values():
        structure = builder(made, origin_of(made))
        for layer in (1, 2, 3):
            part = made.layout.layer_slice(layer)
            assert apart(structure.block(layer), (jacobian.T @ jacobian)[part, part] / len(x)) < 1e-13


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("relative", [0.0, 1e-12, 1e-6, 1.0])
def test_solutions_equal_a_dense_solve(name, relative):
    # Gaussian outputs, so that the read-out's output factor has full rank and no damping is needed
    made = made_of(*setting(), family=fc.Gaussian())
    structure = BUILDERS[name](made, origin_of(made))
    dense = structure.dense()
    damping = relative * float(dense.diagonal().mean())
    vectors = torch.randn(len(dense), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.linalg.solve(dense + damping * torch.eye(len(dense), dtype=torch.float64), vectors)
    assert apart(structure.solve(vectors, damping), expected) < 1e-9
    assert apart(structure.solve(vectors[:, 0], damping), expected[:, 0]) < 1e-9
    # what is solved for is found again, which does not depend on how well torch.linalg.solve does
    assert apart(structure.matvec(structure.solve(vectors, damping)) + damping * expected, vectors) < 1e-10


@pytest.mark.parametrize("damping", [0.0, 1e-12, 1e-3, 10.0])
def test_factored_damping_is_martens_and_grosses(damping):
    made = made_of(*setting(), family=fc.Gaussian())
    structure = kfac(made, origin_of(made))
    vector = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = structure.solve(vector, damping, form="factored")
    for layer, (g, a) in enumerate(zip(structure.output_factors, structure.input_factors, strict=True), start=1):
        split = ((a.trace() / len(a)) / (g.trace() / len(g))) ** 0.5
        left = g + damping**0.5 / split * torch.eye(len(g), dtype=torch.float64)
        right = a + damping**0.5 * split * torch.eye(len(a), dtype=torch.float64)
        part = made.layout.layer_slice(layer)
        grid = vector[part].reshape(len(g), len(a))
        expected = torch.linalg.solve(left, torch.linalg.solve(right, grid.T).T)
        assert apart(found[part], expected.reshape(-1)) < 1e-10
    if damping == 0:
        assert apart(found, structure.solve(vector, 0.0)) < 1e-12


def test_an_indefinite_estimate_is_solved_beyond_its_negative_eigenvalues_and_between_them():
    made = made_of(*setting(inputs=5), "hessian")
    for builder in BUILDERS.values():
        structure = builder(made, origin_of(made))
        eigenvalues, dense = structure.eigenvalues(), structure.dense()
        assert float(eigenvalues[-1]) < 0
        vector = torch.ones(len(dense), dtype=torch.float64)
        negative = eigenvalues[eigenvalues < 0]
        for damping in (-2 * float(negative[-1]), -0.5 * float(negative[-1] + negative[-2])):
            expected = torch.linalg.solve(dense + damping * torch.eye(len(dense), dtype=torch.float64), vector)
            assert apart(structure.solve(vector, damping), expected) < 1e-10


def test_an_output_factor_with_a_negative_trace_has_no_factored_damping():
    made = made_of(*setting(inputs=5), "hessian")
    structure = kfac(made, origin_of(made))
    negative = type(structure)(
        made.layout, structure.origin, tuple(-g for g in structure.output_factors), structure.input_factors
    )
    vector = torch.ones(made.layout.parameters, dtype=torch.float64)
    with pytest.raises(ValueError, match="`form` is 'factored', but the mean eigenvalue of an output factor is -"):
        negative.solve(vector, 1.0, form="factored")


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("estimator", ["exact", "hessian", "score"])
def test_parts_of_the_inputs_give_the_same(name, estimator):
    network, x = setting(inputs=7)
    whole, parts = made_of(network, x, estimator), made_of(network, x, estimator, size=2)
    found = BUILDERS[name](parts, origin_of(parts)).dense()
    assert apart(found, BUILDERS[name](whole, origin_of(whole)).dense()) < 1e-12


@pytest.mark.parametrize("name", BUILDERS)
def test_single_precision(name):
    made = made_of(*setting(), family=fc.Gaussian())
    narrow = made_of(*setting(dtype=torch.float32), family=fc.Gaussian())
    exact, structure = BUILDERS[name](made, origin_of(made)), BUILDERS[name](narrow, origin_of(narrow))
    vector = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damping = 1e-2 * float(exact.diagonal().mean())
    for found, expected in (
        (structure.dense(), exact.dense()),
        (structure.matvec(vector.float()), exact.matvec(vector)),
        (structure.solve(vector.float(), damping), exact.solve(vector, damping)),
        (structure.eigenvalues(), exact.eigenvalues()),
    ):
        assert found.dtype == torch.float32
        assert apart(found, expected) < 1e-4


@pytest.mark.parametrize("name", BUILDERS)
def test_progress_ends_at_one_and_never_goes_back(name):
    made = made_of(*setting(inputs=5), size=2)
    seen = []
    BUILDERS[name](made, origin_of(made), lambda fraction, message: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_refusals_say_what_to_do():
    made = made_of(*setting(inputs=2))
    vector = torch.ones(made.layout.parameters, dtype=torch.float64)
    for builder in BUILDERS.values():
        structure = builder(made, origin_of(made))
        for damping in (0.0, 1e-18 * float(structure.eigenvalues()[0])):
            with pytest.raises(ValueError, match="singular to rounding; give about") as refusal:
                structure.solve(vector, damping)
            advised = float(str(refusal.value).split("give about ")[1].split(" ")[0])
            assert bool(torch.isfinite(structure.solve(vector, advised)).all())
        with pytest.raises(ValueError, match="`damping` is -1"):
            structure.solve(vector, -1)
        with pytest.raises(ValueError, match=r"`vector` has shape \(3,\)"):
            structure.solve(vector[:3], 1.0)
        with pytest.raises(IndexError, match="`unit` is 9"):
            structure.block(2, 9)
    structure = kfac(made, origin_of(made))
    with pytest.raises(ValueError, match="`form` is 'pi'; choose one of exact, factored"):
        structure.solve(vector, 1.0, form="pi")
    with pytest.raises(ValueError, match="singular to rounding; give about"):
        structure.solve(vector, 0.0, form="factored")


def test_a_layer_that_moves_nothing():
    """Zero weights above a layer make its output factor zero: the damped inverse is 1 / damping there, in either form."""
    network, x = setting()
    weights = (*network.weights[:2], torch.zeros_like(network.weights[2]))
    made = factors(fc.Network(weights, network.biases, "tanh"), x, fc.Gaussian())
    vector = torch.ones(made.layout.parameters, dtype=torch.float64)
    first = made.layout.layer_slice(1)
    for builder in BUILDERS.values():
        assert apart(builder(made, origin_of(made)).solve(vector, 0.25)[first], 4 * vector[first]) < 1e-14
    with pytest.raises(ValueError, match="singular to rounding"):
        kfac(made, origin_of(made)).solve(vector, 0.0)
    g_zero = kfac(made, origin_of(made)).solve(vector, 0.25, form="factored")[first].reshape(6, 5)
    a = kfac(made, origin_of(made)).input_factors[0]
    expected = torch.linalg.solve(a + 0.5 * torch.eye(5, dtype=torch.float64), torch.ones(5, 6, dtype=torch.float64)).T
    assert apart(g_zero, expected / 0.5) < 1e-13

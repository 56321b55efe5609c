"""The quasi-diagonal metric: what it keeps, its exact inverse, and the change of inputs under which its step does not move."""

from __future__ import annotations

import pytest
import torch
from brute_force import jacobians

import fimcore as fc
from fimcore.fisher.diagonal_only import diagonal_only
from fimcore.fisher.factors import factors
from fimcore.fisher.parts import factor_parts
from fimcore.fisher.quasi_diagonal import QuasiDiagonal, quasi_diagonal
from fimcore.fisher.structures import Origin

WIDTHS = (4, 6, 5, 3)


def setting(inputs=60, activation="tanh", dtype=torch.float64):
    network = fc.sample_network(fc.Architecture(WIDTHS, activation, 1.5, 0.3), seed=1, dtype=torch.float32)
    network = fc.Network(
        tuple(w.to(dtype) for w in network.weights), tuple(b.to(dtype) for b in network.biases), activation
    )
    return network, fc.inputs.gaussian(inputs, WIDTHS[0], seed=2, dtype=torch.float32).to(dtype)


def origin_of(made):
    return Origin(made.estimator, "", made.samples)


def apart(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def completed(fisher, layout, complete=True):
    """Kept entries of every unit block, and F_0k F_0j / F_00 between two weights (or zero: the arrowhead matrix)."""
    blocks = []
    for layer in range(1, layout.layers + 1):
        for unit in range(1, layout.units[layer - 1] + 1):
            part = layout.unit_slice(layer, unit)
            whole = fisher[part, part]
            block = torch.outer(whole[-1], whole[-1]) / whole[-1, -1] if complete else torch.zeros_like(whole)
            block[-1] = block[:, -1] = whole[-1]
            block.diagonal().copy_(whole.diagonal())
            blocks.append(block)
    return torch.block_diag(*blocks)


@pytest.mark.parametrize("estimator", ["exact", "score", "hessian", "empirical"])
def test_it_is_the_completed_metric(estimator):
    network, x = setting()
    given = {"seed": 3} if estimator in ("score", "hessian") else {}
    labels = torch.arange(len(x)) % 3 if estimator == "empirical" else None
    made = factors(network, x, fc.Categorical(), estimator, labels=labels, **given)
    structure = quasi_diagonal(made, origin_of(made))
    fisher = made.fisher_product(torch.eye(made.layout.parameters, dtype=torch.float64)) / len(x)
    expected = completed(fisher, made.layout)
    assert apart(structure.dense(), expected) < 1e-12
    assert apart(structure.diagonal(), fisher.diagonal()) < 1e-13
    assert structure.trace() == pytest.approx(float(fisher.trace()), rel=1e-12)
    assert structure.frobenius_norm() == pytest.approx(float(expected.norm()), rel=1e-12)
    assert apart(structure.eigenvalues(), torch.linalg.eigvalsh(expected).flip(0)) < 1e-12
    vectors = torch.randn(len(expected), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert apart(structure.matvec(vectors), expected @ vectors) < 1e-12
    assert apart(structure.matvec(vectors[:, 0]), expected @ vectors[:, 0]) < 1e-12
    unit = made.layout.unit_slice(2, 4)
    assert apart(structure.block(2, 4), expected[unit, unit]) < 1e-12
    if estimator != "hessian":
        assert float(structure.eigenvalues()[-1]) > 0


@pytest.mark.parametrize("relative", [0.0, 1e-14, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_solutions_equal_a_dense_solve(relative, activation):
    network, x = setting(activation=activation)
    made = factors(network, x, fc.Categorical())
    structure = quasi_diagonal(made, origin_of(made))
    damping = relative * float(structure.diagonal().mean())
    vectors = torch.randn(made.layout.parameters, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damped = structure.dense() + damping * torch.eye(made.layout.parameters, dtype=torch.float64)
    found = structure.solve(vectors, damping)
    assert apart(found, torch.linalg.solve(damped, vectors)) < 1e-11
    assert apart(structure.solve(vectors[:, :1], damping)[:, 0], found[:, 0]) < 1e-13
    assert apart(structure.solve(vectors[:, 1], damping), found[:, 1]) < 1e-13


def test_without_damping_it_is_olliviers_step():
    network, x = setting()
    made = factors(network, x, fc.Categorical())
    jacobian = made.jacobian()
    fisher = jacobian.T @ jacobian / len(x)
    gradient = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = quasi_diagonal(made, origin_of(made)).solve(gradient, 0.0)
    for layer, unit in ((1, 1), (2, 5), (3, 2)):
        part = made.layout.unit_slice(layer, unit)
        block, g, step = fisher[part, part], gradient[part], found[part]
        for k in range(len(g) - 1):
            ratio = block[-1, k] / block[-1, -1]
            weight = (g[k] - g[-1] * ratio) / (block[k, k] - block[-1, k] ** 2 / block[-1, -1])
            assert float(step[k]) == pytest.approx(float(weight), rel=1e-11)
        bias = g[-1] / block[-1, -1] - (block[-1, :-1] / block[-1, -1]) @ step[:-1]
        assert float(step[-1]) == pytest.approx(float(bias), rel=1e-10)


def test_it_is_not_the_inverse_of_the_arrowhead_matrix():
    network, x = setting(activation="softplus")
    made = factors(network, x, fc.Categorical())
    jacobian = made.jacobian()
    arrow = completed(jacobian.T @ jacobian / len(x), made.layout, complete=False)
    gradient = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = quasi_diagonal(made, origin_of(made)).solve(gradient, 0.0)
    assert apart(found, torch.linalg.solve(arrow, gradient)) > 0.5
    # and the arrowhead matrix is not even a metric
    assert float(torch.linalg.eigvalsh(arrow)[0]) < 0


def reparametrised(network, x, seed):
    """The same function of x -> alpha x + beta, and the matrix that takes its parameters' steps back to the network's own.

    Every input a_j of the first layer becomes alpha_j a_j + beta_j, w_j becomes w_j / alpha_j and the bias loses the sum of
    w_j beta_j / alpha_j.
    """
    generator = torch.Generator().manual_seed(seed)
    alpha = 0.5 + 2 * torch.rand(x.shape[1], generator=generator, dtype=torch.float64)
    beta = 2 * torch.randn(x.shape[1], generator=generator, dtype=torch.float64)
    weight = network.weights[0] / alpha
    bias = network.biases[0] - weight @ beta
    changed = fc.Network((weight, *network.weights[1:]), (bias, *network.biases[1:]), network.activation)
    # theta = T theta' of one unit: w_j = alpha_j w'_j, w_0 = w'_0 + sum_j beta_j w'_j
    back = torch.diag(torch.cat([alpha, torch.ones(1, dtype=torch.float64)]))
    back[-1, :-1] = beta
    return changed, alpha * x + beta, back


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_its_step_does_not_move_when_inputs_are_scaled_and_shifted(seed):
    network, x = setting()
    changed, moved, back = reparametrised(network, x, seed)
    assert apart(changed(moved), network(x)) < 1e-14
    loss = torch.randn(len(x), 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    first = fc.ParameterLayout(WIDTHS).layer_slice(1)
    errors = {}
    for builder in (quasi_diagonal, diagonal_only):
        steps = []
        for net, points in ((network, x), (changed, moved)):
            made = factors(net, points, fc.Gaussian())
            gradient = torch.einsum("nc,ncp->p", loss, jacobians(net, points)) / len(x)
            steps.append(builder(made, origin_of(made)).solve(gradient, 0.0)[first].reshape(WIDTHS[1], -1))
        errors[builder] = apart(steps[1] @ back.T, steps[0])
    assert errors[quasi_diagonal] < 5e-14
    assert errors[diagonal_only] > 0.1


def test_parts_of_the_inputs_give_the_same():
    network, x = setting(inputs=7)
    whole = factors(network, x, fc.Categorical())
    parts = factor_parts(network, x, fc.Categorical(), size=2)
    assert (
        apart(quasi_diagonal(parts, origin_of(parts)).dense(), quasi_diagonal(whole, origin_of(whole)).dense()) < 1e-13
    )


def test_an_indefinite_estimate_is_not_made_positive():
    network, x = setting(inputs=5)
    made = factors(network, x, fc.Categorical(), "hessian", seed=3)
    structure = quasi_diagonal(made, origin_of(made))
    dense, eigenvalues = structure.dense(), structure.eigenvalues()
    assert float(eigenvalues[-1]) < 0
    vector = torch.ones(len(dense), dtype=torch.float64)
    negative = eigenvalues[eigenvalues < 0]
    for damping in (-2 * float(negative[-1]), -0.5 * float(negative[-1] + negative[-2])):
        expected = torch.linalg.solve(dense + damping * torch.eye(len(dense), dtype=torch.float64), vector)
        assert apart(structure.solve(vector, damping), expected) < 1e-10


def test_single_precision():
    exact, narrow = (factors(*setting(dtype=dtype), fc.Categorical()) for dtype in (torch.float64, torch.float32))
    wide, structure = quasi_diagonal(exact, origin_of(exact)), quasi_diagonal(narrow, origin_of(narrow))
    vector = torch.randn(exact.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damping = 1e-3 * float(wide.diagonal().mean())
    for found, expected in (
        (structure.dense(), wide.dense()),
        (structure.matvec(vector.float()), wide.matvec(vector)),
        (structure.solve(vector.float(), damping), wide.solve(vector, damping)),
        (structure.solve(vector.float(), 0.0), wide.solve(vector, 0.0)),
        (structure.eigenvalues(), wide.eigenvalues()),
    ):
        assert found.dtype == torch.float32
        assert apart(found, expected) < 1e-4


def test_dead_units_and_constant_inputs():
    """A dead unit has a zero block; of an input that never changes, weight and bias cannot be told apart."""
    network, x = setting(activation="relu")
    network.biases[0][2] = -100.0
    x[:, 1] = 0.7
    made = factors(network, x, fc.Categorical())
    structure = quasi_diagonal(made, origin_of(made))
    dead = made.layout.unit_slice(1, 3)
    assert not bool(structure.block(1, 3).any())
    vector = torch.randn(made.layout.parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = float(structure.diagonal().mean())
    for damping in (1e-8 * scale, scale):
        damped = structure.dense() + damping * torch.eye(len(vector), dtype=torch.float64)
        found = structure.solve(vector, damping)
        assert apart(found, torch.linalg.solve(damped, vector)) < 1e-7
        assert apart(found[dead], vector[dead] / damping) < 1e-14
    with pytest.raises(ValueError, match="singular to rounding; give about") as refusal:
        structure.solve(vector, 0.0)
    advised = float(str(refusal.value).split("give about ")[1].split(" ")[0])
    assert bool(torch.isfinite(structure.solve(vector, advised)).all())


def test_refusals_say_what_to_do():
    made = factors(*setting(inputs=1), fc.Categorical())
    structure = quasi_diagonal(made, origin_of(made))
    vector = torch.ones(made.layout.parameters, dtype=torch.float64)
    with pytest.raises(ValueError, match="singular to rounding"):
        structure.solve(vector, 0.0)
    with pytest.raises(ValueError, match="`damping` is -1"):
        structure.solve(vector, -1)
    with pytest.raises(ValueError, match=r"`vector` has shape \(3,\)"):
        structure.matvec(vector[:3])
    with pytest.raises(IndexError, match="`layer` is 4"):
        structure.block(4)
    # M = ((0, 1), (1, 1)) plus its own negative eigenvalue
    layout = fc.ParameterLayout((1, 1))
    indefinite = QuasiDiagonal(
        layout,
        Origin("hessian", "", 1),
        (torch.tensor([[0.0, 1.0]], dtype=torch.float64),),
        (torch.tensor([[1.0, 1.0]], dtype=torch.float64),),
    )
    with pytest.raises(ValueError, match="singular to rounding"):
        indefinite.solve(vector[:2], (5**0.5 - 1) / 2)

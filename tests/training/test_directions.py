"""Gradients and natural-gradient directions against autograd and against matrices formed by brute force."""

import brute_force
import pytest
import torch

from fimcore.fisher import factors
from fimcore.likelihoods import Categorical, Gaussian
from fimcore.training import exact_direction, largest_stable_rate, mean_gradient, mean_loss, root_coordinates
from fimcore.training.directions import gradient_of, unit_direction

FAMILIES = ("gaussian", "categorical")


def autograd_gradient(network, x, labels, likelihood):
    vector = brute_force.parameter_vector(network).requires_grad_()
    outputs = torch.stack([brute_force.outputs_of(vector, network.widths, network.activation, point) for point in x])
    if isinstance(likelihood, Gaussian):
        loss = (outputs - labels).square().sum() / (2 * len(x) * likelihood.variance)
    else:
        loss = torch.nn.functional.cross_entropy(outputs, labels)
    (gradient,) = torch.autograd.grad(loss, vector)
    return float(loss.detach()), gradient


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf", "gelu", "linear"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_both_gradients_equal_autograd(problem, family, activation):
    network, x, labels, likelihood = problem(family, activation=activation)
    loss, gradient = autograd_gradient(network, x, labels, likelihood)
    assert mean_loss(likelihood, network(x), labels) == pytest.approx(loss, rel=1e-12)
    assert torch.allclose(mean_gradient(network, x, labels, likelihood), gradient, rtol=1e-11, atol=1e-14)
    made = factors(network, x, likelihood)
    shared = gradient_of(made, root_coordinates(likelihood, network(x), labels))
    assert torch.allclose(shared, gradient, rtol=1e-11, atol=1e-14)


class OwnFamily:
    """A family that training does not know by name: only the methods of `Likelihood`."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize("family", FAMILIES)
def test_root_coordinates_of_an_unknown_family(problem, family):
    network, x, labels, likelihood = problem(family)
    outputs = network(x)
    coordinates = root_coordinates(OwnFamily(likelihood), outputs, labels)
    pulled = torch.einsum("nrc,nr->nc", likelihood.output_fisher_root(outputs), coordinates)
    assert torch.allclose(pulled, likelihood.score(outputs, labels), atol=1e-10)


def test_root_coordinates_survive_very_wrong_predictions():
    outputs = torch.tensor([[60.0, 0.0, -40.0]], dtype=torch.float64)
    labels = torch.tensor([2])
    coordinates = root_coordinates(Categorical(), outputs, labels)
    pulled = torch.einsum("nrc,nr->nc", Categorical().output_fisher_root(outputs), coordinates)
    assert torch.allclose(pulled, Categorical().score(outputs, labels), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("damping", [1e-6, 1e-2, 3.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_dual_equals_primal(problem, family, damping):
    network, x, labels, likelihood = problem(family)
    made = factors(network, x, likelihood)
    coordinates = root_coordinates(likelihood, network(x), labels)
    primal = exact_direction(made, coordinates, damping, "primal")
    dual = exact_direction(made, coordinates, damping, "dual")
    # The primal side loses digits like 1 / damping; where both are well conditioned they agree to 1e-9 and better.
    assert float((primal - dual).norm() / dual.norm()) < (1e-9 if damping >= 1e-2 else 1e-6)
    assert torch.equal(exact_direction(made, coordinates, damping), dual)


@pytest.mark.parametrize("samples", [5, 80])
@pytest.mark.parametrize("family", FAMILIES)
def test_both_directions_equal_brute_force(problem, family, samples):
    network, x, labels, likelihood = problem(family, width=4, samples=samples, outputs=2)
    variance = getattr(likelihood, "variance", 1.0)
    matrix = brute_force.exact_fisher(network, x, family, variance)
    _, gradient = autograd_gradient(network, x, labels, likelihood)
    made = factors(network, x, likelihood)
    coordinates = root_coordinates(likelihood, network(x), labels)
    damped = 1e-2 * torch.eye(len(matrix), dtype=torch.float64)
    exact = torch.linalg.solve(matrix + damped, gradient)
    assert torch.allclose(exact_direction(made, coordinates, 1e-2), exact, rtol=1e-8, atol=1e-10)
    blocks = torch.zeros_like(matrix)
    for layer, units in enumerate(network.layout.units, start=1):
        for unit in range(1, units + 1):
            part = network.layout.unit_slice(layer, unit)
            blocks[part, part] = matrix[part, part]
    by_units = torch.linalg.solve(blocks + damped, gradient)
    assert torch.allclose(unit_direction(made, coordinates, 1e-2), by_units, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["sgd", "ngd_exact", "ngd_unit"])
def test_largest_stable_rate_equals_brute_force(problem, optimizer):
    network, x, _, likelihood = problem("gaussian", width=5, samples=30)
    made, damping = factors(network, x, likelihood), 0.05
    matrix = brute_force.exact_fisher(network, x, "gaussian", likelihood.variance)
    eye = torch.eye(len(matrix), dtype=torch.float64)
    if optimizer == "sgd":
        metric = eye
    elif optimizer == "ngd_exact":
        metric = matrix + damping * eye
    else:
        mask = torch.zeros_like(matrix)
        for layer, units in enumerate(network.layout.units, start=1):
            for unit in range(1, units + 1):
                part = network.layout.unit_slice(layer, unit)
                mask[part, part] = 1
        metric = matrix * mask + damping * eye
    largest = float(torch.linalg.eigvals(torch.linalg.solve(metric, matrix)).real.max())
    assert largest_stable_rate(made, optimizer, damping) == pytest.approx(2 / largest, rel=1e-3)


def test_no_limit_where_the_fisher_matrix_is_zero(problem):
    network, x, _, likelihood = problem("gaussian", activation="relu")
    dead = network.with_parameters(torch.zeros(network.layout.parameters, dtype=torch.float64))
    made = factors(dead, 0 * x, likelihood)
    # The read-out biases still move the outputs: the largest eigenvalue is 1 / variance.
    assert largest_stable_rate(made, "sgd") == pytest.approx(2 * likelihood.variance)
    with pytest.raises(ValueError, match=r"`optimizer` is 'adam'"):
        largest_stable_rate(made, "adam")

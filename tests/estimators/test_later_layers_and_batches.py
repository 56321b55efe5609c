"""Which later layer causes the Hessian estimator's variance, and estimators that see a batch at once, both by enumeration."""

import itertools

import pytest
import torch
from label_enumeration import FAMILIES, label_law, log_density, moments, outputs_of, parameter_vector, small_case

import fimcore as fc

# ----------------------------------------------------------------------------------------------------------- later layers


@pytest.mark.parametrize("family", FAMILIES)
def test_shares_of_later_layers_add_up(family):
    est = fc.diagonal_variances(*small_case(family, widths=(3, 4, 3, 3, 2)))
    later = est.later_layers
    for layer, (share, unit) in enumerate(zip(later.share, est.by_unit(est.var_hessian), strict=True), start=1):
        torch.testing.assert_close(share.sum(dim=0), unit, rtol=1e-9, atol=1e-12)
        assert bool((share[: layer - 1] == 0).all())
    torch.testing.assert_close(later.layer_share.sum(dim=1), est.by_layer(est.var_hessian), rtol=1e-9, atol=1e-12)
    assert bool((later.layer_share[:, -1] != 0).all()) == (family in ("gaussian with variance", "waiting time"))


@pytest.mark.parametrize("bent", [1, 2, 3])
def test_one_layer_bent_alone(bent):
    network, x, family = small_case("categorical", widths=(2, 3, 3, 2, 3), samples=3)
    est = fc.diagonal_variances(network, x, family)
    vector, total = parameter_vector(network), 0

    for point in x:

        def outputs(v, point=point):
            return outputs_of(v, network.widths, network.activation, point)

        def value(v, y, point=point):
            return log_density(family, _one_bent(v, vector, network, point, bent), y)

        p = torch.softmax(outputs(vector), 0)
        seconds = torch.stack([-torch.func.hessian(value)(vector, y).diagonal() for y in range(3)])
        total = total + p @ (seconds - p @ seconds).square() / len(x)
    for layer, unit in enumerate(est.by_unit(total)):
        torch.testing.assert_close(est.later_layers.alone[layer][bent - 1], unit, rtol=1e-9, atol=1e-13)


def _one_bent(v, base, network, point, bent):
    """The outputs with every hidden layer but one replaced by its tangent at the base parameters."""
    values, still, at = point, point, 0
    for layer, weight in enumerate(network.weights, start=1):
        units, size = weight.shape[0], weight.shape[1] + 1
        grid, fixed = (w[at : at + units * size].reshape(units, size) for w in (v, base))
        at += units * size
        values, still = grid[:, :-1] @ values + grid[:, -1], fixed[:, :-1] @ still + fixed[:, -1]
        if layer < len(network.weights):
            tangent = torch.tanh(still) + (1 - torch.tanh(still) ** 2) * (values - still)
            values, still = torch.tanh(values) if layer == bent else tangent, torch.tanh(still)
    return values


# --------------------------------------------------------------------------------------------------------- batches at once


@pytest.mark.parametrize("family", ["categorical", "bernoulli", "gaussian"])
def test_batch_estimators_by_every_label_of_the_batch(family):
    network, x, likelihood = small_case(family, widths=(2, 2, 2), samples=2)
    batch = fc.diagonal_variances(network, x, likelihood).batch
    _, score, hessian, _ = moments(network, x, likelihood)
    torch.testing.assert_close(batch.score, score.mean(0) / 2, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(batch.hessian, hessian.mean(0) / 2, rtol=1e-9, atol=1e-12)
    vector = parameter_vector(network)
    scores, weights = [], []
    for point in x:
        labels, weight = label_law(likelihood, outputs_of(vector, network.widths, "tanh", point))
        weights.append(weight)

        def value(v, y, point=point):
            return log_density(likelihood, outputs_of(v, network.widths, "tanh", point), y)

        scores.append(torch.func.vmap(torch.func.grad(value), (None, 0))(vector, labels))
    pairs = (scores[0][:, None] + scores[1][None, :]).square().flatten(0, 1) / 2
    weight = (weights[0][:, None] * weights[1][None, :]).flatten()
    torch.testing.assert_close(weight @ pairs, batch.fisher, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(weight @ (pairs - weight @ pairs).square(), batch.batch_score, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("family", FAMILIES)
def test_probes_by_every_sign(family):
    network, x, likelihood = small_case(family, widths=(2, 2, 2), samples=2)
    batch = fc.diagonal_variances(network, x, likelihood).batch
    vector = parameter_vector(network)
    rows = []
    for point in x:
        jacobian = torch.func.jacrev(lambda v, point=point: outputs_of(v, network.widths, "tanh", point))(vector)
        rows.append(likelihood.output_fisher_root(network(point[None]))[0] @ jacobian)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4))).double()
    each = [signs[:, :2] @ rows[0], signs[:, 2:] @ rows[1]]
    probe, whole = (each[0].square() + each[1].square()) / 2, (each[0] + each[1]).square() / 2
    for values, found in ((probe, batch.probe), (whole, batch.batch_probe)):
        torch.testing.assert_close(values.mean(0), batch.fisher, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(values.var(0, correction=0), found, rtol=1e-9, atol=1e-12)


def test_batch_forms_do_not_improve_with_the_batch():
    network, x, family = small_case("categorical", samples=200)
    est = fc.diagonal_variances(network, x, family)
    relative = (est.batch.batch_score / est.fisher.square()).sqrt()
    assert bool((relative > 1.3).all())
    assert float((relative - 2**0.5).abs().max()) < 0.2
    assert bool((est.batch.score <= est.batch.batch_score).all())

"""One contract for every structure, estimator and output family: equal to brute force, including scale.

Brute force is autograd on a plain function, with labels enumerated, integrated, or drawn again from the same seed.
"""

from __future__ import annotations

from functools import cache

import brute_force
import pytest
import torch
from brute_force import exact_fisher, jacobians, minus_hessians
from reference_structures import reference

import fimcore as fc
from fimcore.fisher import ESTIMATORS, STRUCTURES, entry

INPUTS, TARGETS, SEED = 5, (1, 3), 11
FAMILIES = {
    "gaussian": fc.Gaussian(variance=2.5),
    "gaussian_with_variance": fc.GaussianWithVariance(),
    "categorical": fc.Categorical(),
    "bernoulli": fc.Bernoulli(),
    "poisson": fc.Poisson(),
}
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-4}
SAMPLED = ("score", "hessian", "probe")
# One label per input with one target, two with three.
DRAWS = {1: 1, 3: 2}


@cache
def setting(family, targets, dtype=torch.float64, activation="tanh"):
    """Network, inputs and the data's labels, the same numbers in either dtype."""
    outputs = 2 * targets if family == "gaussian_with_variance" else targets
    architecture = fc.Architecture((3, 4, 3, outputs), activation, weight_variance=1.2, bias_variance=0.2)
    # made in float32 and widened, so that both dtypes have the same parameters, inputs and labels
    network = fc.sample_network(architecture, seed=3, dtype=torch.float32)
    network = fc.Network([w.to(dtype) for w in network.weights], [b.to(dtype) for b in network.biases], activation)
    x = fc.inputs.gaussian(INPUTS, 3, seed=4, dtype=torch.float32)
    generator = torch.Generator().manual_seed(5)
    labels = {
        "gaussian": torch.randn(INPUTS, targets, generator=generator),
        "gaussian_with_variance": torch.randn(INPUTS, targets, generator=generator),
        "categorical": torch.randint(0, max(targets, 2), (INPUTS,), generator=generator),
        "bernoulli": torch.randint(0, 2, (INPUTS, targets), generator=generator).float(),
        "poisson": torch.randint(0, 5, (INPUTS, targets), generator=generator).float(),
    }[family]
    return network, x.to(dtype), labels.to(dtype) if labels.is_floating_point() else labels


def options(estimator, family, targets, dtype=torch.float64):
    """What `fisher` takes besides structure and likelihood."""
    drawn = {"seed": SEED, "draws": DRAWS[targets]} if estimator in SAMPLED else {}
    labels = {"labels": setting(family, targets, dtype)[2]} if estimator == "empirical" else {}
    return {"estimator": estimator, **drawn, **labels}


@cache
def matrices(estimator, family, targets):
    network, x, _ = setting(family, targets)
    return brute_force.per_input(network, x, FAMILIES[family], **options(estimator, family, targets))


@cache
def expected_matrix(structure, estimator, family, targets, isotropic=False):
    """The reference, its eigenvalues descending, and the dampings at which a solution is compared."""
    network, x, _ = setting(family, targets)
    inputs = brute_force.layer_inputs(network, x)
    matrix = reference(structure, matrices(estimator, family, targets), inputs, network, isotropic=isotropic)
    eigenvalues = torch.linalg.eigvalsh(matrix).flip(0)
    lowest, scale = float(eigenvalues[-1]), float(eigenvalues.abs().max())
    dampings = [0.1 * scale]
    if lowest < -1e-8 * scale:
        dampings[0] += -1.5 * lowest
        # indefinite, yet as far from singular as a damping in the negative part of the spectrum can make it
        candidates = torch.linspace(0.02, 0.98, 97, dtype=torch.float64) * -lowest
        distance = (eigenvalues[:, None] + candidates).abs().amin(dim=0)
        best = int(distance.argmax())
        if float(distance[best]) > 0.01 * scale:
            dampings.append(float(candidates[best]))
    return matrix, eigenvalues, dampings


def relative(measured, expected):
    return float((measured.double() - expected).norm() / expected.norm().clamp(min=1e-300))


CASES = [
    (structure, estimator, family, dtype, targets)
    for structure in STRUCTURES
    for estimator in ESTIMATORS
    for family in FAMILIES
    for dtype in TOLERANCE
    for targets in TARGETS
    if (family, targets) != ("categorical", 1)
]


def case_name(case):
    return str(case).removeprefix("torch.")


@pytest.mark.parametrize(("structure", "estimator", "family", "dtype", "targets"), CASES, ids=case_name)
def test_structure_equals_brute_force(structure, estimator, family, dtype, targets):
    network, x, _ = setting(family, targets, dtype)
    made = fc.fisher(network, x, FAMILIES[family], structure, **options(estimator, family, targets, dtype))
    check(made, expected_matrix(structure, estimator, family, targets), network, dtype)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=case_name)
def test_isotropic_closed_form_equals_quadrature(estimator, dtype):
    network, x, _ = setting("categorical", 3, dtype)
    given = options(estimator, "categorical", 3, dtype)
    made = fc.fisher(network, x, fc.Categorical(), "unit_closed_form", isotropic=True, **given)
    check(made, expected_matrix("unit_closed_form", estimator, "categorical", 3, isotropic=True), network, dtype)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("family", ["gaussian", "categorical"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=case_name)
def test_a_low_rank_is_the_best_of_its_rank(estimator, family, dtype):
    """Eckart-Young: the eigenpairs of largest magnitude, here two and as many as it takes to meet a negative eigenvalue."""
    network, x, _ = setting(family, 3, dtype)
    values, vectors = torch.linalg.eigh(expected_matrix("dense", estimator, family, 3)[0])
    order = values.abs().argsort(descending=True)
    negative = (values[order] < -1e-3 * float(values[-1])).nonzero()
    assert bool(len(negative)) == (estimator == "hessian")
    for rank in {2, *(negative[:1] + 1).reshape(-1).tolist()}:
        kept = order[:rank]
        matrix = (vectors[:, kept] * values[kept]) @ vectors[:, kept].T
        dampings = [0.3 * float(values.abs().max()) + float((-1.5 * values[kept]).clamp(min=0).max())]
        made = fc.fisher(network, x, FAMILIES[family], "low_rank", rank=rank, **options(estimator, family, 3, dtype))
        assert made.rank == rank
        check(made, (matrix, torch.linalg.eigvalsh(matrix).flip(0), dampings), network, dtype)


def check(made, expected_values, network, dtype):
    """Everything a structure offers, against its dense reference."""
    expected, eigenvalues, dampings = expected_values
    # eigenvectors of float32 factors turn by rounding over the gap between two eigenvalues
    tolerance = TOLERANCE[dtype] * (10 if type(made).__name__ == "EKFAC" else 1)
    scale, parameters = float(eigenvalues.abs().max()), network.layout.parameters

    assert made.shape == (parameters, parameters)
    results = [made.dense(), made.diagonal(), made.eigenvalues()]
    assert relative(results[0], expected) < tolerance
    assert torch.equal(results[0], results[0].T) or relative(results[0].T, expected) < tolerance
    assert relative(results[1], expected.diagonal()) < tolerance
    assert float((results[2].double() - eigenvalues).abs().max()) < tolerance * scale
    assert abs(made.trace() - float(expected.trace())) < tolerance * float(eigenvalues.abs().sum())
    assert made.frobenius_norm() == pytest.approx(float(expected.norm()), rel=tolerance)

    generator = torch.Generator().manual_seed(0)
    identity = torch.eye(parameters, dtype=torch.float64)
    for shape in ((parameters,), (parameters, 2)):
        vector = torch.randn(shape, generator=generator, dtype=torch.float64)
        given = vector.to(dtype)
        results.append(made.matvec(given))
        assert results[-1].shape == shape
        assert relative(results[-1], expected @ vector) < tolerance
        for damping in dampings:
            results.append(made.solve(given, damping=damping))
            assert results[-1].shape == shape
            solution = torch.linalg.solve(expected + damping * identity, vector)
            condition = float((eigenvalues + damping).abs().max() / (eigenvalues + damping).abs().min())
            assert relative(results[-1], solution) < tolerance * max(1, condition / 10)
        assert torch.equal(given, vector.to(dtype)), "an argument was written to"
    at = 0
    for layer, (fan_in, units) in enumerate(zip(network.widths[:-1], network.widths[1:], strict=True), start=1):
        size = fan_in + 1
        results.append(made.block(layer))
        part = slice(at, at + units * size)
        floor = tolerance * float(expected.norm())
        assert results[-1].shape == expected[part, part].shape
        assert float((results[-1].double() - expected[part, part]).norm()) < floor
        for unit in (1, units):
            results.append(made.block(layer, unit=unit))
            part = slice(at + (unit - 1) * size, at + unit * size)
            assert results[-1].shape == (size, size)
            assert float((results[-1].double() - expected[part, part]).norm()) < floor
        at += units * size
    assert {result.dtype for result in results} == {made.dtype} == {dtype}
    formula = {"hessian": "E_x E_y|x [-grad^2 log p]", "empirical": "E_x [score score^T] at the data"}
    assert formula.get(made.origin.estimator, "E_x E_y|x [score score^T]") in repr(made)
    assert made.origin.estimator in repr(made)


@pytest.mark.parametrize("activation", fc.ACTIVATION_NAMES)
def test_every_activation_equals_brute_force(activation):
    network, x, _ = setting("categorical", 3, activation=activation)
    expected = exact_fisher(network, x, "categorical")
    assert relative(fc.fisher(network, x, fc.Categorical()).dense(), expected) < 1e-11


@pytest.mark.parametrize("activation", fc.ACTIVATION_NAMES)
def test_hessian_of_every_activation_is_autograds_second_derivative(activation):
    network, x, _ = setting("poisson", 3, activation=activation)
    labels = fc.Poisson().sample(brute_force.plain_outputs(network, x), torch.Generator().manual_seed(SEED))
    expected = minus_hessians(network, x, fc.Poisson(), labels).mean(dim=0)
    made = fc.fisher(network, x, fc.Poisson(), estimator="hessian", seed=SEED)
    assert relative(made.dense(), expected) < 1e-11


@pytest.mark.parametrize("widths", [(3, 2), (1, 1, 1), (2, 1, 3, 1, 2), (2, 3, 2, 4, 2)])
@pytest.mark.parametrize("estimator", ["exact", "hessian"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_depth_equals_brute_force(structure, estimator, widths):
    """One layer, one unit a layer, and four layers, of which the first and the last two are no neighbours."""
    network = fc.sample_network(fc.Architecture(widths, "gelu", 1.5, 0.3), seed=1)
    x = fc.inputs.gaussian(7, widths[0], seed=2)
    given = {"seed": 3} if estimator == "hessian" else {}
    single = brute_force.per_input(network, x, fc.Gaussian(), estimator, **given)
    expected = reference(structure, single, brute_force.layer_inputs(network, x), network)
    made = fc.fisher(network, x, fc.Gaussian(), structure, estimator, **given)
    assert relative(made.dense(), expected) < 1e-10
    vector = torch.randn(len(expected), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    damping = 0.5 + 1.5 * float(torch.linalg.eigvalsh(expected)[0].clamp(max=0).abs())
    damped = expected + damping * torch.eye(len(expected), dtype=torch.float64)
    assert relative(made.solve(vector, damping=damping), torch.linalg.solve(damped, vector)) < 1e-9


def test_single_entry_equals_the_matrix():
    network, x, _ = setting("categorical", 3)
    made = fc.factors(network, x, fc.Categorical())
    matrix = exact_fisher(network, x, "categorical")
    for row, column in [(0, 0), (3, 17), (19, 30), (33, 42), (42, 3)]:
        assert entry(made, row, column) == pytest.approx(float(matrix[row, column]), rel=1e-11, abs=1e-16)


def test_products_with_the_factored_jacobian():
    network, x, _ = setting("categorical", 3)
    made = fc.factors(network, x, fc.Gaussian())
    jacobian = jacobians(network, x).reshape(-1, network.layout.parameters)
    assert relative(made.jacobian(), jacobian) < 1e-12
    vectors = torch.randn(network.layout.parameters, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert relative(made.jacobian_product(vectors), jacobian @ vectors) < 1e-12
    assert relative(made.jacobian_product(vectors[:, 0]), jacobian @ vectors[:, 0]) < 1e-12
    rows = torch.randn(jacobian.shape[0], 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert relative(made.transpose_product(rows), jacobian.T @ rows) < 1e-12


def test_wrong_arguments_are_named():
    network, x, _ = setting("categorical", 3)
    with pytest.raises(ValueError, match="`structure` is 'sparse'; choose one of dense"):
        fc.fisher(network, x, structure="sparse")
    with pytest.raises(ValueError, match="`estimator` is 'mc'"):
        fc.fisher(network, x, estimator="mc")
    with pytest.raises(ValueError, match="`seed` is None"):
        fc.fisher(network, x, estimator="score")
    with pytest.raises(ValueError, match="`labels` is None"):
        fc.fisher(network, x, estimator="empirical")
    with pytest.raises(ValueError, match="`damping` is -1"):
        fc.fisher(network, x).solve(torch.zeros(network.layout.parameters, dtype=torch.float64), damping=-1)
    with pytest.raises(ValueError, match=r"`vector` has shape \(3,\)"):
        fc.fisher(network, x).matvec(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="singular to rounding"):
        fc.fisher(network, x).solve(torch.ones(network.layout.parameters, dtype=torch.float64), damping=0.0)
    with pytest.raises(
        fc.BudgetError, match=r"dense Fisher matrix of 43 parameters would need 14.8 kB; `budget` allows 100 bytes"
    ):
        fc.fisher(network, x, budget=fc.Budget(memory_bytes=100))


def test_progress_cancels():
    class StoppedError(Exception):
        pass

    def stop(fraction, message):
        raise StoppedError

    network, x, _ = setting("categorical", 3)
    for run in (fc.fisher, fc.block_norms, fc.spectrum):
        with pytest.raises(StoppedError):
            run(network, x, progress=stop)


def test_blocks_of_stored_layers_never_build_the_whole_matrix(monkeypatch):
    network, x, _ = setting("categorical", 3)
    made, dense = fc.fisher(network, x, structure="layer_blocks"), fc.fisher(network, x)
    expected = [(layer, unit, dense.block(layer, unit)) for layer in (1, 2, 3) for unit in (None, 1, 3)]

    def refuse(self):
        raise AssertionError("built the whole matrix")

    monkeypatch.setattr(type(made), "dense", refuse)
    for layer, unit, block in expected:
        torch.testing.assert_close(made.block(layer, unit), block, rtol=1e-12, atol=1e-14)
    for layer, unit in ((0, None), (4, None), (1, 0), (1, 6)):
        with pytest.raises(IndexError, match=r"layer|unit"):
            made.block(layer, unit)

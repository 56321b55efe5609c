"""Every optimizer against an independent computation of its update: dense matrices, torch.optim, autograd, formulas by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from brute_force import jacobians

import fimcore as fc
from fimcore.fisher.dual import dual_matrix
from fimcore.training import OPTIMIZERS, layer_direction, mean_gradient, root_coordinates, search_learning_rate, train
from fimcore.training.empirical import CWNGD_MOMENTUM, MBF_EVERY
from fimcore.training.first_order import FADAM_BETAS, FADAM_EPSILON, SOPHIA_BETAS, SOPHIA_CLIP, SOPHIA_EVERY
from fimcore.training.tasks import committee_plateau, curve_fitting, digits_classification, teacher_student

STRUCTURES = {
    "ngd_exact": "dense",
    "ngd_layer": "layer_blocks",
    "ngd_tridiagonal": "block_tridiagonal",
    "ngd_unit": "unit_blocks",
    "ngd_quasi_diagonal": "quasi_diagonal",
    "ngd_diagonal": "diagonal",
    "kfac": "kfac",
    "ekfac": "ekfac",
}


def first_move(network, x, labels, likelihood, optimizer, rate=0.3, damping=0.05, **options):
    """theta_0 - theta_1 over the learning rate."""
    run = train(network, (x, labels), optimizer, rate, damping, 1, likelihood=likelihood, **options)
    before, after = (step.network.parameter_vector() for step in run)
    return (before - after) / rate


def score_rows(network, x, labels, likelihood):
    """d log p(y | f(x)) / d theta of every input, by autograd: (N, P)."""
    outputs = network(x).detach().requires_grad_()
    (score,) = torch.autograd.grad(likelihood.log_likelihood(outputs, labels).sum(), outputs)
    return torch.einsum("xc,xcp->xp", score, jacobians(network, x))


@pytest.mark.parametrize("family", ["gaussian", "categorical"])
@pytest.mark.parametrize("optimizer", STRUCTURES)
def test_a_natural_gradient_is_the_dense_solution(problem, optimizer, family):
    network, x, labels, likelihood = problem(family)
    gradient = mean_gradient(network, x, labels, likelihood)
    assert torch.allclose(gradient, -score_rows(network, x, labels, likelihood).mean(dim=0), atol=1e-13)
    structure = fc.fisher(network, x, likelihood, structure=STRUCTURES[optimizer])
    found = first_move(network, x, labels, likelihood, optimizer, form="exact")
    if optimizer == "ngd_quasi_diagonal":
        expected = structure.solve(gradient, 0.05)  # the inverse of the completed metric, tested with the structure
    else:
        matrix = structure.dense()
        expected = torch.linalg.solve(matrix + 0.05 * torch.eye(len(gradient), dtype=torch.float64), gradient)
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("isotropic", [True, False])
def test_the_closed_form_is_its_own_blocks_solved(problem, isotropic):
    network, x, labels, likelihood = problem("gaussian")
    gradient = mean_gradient(network, x, labels, likelihood)
    structure = fc.fisher(network, x, likelihood, structure="unit_closed_form", isotropic=isotropic)
    expected = torch.linalg.solve(structure.dense() + 0.05 * torch.eye(len(gradient), dtype=torch.float64), gradient)
    found = first_move(network, x, labels, likelihood, "ngd_closed_form", isotropic=isotropic)
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_the_closed_form_comes_to_the_unit_blocks_where_inputs_are_gaussian():
    """Layer 1 of a network with one hidden layer: exact but for the average over N inputs, so closer by 1/sqrt(N)."""
    network = fc.sample_network(fc.Architecture((6, 5, 1), "tanh", 1.5, 0.1), seed=1)
    errors = []
    for samples in (1_000, 64_000):
        x = fc.inputs.gaussian(samples, 6, seed=2)
        labels = torch.sin(x[:, :1])
        moves = [
            first_move(network, x, labels, fc.Gaussian(), name, damping=1e-6)
            for name in ("ngd_closed_form", "ngd_unit")
        ]
        layer = [move[network.layout.layer_slice(1)] for move in moves]
        errors.append(float((layer[0] - layer[1]).norm() / layer[1].norm()))
    assert errors[1] < 0.03
    assert errors[1] < errors[0] / 4


@pytest.mark.parametrize("samples", [3, 40])
def test_layer_blocks_by_either_side_are_the_dense_ones(problem, samples):
    network, x, labels, likelihood = problem("gaussian", samples=samples)
    made = fc.factors(network, x, likelihood)
    coordinates = root_coordinates(likelihood, network(x), labels)
    dense = fc.fisher(network, x, likelihood, structure="layer_blocks").dense()
    gradient = mean_gradient(network, x, labels, likelihood)
    expected = torch.linalg.solve(dense + 0.01 * torch.eye(len(gradient), dtype=torch.float64), gradient)
    assert torch.allclose(layer_direction(made, coordinates, 0.01), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("estimator", ["score", "hessian", "empirical", "probe"])
def test_the_diagonal_takes_any_estimator_and_draws_anew(problem, estimator):
    network, x, labels, likelihood = problem("categorical")
    run = list(
        train(network, (x, labels), "ngd_diagonal", 0.01, 0.5, 3, seed=4, likelihood=likelihood, estimator=estimator)
    )
    again = list(
        train(network, (x, labels), "ngd_diagonal", 0.01, 0.5, 3, seed=4, likelihood=likelihood, estimator=estimator)
    )
    assert [step.loss for step in run] == [step.loss for step in again]
    other = list(
        train(network, (x, labels), "ngd_diagonal", 0.01, 0.5, 3, seed=5, likelihood=likelihood, estimator=estimator)
    )
    assert (run[-1].loss == other[-1].loss) == (estimator == "empirical")


def test_kfac_takes_both_damping_forms(problem):
    network, x, labels, likelihood = problem("gaussian")
    gradient = mean_gradient(network, x, labels, likelihood)
    structure = fc.fisher(network, x, likelihood, structure="kfac")
    for form in ("exact", "factored"):
        found = first_move(network, x, labels, likelihood, "kfac", form=form)
        assert torch.allclose(found, structure.solve(gradient, 0.05, form), rtol=1e-10)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_gradient_descent_is_that_of_torch(problem, optimizer):
    network, x, labels, likelihood = problem("categorical")
    model = network.to_torch()
    theirs = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9 if optimizer == "momentum" else 0.0)
    for step in train(network, (x, labels), optimizer, 0.1, steps=6, likelihood=likelihood):
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        assert step.loss == pytest.approx(float(loss.detach()), rel=1e-10)
        theirs.zero_grad()
        loss.backward()
        theirs.step()


def test_fadam_has_its_two_identities(problem):
    """The first step is -(1 - b1) eta sign(g); its f is Adam's bias-corrected second moment."""
    network, x, labels, likelihood = problem("gaussian")
    gradient = mean_gradient(network, x, labels, likelihood)
    found = first_move(network, x, labels, likelihood, "fadam")
    assert torch.allclose(found, (1 - FADAM_BETAS[0]) * gradient / (gradient.abs() + FADAM_EPSILON), rtol=1e-9)
    assert torch.equal(found.sign(), gradient.sign())
    second, beta = torch.zeros_like(gradient), FADAM_BETAS[1]
    for step in train(network, (x, labels), "fadam", 0.01, steps=8, likelihood=likelihood):
        if step.number:
            assert torch.allclose(step.state[1], second / (1 - beta**step.number), rtol=1e-11)
        second = beta * second + (1 - beta) * mean_gradient(step.network, x, labels, likelihood).square()


def test_sophia_by_hand(problem):
    network, x, labels, likelihood = problem("categorical")
    run = list(train(network, (x, labels), "sophia", 0.1, steps=SOPHIA_EVERY + 1, seed=3, likelihood=likelihood))
    moment, (beta, gamma) = torch.zeros_like(network.parameter_vector()), SOPHIA_BETAS
    for before, after in pairwise(run):
        moment = beta * moment + (1 - beta) * mean_gradient(before.network, x, labels, likelihood)
        assert torch.allclose(after.state[1], moment, rtol=1e-10)
        if before.number % SOPHIA_EVERY:
            assert torch.equal(after.state[2], before.state[2])
        curvature = after.state[2]
        step = (moment / curvature.clamp(min=1e-12)).clamp(-SOPHIA_CLIP, SOPHIA_CLIP)
        moved = before.network.parameter_vector() - after.network.parameter_vector()
        assert torch.allclose(moved, 0.1 * step, rtol=1e-7, atol=1e-12)
    # B ghat^2 with labels of the model has the Fisher diagonal as its mean
    drawn = []
    for seed in range(400):
        first = list(train(network, (x, labels), "sophia", 0.1, steps=1, seed=seed, likelihood=likelihood))[1]
        drawn.append(first.state[2] / (1 - gamma))
    drawn = torch.stack(drawn)
    z = (drawn.mean(dim=0) - fc.fisher(network, x, likelihood).diagonal()) / (drawn.std(dim=0) / math.sqrt(400))
    assert float(z.square().mean()) < 1.8
    assert float(z.abs().max()) < 6


@pytest.mark.parametrize("family", ["gaussian", "categorical"])
def test_empirical_fisher_is_the_dense_solution(problem, family):
    network, x, labels, likelihood = problem(family)
    rows = score_rows(network, x, labels, likelihood)
    matrix = rows.T @ rows / len(x) + 0.05 * torch.eye(rows.shape[1], dtype=torch.float64)
    expected = torch.linalg.solve(matrix, -rows.mean(dim=0))
    assert torch.allclose(
        first_move(network, x, labels, likelihood, "empirical_fisher"), expected, rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("width", [6, 20])
def test_the_first_component_wise_step_is_that_of_its_blocks(problem, width):
    """Averages with bias correction are the first batch's own; blocks where incoming weights are few, else their diagonal."""
    network, x, labels, likelihood = problem("gaussian", width=width)
    rows = score_rows(network, x, labels, likelihood)
    matrix, gradient = rows.T @ rows / len(x), -rows.mean(dim=0)
    expected = torch.zeros_like(gradient)
    for layer, (units, size) in enumerate(zip(network.layout.units, network.layout.unit_sizes, strict=True), start=1):
        biases = []
        for unit in range(1, units + 1):
            own = network.layout.unit_slice(layer, unit)
            weights = slice(own.start, own.stop - 1)
            biases.append(own.stop - 1)
            block = matrix[weights, weights]
            block = block if size - 1 <= 16 else block.diagonal().diag()
            expected[weights] = torch.linalg.solve(
                block + 0.05 * torch.eye(size - 1, dtype=torch.float64), gradient[weights]
            )
        own = matrix[biases][:, biases] + 0.05 * torch.eye(units, dtype=torch.float64)
        expected[biases] = torch.linalg.solve(own, gradient[biases])
    assert torch.allclose(first_move(network, x, labels, likelihood, "cwngd"), expected, rtol=1e-8, atol=1e-10)
    run = list(train(network, (x, labels), "cwngd", 1e-9, 0.05, 2, likelihood=likelihood))
    # at a standstill the second direction is the first one again, with momentum on top
    second = (run[1].network.parameter_vector() - run[2].network.parameter_vector()) / 1e-9
    assert torch.allclose(second, (1 + CWNGD_MOMENTUM) * expected, rtol=1e-4, atol=1e-5)


def test_the_first_mini_block_step_is_that_of_its_blocks_and_inverses_are_kept(problem):
    network, x, labels, likelihood = problem("gaussian")
    rows = score_rows(network, x, labels, likelihood)
    matrix, gradient = rows.T @ rows / len(x), -rows.mean(dim=0)
    expected = torch.zeros_like(gradient)
    for layer, units in enumerate(network.layout.units, start=1):
        for unit in range(1, units + 1):
            own = network.layout.unit_slice(layer, unit)
            block = matrix[own, own] + 0.05 * torch.eye(own.stop - own.start, dtype=torch.float64)
            expected[own] = torch.linalg.solve(block, gradient[own])
    assert torch.allclose(first_move(network, x, labels, likelihood, "mbf"), expected, rtol=1e-8, atol=1e-10)
    run = list(train(network, (x, labels), "mbf", 0.01, 0.05, MBF_EVERY + 1, likelihood=likelihood))
    inverses = [step.state[-1] for step in run[1:]]
    assert all(torch.equal(inverses[0], later) for later in inverses[:MBF_EVERY])
    assert not torch.equal(inverses[0], inverses[MBF_EVERY])


def test_long_units_fall_into_mini_blocks():
    task = teacher_student(fc.Architecture((300, 4, 1), "tanh", 1.5, 0.1), 20)
    last = list(train(task.network, task.data, "mbf", 1e-3, 0.1, 2))[-1]
    sides = [block.shape[-1] for block in last.state[2:5]]
    assert sides == [128, 128, 45]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_alpha_divides_the_step(problem, optimizer):
    network, x, labels, likelihood = problem("gaussian")
    one = first_move(network, x, labels, likelihood, optimizer)
    assert torch.allclose(
        first_move(network, x, labels, likelihood, optimizer, alpha=4.0), one / 4, rtol=1e-9, atol=1e-14
    )


@pytest.mark.parametrize(
    ("optimizer", "structure", "allowed"),
    [("ngd_layer", "layer_blocks", 0.012), ("ngd_tridiagonal", "block_tridiagonal", 0.02), ("kfac", "kfac", 0.03)],
)
def test_with_the_step_over_alpha_structures_take_residuals_down_alike(optimizer, structure, allowed):
    """Linearised, residuals halve at eta / alpha = 1/2; a network of width 96 comes near that."""
    arch, count = fc.Architecture((96, 96, 96, 1), "tanh", 1.5, 0.1), 8
    if optimizer == "ngd_tridiagonal":
        arch, count, allowed = fc.Architecture((24, 24, 24, 1), "tanh", 1.5, 0.1), 6, 0.05
    rate = fc.meanfield.ngd_rate(arch, structure, count)
    assert rate.valid
    ratios = []
    for seed in range(3):
        task = teacher_student(arch, count, noise=0.3, seed=seed)
        run = train(task.network, task.data, optimizer, 0.5, 1e-9, 1, alpha=rate.alpha, form="exact")
        before, after = (step.residual for step in run)
        ratios.append(after / before)
    assert np.mean(ratios) == pytest.approx(0.5, abs=allowed + 0.02)


def test_unit_blocks_without_damping_miss_their_rate_and_a_little_damping_mends_it():
    """Steps scale like one over a unit's signal, which has heavy tails: no width cures it, one per cent of damping does."""
    arch, count = fc.Architecture((128, 128, 128, 1), "tanh", 1.5, 0.1), 8
    alpha = fc.meanfield.ngd_rate(arch, "unit_blocks", count).alpha
    off = {0.0: [], 0.01: []}
    for seed in range(3):
        task = teacher_student(arch, count, noise=0.3, seed=seed)
        made = fc.factors(task.network, task.data.x, fc.Gaussian())
        mean_diagonal = (
            float(fc.fisher(task.network, task.data.x, structure="diagonal").trace()) / made.layout.parameters
        )
        for share in off:
            damping = max(share * mean_diagonal * count, 1e-12 * mean_diagonal)
            run = list(train(task.network, task.data, "ngd_unit", 0.5, damping, 1, alpha=alpha))
            moved = run[0].network.parameter_vector() - run[1].network.parameter_vector()
            change = made.jacobian_product(moved).reshape(-1)
            before = (task.network(task.data.x) - task.data.y).reshape(-1)
            after = (run[1].network(task.data.x) - task.data.y).reshape(-1)
            linear = float((before - change).norm() / before.norm())
            off[share].append(abs(float(after.norm() / before.norm()) - linear))
            if share == 0.0:
                assert linear == pytest.approx(0.5, abs=0.02)
    assert max(off[0.0]) > 0.05
    assert np.mean(off[0.01]) < 0.5 * np.mean(off[0.0])


def test_at_width_1024_the_linearised_curves_are_those_of_the_sheet():
    """Half the residual in a step of eta / alpha = 1/2, and descent by the network's own kernel, to three digits."""
    arch = fc.Architecture((1024, 1024, 1024, 1), "tanh", 1.5, 0.1)
    network, x = fc.sample_network(arch, 0), fc.inputs.gaussian(16, 1024, 100)
    labels = fc.sample_network(arch, 200)(x)
    for optimizer, structure in (("ngd_exact", "exact"), ("ngd_layer", "layer_blocks")):
        alpha = fc.meanfield.ngd_rate(arch, structure, 16).alpha
        before, after = (step.residual for step in train(network, (x, labels), optimizer, 0.5, 1e-9, 1, alpha=alpha))
        assert after / before == pytest.approx(0.5, abs=0.003)
    kernel = dual_matrix(fc.factors(network, x, fc.Gaussian()), (1, 2, 3))
    rate = 1 / float(torch.linalg.eigvalsh(kernel)[-1])
    left = network(x) - labels
    start = float(left.norm())
    run = list(train(network, (x, labels), "sgd", rate, steps=5))
    for step in run[1:]:
        left = left - rate * kernel @ left
        assert step.residual / run[0].residual == pytest.approx(float(left.norm()) / start, abs=0.003)


# ------------------------------------------------------------------------------------------------------------ batches


def test_batches_see_every_input_once_an_epoch_and_runs_resume_in_the_middle(problem):
    network, x, labels, likelihood = problem("gaussian", samples=10)
    from fimcore.training.point import batch

    seen = torch.cat([batch(x, labels, 4, number, seed=1)[0] for number in range(3)])
    assert len(seen) == 10
    assert torch.equal(seen.sort(dim=0).values, x.sort(dim=0).values)
    again = torch.cat([batch(x, labels, 4, number, seed=1)[0] for number in range(3, 6)])
    assert not torch.equal(seen, again)
    options = {"batch_size": 4, "seed": 1, "likelihood": likelihood}
    for optimizer in ("momentum", "sophia", "kfac", "mbf"):
        whole = list(train(network, (x, labels), optimizer, 0.02, 0.1, 9, **options))
        rest = list(train(network, (x, labels), optimizer, 0.02, 0.1, 9, resume=whole[4], **options))
        assert [step.loss for step in rest] == [step.loss for step in whole[4:]]
        full = list(train(network, (x, labels), optimizer, 0.02, 0.1, 9, seed=1, likelihood=likelihood, batch_size=10))
        plain = list(train(network, (x, labels), optimizer, 0.02, 0.1, 9, seed=1, likelihood=likelihood))
        assert [step.loss for step in full] == [step.loss for step in plain]


def test_largest_eigenvalue_and_trace_are_reported_where_asked(problem):
    network, x, labels, likelihood = problem("gaussian")
    run = list(train(network, (x, labels), "sgd", 0.01, steps=4, likelihood=likelihood, fisher_every=2))
    for step in run:
        dense = fc.fisher(step.network, x, likelihood)
        if step.number % 2 == 0:
            assert step.fisher_trace == pytest.approx(float(dense.trace()), rel=1e-10)
            assert step.fisher_top == pytest.approx(float(dense.eigenvalues()[0]), rel=1e-6)
        else:
            assert math.isnan(step.fisher_trace)


# -------------------------------------------------------------------------------------------------------------- tasks

RATES = {
    "sgd": 0.1, "momentum": 0.02, "adam": 0.01, "fadam": 0.01, "sophia": 0.3,
    "ngd_exact": 0.5, "ngd_layer": 0.2, "ngd_tridiagonal": 0.2, "ngd_unit": 0.05, "ngd_closed_form": 0.02,
    "ngd_quasi_diagonal": 0.02, "ngd_diagonal": 0.02, "kfac": 0.2, "ekfac": 0.2,
    "cwngd": 0.003, "mbf": 0.005, "empirical_fisher": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns_a_teacher_and_the_digits(optimizer):
    assert set(RATES) == set(OPTIMIZERS)
    teacher = teacher_student(fc.Architecture((8, 12, 12, 1), "tanh", 1.5, 0.1), 40, seed=2)
    run = list(train(teacher.network, teacher.data, optimizer, RATES[optimizer], 0.05, 60))
    assert run[-1].loss < 0.5 * run[0].loss
    digits = digits_classification(fc.Architecture((64, 10, 10), "tanh", 1.5, 0.1), samples=60)
    run = list(train(digits.network, digits.data, optimizer, RATES[optimizer], 0.05, 25, likelihood=digits.likelihood))
    assert run[-1].accuracy > 0.4 > run[0].accuracy


def test_on_the_plateau_gradient_descent_lingers_and_natural_gradient_does_not():
    task = committee_plateau(gap=0.02)
    search = search_learning_rate(task.network, task.data, "sgd", rates=(0.1, 0.3, 1.0, 3.0), steps=60)
    slow = list(train(task.network, task.data, "sgd", search.best, steps=60))[-1]
    fast = list(train(task.network, task.data, "ngd_exact", 0.3, 1e-4, 60))[-1]
    assert fast.loss < 0.01 * slow.loss


def test_tasks_are_what_they_say():
    arch = fc.Architecture((3, 5, 1), "tanh", 1.5, 0.1)
    task = teacher_student(arch, 50_000, noise=0.5, seed=1)
    off = task.data.y - task.teacher(task.data.x)
    assert float(off.std()) == pytest.approx(0.5, rel=0.02)
    assert torch.equal(teacher_student(arch, 10, seed=3).data.x, teacher_student(arch, 10, seed=3).data.x)
    curve = curve_fitting(fc.Architecture((1, 5, 1), "tanh", 1.5, 0.1), 5, "sine")
    assert torch.allclose(curve.data.y[:, 0], torch.sin(2 * math.pi * torch.linspace(-1, 1, 5, dtype=torch.float64)))
    plateau = committee_plateau(gap=0.1)
    apart = plateau.network.weights[0][0] - plateau.network.weights[0][1]
    assert float(apart.norm()) == pytest.approx(0.1 * math.sqrt(2), rel=1e-9)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: teacher_student(fc.Architecture((3, 5, 1), "tanh", 1.5, 0.1), 0), "samples"),
        (lambda: teacher_student(fc.Architecture((3, 5, 1), "tanh", 1.5, 0.1), 5, noise=-1), "noise"),
        (lambda: curve_fitting(fc.Architecture((3, 5, 1), "tanh", 1.5, 0.1)), "arch"),
        (lambda: curve_fitting(fc.Architecture((1, 5, 1), "tanh", 1.5, 0.1), curve="square"), "curve"),
        (lambda: digits_classification(fc.Architecture((3, 5, 1), "tanh", 1.5, 0.1)), "arch"),
        (lambda: committee_plateau(gap=0), "gap"),
        (lambda: committee_plateau(dim=1), "dim"),
    ],
)
def test_bad_tasks_are_refused_in_a_sentence(make, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        make()


def test_a_search_finds_the_best_rate_and_counts_divergence_as_infinite():
    task = teacher_student(fc.Architecture((4, 6, 1), "linear", 1.0, 0.1), 30, seed=1)
    found = search_learning_rate(task.network, task.data, "sgd", rates=(1e-3, 1e-1, 1e4), steps=30)
    assert found.best == 1e-1
    assert math.isinf(found.losses[-1])
    assert found.losses[0] > found.losses[1]
    nothing = search_learning_rate(task.network, task.data, "sgd", rates=(1e6,), steps=30)
    assert math.isnan(nothing.best)
    with pytest.raises(ValueError, match="`rates`"):
        search_learning_rate(task.network, task.data, "sgd", rates=())
    with pytest.raises(ValueError, match="`learning_rate`"):
        search_learning_rate(task.network, task.data, "sgd", rates=(-1.0,))

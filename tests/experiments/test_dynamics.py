"""Dynamics: curvatures against autograd's own Hessian, snapshots, outcomes beside the line, and a run that leaves for good."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.experiments import SpecError, dynamics_tables, load, spec_from_mapping
from fimcore.experiments.dynamics_measured import Camera, Snapshot, edges_of, start_of
from fimcore.experiments.dynamics_outcomes import Run, outcome_of
from fimcore.experiments.dynamics_spec import Spec, snapshot_steps
from fimcore.likelihoods import Categorical, Gaussian
from fimcore.training import loss_hessian, sharpness

dynamics = load("dynamics")
SMALL = {"width": 4, "hidden_layers": 2, "samples": 12, "steps": 30, "snapshots": 6, "seeds": 2}


def own_loss(vector, network, x, labels, likelihood):
    layers, place, a = len(network.weights), 0, x
    for number, weight in enumerate(network.weights, start=1):
        units, size = weight.shape
        grid = vector[place : place + units * (size + 1)].reshape(units, size + 1)
        place += grid.numel()
        a = a @ grid[:, :-1].T + grid[:, -1]
        a = torch.tanh(a) if number < layers else a
    if isinstance(likelihood, Gaussian):
        return ((a - labels) ** 2).sum() / (2 * len(x) * likelihood.variance)
    return torch.nn.functional.cross_entropy(a, labels)


def vector_of(network):
    parts = [
        torch.cat([w, b[:, None]], dim=1).reshape(-1) for w, b in zip(network.weights, network.biases, strict=True)
    ]
    return torch.cat(parts)


@pytest.mark.parametrize("likelihood", [Gaussian(0.5), Categorical()], ids=["squares", "classes"])
def test_the_hessian_of_the_loss_is_that_of_autograd(likelihood):
    network = fc.sample_network(fc.Architecture((3, 4, 5, 3), bias_variance=0.1), seed=1)
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels = torch.arange(9) % 3 if isinstance(likelihood, Categorical) else 3 * x.flip(1)
    hessian = torch.autograd.functional.hessian(
        lambda v: own_loss(v, network, x, labels, likelihood), vector_of(network)
    )
    made = loss_hessian(network, x, labels, likelihood)
    products = made.fisher_product(torch.eye(len(hessian), dtype=torch.float64)) / len(x)
    assert torch.allclose(products, hessian, atol=1e-12)
    values = torch.linalg.eigvalsh(hessian)
    assert float(values[0]) < 0  # the largest with its sign, not the largest of magnitude
    top, direction = sharpness(made, tol=1e-9)
    assert top == pytest.approx(float(values[-1]), rel=1e-8)
    assert np.allclose(hessian.numpy() @ direction, top * direction, atol=1e-6 * top)


def test_snapshots_are_spaced_by_ratios_and_hold_both_ends():
    assert snapshot_steps(1000, 40)[0] == 0
    assert snapshot_steps(1000, 40)[-1] == 1000
    assert len(snapshot_steps(1000, 40)) == 40
    assert snapshot_steps(5, 40) == (0, 1, 2, 3, 4, 5)
    gaps = np.diff(snapshot_steps(1000, 40))
    assert gaps[0] == 1
    assert gaps.max() < 250


def test_a_snapshot_is_the_dense_fisher_matrix_in_numbers_and_in_cells():
    spec = Spec(**SMALL).effective()
    start = start_of(spec, 0)
    shot = Camera(start, normalised=False, whole=True).take(0, 1.0, start.network)
    dense = fc.fisher(start.network, start.x).matrix.numpy()
    assert shot.fisher_top == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=1e-9)
    assert shot.trace == pytest.approx(np.trace(dense), rel=1e-9)
    assert shot.effective_rank == pytest.approx(np.trace(dense) ** 2 / (dense**2).sum(), rel=1e-9)
    assert len(edges_of(start.network.layout)) == start.network.layout.parameters + 1
    assert np.allclose(shot.cells, dense, rtol=1e-6, atol=1e-9)
    # of the first hidden layer, by hand: 4 units of 2 parameters
    block = dense[:8, :8]
    own = [block[i : i + 2, i : i + 2] for i in range(0, 8, 2)]
    inside = sum((b**2).sum() for b in own)
    ratio = math.sqrt(((block**2).sum() - inside) / (4 * 3 * 4)) / math.sqrt(inside / (4 * 4))
    assert shot.ratios[0] == pytest.approx(ratio, rel=1e-9)


def test_large_matrices_are_shown_unit_by_unit():
    spec = Spec(width=40, hidden_layers=1, samples=5, task="teacher", input_dim=40).effective()
    start = start_of(spec, 0)
    shot = Camera(start, normalised=False, whole=True).take(0, 1.0, start.network)
    dense = fc.fisher(start.network, start.x).matrix.numpy()
    assert shot.cells.shape == (41, 41)
    assert shot.cells[0, 1] == pytest.approx(np.sqrt((dense[:41, 41:82] ** 2).mean()), rel=1e-9)
    assert shot.cells[40, 2] == pytest.approx(np.sqrt((dense[1640:, 82:123] ** 2).mean()), rel=1e-9)


def run_of(ratios, losses, diverged_at=math.nan):
    shots = [Snapshot(10 * place, losses[0], value, value) for place, value in enumerate(ratios)]
    return Run(0, 2.0, 1.0, list(losses), [math.nan] * len(losses), shots, diverged_at)


@pytest.mark.parametrize(
    ("ratios", "losses", "word", "reached"),
    [
        ([0.5, 0.6, 0.7], [1.0, 0.5], "below", math.nan),
        ([0.9, 0.8, 0.9, 0.98, 1.02], [1.0, 0.5], "edge", 30),
        ([1.5, 1.2, 0.6, 0.7], [1.0, 3.0, 0.2], "catapult", math.nan),
        ([1.5, 0.6, 0.99, 1.0], [1.0, 3.0, 0.2], "catapult", 20),
        ([0.9, 1.2, 1.8], [1.0, 0.9], "above", 20),
    ],
    ids=str,
)
def test_outcomes_beside_the_line(ratios, losses, word, reached):
    found = outcome_of(run_of(ratios, losses))
    assert found.word == word
    assert found.top == max(ratios)
    if word != "above":
        assert found.reached == pytest.approx(reached, nan_ok=True)
    assert outcome_of(run_of(ratios, losses, diverged_at=7)).word == "diverged"


def test_a_run_step_by_step_and_again():
    seen = []
    result = dynamics.run(Spec(**SMALL), lambda *given: seen.append(given))
    shots, outcomes = result.tables["snapshots"], result.tables["outcomes"]
    assert list(shots["step"]) == list(snapshot_steps(30, 6))
    assert list(outcomes["seed"]) == [0, 1]
    assert len(result.tables["losses"]) == 2 * 31
    # eta is 0.9 of 2 / lambda_max at the start, and the line is 2 / eta
    assert outcomes["step_size"][0] == pytest.approx(0.9 * 2 / shots["fisher_top"][0], rel=1e-3)
    assert shots["line"][0] == pytest.approx(2 / outcomes["step_size"][0], rel=1e-12)
    assert result.arrays["frames"].shape[0] == len(shots)
    assert seen[-1][0] == 1.0
    again = dynamics.run(Spec(**SMALL))
    assert np.array_equal(again.arrays["frames"], result.arrays["frames"])
    alone = start_of(Spec(**SMALL).effective(), 0)
    assert shots["sharpness"][0] == pytest.approx(
        sharpness(loss_hessian(alone.network, alone.x, alone.labels, alone.likelihood))[0], rel=1e-3
    )


def test_divergence_is_a_result():
    result = dynamics.run(Spec(**{**SMALL, "share": 30.0, "seeds": 1}))
    row = result.tables["outcomes"].iloc[0]
    assert row["outcome"] == "diverged"
    assert 0 < row["diverged_at"] <= 30
    assert np.isfinite(result.tables["snapshots"][["loss", "fisher_top", "sharpness"]].to_numpy()).all()


def test_only_descent_has_a_line_and_theory_says_where_it_is_silent():
    result = dynamics.run(Spec(**{**SMALL, "optimizer": "ngd_unit", "steps": 3}))
    assert result.tables["snapshots"]["line"].isna().all()
    assert [verdict.word for verdict in result.verdicts] == ["no prediction", "no prediction"]
    wide = Spec(task="teacher", width=512, hidden_layers=1, samples=2000, input_dim=512)
    assert np.isfinite(dynamics_tables.predicted_top(wide.effective()).value)
    assert dynamics.cost(wide).seconds > dynamics.cost(Spec()).seconds


def test_momentum_is_stable_up_to_a_step_nearly_twice_as_long():
    plain, heavy = (dynamics.run(Spec(**{**SMALL, "optimizer": name, "steps": 2})) for name in ("sgd", "momentum"))
    rates = [float(each.tables["outcomes"]["step_size"][0]) for each in (plain, heavy)]
    assert rates[1] == pytest.approx(1.9 * rates[0], rel=1e-6)


def test_digits_and_classes_run():
    result = dynamics.run(
        Spec(**{**SMALL, "task": "digits", "likelihood": "softmax", "outputs": 10, "steps": 4, "seeds": 1})
    )
    assert np.isfinite(result.tables["losses"]["accuracy"]).all()
    assert set(result.tables["ratios"]["layer"]) == {1, 2, 3}


def test_what_the_digits_set_themselves_is_not_refused():
    used = spec_from_mapping("dynamics", {"task": "digits", "likelihood": "softmax", "outputs": 1}).effective()
    assert (used.outputs, used.inputs) == (10, "digits")
    with pytest.raises(SpecError, match="softmax needs 2 classes"):
        spec_from_mapping("dynamics", {"task": "teacher", "likelihood": "softmax", "outputs": 1})


def test_few_runs_that_end_somewhere_are_no_agreement():
    setting = {"width": 4, "samples": 10, "steps": 20, "task": "teacher"}
    assert dynamics.run(dynamics.Spec(**setting, seeds=3)).verdicts[-1].word == "too few seeds to say"
    lost = dynamics.run(dynamics.Spec(**setting, seeds=4, share=50.0)).verdicts[-1]
    assert lost.word == "too few seeds to say"
    assert "4 diverged" in lost.sentence

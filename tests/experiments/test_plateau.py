"""Plateau: the two-parameter committee against autograd, its singular line, and the predicted pace at which it is left."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fimcore.experiments import SpecError, plateau, spec_from_mapping
from fimcore.experiments.plateau import GAPS, Spec, goal_loss, step_size
from fimcore.training.committee import TEACHER, Committee

X = np.random.default_rng(5).standard_normal((40, 2))


def outputs(point, x):
    p, q = point
    return torch.tanh(p * x[:, 0] + q * x[:, 1]) + torch.tanh(q * x[:, 0] + p * x[:, 1])


def test_loss_gradient_and_fisher_are_those_of_autograd():
    committee, x = Committee(X), torch.tensor(X)
    labels = outputs(TEACHER, x)
    points = np.array([[0.3, -0.7], [1.2, 0.4], [0.5, 0.5]])
    for place, point in enumerate(points):
        at = torch.tensor(point, requires_grad=True)
        loss = 0.5 * (outputs(at, x) - labels).square().mean()
        (gradient,) = torch.autograd.grad(loss, at)
        rows = torch.autograd.functional.jacobian(lambda v: outputs(v, x), at.detach())
        assert committee.loss(points)[place] == pytest.approx(float(loss.detach()), rel=1e-12)
        assert np.allclose(committee.gradient(points)[place], gradient.numpy(), rtol=1e-12)
        assert np.allclose(committee.fisher(points)[place], (rows.T @ rows / 40).numpy(), rtol=1e-12)


def test_on_the_line_fisher_has_rank_one_and_vanishes_across_it_as_the_square_of_the_distance():
    committee = Committee(X)
    across = np.array([1.0, -1.0]) / math.sqrt(2)
    values = [float(across @ committee.fisher(np.array([0.6, 0.6]) + d * across) @ across) for d in (0.0, 1e-3, 2e-3)]
    assert values[0] == pytest.approx(0, abs=1e-30)
    assert values[2] / values[1] == pytest.approx(4, rel=1e-3)
    slope = [float(across @ committee.gradient(np.array([0.6, 0.6]) + d * across)) for d in (1e-3, 2e-3)]
    assert slope[1] / slope[0] == pytest.approx(2, rel=1e-3)


def test_the_escape_rate_is_the_curvature_of_autograd_and_the_pace_of_descent():
    committee, x = Committee(X), torch.tensor(X)
    s = committee.saddle()
    labels = outputs(TEACHER, x)

    def loss(point):
        return 0.5 * (outputs(point, x) - labels).square().mean()

    hessian = torch.autograd.functional.hessian(loss, torch.tensor([s, s], dtype=torch.float64))
    across = torch.tensor([1.0, -1.0], dtype=torch.float64) / math.sqrt(2)
    assert committee.escape_rate() == pytest.approx(-float(across @ hessian @ across), rel=1e-4)
    flow = committee.descend(np.array([[s + 1e-7, s - 1e-7]]), 0.5, 10)
    apart = flow.points[:, 0, 0] - flow.points[:, 0, 1]
    assert apart[-1] / apart[0] == pytest.approx((1 + 0.5 * committee.escape_rate()) ** 10, rel=1e-3)


def test_gradient_descent_pays_for_every_factor_of_distance_and_natural_gradient_does_not():
    result = plateau.run(Spec())
    slopes = result.tables["slopes"]
    assert np.allclose(slopes["gradient"], slopes["predicted"], rtol=0.15)
    assert (slopes["natural"].abs() < 0.1 * slopes["gradient"]).all()
    assert result.verdicts[0].word in ("agrees", "close")
    leaving = result.tables["leaving"].pivot_table(index="gap", columns="method", values="steps_to_leave")
    assert leaving["gradient"].iloc[0] > 30
    assert (leaving["natural"] < 15).all()
    assert len(leaving) == len(GAPS)


def test_arrivals_are_first_times_and_missing_where_there_are_none():
    committee = Committee(X)
    flow = committee.descend(np.array([[0.4, 0.2], [0.3, 0.3]]), step_size(Spec(), committee), 120)
    first, never = flow.arrivals(goal_loss(committee))
    assert flow.losses[int(first), 0] <= goal_loss(committee) < flow.losses[int(first) - 1, 0]
    assert math.isnan(never)  # on the line itself nothing parts the units


def test_beyond_the_stability_limit_nothing_is_predicted_and_no_number_is_infinite():
    result = plateau.run(Spec(rate_gradient=5.0, rate_natural=5.0, seeds=1, steps=300))
    assert result.verdicts[0].word == "no prediction"
    for table in result.tables.values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()


@pytest.mark.parametrize("settings", [{"gap": 0}, {"damping": 0}, {"steps": 1}, {"samples": 0}, {"middle": 9}])
def test_bad_settings_get_one_sentence(settings):
    with pytest.raises(SpecError) as caught:
        spec_from_mapping("plateau", settings)
    assert list(caught.value.faults) == list(settings)


@pytest.mark.parametrize("damping", [1e-300, 1e-20])
def test_a_damping_that_rounding_swallows_gets_a_sentence_with_one_that_works(damping):
    with pytest.raises(ValueError, match=r"^`damping` is .*singular to rounding; give about \S+ or more\.$") as caught:
        plateau.run(Spec(damping=damping, seeds=1, samples=20))
    useful = float(str(caught.value).split("about ")[1].split(" ")[0])
    assert plateau.run(Spec(damping=useful, seeds=1, samples=20)).complete


@pytest.mark.parametrize("gap", [1.0, 2e-9])
def test_steps_to_leave_are_counted_from_the_distance_that_is_set(gap):
    result = plateau.run(Spec(gap=gap, seeds=2))
    own = result.tables["leaving"].query("gap == @gap and seed == 0").set_index("method")["steps_to_leave"]
    for method, path in result.tables["paths"].groupby("method"):
        goal = float(result.tables["slopes"]["goal"].iloc[0])
        assert own[method] == path.loc[path["loss"] <= goal, "step"].min()
    assert result.tables["slopes"].equals(plateau.run(Spec(seeds=2)).tables["slopes"])

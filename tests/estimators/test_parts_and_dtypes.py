"""Numbers do not depend on how inputs are cut into parts; float32 in gives float32 out; values are frozen; speed."""

import dataclasses
import time

import pytest
import torch
from label_enumeration import FAMILIES, small_case

import fimcore as fc
from fimcore.estimators import output_derivatives

NAMES = ("fisher", "var_score", "var_hessian", "covariance", "var_mixture", "input_variance")


def everything(est):
    found = {name: getattr(est, name) for name in NAMES}
    for quantity in ("fisher", "var_score", "var_hessian"):
        bound = getattr(est.bounds, quantity)
        found |= {f"{quantity} lower": bound.lower, f"{quantity} upper": bound.upper}
        found |= {f"{quantity} {form.name} {form.side}": form.values for form in bound.forms}
    found |= {f"batch {field.name}": getattr(est.batch, field.name) for field in dataclasses.fields(est.batch)}
    found |= {f"share {layer}": share for layer, share in enumerate(est.later_layers.share)}
    found |= {f"alone {layer}": alone for layer, alone in enumerate(est.later_layers.alone)}
    found |= {f"negative {layer}": share for layer, share in enumerate(est.negative_share().units)}
    found |= {f"per sample {name}": getattr(est.per_sample, name) for name in NAMES[:-1]}
    found["samples"] = est.samples_needed().score
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_parts(family, monkeypatch):
    case = small_case(family, samples=7)
    whole = fc.diagonal_variances(*case)
    assert whole.part_size == 7
    monkeypatch.setattr(output_derivatives, "PART_BYTES", 3 * output_derivatives.input_bytes(case[0].layout, 8))
    cut = fc.diagonal_variances(*case)
    assert cut.part_size == 3
    for (name, one), other in zip(everything(whole).items(), everything(cut).values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-13, msg=name)


def test_per_sample_in_parts():
    est = fc.diagonal_variances(*small_case("categorical", samples=5))
    parts = list(est.per_sample.parts(2))
    assert [part.inputs for part in parts] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    for name in NAMES[:-1]:
        torch.testing.assert_close(torch.cat([getattr(part, name) for part in parts]), getattr(est.per_sample, name))
        torch.testing.assert_close(getattr(est.per_sample, name).mean(0), getattr(est, name), rtol=1e-9, atol=1e-14)
    assert [part.inputs for part in est.per_sample] == [slice(0, 5)]


@pytest.mark.parametrize("family", FAMILIES)
def test_float32(family):
    one = everything(fc.diagonal_variances(*small_case(family)))
    other = everything(fc.diagonal_variances(*small_case(family, dtype=torch.float32)))
    for (name, exact), rough in zip(one.items(), other.values(), strict=True):
        assert rough.dtype == torch.float32, name
        # what a mixture leaves over of both variances is nothing for two classes
        size = one["var_score"].max() + one["var_hessian"].max() if "mixture" in name else exact.abs().max()
        if name != "samples" and not name.startswith("negative"):
            torch.testing.assert_close(rough.double(), exact, rtol=3e-3, atol=1e-4 * float(size), msg=name)


def test_frozen_and_told():
    est = fc.diagonal_variances(*small_case("categorical"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        est.fisher = est.var_score
    assert "E_x E_(y~p(.|x))" in repr(est)
    assert "samples=4" in repr(est)


def test_progress_and_cancelling():
    seen = []
    case = small_case("categorical")
    fc.diagonal_variances(*case, progress=lambda fraction, message: seen.append((fraction, message)))
    assert seen == [(1.0, "variances")]

    class StopError(Exception):
        pass

    def stop(fraction, message):
        raise StopError

    with pytest.raises(StopError):
        fc.diagonal_variances(*case, progress=stop)


def test_wide_classifier_is_fast():
    network = fc.sample_network(fc.Architecture((784, 64, 64, 64, 10), activation="gelu", weight_variance=1.5))
    x, best = fc.inputs.gaussian(256, 784, seed=0), float("inf")
    for _ in range(3):
        start = time.perf_counter()
        est = fc.diagonal_variances(network, x, fc.Categorical())
        _ = est.bounds, est.later_layers, est.batch
        best = min(best, time.perf_counter() - start)
    # a quarter of a second on a quiet core; the rest is for machines that do other things as well
    assert best < 1.5

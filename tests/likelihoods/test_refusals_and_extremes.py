"""What a family refuses, in which words; confident and rare outputs stay finite and keep their digits."""

import pytest
import torch
from label_laws import FAMILIES, OUTPUTS

import fimcore as fc

DOUBLE = torch.float64


def zeros(*shape):
    return torch.zeros(*shape, dtype=DOUBLE)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: fc.Gaussian(variance=0), "`variance` is 0; give a finite number above 0"),
        (lambda: fc.Gaussian(variance=float("nan")), "`variance` is nan"),
        (
            lambda: fc.Gaussian().score(OUTPUTS, zeros(6)),
            r"`labels` has shape \(6,\); the Gaussian family takes \(6, 4\)",
        ),
        (lambda: fc.Categorical().score(OUTPUTS, torch.full((6,), 4)), r"with 4 outputs it must lie in 0\.\.3"),
        (lambda: fc.Categorical().score(OUTPUTS, torch.full((6,), 0.5)), "whole numbers"),
        (lambda: fc.Categorical().score(OUTPUTS[:, :1], zeros(6).long()), "needs 2 classes or more"),
        (
            lambda: fc.GaussianWithVariance().score(OUTPUTS[:, :3], zeros(6, 1)),
            "`outputs` has 3 columns; .* even number",
        ),
        (lambda: fc.GaussianWithVariance().output_fisher(OUTPUTS[:, :1]), "`outputs` has 1 column; .* even number"),
        (lambda: fc.GaussianWithVariance().score(OUTPUTS, zeros(6, 4)), r"learned variance\) family takes \(6, 2\)"),
        (lambda: fc.GaussianWithVariance().output_fisher(zeros(1, 2) - 800), "negative log variance of 800"),
        (lambda: fc.GaussianWithVariance().output_fisher(zeros(1, 2).float() - 90), r"within float32 \(up to 89\)"),
        (lambda: fc.Bernoulli().score(OUTPUTS, zeros(6, 3)), r"the Bernoulli family takes \(6, 4\)"),
        (lambda: fc.Bernoulli().log_likelihood(OUTPUTS, zeros(6, 4) + 0.5), "`labels` holds 0.5; .* zeros and ones"),
        (lambda: fc.Bernoulli().output_hessian(OUTPUTS, zeros(6, 4) + 2), "`labels` holds 2"),
        (lambda: fc.Poisson().score(OUTPUTS, zeros(6)), r"the Poisson family takes \(6, 4\)"),
        (lambda: fc.Poisson().score(OUTPUTS, zeros(6, 4) - 1), "`labels` holds -1; .* whole numbers, 0 or more"),
        (lambda: fc.Poisson().score(OUTPUTS, zeros(6, 4) + 0.5), "`labels` holds 0.5"),
        (lambda: fc.Poisson().score(OUTPUTS, zeros(6, 4) + torch.inf), "`labels` holds inf"),
        (lambda: fc.Poisson().score(OUTPUTS, zeros(6, 4) + torch.nan), "`labels` holds nan"),
        (lambda: fc.Poisson().output_fisher(zeros(1, 1) + 710), r"log rate of 710; .* within float64 \(up to 710\)"),
        (lambda: fc.Poisson().output_fisher(zeros(1, 1).float() + 90), r"log rate of 90; .* float32 \(up to 89\)"),
        (lambda: fc.Poisson().output_fisher(zeros(1, 1) + torch.nan), "log rate of nan"),
        (lambda: fc.Poisson().output_fisher((zeros(1, 1) + 710).requires_grad_(True)), "log rate of 710"),
        (
            lambda: fc.Poisson().sample(zeros(1, 1) + 40, torch.Generator()),
            "`outputs` reaches 40; counts are drawn up to",
        ),
    ],
)
def test_wrong_labels_outputs_and_settings_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("size", [1e-3, 20.0, 40.0])
def test_confident_and_rare_outputs_stay_finite(family, dtype, size):
    largest = 30 if isinstance(family, fc.Poisson) else size
    outputs = (torch.tensor([[1.0, -1, 0, 0], [-1, -1, -1, 1], [0, 1, -1, 1]], dtype=dtype) * size).clamp(max=largest)
    labels = family.sample(outputs, torch.Generator().manual_seed(0))
    vectors = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE).to(dtype)
    for result in (
        family.log_likelihood(outputs, labels),
        family.score(outputs, labels),
        family.output_fisher(outputs),
        family.output_fisher_root(outputs),
        family.output_hessian(outputs, labels),
        family.third_moment(outputs, vectors, vectors),
        family.fourth_moment(outputs, vectors),
    ):
        assert bool(torch.isfinite(result).all())
    root, fisher = family.output_fisher_root(outputs), family.output_fisher(outputs)
    # relative to every entry's own diagonal: a confident answer keeps its digits
    scale = fisher.diagonal(dim1=1, dim2=2).sqrt()
    difference = (root.transpose(1, 2) @ root - fisher).abs() / (scale[:, :, None] * scale[:, None, :])
    assert float(difference.max()) < 20 * torch.finfo(dtype).eps


def test_a_confident_answer_keeps_its_digits():
    outputs = torch.tensor([[40.0, 0.0, 0.0]], dtype=DOUBLE)
    rare = torch.tensor(-40.0, dtype=DOUBLE).exp()
    expected = rare * torch.tensor([[2.0, -1, -1], [-1, 1, 0], [-1, 0, 1]], dtype=DOUBLE)
    torch.testing.assert_close(fc.Categorical().output_fisher(outputs)[0], expected, rtol=1e-12, atol=1e-30)
    torch.testing.assert_close(fc.Categorical().score(outputs, torch.tensor([0]))[0, 0], 2 * rare, rtol=1e-12, atol=0)
    one = torch.ones(1, 1, dtype=DOUBLE)
    torch.testing.assert_close(fc.Bernoulli().score(40 * one, one), rare * one, rtol=1e-12, atol=0)
    torch.testing.assert_close(fc.Bernoulli().output_fisher(40 * one)[0], rare * one, rtol=1e-12, atol=0)
    torch.testing.assert_close(fc.Bernoulli().log_likelihood(-40 * one, 0 * one), -rare * one[0], rtol=1e-12, atol=0)


def test_labels_of_other_dtypes_are_taken():
    signs = torch.tensor([[True, False, True, True]])
    ones = torch.tensor([[1, 0, 1, 1]])
    expected = fc.Bernoulli().score(OUTPUTS[:1], ones.double())
    assert torch.equal(fc.Bernoulli().score(OUTPUTS[:1], signs), expected)
    assert torch.equal(fc.Poisson().score(OUTPUTS[:1], ones), fc.Poisson().score(OUTPUTS[:1], ones.float()))
    assert torch.equal(
        fc.Categorical().score(OUTPUTS[:1], torch.tensor([2.0])), fc.Categorical().score(OUTPUTS[:1], torch.tensor([2]))
    )

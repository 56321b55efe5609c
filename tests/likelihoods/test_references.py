"""Output families against torch.distributions, automatic derivatives and the expectation over every label."""

import pytest
import torch
from label_laws import FAMILIES, OUTPUTS, inputs_of, label_law, reference

import fimcore as fc
from fimcore.likelihoods import output_hessian


def close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def labels_for(family, outputs=OUTPUTS):
    return family.sample(outputs, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_log_likelihood_and_score(family):
    labels = labels_for(family)
    outputs = OUTPUTS.clone().requires_grad_(True)
    expected = reference(family, outputs).log_prob(labels)
    close(family.log_likelihood(OUTPUTS, labels), expected.detach())
    (gradient,) = torch.autograd.grad(expected.sum(), outputs)
    close(family.score(OUTPUTS, labels), gradient)
    (gradient,) = torch.autograd.grad(family.log_likelihood(outputs, labels).sum(), outputs)
    close(family.score(OUTPUTS, labels), gradient)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_output_hessian_is_the_second_derivative_at_the_labels(family):
    labels = labels_for(family)
    found = output_hessian(family, OUTPUTS, labels)
    assert torch.equal(found, family.output_hessian(OUTPUTS, labels))
    for outputs, label, matrix in zip(OUTPUTS, labels, found, strict=True):
        hessian = torch.autograd.functional.hessian(
            lambda f, label=label: reference(family, f[None]).log_prob(label[None])[0], outputs
        )
        close(matrix, -hessian)
    if not isinstance(family, fc.GaussianWithVariance):
        close(found, family.output_fisher(OUTPUTS))


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_output_fisher_is_the_mean_square_of_the_score_and_the_mean_hessian(family):
    for outputs in inputs_of(family):
        labels, weights = label_law(family, outputs)
        every = outputs.expand(len(weights), -1)
        found = family.output_fisher(outputs[None])[0]
        score = family.score(every, labels)
        close(weights @ score, torch.zeros_like(outputs))
        close(score.T @ (weights[:, None] * score), found)
        close((weights[:, None, None] * family.output_hessian(every, labels)).sum(dim=0), found)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_the_root_squares_to_the_output_fisher(family):
    root = family.output_fisher_root(OUTPUTS)
    close(root.transpose(1, 2) @ root, family.output_fisher(OUTPUTS).contiguous())


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_second_derivatives_without_a_method_of_ones_own(family):
    class Bare:
        """The family without its output_hessian; it keeps its checks of labels, which look at values."""

        def log_likelihood(self, outputs, labels):
            return family.log_likelihood(outputs, labels)

    labels = labels_for(family)
    with torch.no_grad():
        close(output_hessian(Bare(), OUTPUTS, labels), family.output_hessian(OUTPUTS, labels).contiguous())
    with torch.inference_mode():
        inside = OUTPUTS.clone()
        found = output_hessian(Bare(), inside, labels.clone())
    close(found, family.output_hessian(OUTPUTS, labels).contiguous())
    assert not found.requires_grad


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_dtype_in_is_dtype_out(family, dtype):
    outputs, vectors = OUTPUTS.to(dtype), torch.ones(*OUTPUTS.shape, 2, dtype=dtype)
    labels = labels_for(family, outputs)
    assert labels.dtype == (torch.int64 if isinstance(family, fc.Categorical) else dtype)
    results = [
        family.log_likelihood(outputs, labels),
        family.score(outputs, labels),
        family.output_fisher(outputs),
        family.output_fisher_root(outputs),
        family.output_hessian(outputs, labels),
        family.third_moment(outputs, vectors, vectors),
        family.fourth_moment(outputs, vectors),
    ]
    assert {result.dtype for result in results} == {dtype}
    assert [tuple(result.shape) for result in results] == [(6,), (6, 4), *[(6, 4, 4)] * 3, (6, 2), (6, 2)]
    assert isinstance(family, fc.Likelihood)
    assert repr(family) in {f"{type(family).__name__}()", f"Gaussian(variance={getattr(family, 'variance', 0)})"}

"""Output families against torch.distributions, autograd and enumeration."""

import pytest
import torch

import fimcore as fc

OUTPUTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FAMILIES = [fc.Gaussian(), fc.Gaussian(variance=2.5), fc.Categorical()]


def reference(family, outputs):
    if isinstance(family, fc.Categorical):
        return torch.distributions.Categorical(logits=outputs)
    normal = torch.distributions.Normal(outputs, family.variance**0.5)
    return torch.distributions.Independent(normal, 1)


def labels_for(family):
    return family.sample(OUTPUTS, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_log_likelihood_and_score(family):
    labels = labels_for(family)
    outputs = OUTPUTS.clone().requires_grad_(True)
    expected = reference(family, outputs).log_prob(labels)
    torch.testing.assert_close(family.log_likelihood(OUTPUTS, labels), expected.detach(), rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(expected.sum(), outputs)
    torch.testing.assert_close(family.score(OUTPUTS, labels), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_output_fisher_is_the_negative_expected_hessian_and_its_root_squares_to_it(family):
    found = family.output_fisher(OUTPUTS)
    for outputs, matrix in zip(OUTPUTS[:5], found[:5], strict=True):
        label = torch.tensor([1]) if isinstance(family, fc.Categorical) else torch.zeros(1, 3).double()
        hessian = torch.autograd.functional.hessian(
            lambda f, label=label: reference(family, f[None]).log_prob(label)[0], outputs
        )
        torch.testing.assert_close(matrix, -hessian, rtol=1e-10, atol=1e-12)
    root = family.output_fisher_root(OUTPUTS)
    torch.testing.assert_close(root.transpose(1, 2) @ root, found.contiguous(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_sampling_has_the_right_law(family):
    outputs = OUTPUTS[:1].expand(40_000, -1)
    labels = family.sample(outputs, torch.Generator().manual_seed(2))
    scores = family.score(outputs, labels)
    expected = family.output_fisher(OUTPUTS[:1])[0]
    z = scores.mean(dim=0) / (scores.std(dim=0) / 200)
    assert float(z.abs().max()) < 4
    products = scores[:, :, None] * scores[:, None, :]
    z = (products.mean(dim=0) - expected) / (products.std(dim=0) / 200)
    assert float(z.abs().max()) < 4.5
    again = family.sample(outputs, torch.Generator().manual_seed(2))
    assert torch.equal(labels, again)


def test_wrong_labels_and_settings_are_named():
    with pytest.raises(ValueError, match="`variance` is 0; give a finite number above 0"):
        fc.Gaussian(variance=0)
    with pytest.raises(ValueError, match=r"`labels` has shape \(40,\)"):
        fc.Gaussian().score(OUTPUTS, torch.zeros(40).double())
    with pytest.raises(ValueError, match=r"with 3 outputs it must lie in 0\.\.2"):
        fc.Categorical().score(OUTPUTS, torch.full((40,), 3))
    with pytest.raises(ValueError, match="whole numbers"):
        fc.Categorical().score(OUTPUTS, torch.full((40,), 0.5))
    with pytest.raises(ValueError, match="needs 2 classes or more"):
        fc.Categorical().score(OUTPUTS[:, :1], torch.zeros(40).long())


def test_a_family_of_ones_own_needs_only_the_protocol():
    class Laplace:
        """p(y|f) with unit scale: score sign(y - f), Q = I."""

        def log_likelihood(self, outputs, labels):
            return -(labels - outputs).abs().sum(dim=1)

        def sample(self, outputs, generator):
            uniform = torch.rand(outputs.shape, generator=generator, dtype=torch.float64) - 0.5
            return outputs - uniform.sign() * torch.log1p(-2 * uniform.abs())

        def score(self, outputs, labels):
            return torch.sign(labels - outputs)

        def output_fisher(self, outputs):
            return torch.eye(outputs.shape[1]).to(outputs).expand(len(outputs), -1, -1)

        output_fisher_root = output_fisher

    assert isinstance(Laplace(), fc.Likelihood)
    network, x = fc.sample_network(fc.Architecture((2, 3, 2))), fc.inputs.gaussian(5, 2)
    exact = fc.fisher(network, x, Laplace()).dense()
    torch.testing.assert_close(exact, fc.fisher(network, x, fc.Gaussian()).dense())

"""Families of the reader's own: two moments suffice for an exponential family; else a clear word on what is missing."""

import pytest
import torch
from label_enumeration import WaitingTime, WaitingTimeWithMoments, small_case

import fimcore as fc
from fimcore.estimators.natural_bend import natural_bend


class Plain:
    """A likelihood's methods, handed on without its type."""

    def __init__(self, family):
        self.family = family

    def __getattr__(self, name):
        if name == "natural_bend":
            raise AttributeError(name)
        return getattr(self.family, name)


NAMES = ("fisher", "var_score", "var_hessian", "covariance", "var_mixture", "input_variance")


@pytest.mark.parametrize(
    ("name", "widths"), [("gaussian with variance", (3, 4, 4)), ("categorical", (3, 4, 3)), ("poisson", (3, 4, 2))]
)
def test_same_numbers_from_moments_alone(name, widths):
    network, x, family = small_case(name, widths=widths)
    known, derived = fc.diagonal_variances(network, x, family), fc.diagonal_variances(network, x, Plain(family))
    for field in NAMES:
        torch.testing.assert_close(getattr(derived, field), getattr(known, field), rtol=1e-9, atol=1e-10)
    for quantity in ("fisher", "var_score", "var_hessian"):
        bound, value = getattr(derived.bounds, quantity), getattr(known, quantity)
        assert bool((bound.lower <= value * (1 + 1e-9) + 1e-12).all())
        assert bool((bound.upper >= value * (1 - 1e-9) - 1e-12).all())


def test_bend_of_a_learned_variance():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    vectors = torch.randn(5, 4, 3, generator=generator, dtype=torch.float64)
    family = fc.GaussianWithVariance()
    own, derived = natural_bend(family, outputs, vectors), natural_bend(Plain(family), outputs, vectors)
    torch.testing.assert_close(own, derived, rtol=1e-10, atol=1e-12)
    labels = family.sample(outputs, generator)
    excess = family.output_hessian(outputs, labels) - family.output_fisher(outputs)
    bent = torch.einsum("nbm,nbc,ncm->nm", vectors, excess, vectors)
    torch.testing.assert_close(bent, -torch.einsum("nc,ncm->nm", family.score(outputs, labels), own))


def test_natural_families_bend_nothing():
    outputs, vectors = torch.zeros(2, 2).double(), torch.ones(2, 2, 1).double()
    for family in (fc.Gaussian(), fc.Categorical(), fc.Bernoulli(), fc.Poisson()):
        assert natural_bend(family, outputs, vectors) is None


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("third_moment",), r"lacks third_moment\(outputs, vectors, others\); give it this method"),
        (("third_moment", "fourth_moment"), r"lacks third_moment\(.*\), fourth_moment\(outputs, vectors\); .* these"),
        (("output_fisher_root",), "lacks output_fisher_root"),
    ],
)
def test_missing_methods_are_named(missing, named):
    network, x, _ = small_case("poisson")
    family = type("Unfinished", (WaitingTimeWithMoments,), dict.fromkeys(missing))()
    with pytest.raises(ValueError, match=f"`likelihood` is Unfinished, which {named}"):
        fc.diagonal_variances(network, x, family)


def test_without_moments():
    network, x, _ = small_case("poisson")
    with pytest.raises(ValueError, match=r"WaitingTime, which lacks third_moment.*, fourth_moment"):
        fc.diagonal_variances(network, x, WaitingTime())


class Heavy(WaitingTimeWithMoments):
    """Student's t with 5 degrees of freedom around f, which is no exponential family: E s^4 is that of its bounded score."""

    def log_likelihood(self, outputs, labels):
        return -3 * torch.log1p((labels - outputs).square() / 5).sum(dim=1)

    def sample(self, outputs, generator):
        normal = torch.randn(6, *outputs.shape, generator=generator, dtype=torch.float64)
        return outputs + (normal[0] / normal[1:].square().mean(0).sqrt()).to(outputs)

    def score(self, outputs, labels):
        apart = labels - outputs
        return 6 * apart / (5 + apart.square())

    def output_fisher(self, outputs):
        return 0.75 * torch.eye(outputs.shape[1]).to(outputs).expand(len(outputs), -1, -1)

    def output_fisher_root(self, outputs):
        return 0.75**0.5 * torch.eye(outputs.shape[1]).to(outputs).expand(len(outputs), -1, -1)

    def third_moment(self, outputs, vectors, others):
        return torch.zeros_like(vectors[:, 0])


def test_no_exponential_family():
    network, x, _ = small_case("poisson")
    with pytest.raises(ValueError, match=r"`likelihood` is Heavy, .* no exponential family"):
        fc.diagonal_variances(network, x, Heavy())


def test_output_fisher_that_cannot_be_differentiated():
    class Opaque(WaitingTimeWithMoments):
        def output_fisher(self, outputs):
            return torch.from_numpy(torch.diag_embed(outputs.exp()).numpy())

    network, x, _ = small_case("poisson")
    with pytest.raises(ValueError, match=r"`likelihood` is Opaque, .*natural_bend"):
        fc.diagonal_variances(network, x, Opaque())


def test_wrong_inputs_and_budget():
    network, x, family = small_case("categorical")
    with pytest.raises(ValueError, match="`x` has shape"):
        fc.diagonal_variances(network, x[:, :2], family)
    with pytest.raises(ValueError, match=r"`x` is torch.float32"):
        fc.diagonal_variances(network, x.float(), family)
    with pytest.raises(fc.BudgetError, match="`budget` allows 100 bytes"):
        fc.diagonal_variances(network, x, family, budget=fc.Budget(100))
    with pytest.raises(OverflowError, match="overflow"):
        fc.diagonal_variances(network, x * torch.inf, family)
    with pytest.raises(ValueError, match="`values` has shape"):
        fc.diagonal_variances(network, x, family).by_unit(x)
    with pytest.raises(ValueError, match="`draws` is 0"):
        fc.diagonal_variances(network, x, family).negative_share(draws=0)
    with pytest.raises(ValueError, match="`size` is 0"):
        list(fc.diagonal_variances(network, x, family).per_sample.parts(0))

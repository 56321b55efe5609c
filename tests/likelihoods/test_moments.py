"""Third and fourth moments of the score against the sum over every label; inequalities between moments."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from label_laws import FAMILIES, OUTPUTS, inputs_of, label_law

import fimcore as fc
from fimcore.likelihoods import LikelihoodWithMoments


def directions(count, columns, seed):
    draw = torch.randn(2, count, columns, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return draw[0], draw[1]


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_moments_are_the_expectation_over_every_label(family):
    assert isinstance(family, LikelihoodWithMoments)
    for number, outputs in enumerate(inputs_of(family)):
        labels, weights = label_law(family, outputs)
        score = family.score(outputs.expand(len(weights), -1), labels)
        vectors, others = directions(1, len(outputs), number)
        along, across = score @ vectors[0], score @ others[0]
        fourth = weights @ along**4
        found = family.fourth_moment(outputs[None], vectors)[0]
        torch.testing.assert_close(found, fourth, rtol=1e-12, atol=0)
        third = family.third_moment(outputs[None], vectors, others)[0]
        scale = weights @ (along.square() * across.abs())
        assert float(((third - weights @ (along.square() * across)).abs() / scale).max()) < 1e-12


def test_independent_counts_add_their_cumulants():
    family, outputs = fc.Poisson(), OUTPUTS[:1, :2]
    vectors, others = directions(1, 2, 9)
    moments = []
    for column in range(2):
        labels, weights = label_law(family, outputs[0, column : column + 1])
        score = family.score(outputs[:, column].expand(len(weights))[:, None], labels)[:, 0]
        moments.append([float(weights @ score**power) for power in range(5)])
    (first, second), (other_first, other_second) = vectors[0], others[0]
    fourth = (
        first**4 * moments[0][4] + 6 * first**2 * second**2 * moments[0][2] * moments[1][2] + second**4 * moments[1][4]
    )
    torch.testing.assert_close(family.fourth_moment(outputs, vectors)[0], fourth, rtol=1e-12, atol=0)
    third = first**2 * other_first * moments[0][3] + second**2 * other_second * moments[1][3]
    torch.testing.assert_close(family.third_moment(outputs, vectors, others)[0], third, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.01, 1.0, 8.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_moments_obey_the_inequalities(family, seed, scale, dtype):
    outputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype) * scale
    vectors, others = (part.to(dtype) for part in directions(3, 4, seed))
    # in float64: v^T Q v of a confident model is a small difference of large terms
    fisher = family.output_fisher(outputs.double())
    second, other_second = (torch.einsum("ncm,ncd,ndm->nm", v.double(), fisher, v.double()) for v in (vectors, others))
    fourth, third = family.fourth_moment(outputs, vectors), family.third_moment(outputs, vectors, others)
    slack = 1 + 64 * torch.finfo(dtype).eps
    assert bool((second**2 <= fourth * slack).all())
    # Cauchy-Schwarz, after taking off the mean of the square: E [(v.s)^2 (w.s)]^2 <= Var((v.s)^2) E (w.s)^2
    assert bool((third**2 <= (fourth - second**2 + fourth * (slack - 1)) * other_second * slack).all())
    torch.testing.assert_close(family.fourth_moment(outputs, -2 * vectors), 16 * fourth)
    torch.testing.assert_close(family.third_moment(outputs, -vectors, -2 * others), -2 * third)

"""Labels follow their law (z-scores), repeat with their seed, and do not depend on the dtype."""

import numpy as np
import pytest
import torch
from label_laws import FAMILIES, OUTPUTS
from scipy import stats

import fimcore as fc

COUNT = 40_000


def draw(family, outputs, seed=2):
    return family.sample(outputs, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("row", [0, 1])
def test_the_score_has_mean_0_and_the_fisher_matrix_as_second_moment(family, row):
    outputs = OUTPUTS[row : row + 1].expand(COUNT, -1)
    labels = draw(family, outputs)
    scores = family.score(outputs, labels)
    expected = family.output_fisher(OUTPUTS[row : row + 1])[0]
    z = scores.mean(dim=0) / (scores.std(dim=0) / COUNT**0.5)
    assert float(z.abs().max()) < 4
    products = scores[:, :, None] * scores[:, None, :]
    z = (products.mean(dim=0) - expected) / (products.std(dim=0) / COUNT**0.5)
    assert float(z.abs().max()) < 4.5


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_a_seed_means_the_same_labels_in_every_dtype(family):
    outputs = OUTPUTS.repeat(500, 1)
    labels = draw(family, outputs)
    assert torch.equal(labels, draw(family, outputs))
    assert not torch.equal(labels, draw(family, outputs, seed=3))
    single = draw(family, outputs.float())
    if isinstance(family, fc.Gaussian | fc.GaussianWithVariance):
        torch.testing.assert_close(single.double(), labels, rtol=1e-5, atol=1e-5)
    else:  # rounded outputs move a label only where the uniform number falls between two neighbouring probabilities
        assert float((single.double() != labels).double().mean()) < 1e-3
        exact = outputs.float().double()
        assert torch.equal(draw(family, exact.float()).double(), draw(family, exact).double())
    assert not draw(family, outputs.clone().requires_grad_(True)).requires_grad


@pytest.mark.parametrize("log_rate", [-800.0, -40.0, -5.0, -1.0, 0.0, 2.0, 4.0, 10.0, 25.0, 34.0])
def test_counts_invert_the_distribution_function(log_rate):
    outputs = torch.full((2000, 1), log_rate, dtype=torch.float64)
    labels = draw(fc.Poisson(), outputs)[:, 0].numpy()
    uniform = torch.rand(2000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)[:, 0].numpy()
    rate = np.exp(log_rate)
    # far out in rates the two distribution functions agree to 1e-8 only
    assert (stats.poisson.cdf(labels, rate) >= uniform - 1e-7).all()
    assert (stats.poisson.cdf(labels - 1, rate) <= uniform + 1e-7).all()
    assert labels.min() >= 0
    assert (labels == np.floor(labels)).all()
    if log_rate <= 4:
        np.testing.assert_array_equal(labels, stats.poisson.ppf(uniform, rate))

"""Random laws: their second moments by z-score, exact lengths and overlaps, seeds; real digits; two ways to scale."""

import pytest
import torch

import fimcore as fc
from fimcore.inputs import InputError, common_scale, standardise

COUNT, DIM = 4000, 12
LAWS = {
    "gaussian": fc.inputs.gaussian,
    "sphere": fc.inputs.sphere,
    "power_law": fc.inputs.power_law,
    "shifted": fc.inputs.shifted,
    "correlated_pair": lambda *args, **named: torch.stack(fc.inputs.correlated_pair(*args, **named)).flatten(0, -2),
}


def z_scores(samples, expected):
    """Of the mean over samples: (samples, ...) against (...)."""
    return (samples.mean(dim=0) - expected) / (samples.std(dim=0) / len(samples) ** 0.5 + 1e-12)


@pytest.mark.parametrize("draw", LAWS.values(), ids=LAWS.keys())
def test_inputs_have_unit_mean_square_and_repeat_with_their_seed(draw):
    x = draw(COUNT, DIM, seed=3)
    assert x.shape[1] == DIM
    assert x.dtype is torch.float64
    assert float(z_scores(x.square().mean(dim=1), 1).abs()) < 4.5
    assert torch.equal(x, draw(COUNT, DIM, seed=3))
    assert not torch.equal(x, draw(COUNT, DIM, seed=4))
    assert torch.equal(draw(COUNT, DIM, seed=3, dtype=torch.float32), x.float())


def test_gaussian_and_sphere():
    x = fc.inputs.gaussian(COUNT, DIM)
    assert float(z_scores(x[:, :, None] * x[:, None, :], torch.eye(DIM)).abs().max()) < 4.5
    radii = fc.inputs.sphere(50, 7).square().sum(dim=1)
    torch.testing.assert_close(radii, torch.full((50,), 7.0, dtype=torch.float64))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 3.0])
def test_power_law_has_the_spectrum_it_says(exponent):
    spectrum = torch.arange(1, DIM + 1, dtype=torch.float64) ** -exponent
    spectrum *= DIM / spectrum.sum()
    x = fc.inputs.power_law(COUNT, DIM, exponent, seed=1)
    assert float(z_scores(x[:, :, None] * x[:, None, :], spectrum.diag()).abs().max()) < 4.5
    torch.testing.assert_close(x, fc.inputs.gaussian(COUNT, DIM, seed=1) * spectrum.sqrt())


@pytest.mark.parametrize("mean", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_shifted_inputs_overlap_by_the_square_of_the_mean(mean):
    x = fc.inputs.shifted(COUNT, DIM, mean, seed=1)
    assert float(z_scores(x, mean).abs().max()) < 4.5
    assert float(z_scores(x.square(), 1).abs().max()) < 4.5
    overlaps = (x[0::2] * x[1::2]).mean(dim=1)
    assert float(z_scores(overlaps, mean**2).abs()) < 4.5


@pytest.mark.parametrize("correlation", [-1.0, -0.4, 0.0, 0.5, 0.999999, 1.0])
@pytest.mark.parametrize("dim", [2, 3, 100])
def test_correlated_pairs_have_exactly_their_lengths_and_overlap(correlation, dim):
    first, second = fc.inputs.correlated_pair(3000, dim, correlation, seed=2)
    assert first.shape == second.shape == (3000, dim)
    for found, expected in ((first * first, 1), (second * second, 1), (first * second, correlation)):
        assert float((found.mean(dim=1) - expected).abs().max()) < 3e-15
    if abs(correlation) == 1:
        assert torch.equal(second, correlation * first)
    # both are uniform on the sphere, and the pair turns with it
    for x in (first, second):
        assert float(z_scores(x, 0).abs().max()) < 4.5
    assert float(z_scores(first[:, :, None] * second[:, None, :], correlation * torch.eye(dim)).abs().max()) < 5


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: fc.inputs.gaussian(0, 3), "`count` is 0; give a whole number, 1 or more"),
        (lambda: fc.inputs.sphere(3, 1.5), "`dim` is 1.5"),
        (lambda: fc.inputs.power_law(3, 3, -1.0), "`exponent` is -1.0; give a number of 0 or more"),
        (lambda: fc.inputs.power_law(3, 3, float("inf")), "`exponent` is inf"),
        (lambda: fc.inputs.shifted(3, 3, 1.01), "`mean` is 1.01; give a number from -1 to 1"),
        (lambda: fc.inputs.shifted(3, 3, float("nan")), "`mean` is nan"),
        (lambda: fc.inputs.correlated_pair(3, 3, -1.5), "`correlation` is -1.5; give a number from -1 to 1"),
        (lambda: fc.inputs.correlated_pair(3, 1), "`dim` is 1; a pair of a given correlation needs 2 or more"),
        (lambda: fc.inputs.correlated_pair(0, 2), "`count` is 0"),
    ],
)
def test_settings_are_checked(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


def test_digits_are_real_and_scaled():
    data = fc.inputs.digits()
    assert data.x.shape == (1797, 64)
    assert data.columns[-1] == "pixel 8,8"
    assert sorted(set(data.y.tolist())) == list(range(10))
    assert float(data.x.mean()) == pytest.approx(0, abs=1e-12)
    assert float(data.x.square().mean()) == pytest.approx(1)
    assert torch.equal(fc.inputs.digits(torch.float32).x, data.x.float())


def test_two_ways_to_scale():
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0]], dtype=torch.float64)
    assert standardise(x).tolist() == [[-1, 0], [1, 0]]
    scaled = common_scale(x)
    assert float(scaled.square().mean()) == pytest.approx(1)
    assert float(scaled.mean()) == pytest.approx(0, abs=1e-15)
    torch.testing.assert_close(
        (scaled[1, 0] - scaled[0, 0]) / (scaled[0, 1] - scaled[0, 0]), torch.tensor(0.5).double()
    )
    assert torch.equal(common_scale(torch.full((3, 2), 7.0)), torch.zeros(3, 2))

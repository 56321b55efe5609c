"""Activations against high-precision mpmath definitions and autograd."""

import mpmath
import pytest
import torch

import fimcore as fc
from fimcore.activations import activation

DEFINITIONS = {
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "relu": lambda u: max(u, 0),
    "leaky_relu": lambda u: u if u > 0 else u / 100,
    "gelu": lambda u: u * mpmath.ncdf(u),
    "silu": lambda u: u / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "sin": mpmath.sin,
    "elu": lambda u: u if u > 0 else mpmath.expm1(u),
    "linear": lambda u: u,
}
POINTS = [-30.0, -3.1, -0.7, -1e-3, 1e-3, 0.4, 2.5, 30.0]


@pytest.mark.parametrize("name", fc.ACTIVATION_NAMES)
def test_value_is_the_definition(name):
    u = torch.tensor(POINTS, dtype=torch.float64)
    expected = torch.tensor([float(DEFINITIONS[name](mpmath.mpf(point))) for point in POINTS], dtype=torch.float64)
    torch.testing.assert_close(activation(name)(u), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", fc.ACTIVATION_NAMES)
def test_derivatives_equal_autograd(name):
    u = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    value = activation(name)(u)
    (first,) = torch.autograd.grad(value.sum(), u, create_graph=True)
    torch.testing.assert_close(activation(name).first(u).detach(), first.detach(), rtol=1e-12, atol=1e-13)
    second = torch.zeros_like(u)
    if first.requires_grad and first.grad_fn is not None:
        (found,) = torch.autograd.grad(first.sum(), u, allow_unused=True)
        second = second if found is None else found
    torch.testing.assert_close(activation(name).second(u).detach(), second.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", fc.ACTIVATION_NAMES)
def test_dtype_is_kept(name):
    u = torch.tensor([-1.0, 0.5])
    for function in (activation(name).value, activation(name).first, activation(name).second):
        assert function(u).dtype is torch.float32


def test_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match="`activation` is 'swish'; choose one of tanh, erf"):
        activation("swish")


@pytest.mark.parametrize("name", fc.ACTIVATION_NAMES)
def test_slope_from_the_value_is_the_slope(name):
    phi, u = activation(name), torch.linspace(-6, 6, 241, dtype=torch.float64)
    torch.testing.assert_close(phi.slope(u, phi(u)), phi.first(u), rtol=1e-14, atol=1e-15)

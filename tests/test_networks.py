"""Architectures, parameter order and networks."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import fimcore as fc
from fimcore.parameters import Location


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (3, 0, 1)}, "`widths` is (3, 0, 1)"),
        ({"widths": (3,)}, "`widths` is (3,)"),
        ({"widths": (3, 2.5, 1)}, "`widths` is (3, 2.5, 1)"),
        ({"widths": "abc"}, "`widths` is 'abc'"),
        ({"activation": "swish"}, "`activation` is 'swish'; choose one of tanh"),
        ({"weight_variance": -1.0}, "`weight_variance` is -1.0; give a finite number above 0"),
        ({"weight_variance": float("nan")}, "`weight_variance` is nan"),
        ({"bias_variance": float("inf")}, "`bias_variance` is inf"),
        ({"init": "xavier"}, "`init` is 'xavier'; choose one of gaussian, orthogonal"),
    ],
)
def test_architecture_refuses_by_name(change, message):
    with pytest.raises(ValueError) as error:
        fc.Architecture(**{"widths": (3, 4, 1), **change})
    assert message in str(error.value)


def test_architecture_is_a_value():
    a = fc.Architecture((784, 256, 10), "relu", 2.0)
    assert a == fc.Architecture([784, 256, 10], "relu", 2.0)
    assert hash(a) == hash(fc.Architecture((784, 256, 10), "relu", 2.0))
    assert (a.layers, a.outputs, a.hidden_widths, a.parameters) == (2, 10, (256,), 784 * 256 + 256 + 2560 + 10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.activation = "tanh"


def test_parameter_order_is_layer_unit_weights_bias():
    layout = fc.ParameterLayout((2, 3, 1))
    assert layout.parameters == 13
    assert layout.layer_slice(2) == slice(9, 13)
    assert layout.unit_slice(1, 2) == slice(3, 6)
    assert layout.unit_offsets().tolist() == [0, 3, 6, 9, 13]
    assert layout.locate(4) == Location(1, 2, 2)
    assert layout.locate(5) == Location(1, 2, None)
    assert layout.name(4) == "layer 1 · unit 2 · weight 2"
    assert layout.name(12) == "layer 2 · unit 1 · bias"
    assert layout.symbol(4) == "w₁[2←2]"
    assert layout.symbol(12) == "b₂[1]"
    for bad in (-1, 13):
        with pytest.raises(IndexError, match="parameters run from 0 to 12"):
            layout.locate(bad)
    with pytest.raises(IndexError, match="`unit` is 4; it runs from 1 to 3"):
        layout.unit_slice(1, 4)


def test_torch_order():
    network = fc.sample_network(fc.Architecture((2, 3, 2), "tanh", 1.0, 0.5), seed=1)
    torch_vector = nn.utils.parameters_to_vector(network.to_torch().parameters()).detach()
    ours = network.parameter_vector()
    assert torch.equal(ours[network.layout.torch_order()], torch_vector)
    assert torch.equal(network.with_parameters(ours).weights[1], network.weights[1])


def test_weights_have_the_law_of_the_architecture():
    network = fc.sample_network(fc.Architecture((400, 300, 200), "tanh", 1.8, 0.1), seed=2)
    for weight, bias, fan_in in zip(network.weights, network.biases, (400, 300), strict=True):
        for values, variance in ((weight, 1.8 / fan_in), (bias, 0.1)):
            count = values.numel()
            assert abs(float(values.mean())) < 4.5 * (variance / count) ** 0.5
            assert abs(float(values.var()) / variance - 1) < 4.5 * (2 / count) ** 0.5


@pytest.mark.parametrize("widths", [(50, 30, 20), (20, 50, 50)])
def test_orthogonal_draws(widths):
    network = fc.sample_network(fc.Architecture(widths, "tanh", 1.8, 0.0, init="orthogonal"), seed=2)
    for weight in network.weights:
        rows, columns = weight.shape
        assert float(weight.square().mean()) == pytest.approx(1.8 / columns, rel=1e-12)
        gram = weight @ weight.T if rows <= columns else weight.T @ weight
        identity = torch.eye(len(gram), dtype=torch.float64) * float(gram[0, 0])
        assert float((gram - identity).abs().max()) < 1e-12


def test_a_seed_means_the_same_network_in_every_dtype():
    architecture = fc.Architecture((5, 4, 2), bias_variance=0.3)
    double, single = (fc.sample_network(architecture, 7, dtype=dtype) for dtype in (torch.float64, torch.float32))
    assert torch.equal(double.weights[0].float(), single.weights[0])
    assert single(torch.ones(1, 5)).dtype is torch.float32
    assert not torch.equal(double.weights[0], fc.sample_network(architecture, 8).weights[0])


@pytest.mark.parametrize("name", [n for n in fc.ACTIVATION_NAMES if n not in ("erf", "sin")])
def test_to_and_from_torch(name):
    network = fc.sample_network(fc.Architecture((4, 5, 3, 2), name, 1.3, 0.2), seed=3)
    x = fc.inputs.gaussian(6, 4, seed=1)
    there = network.to_torch()
    torch.testing.assert_close(there(x), network(x), rtol=1e-12, atol=1e-12)
    back = fc.Network.from_torch(there)
    assert back.activation == name
    assert torch.equal(back(x), network(x))


@pytest.mark.parametrize(
    "modules",
    [
        [nn.Linear(2, 3), nn.Dropout(0.1), nn.Linear(3, 1)],
        [nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)],
        [nn.Linear(2, 3, bias=False), nn.Tanh(), nn.Linear(3, 1)],
        [nn.Linear(2, 3), nn.GELU("tanh"), nn.Linear(3, 1)],
        [nn.Linear(2, 3), nn.LeakyReLU(0.3), nn.Linear(3, 1)],
        [nn.Linear(2, 3), nn.Tanh()],
        [nn.Tanh(), nn.Linear(2, 3)],
        [nn.Linear(2, 3), nn.Tanh(), nn.Tanh(), nn.Linear(3, 1)],
    ],
    ids=str,
)
def test_other_torch_models_are_refused_with_what_is_supported(modules):
    with pytest.raises(ValueError, match=r"Supported: torch\.nn\.Sequential of Linear layers"):
        fc.Network.from_torch(nn.Sequential(*modules))


def test_wrong_tensors_and_inputs_are_named():
    with pytest.raises(ValueError, match="layer 2: `weights` has shape"):
        fc.Network([torch.ones(3, 2), torch.ones(1, 4)], [torch.ones(3), torch.ones(1)])
    with pytest.raises(ValueError, match="one dtype"):
        fc.Network([torch.ones(3, 2)], [torch.ones(3).double()])
    with pytest.raises(ValueError, match=r"dtype torch\.int64"):
        fc.Network([torch.ones(3, 2).long()], [torch.ones(3).long()])
    network = fc.sample_network(fc.Architecture((2, 3, 1)))
    with pytest.raises(ValueError, match=r"`x` has shape \(4, 3\); this network takes \(N, 2\)"):
        network(torch.ones(4, 3).double())
    with pytest.raises(ValueError, match=r"`x` is torch\.float32"):
        network(torch.ones(4, 2))
    huge, inputs = fc.sample_network(fc.Architecture((2, *[8] * 12, 1), "relu", 1e60)), fc.inputs.gaussian(3, 2)
    with pytest.raises(OverflowError, match="lower `weight_variance`"):
        fc.factors(huge, inputs, fc.Gaussian())


def test_numpy_arrays_of_offsets_are_plain_integers():
    assert fc.ParameterLayout((2, 3, 1)).unit_offsets().dtype == np.int64


def test_values_that_hold_tensors_compare_and_hash_by_identity():
    network, x = fc.sample_network(fc.Architecture((3, 4, 2))), fc.inputs.gaussian(5, 3)
    pairs = [
        (network, fc.sample_network(fc.Architecture((3, 4, 2)))),
        (fc.factors(network, x, fc.Gaussian()), fc.factors(network, x, fc.Gaussian())),
        (fc.inputs.Data(x, None, "a"), fc.inputs.Data(x.clone(), None, "a")),
    ]
    for one, other in pairs:
        assert one == one
        assert one != other
        assert len({one, other}) == 2

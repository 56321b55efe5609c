"""Through training: against enumeration of the labels by autograd, the crossover by hand, and partial results."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.func import grad, hessian

from fimcore.experiments.estimator_training import Spec, crossovers, run, updates
from fimcore.experiments.setting import inputs_of, network_of

SMALL = {"width": 2, "hidden_layers": 1, "samples": 20, "seeds": 1, "epochs": 2, "batch": 7, "looked_at": 3}


@pytest.fixture(scope="module")
def result():
    return run(Spec(**SMALL))


def test_the_first_epoch_agrees_with_all_labels_written_out(result):
    spec = Spec(**SMALL)
    network, x = network_of(spec), inputs_of(spec)[:3]
    weights = torch.cat([part.reshape(-1) for part in (*network.weights, *network.biases)])
    sizes = [part.numel() for part in (*network.weights, *network.biases)]
    shapes = [part.shape for part in (*network.weights, *network.biases)]

    def log_likelihood(vector, one, label):
        first, second, bias, other = (p.reshape(s) for p, s in zip(vector.split(sizes), shapes, strict=True))
        hidden = torch.nn.functional.softplus(first @ one + bias)
        return torch.log_softmax(second @ hidden + other, dim=0)[label]

    # weights and biases of the first layer: what enters its mean
    own = torch.cat([torch.arange(sizes[0]), torch.arange(sizes[0] + sizes[1], sum(sizes[:3]))])
    found = {"score": 0.0, "hessian": 0.0}
    for one in x:
        p = torch.stack([log_likelihood(weights, one, y) for y in range(10)]).exp()
        squares = torch.stack([grad(log_likelihood)(weights, one, y)[own].square() for y in range(10)])
        bends = torch.stack([-hessian(log_likelihood)(weights, one, y).diagonal()[own] for y in range(10)])
        for kind, drawn in (("score", squares), ("hessian", bends)):
            found[kind] += float((p @ drawn.square() - (p @ drawn).square()).mean()) / 3
    row = result.tables["layers"].query("epoch == 0 and layer == 1").iloc[0]
    assert row["score"] == pytest.approx(math.sqrt(found["score"]), rel=1e-9)
    assert row["hessian"] == pytest.approx(math.sqrt(found["hessian"]), rel=1e-9)


def test_every_epoch_and_layer_is_there_and_below_its_bound(result):
    layers = result.tables["layers"]
    assert layers[["epoch", "layer"]].to_numpy().tolist() == [[e, k] for e in range(3) for k in (1, 2)]
    assert result.verdicts[0].word == "agrees"
    assert (layers[layers["layer"] == 2]["hessian"] == 0).all()
    assert updates(Spec(**SMALL)) == 3


def test_the_crossover_is_the_first_epoch_after_the_order_changed():
    layers = pd.DataFrame(
        {"seed": 0, "layer": 1, "epoch": [0, 1, 2, 3], "score": [1.0, 1.0, 1.0, 1.0], "hessian": [2.0, 1.5, 0.5, 0.4]}
    )
    assert crossovers(layers)["epoch"].tolist() == [2.0]
    layers["hessian"] = 0.0
    assert np.isnan(crossovers(layers)["epoch"]).all()
    assert crossovers(layers)["hessian_first"].all()


def test_partial_results_come_after_every_epoch():
    found = []
    run(Spec(**SMALL), lambda _share, _words, *partial: found.extend(partial))
    assert [len(each.tables["training"]) for each in found] == [1, 2, 3]
    assert [each.complete for each in found] == [False, False, True]


def test_a_rate_that_is_too_large_ends_the_run_and_leaves_what_is_finite():
    result = run(Spec(**SMALL, rate=10.0, optimizer="momentum", activation="relu"))
    assert np.isfinite(result.tables["layers"].to_numpy(dtype=float)).all()

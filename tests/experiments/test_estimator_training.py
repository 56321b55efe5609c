"""Through training: against enumeration of the labels by autograd, crossovers by hand, images from files, partial results."""

from __future__ import annotations

import gzip
import json
import math
import struct

import numpy as np
import pandas as pd
import pytest
import torch
from torch.func import grad, hessian

from fimcore.architecture import Architecture
from fimcore.experiments.estimator_training import Spec, cost, run, updates
from fimcore.experiments.labelled_images import draw_images
from fimcore.experiments.winner_changes import winner_changes
from fimcore.inputs import InputError
from fimcore.networks import sample_network

SMALL = {"width": 2, "hidden_layers": 1, "samples": 20, "seeds": 1, "epochs": 2, "batch": 7, "looked_at": 3}


@pytest.fixture(scope="module")
def result():
    return run(Spec(**SMALL))


def test_the_first_epoch_agrees_with_all_labels_written_out(result):
    spec = Spec(**SMALL)
    network = sample_network(Architecture((64, 2, 10), "softplus", spec.weight_variance, spec.bias_variance), 0)
    x = draw_images("", 20, 0)[0][:3]
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


def curves(score, hessian):
    return pd.DataFrame({"seed": 0, "layer": 1, "epoch": range(len(score)), "score": score, "hessian": hessian})


def test_the_winner_changes_where_the_log_ratio_is_zero():
    # ratios 4, 2, 1/4, 2: log2 = 2, 1, -2, 1, with zeros at 1 + 1/3 and at 2 + 2/3
    found = winner_changes(curves([1.0, 1.0, 1.0, 1.0], [4.0, 2.0, 0.25, 2.0]))
    assert found["epoch"].to_numpy() == pytest.approx([4 / 3, 8 / 3])
    assert found["better_after"].tolist() == ["hessian", "score"]
    assert found["better_before"].tolist() == ["score", "hessian"]


def test_no_variance_or_no_change_is_no_crossover():
    assert winner_changes(curves([1.0, 1.0], [0.0, 0.0])).empty
    assert winner_changes(curves([1.0, 1.0], [2.0, 3.0])).empty
    assert winner_changes(curves([1.0, np.nan], [2.0, 0.5])).empty
    assert winner_changes(curves([1.0, 1.0, 2.0], [2.0, 1.0, 2.0])).empty


def test_partial_results_come_after_every_epoch():
    found = []
    run(Spec(**SMALL), lambda _share, _words, *partial: found.extend(partial))
    assert [len(each.tables["training"]) for each in found] == [1, 2, 3]
    assert [each.complete for each in found] == [False, False, True]


def test_a_rate_that_is_too_large_ends_the_run_and_leaves_what_is_finite():
    result = run(Spec(**SMALL, rate=10.0, optimizer="momentum", activation="relu", weight_variance=100.0))
    layers, training = result.tables["layers"], result.tables["training"]
    assert not np.isinf(layers.to_numpy(dtype=float)).any()
    assert len(layers) == 2 * training["loss"].notna().sum()


def write_idx(path, array):
    """The format as its authors describe it: magic number, sizes, bytes."""
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def image_files(tmp_path):
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 10, 30)
    pixels = generator.integers(0, 256, (30, 4, 5))
    write_idx(tmp_path / "t-images-idx3-ubyte.gz", pixels)
    write_idx(tmp_path / "t-labels-idx1-ubyte", labels)
    return tmp_path, pixels, labels


def test_images_from_idx_files_with_their_labels(image_files):
    folder, pixels, labels = image_files
    path = str(folder / "t-images-idx3-ubyte.gz")
    x, y = draw_images(path, 12, seed=4)
    assert x.shape == (12, 20)
    assert float(x.square().mean()) == pytest.approx(1.0)
    assert float(x.mean()) == pytest.approx(0.0, abs=1e-12)
    # every image drawn is one of the file, up to the common shift and scale, with its own label
    for one, label in zip(x.numpy(), y.numpy(), strict=True):
        match = [np.corrcoef(one, each.ravel())[0, 1] > 1 - 1e-9 for each in pixels]
        assert labels[match].tolist() == [label]
    result = run(Spec(**SMALL, inputs="images", data_file=path))
    assert result.verdicts[0].word == "agrees"
    assert result.data_sha256
    assert str(folder) not in json.dumps(result.to_json())


def test_files_that_do_not_work_are_named(image_files):
    folder, pixels, labels = image_files
    path = folder / "t-images-idx3-ubyte.gz"

    def refused(path, words):
        with pytest.raises(InputError, match=words):
            cost(Spec(inputs="images", data_file=str(path)))

    refused(folder / "none-images-idx3-ubyte", "does not exist here")
    refused(folder / "t-labels-idx1-ubyte", "one number a row")
    write_idx(folder / "t-labels-idx1-ubyte", labels + 3)
    write_idx(path, pixels[:, ::-1])
    refused(path, "from 3 to .*numbered 0 to 9")
    write_idx(folder / "t-labels-idx1-ubyte", labels[:7])
    write_idx(path, pixels[:, :, ::-1])
    refused(path, "7 labels for 30 images")
    (folder / "t-labels-idx1-ubyte").unlink()
    write_idx(path, pixels[::-1])
    refused(path, "no labels beside it")
    with pytest.raises(InputError, match="`data_file` is empty"):
        cost(Spec(inputs="images"))

"""The page Through training in-process: what it says of every outcome, its pictures, and images that a visitor uploads."""

from __future__ import annotations

import gzip
import re
import struct

import estimator_training_words
import image_uploads
import numpy as np
import pytest
import streamlit as st
from figure_export import figure_svg
from figures import estimator_training as figures

from fimcore.experiments import estimator_training
from fimcore.inputs import InputError

SMALL = {"width": 4, "samples": 50, "seeds": 2, "epochs": 3, "looked_at": 10}
DIVERGES = {
    "optimizer": "momentum",
    "rate": 10.0,
    "activation": "linear",
    "weight_variance": 100.0,
    "hidden_layers": 6,
}


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({}, "layer"),
        ({"activation": "sigmoid"}, r"The better estimator is the squared score throughout\*\* in layers 1 and 2"),
        (
            {"activation": "relu"},
            r"no variance in any layer.*The squared score deviates by \*\*[\d., and]+\*\* times F",
        ),
        (
            {"width": 16, "samples": 200, "rate": 0.03, "hidden_layers": 1},
            r"becomes the better estimator\*\* in layer 1 after",
        ),
        (DIVERGES, "There is nothing to estimate: F is 0"),
    ],
    ids=str,
)
def test_every_outcome_has_a_sentence_and_pictures(setting, said):
    result = estimator_training.run(
        estimator_training.Spec(**{**SMALL, **setting, "hidden_layers": setting.get("hidden_layers", 2)})
    )
    layers, changes = result.tables["layers"], result.tables["crossover"]
    text = estimator_training_words.finding(result) + estimator_training_words.caption(result, True)
    assert re.search(said, text), text
    assert not re.search(r"\bnan\b|\binf\b|∞|no number", text), text
    for layer in layers["layer"].unique():
        own = layers[layers["layer"] == layer]
        crossings = changes[changes["layer"] == layer]["epoch"]
        chart = figures.values(own, crossings, [], figures.span(layers, True), True, dark=False)
        assert len(crossings) == sum(len(trace.x) for trace in chart.data if trace.name == figures.CROSSOVER)
        assert figure_svg(chart, "Title", ["Caption"]).startswith("<")
        figures.ratios(own, figures.ratio_span(layers, True), True, dark=True)


def test_runs_that_go_wrong_are_told_with_a_smaller_rate():
    result = estimator_training.run(estimator_training.Spec(**SMALL, **DIVERGES))
    assert result.tables["training"]["loss"].isna().sum() == 2
    told = estimator_training_words.troubles(result)
    assert "Loss became infinite in 2 of 2 seeds, first in epoch 2" in told[0][0]
    assert told[0][1] == ("Use 0.1", {"eta": 0.1})
    assert "The Fisher diagonal becomes 0 in layers" in told[1][0]
    assert estimator_training_words.troubles(estimator_training.run(estimator_training.Spec(**SMALL))) == []


def test_the_page_runs_and_asks_for_images(open_page):
    page = open_page("estimator_training", n=4, S=1, ep=5, N=50, M=10, all=1)
    assert len(page.get("plotly_chart")) == 8
    assert "layer" in page.markdown[1].value
    page = open_page("estimator_training", n=4, S=1, ep=5, N=50, M=10, **{"in": "images"})
    assert any("Choose two IDX files" in each.value for each in page.markdown)


def test_uploaded_images_are_kept_with_their_labels_or_refused():
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 256, (20, 5, 5)), generator.integers(0, 10, 20)
    st.session_state.clear()
    try:
        st.session_state["_images"] = image_uploads.keep(gzip.compress(idx(pixels)), idx(labels))
        spec = estimator_training.Spec(**SMALL, inputs="images", data_file=image_uploads.path())
        assert len(estimator_training.run(spec).tables["training"]) == 8
        st.session_state["_images"] = "../../etc/passwd"
        with pytest.raises(InputError, match="Choose two IDX files"):
            image_uploads.path()
    finally:
        st.session_state.clear()
    with pytest.raises(InputError, match="The file of labels holds 19 labels for 20 images"):
        image_uploads.keep(idx(pixels), idx(labels[1:]))
    with pytest.raises(InputError, match="The file of images holds one number a row"):
        image_uploads.keep(idx(labels), idx(labels))
    with pytest.raises(InputError, match="The file of images starts with"):
        image_uploads.keep(b"\x89PNG....", idx(labels))

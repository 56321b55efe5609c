"""The sanity report: its measurements against brute force, its rule against synthetic numbers, its verdicts on real settings."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import fimcore as fc
from fimcore.experiments import report, report_html, report_measured
from fimcore.experiments.report import GROUPS, Spec, passes, summarise
from fimcore.experiments.report_checks import AGREES, DISAGREES, NOT_APPLICABLE, Check, evaluated, ratio, root_of_ratio
from fimcore.experiments.report_setting import setting_of
from fimcore.experiments.report_text import report_text
from tests.fisher.brute_force import jacobians, layer_inputs

SMALL = Spec(width=5, hidden_layers=2, outputs=2, samples=8, seeds=4, input_dim=4)


@pytest.fixture(scope="module")
def one():
    """Measured numbers of a small network, its inputs, and its Jacobian (N, C, P) by autograd."""
    made = report_measured.measure(SMALL, 1)
    x = torch.tensor(made.kernel_inputs)
    return made, x, jacobians(made.network, x)


def test_spectrum_and_its_centred_trace_are_those_of_the_dense_matrix(one):
    made, x, jacobian = one
    rows = jacobian.reshape(-1, jacobian.shape[2])
    values = torch.linalg.eigvalsh(rows.T @ rows / len(x)).flip(0).numpy()
    assert np.allclose(made.values[: len(rows)], values[: len(rows)], atol=1e-12)
    assert made.mean == pytest.approx(values.sum() / rows.shape[1], rel=1e-12)
    assert made.second_moment == pytest.approx((values**2).sum() / rows.shape[1], rel=1e-12)
    centred = (jacobian - jacobian.mean(dim=0)).reshape(rows.shape)
    assert made.trace_centred == pytest.approx(float(centred.square().sum()) / len(x), rel=1e-12)
    for layer, own in enumerate(made.layers, start=1):
        block = rows[:, made.network.layout.layer_slice(layer)]
        assert own == pytest.approx(float(torch.linalg.eigvalsh(block.T @ block / len(x))[-1]), rel=1e-10)


def test_kernels_metric_and_readout_are_those_of_autograd(one):
    made, x, jacobian = one
    assert np.allclose(made.kernel, torch.einsum("xcp,ycp->xy", jacobian, jacobian).numpy() / 2, rtol=1e-12)
    point = x.clone().requires_grad_()
    outputs = made.network(point)
    gradients = torch.stack(
        [torch.autograd.grad(outputs[:, c].sum(), point, retain_graph=True)[0] for c in range(2)], 1
    )
    rows = gradients.reshape(-1, 4)
    assert np.allclose(made.metric, torch.linalg.eigvalsh(rows.T @ rows / len(x)).flip(0).numpy(), atol=1e-12)
    last = layer_inputs(made.network, x)[-1][:, :-1]
    assert np.allclose(made.readout, torch.linalg.eigvalsh(last.T @ last / len(x)).flip(0).numpy(), atol=1e-12)
    expected = SMALL.weight_variance * last @ last.T / 5 + SMALL.bias_variance
    assert np.allclose(made.layer_covariance, expected.numpy(), rtol=1e-12)


def test_units_of_the_first_layer_are_those_of_the_dense_matrix(one):
    made, x, jacobian = one
    rows = jacobian.reshape(-1, jacobian.shape[2])
    fisher = rows.T @ rows / len(x)
    for unit in range(5):
        own = made.network.layout.unit_slice(1, unit + 1)
        block, w = fisher[own, own], made.network.weights[0][unit]
        e = w / w.norm()
        along = float(e @ block[:4, :4] @ e)
        assert made.units[0, unit] == pytest.approx(along, rel=1e-10)
        assert made.units[1, unit] == pytest.approx(float(e @ block[:4, 4]), abs=1e-12)
        assert made.units[2, unit] == pytest.approx((float(block[:4, :4].trace()) - along) / 3, rel=1e-10)
        assert made.units[3, unit] == pytest.approx(float(block[4, 4]), rel=1e-12)


@pytest.mark.parametrize("damping", [1e-3, 1e-6])
def test_rates_are_mean_eigenvalues_of_damped_block_inverses(damping):
    network = fc.sample_network(fc.Architecture((7, 9, 8, 2), "tanh", 1.5, 0.1), seed=3)
    x = fc.inputs.gaussian(3, 7, seed=4)
    made = fc.factors(network, x, fc.Gaussian())
    rows = jacobians(network, x).reshape(6, -1)
    for structure, found in (
        ("layer_blocks", report_measured.whitened_trace(made, "layer_blocks", damping)),
        ("unit_blocks", report_measured.whitened_trace(made, "unit_blocks", damping)),
        ("kfac", sum(report_measured.kfac_share(made, layer, damping) for layer in (1, 2, 3))),
    ):
        inverse = fc.fisher(network, x, structure=structure).solve(rows.T.contiguous(), damping)
        assert found == pytest.approx(float((rows * inverse.T).sum()) / 3, rel=1e-8), structure


def test_the_second_moment_needs_the_fluctuations_of_overlaps_where_inputs_hardly_overlap():
    """One hidden layer of 128 units: the familiar formula misses half of tr F^2, and the theory of block norms knows how much."""
    arch, count = fc.Architecture((128, 128, 1), "tanh", 1.5, 0.1), 100
    measured = []
    for seed in range(24):
        network, x = fc.sample_network(arch, seed), fc.inputs.gaussian(count, 128, seed=seed + 500)
        measured.append(fc.spectrum(network, x, fc.Gaussian()).second_moment)
    plain = fc.meanfield.fisher_statistics(arch, count).second_moment
    gap = fc.meanfield.second_moment_gap(arch, count)
    error = np.std(measured, ddof=1) / np.sqrt(24)
    assert gap > 0.5
    assert (np.mean(measured) - plain) / error > 10
    assert abs(np.mean(measured) - plain * (1 + gap)) < 4 * error + 0.05 * plain


def check(measured, predicted=1.0, tolerance=0.05, **options):
    return evaluated([Check("signals", "length", "1", measured, predicted, tolerance, **options)]).iloc[0]


def test_the_rule_agrees_within_and_disagrees_beyond_its_band():
    values = np.array([0.98, 1.0, 1.02, 1.0, 0.99, 1.01])
    inside = check(values)
    assert inside["verdict"] == AGREES
    assert inside["standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(6))
    band = inside["noticeable"]
    assert check(values + 0.99 * band)["verdict"] == AGREES
    beyond = check(values + 1.01 * band)
    assert beyond["verdict"] == DISAGREES
    assert beyond["relative_error"] == pytest.approx(1.01 * band)
    assert beyond["z"] == pytest.approx(1.01 * band / inside["standard_error"])


@pytest.mark.parametrize(
    ("measured", "options"),
    [
        ([1.0, 1.0, 1.0, 1.0], {"reason": "Too many outputs."}),
        ([1.0, np.nan, 1.0, 1.0], {}),
        ([0.1, 2.0, 0.2, 3.0], {}),
        ([1.0], {}),
        ([1.0, 1.0, 1.0, 1.0], {"predicted": np.inf}),
        ([0.0, 0.0, 0.0, 0.0], {"predicted": np.nan}),
    ],
)
def test_what_cannot_be_compared_says_why_and_holds_no_infinite_number(measured, options):
    row = check(np.array(measured), **options)
    assert row["verdict"] == NOT_APPLICABLE
    assert row["reason"].endswith(".")
    assert not np.isinf([row[name] for name in ("measured", "predicted", "z", "relative_error", "noticeable")]).any()


def test_a_reason_does_not_blame_the_seeds_or_the_networks_for_squares_below_zero():
    several = np.ones(4)
    one_keeps_it_up = check(np.column_stack([[3.0, -1.0, -1.0, 0.1], several]), statistic=root_of_ratio)
    below = check(np.column_stack([-several, several]), statistic=root_of_ratio)
    for row in (one_keeps_it_up, below):
        assert row["verdict"] == NOT_APPLICABLE
        assert row["reason"].startswith("Nothing is left beside the noise")
    assert check(np.zeros((4, 2)), statistic=root_of_ratio)["reason"].startswith("Nothing finite was measured")
    assert check(np.ones((1, 2)), statistic=root_of_ratio)["reason"].startswith("One network")


def test_ratios_are_those_of_averages_with_their_jackknife_error():
    pairs = np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 5.0], [2.0, 4.0]])
    assert ratio(pairs) == pytest.approx(8 / 13)
    assert root_of_ratio(pairs) == pytest.approx(np.sqrt(8 / 13))
    without = [ratio(np.delete(pairs, place, axis=0)) for place in range(4)]
    expected = np.sqrt(3 / 4 * np.sum((without - np.mean(without)) ** 2))
    assert check(pairs, statistic=ratio)["standard_error"] == pytest.approx(expected)


def test_a_prediction_conditional_on_the_network_is_compared_pair_by_pair():
    theory = np.array([1.0, 2.0, 3.0, 4.0])
    row = check(theory * 1.01, theory)
    assert row["standard_error"] == pytest.approx(0.01 * theory.std(ddof=1) / 2)
    assert row["verdict"] == AGREES


# Settings chosen to break the report: each phase, each kind of inputs, shallow, deep, narrow, dead, saturated, many outputs.
BREAKING = [
    {"width": 256, "seeds": 4},
    {"width": 96, "activation": "relu", "weight_variance": 2.0, "bias_variance": 0.0},
    {"width": 64, "activation": "relu", "weight_variance": 4.0, "bias_variance": 0.0, "hidden_layers": 6},
    {"width": 64, "weight_variance": 5.0, "bias_variance": 2.0},
    {"width": 64, "weight_variance": 0.1, "bias_variance": 0.0},
    {"width": 64, "weight_variance": 1e-6, "bias_variance": 0.0, "samples": 50},
    {
        "width": 64,
        "activation": "relu",
        "weight_variance": 0.01,
        "bias_variance": 0.0,
        "hidden_layers": 8,
        "samples": 50,
    },
    {"width": 512, "hidden_layers": 1, "seed": 5000},
    {"width": 64, "activation": "sigmoid", "weight_variance": 0.1, "bias_variance": 0.0},
    {"width": 64, "activation": "softplus", "weight_variance": 1.0},
    {"width": 64, "activation": "sin", "weight_variance": 5.0, "bias_variance": 0.0},
    {"width": 64, "activation": "elu", "hidden_layers": 2},
    {"width": 64, "activation": "linear", "weight_variance": 100.0, "hidden_layers": 8},
    {"width": 32, "seeds": 16},
    {"width": 8},
    {"width": 1, "hidden_layers": 1},
    {"width": 64, "outputs": 64, "samples": 20, "seeds": 4},
    {"width": 64, "likelihood": "softmax", "outputs": 3},
    {"width": 64, "likelihood": "softmax", "outputs": 2, "estimator": "score"},
    {"width": 64, "estimator": "empirical"},
    {"width": 64, "estimator": "score", "draws": 4},
    {"width": 128, "inputs": "sphere", "activation": "relu", "weight_variance": 2.0, "bias_variance": 0.0},
    {"width": 64, "inputs": "digits"},
    {"width": 64, "input_dim": 1},
    {"width": 64, "samples": 4},
    {"width": 64, "activation": "relu", "weight_variance": 100.0, "bias_variance": 100.0, "hidden_layers": 12},
    {
        "width": 400,
        "hidden_layers": 1,
        "activation": "relu",
        "weight_variance": 2.0,
        "bias_variance": 0.0,
        "input_dim": 4,
    },
]


@pytest.mark.parametrize("settings", BREAKING, ids=str)
def test_no_prediction_that_claims_to_apply_fails(settings):
    result = report.run(Spec(**settings))
    checks = result.tables["checks"]
    failed = [verdict.sentence for verdict in result.verdicts if verdict.word == DISAGREES]
    assert not failed
    assert passes(result)
    numbers = checks.select_dtypes("number").to_numpy()
    assert not np.isinf(numbers).any()
    assert (checks["reason"] != "").eq(checks["verdict"] == NOT_APPLICABLE).all()
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight_variance": 1.9},
        {"bias_variance": 0.4},
        {"activation": "erf"},
        {"activation": "relu"},
        {"noise_variance": 2.0},
        {"hidden_layers": 3, "activation": "sigmoid"},
    ],
    ids=str,
)
def test_networks_of_another_law_are_noticed(wrong):
    """Measured at one setting, predicted at another: the report has to say so."""
    spec = Spec(width=256, samples=100, seeds=8)
    found = [report_measured.measure(spec, number) for number in range(spec.seeds)]
    assert passes(summarise(spec, found, 0.0, 0, complete=True))
    other = Spec(**{**spec.model_dump(), **wrong})
    checks = summarise(other, found, 0.0, 0, complete=True).tables["checks"]
    assert (checks["verdict"] == DISAGREES).sum() >= 3


def test_an_error_as_large_as_noticeable_is_noticed():
    spec = Spec(width=128, samples=60, seeds=6)
    found = [report_measured.measure(spec, number) for number in range(spec.seeds)]
    setting = setting_of(spec, [each.kernel_inputs for each in found])
    checks = [each for group in GROUPS for each in group(setting, found)]
    table = evaluated(checks)
    applying = table.index[table["verdict"] != NOT_APPLICABLE]
    assert len(applying) > 20
    for place in applying:
        own, row = checks[place], table.loc[place]
        scale = own.scale if own.scale is not None else abs(row["predicted"])
        # pushed away from the measurement by what the row claims to notice
        away = -np.sign(row["relative_error"]) or 1.0
        pushed = replace(
            own, predicted=np.asarray(own.predicted) + away * 1.02 * row["noticeable"] * scale, scale=scale
        )
        assert evaluated([pushed]).iloc[0]["verdict"] == DISAGREES, (row["group"], row["quantity"])


class Plain(HTMLParser):
    """Text of a document, and everything it would fetch."""

    def __init__(self):
        super().__init__()
        self.text, self.fetched, self.open = "", [], []

    def handle_starttag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset") and value]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_html_is_one_file_that_fetches_nothing_and_has_every_number():
    result = report.run(Spec(width=32, seeds=4, samples=20))
    text = report_html.document(result, "http://127.0.0.1/report?n=32&x=<b>")
    read = Plain()
    read.feed(text)
    assert read.open == []
    assert read.fetched == []
    assert "url(" not in text
    assert "@import" not in text
    assert "&lt;b&gt;" in text
    assert report_html.summary_sentence(result) in read.text
    for reason, names in report_html.reasons(result.tables["checks"]):
        assert reason in read.text
        assert "; ".join(names) in read.text
    applying = result.tables["checks"].query(f"verdict != '{NOT_APPLICABLE}'")
    assert text.count("report-strip'") == len(applying)
    assert "nan" not in read.text
    assert report_html.summary_sentence(result) in report_text(result)


def test_partial_results_stream_and_a_cancel_keeps_them():
    seen = []

    class StoppedError(Exception):
        pass

    def progress(fraction, message, *partial):
        seen.extend(partial)
        if partial:
            raise StoppedError

    with pytest.raises(StoppedError):
        report.run(Spec(width=8, samples=10, seeds=8), progress)
    assert len(seen) == 1
    assert not seen[0].complete
    assert (seen[0].tables["checks"]["seeds"] == 4).all()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"width": 0}, "width"),
        ({"hidden_layers": 0}, "hidden_layers"),
        ({"weight_variance": 0}, "weight_variance"),
        ({"bias_variance": -1}, "bias_variance"),
        ({"samples": 1}, "samples"),
        ({"seeds": 2}, "seeds"),
    ],
)
def test_bad_settings_get_one_sentence(settings, field):
    with pytest.raises(fc.experiments.SpecError) as caught:
        fc.experiments.spec_from_mapping("report", settings)
    assert list(caught.value.faults) == [field]

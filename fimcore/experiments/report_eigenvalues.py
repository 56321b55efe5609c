"""What the sanity report holds against theory, second part: eigenvalues of F, of its layers, and of the input-space metric.

Source: Karakida, Akaho, Amari, arXiv 1806.01316, 1910.05992, 1906.02926; Takeishi, Iida, Takeuchi, arXiv 2111.15256.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.experiments.report_checks import Check
from fimcore.experiments.report_measured import Measured, spectrum_inputs
from fimcore.experiments.report_setting import Setting

FloatArray = NDArray[np.float64]

# Inputs for every hidden coordinate that an average over them needs before single eigenvalues show.
INPUTS_PER_COORDINATE = 40
# The formula of the second moment may leave this much out.
LARGEST_GAP = 0.1
FLUCTUATING = (
    "The formula has the mean overlap of inputs only; by the theory of block norms, fluctuations add {:.0f} % here."
)


def eigenvalue_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """Mean, second moment, the eigenvalues that stand out, and the bulk: of regression or of softmax."""
    if setting.spec.likelihood == "softmax":
        return _softmax(setting, found)
    return _regression(setting, found)


def _regression(setting: Setting, found: list[Measured]) -> list[Check]:
    spec, outputs = setting.spec, setting.arch.outputs
    arguments = (setting.arch, spectrum_inputs(spec), setting.moments.length, setting.moments.overlap)
    theory = meanfield.fisher_statistics(*arguments, output_scale=1 / spec.noise_variance)
    centred = meanfield.centred_statistics(*arguments, output_scale=1 / spec.noise_variance)
    estimated = _estimated(setting)
    means = setting.outside or estimated or theory.reason_mean
    sampled = "Sampled labels add noise to single eigenvalues." if spec.estimator == "score" else ""
    outliers = setting.outside or estimated or sampled or theory.reason
    tolerance, outlying = setting.tolerance("eigenvalues"), setting.tolerance("outliers")
    gap = meanfield.second_moment_gap(*arguments, setting.moments.overlap_variance)
    plain = "" if gap <= LARGEST_GAP else FLUCTUATING.format(100 * gap)
    checks = [
        Check("eigenvalues", "mean", "", [each.mean for each in found], theory.mean, tolerance, means),
        Check(
            "eigenvalues",
            "second moment",
            "",
            [each.second_moment for each in found],
            theory.second_moment,
            setting.tolerance("second moments"),
            outliers or plain,
        ),
        Check(
            "eigenvalues",
            "second moment, overlaps fluctuating",
            "",
            [each.second_moment for each in found],
            theory.second_moment * (1 + gap),
            setting.tolerance("second moments"),
            means or sampled or setting.many_outputs,
        ),
        # C eigenvalues are nearly equal, and finite width drives them apart around their mean
        Check(
            "eigenvalues",
            "largest" if outputs == 1 else f"mean of the {outputs} largest",
            "",
            [each.values[:outputs].mean() for each in found],
            theory.largest,
            outlying,
            outliers,
        ),
        Check(
            "eigenvalues",
            "mean of the rest",
            "",
            [(each.values.sum() - each.values[:outputs].sum()) / max(1, len(each.values) - outputs) for each in found],
            theory.bulk,
            outlying,
            outliers,
        ),
        Check(
            "eigenvalues",
            "mean, outputs centred",
            "",
            [each.trace_centred / setting.arch.parameters for each in found],
            centred.mean,
            tolerance + outlying,
            setting.outside or estimated or sampled or centred.reason_mean,
        ),
    ]
    checks += [
        Check(
            "eigenvalues",
            "largest of the layer's block",
            str(layer + 1),
            [each.layers[layer] for each in found],
            theory.layers[layer],
            outlying,
            outliers or ("" if theory.layers_valid[layer] else theory.reason_layers),
        )
        for layer in range(setting.arch.layers)
    ]
    return [*checks, _sum_of_layers(setting, found, outliers), *_metric(setting, found), *_two_layers(setting, found)]


def _estimated(setting: Setting) -> str:
    if setting.spec.estimator == "empirical":
        return "The prediction is about the Fisher matrix; the empirical matrix is another one."
    return ""


def _sum_of_layers(setting: Setting, found: list[Measured], reason: str) -> Check:
    """Layers' largest eigenvalues add up to that of F."""
    measured = [each.layers.sum() / each.values[0] if each.values[0] > 0 else np.nan for each in found]
    if not reason and setting.arch.outputs > 1:
        reason = "With several outputs the largest eigenvalues of the layers belong to different mixtures of outputs."
    return Check(
        "eigenvalues", "sum over layers of the largest", "", measured, 1.0, setting.tolerance("outliers"), reason
    )


def _metric(setting: Setting, found: list[Measured]) -> list[Check]:
    """Trace, second moment and largest eigenvalue of the metric that the network pulls back to its inputs."""
    spec, inputs = setting.spec, setting.arch.widths[0]
    theory = meanfield.input_metric_statistics(
        setting.arch,
        spectrum_inputs(spec),
        setting.moments.length,
        setting.moments.overlap,
        output_scale=1 / spec.noise_variance,
    )
    means, outliers = setting.outside or theory.reason_mean, setting.outside or theory.reason
    rows = [each.metric for each in found]
    slow = setting.tolerance("input metric")
    return [
        Check(
            "input metric",
            "mean",
            "",
            [row.sum() / inputs for row in rows],
            theory.mean,
            setting.tolerance("eigenvalues"),
            means,
        ),
        Check(
            "input metric",
            "second moment",
            "",
            [(row**2).sum() / inputs for row in rows],
            theory.second_moment,
            slow,
            outliers,
        ),
        Check(
            "input metric",
            "largest" if setting.arch.outputs == 1 else f"mean of the {setting.arch.outputs} largest",
            "",
            [row[: setting.arch.outputs].mean() for row in rows],
            theory.largest,
            slow,
            outliers,
        ),
    ]


def _softmax(setting: Setting, found: list[Measured]) -> list[Check]:
    """Conditional on every network's own outputs."""
    classes, length, overlap = setting.arch.outputs, setting.moments.length, setting.moments.overlap
    made = [meanfield.fisher_statistics_softmax(setting.arch, each.outputs, length, overlap) for each in found]
    estimated = _estimated(setting)
    if not estimated and setting.spec.estimator == "score":
        estimated = "Sampled labels add noise to single eigenvalues."
    means = setting.outside or _estimated(setting) or made[0].reason_mean
    outliers = setting.outside or estimated or next((each.reason for each in made if each.reason), "")
    outlying = setting.tolerance("outliers")
    checks = [
        Check(
            "eigenvalues",
            "mean",
            "",
            [each.mean for each in found],
            [each.mean for each in made],
            setting.tolerance("eigenvalues"),
            means,
        ),
        Check(
            "eigenvalues",
            "second moment",
            "",
            [each.second_moment for each in found],
            [each.second_moment for each in made],
            setting.tolerance("second moments"),
            outliers,
        ),
    ]
    for place in range(classes - 1):
        words = "largest" if place == 0 else f"number {place + 1} that stands out"
        checks.append(
            Check(
                "eigenvalues",
                words,
                "",
                [each.values[place] for each in found],
                [each.outliers[place] if len(each.outliers) > place else np.nan for each in made],
                outlying,
                outliers,
            )
        )
    return checks


def _two_layers(setting: Setting, found: list[Measured]) -> list[Check]:
    """Output weights behind one relu layer: the first two groups of eigenvalues of E a a^T."""
    spec, dim, width = setting.spec, setting.arch.widths[0], setting.narrowest
    if spec.activation != "relu" or spec.hidden_layers != 1 or spec.bias_variance != 0 or spec.inputs != "gaussian":
        return []
    theory = meanfield.two_layer_relu_spectrum(dim, degrees=2, width=width)
    needed = INPUTS_PER_COORDINATE * (dim + 1)
    few = "" if spec.samples >= needed else f"About {needed} inputs are needed for the average over them."
    # their weights have variance 1 / p, these s_w / d
    scale = spec.weight_variance * width / dim
    groups = (("largest of the output weights", slice(0, 1)), ("next group of the output weights", slice(1, 1 + dim)))
    return [
        Check(
            "two layers",
            words,
            "2",
            [each.readout[part].mean() for each in found],
            scale * theory.eigenvalues[degree],
            setting.tolerance("two layers") + (dim + 1) / spec.samples,
            few or ("" if theory.valid[degree] else theory.reason),
        )
        for degree, (words, part) in enumerate(groups)
    ]

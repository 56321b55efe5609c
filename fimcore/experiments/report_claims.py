"""What the sanity report holds against theory, first part: signals, block sizes, kernels, units of layer 1, and rates.

Each function returns the checks of one group: numbers of every network beside a prediction from `fimcore.meanfield`, with the
reason where none applies. Eigenvalues have a file of their own.
Source: the modules of `fimcore.meanfield`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.experiments import predicted
from fimcore.experiments.report_checks import Check, ratio, relative_variance, root_of_ratio
from fimcore.experiments.report_measured import Measured, rate_inputs
from fimcore.experiments.report_setting import Setting
from fimcore.experiments.report_training import training_checks
from fimcore.experiments.setting import sample_count
from fimcore.unit_integrals import slope_moments

FloatArray = NDArray[np.float64]

# A length that has come this near to its fixed point is compared with it.
ARRIVED = 0.01
# Finite widths may lie this far off the limit of wide layers by theory's own account; a rate may hang on its damping by this much.
NEAR_LIMIT, MOST_CHANGE = 0.1, 0.01
MEASURED_SIGNALS = {"length": "lengths", "overlap": "correlations", "gradient": "gradients"}


def signal_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """Length, overlap and gradient of every hidden layer, the scatter of activities, and where depth leads."""
    theory = meanfield.propagate(setting.arch, setting.moments.length, setting.moments.overlap)
    expected = {"length": theory.q, "overlap": theory.c, "gradient": theory.gradient}
    tolerance, checks = setting.tolerance("signals"), []
    for quantity, name in MEASURED_SIGNALS.items():
        measured = np.array([getattr(each.signals, name) for each in found])
        # a correlation may vanish, and lives between -1 and 1 whatever its size
        scale = 1.0 if quantity == "overlap" else None
        for layer, (own, value) in enumerate(zip(measured.T, expected[quantity], strict=False), start=1):
            one = Check("signals", quantity, str(layer), own, value, tolerance, setting.outside, scale=scale)
            checks.append(one)
    return [*checks, _scatter(setting, found), _arrived(setting, found)]


def _scatter(setting: Setting, found: list[Measured]) -> Check:
    theory = meanfield.activity_scatter(setting.arch, setting.moments.length)
    reason = setting.outside or theory.reason
    if not reason and setting.spec.inputs != "sphere":
        reason = "Every network has its own inputs, whose lengths differ as well; inputs on the sphere have one length."
    return Check(
        "signals",
        "scatter of activity",
        str(setting.arch.layers - 1),
        np.array([each.activity[-1] for each in found]),
        theory.relative_variance[-1],
        setting.tolerance("scatter"),
        reason,
        relative_variance,
    )


def _arrived(setting: Setting, found: list[Measured]) -> Check:
    spec, length = setting.spec, setting.moments.length
    point = meanfield.fixed_point(spec.activation, spec.weight_variance, spec.bias_variance, length)
    last = float(meanfield.propagate(setting.arch, length, setting.moments.overlap).q[-2])
    reason = setting.outside
    if not reason and not np.isfinite(point.q):
        reason = "Lengths grow without bound, so there is no fixed point to arrive at."
    if not reason and not abs(last - point.q) <= ARRIVED * point.q:
        reason = f"The network is not deep enough for its length to arrive at the fixed point {point.q:.3g}."
    return Check(
        "signals",
        "length at the fixed point",
        str(setting.arch.layers - 1),
        np.array([each.signals.lengths[-1] for each in found]),
        point.q,
        setting.tolerance("signals") + ARRIVED,
        reason,
    )


def size_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """Entries inside and between units, their ratio and its limit in wide layers, and shares of the squared norm."""
    theory = predicted.norms(setting.spec)
    reason = setting.outside or theory.reason
    limit = meanfield.rms_ratio_limit(setting.arch, setting.moments.length, setting.moments.overlap)
    tolerance, checks = setting.tolerance("block sizes"), []
    for layer in range(setting.arch.layers - 1):
        norms = [each.norms for each in found]
        own = np.array([each.unit_diagonal[layer] for each in norms])
        between = np.array([each.off_unit[layer] for each in norms])
        n, k = norms[0].units[layer], norms[0].parameters_per_unit[layer]
        pairs = np.column_stack([between / max(n * (n - 1), 1), own / n])
        inside = np.column_stack([own, np.full(len(own), n * k**2)])
        entry = np.nan if theory.norms is None else theory.norms.rms_in_unit[layer]
        share = np.nan if theory.norms is None else theory.norms.rms_ratio[layer]
        off = abs(share / limit[layer] - 1) if limit[layer] > 0 else np.inf
        far = "" if off <= NEAR_LIMIT else f"By theory itself, this width lies {100 * off:.0f} % off the limit."
        alone = "A layer of one unit has no entries between units." if n == 1 else ""
        place = str(layer + 1)
        checks += [
            Check("block sizes", "RMS in-unit entry", place, inside, entry, tolerance, reason, root_of_ratio),
            Check("block sizes", "RMS ratio", place, pairs, share, tolerance, reason or alone, root_of_ratio),
            Check(
                "block sizes",
                "RMS ratio, limit of wide layers",
                place,
                pairs,
                limit[layer],
                tolerance + NEAR_LIMIT,
                reason or alone or setting.many_outputs or far,
                root_of_ratio,
            ),
        ]
    return [*checks, *_shares(setting, found, theory, reason)]


def _shares(setting: Setting, found: list[Measured], theory: predicted.PredictedNorms, reason: str) -> list[Check]:
    """Shares of |F|_F^2, as ratios of averages; a share lives between 0 and 1, so that 1 is the scale."""
    hidden = setting.arch.layers - 1
    pairs = np.array([each.norms.layer_pairs for each in found])
    units = np.array([each.norms.unit_diagonal for each in found])
    traces = np.trace(pairs, axis1=1, axis2=2)
    whole = pairs.sum(axis=(1, 2))
    inside = np.column_stack([units[:, :hidden].sum(axis=1), pairs[:, :hidden, :hidden].sum(axis=(1, 2))])
    across = np.column_stack([whole - traces, whole])
    mass = None if theory.norms is None else theory.norms.mass
    tolerance = setting.tolerance("block sizes")
    return [
        Check(
            "block sizes",
            words,
            layers,
            columns,
            np.nan if mass is None else float(mass[part].iloc[row]),
            tolerance,
            reason,
            ratio,
            scale=1.0,
        )
        for words, layers, columns, part, row in (
            ("share inside units", "hidden", inside, "in_unit", 0),
            ("share between layers", "all", across, "cross_layer", 1),
        )
    ]


def kernel_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """Tangent kernel and the covariance of the outputs at a network's own inputs: mean of the diagonal, and off it."""
    checks, tolerance = [], setting.tolerance("kernels")
    for words, measured, theory in (
        ("tangent kernel", [each.kernel for each in found], meanfield.ntk),
        ("output covariance", [each.layer_covariance for each in found], meanfield.nngp),
    ):
        made = [theory(setting.arch, each.kernel_inputs) for each in found]
        diagonal = np.array([np.diagonal(kernel).mean() for kernel in made])
        for place, part in (("one input", _on_diagonal), ("two inputs", _off_diagonal)):
            checks.append(
                Check(
                    "kernels",
                    f"{words}, {place}",
                    "",
                    np.array([part(np.asarray(kernel)) for kernel in measured]),
                    np.array([part(kernel) for kernel in made]),
                    tolerance,
                    setting.outside,
                    scale=float(diagonal.mean()),
                )
            )
    return checks


def _on_diagonal(kernel: FloatArray) -> float:
    return float(np.diagonal(kernel).mean())


def _off_diagonal(kernel: FloatArray) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def unit_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """Layer 1: a unit's matrix along its weights, across them and towards its bias, over its bias entry: A_2, A_0, A_1 over A_0.

    The signal that comes back from above multiplies all of a block, and does so nearly independently of the unit in wide layers.
    """
    reason = setting.outside
    if not reason and setting.spec.inputs != "gaussian":
        reason = "The closed form is about Gaussian inputs."
    if not reason and setting.arch.widths[0] < 2:
        reason = "With one input coordinate there is no direction across the weights."
    if not reason and setting.spec.likelihood == "softmax":
        reason = "Softmax weighs inputs by how uncertain the outputs are, which depends on the unit's own signal."
    checks = []
    expected = [_slopes(each) for each in found]
    for row, quantity in enumerate(("along its weights", "towards its bias", "across its weights")):
        measured = np.array([_over_bias(each.units[row], each.units[3]) for each in found])
        checks.append(
            Check(
                "one unit",
                quantity,
                "1",
                measured,
                np.array([each[row] for each in expected]),
                # a ratio of averages over few inputs is off by about one over their number
                setting.tolerance("one unit") + 1 / sample_count(setting.spec),
                reason,
                scale=1.0,
            )
        )
    return checks


def _over_bias(entries: FloatArray, biases: FloatArray) -> float:
    """Mean over the units that are alive of an entry over the bias entry."""
    alive = biases > 0
    return float((entries[alive] / biases[alive]).mean()) if alive.any() else float("nan")


def _slopes(one: Measured) -> tuple[float, float, float]:
    """Means over units of A_2 / A_0 and A_1 / A_0, and the 1 of A_0 / A_0, for inputs with mean 0 and variance 1."""
    network = one.network
    lengths = network.weights[0].norm(dim=1).numpy()
    a0, a1, a2 = slope_moments(network.activation, lengths, network.biases[0].numpy())
    alive = a0 > 0
    if not alive.any():
        return (np.nan, np.nan, np.nan)
    return (float((a2[alive] / a0[alive]).mean()), float((a1[alive] / a0[alive]).mean()), 1.0)


def first_step_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """The first steps of training, see `report_training`."""
    return training_checks(setting, [each.trained for each in found])


def rate_checks(setting: Setting, found: list[Measured]) -> list[Check]:
    """Natural gradient with a block structure: how much faster than the exact one it takes residuals down, alpha."""
    count, checks = rate_inputs(setting.spec), []
    for structure in ("layer_blocks", "kfac", "unit_blocks"):
        theory = meanfield.ngd_rate(setting.arch, structure, count)
        measured = np.array([each.rates.get(structure, np.nan) for each in found])
        if not theory.valid:
            checks.append(Check("rates", structure.replace("_", " "), "", measured, np.nan, 0.0, theory.reason))
            continue
        other = np.array([each.faded.get(structure, np.nan) for each in found])
        with np.errstate(all="ignore"):
            change = float(np.abs(other / measured - 1).max())
        singular = (
            "Its matrix is singular to rounding (ten times the damping changes the rate): inputs look "
            "alike to a layer, or signals vanish."
            if not change <= MOST_CHANGE
            else ""
        )
        # a rate that holds for every residual is an identity; one that holds on average is about random networks
        slack = 0.0 if theory.isotropic else 2 / np.sqrt(setting.narrowest)
        checks.append(
            Check(
                "rates",
                structure.replace("_", " "),
                "",
                measured,
                theory.alpha,
                setting.tolerance("rates") + slack,
                singular or ("" if theory.isotropic else setting.outside),
            )
        )
    return checks

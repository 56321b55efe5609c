"""What mean-field theory says about a sweep: every observable that follows from block norms, the plateau, and where it is rough.

Source: derived from the order parameters of Karakida, Akaho, Amari, arXiv 1806.01316.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fimcore import meanfield
from fimcore.architecture import Architecture
from fimcore.experiments import predicted
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import architecture_of, input_moments
from fimcore.experiments.width_observables import Values, values_of
from fimcore.experiments.width_spec import Spec

# Depth over width beyond which first-order theory of wide networks may be tens of per cent off.
DEEP_FOR_ITS_WIDTH = 0.1
HOLDS = (
    "The dashed curve holds for any finite widths and any number of outputs, to first order in depth over width: a few per cent "
    "where that is small."
)


def predictions(setting: NetworkSpec) -> Values:
    """(observable, part) to its predicted value; empty where nothing is predicted."""
    norms = predicted.norms(setting).norms
    return {} if norms is None else values_of(norms)


def plateau(setting: NetworkSpec) -> NDArray[np.float64]:
    """Limit of the RMS ratio per hidden layer as the width grows at this number of outputs; nan where there is none.

    Needs inputs that grow with the width: at a fixed dimension their overlaps go on to scatter.
    """
    nothing = np.full(setting.hidden_layers, np.nan)
    follows = setting.inputs in ("gaussian", "sphere") and setting.input_dim == 0
    if predicted.norms(setting).norms is None or not follows:
        return nothing
    moments, arch = input_moments(setting), architecture_of(setting)
    shape = (2, *[2] * setting.hidden_layers, setting.outputs)  # of the widths only the last one matters
    found = _plateau(
        Architecture(shape, arch.activation, arch.weight_variance, arch.bias_variance), moments.length, moments.overlap
    )
    return nothing if found is None else found


def plateaus(spec: Spec, setting: NetworkSpec) -> Values:
    """(observable, part) to the plateau at one place; none where the outputs follow the width."""
    if spec.view != "outputs" and spec.outputs == "n":
        return {}
    return {("ratio", f"layer {layer}"): float(value) for layer, value in enumerate(plateau(setting), start=1)}


@lru_cache(maxsize=256)
def _plateau(arch: Architecture, length: float, overlap: float) -> NDArray[np.float64] | None:
    try:
        return meanfield.rms_ratio_limit(arch, length, overlap)
    except (ValueError, OverflowError):
        return None


def caveats(spec: Spec) -> list[str]:
    """How far to trust the predictions of a sweep, in sentences; empty where nothing is predicted."""
    settings = spec.settings
    if predicted.norms(settings[-1]).norms is None:
        return []
    depth = spec.hidden_layers + 1
    rough = sorted({setting.width for setting in settings if depth > DEEP_FOR_ITS_WIDTH * setting.width})
    said = [HOLDS]
    if rough:
        where = f"at width {rough[0]:,}" if len(rough) == 1 else f"up to width {rough[-1]:,}"
        said.append(
            f"Depth over width is above {DEEP_FOR_ITS_WIDTH:g} {where}: expect tens of per cent there, and slopes that feel it."
        )
    if spec.inputs in ("digits", "csv"):
        said.append(
            "Of real data it knows length, mean overlap and scatter of the overlap, not the whole law of the inputs."
        )
    return said

"""One network of a sweep, measured: block norms from all its inputs; normalised entries and the spectral norm from some.

Block norms are without bias at any N, so wide networks and those with many outputs take fewer inputs. The other two observables
have no such correction: they are measured from the same number of inputs at every width, where it can be afforded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fimcore.experiments.cost import gram_flops, layout_for, pass_flops, rows_per_input
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.setting import factors_of, input_dimension, sample_count
from fimcore.experiments.width_spec import Spec
from fimcore.fisher import block_norms_from_factors
from fimcore.fisher.factors import Factors
from fimcore.fisher.normalised_entries import NormalisedEntries, normalised_entries
from fimcore.fisher.off_unit_share import SMALL_DUAL, off_unit_share
from fimcore.norms import BlockNorms
from fimcore.parameters import ParameterLayout

Progress = Callable[..., object]

# What one network may take: block norms of many outputs cost N^2 C^2 n or N C n^2, and the passes of a wide network N C n^2.
NORM_FLOPS, PASS_FLOPS, SPECTRAL_FLOPS = 4e9, 4e10, 4e10
FEWEST_SAMPLES = 8
# Drawing a normal number, in operations.
DRAW_FLOPS = 600.0
# Inputs and units from which normalised entries are measured, what their factors may take, and products with
# F for the spectral norm.
SOME_INPUTS, SOME_UNITS, SOME_FLOPS, SOME_ENTRIES = 128, 24, 1e10, 2e7
PRODUCTS, PRODUCTS_OF_MANY_ROWS = 5, 16
NOTHING = NormalisedEntries(np.nan, np.nan)


@dataclass(frozen=True)
class Point:
    """What was measured of one network; nan where it was not, or where numbers overflow."""

    width: int
    outputs: int
    seed: int
    norms: BlockNorms
    normalised: tuple[NormalisedEntries, ...]
    spectral: float

    @property
    def overflows(self) -> bool:
        """Whether block norms are beyond what a number can hold."""
        return not bool(np.isfinite(self.norms.layer_pairs).all())


def samples_at(setting: NetworkSpec) -> int:
    """Inputs used for the block norms of one network: as set, fewer where it is wide or the outputs are many."""
    layout, rows = _layout(setting), rows_per_input(setting)
    wanted = min(sample_count(setting), int(PASS_FLOPS / pass_flops(layout, 1, rows)))
    while wanted > FEWEST_SAMPLES and rows > 1 and gram_flops(layout, wanted, rows) > NORM_FLOPS:
        wanted = int(0.9 * wanted)
    return min(sample_count(setting), max(FEWEST_SAMPLES, wanted))


def some_inputs(setting: NetworkSpec) -> int:
    """Inputs of the observables that depend on their number: the same at every place of a sweep."""
    return min(sample_count(setting), SOME_INPUTS)


def has_some_inputs(setting: NetworkSpec) -> bool:
    """Whether normalised entries are measured: with as many inputs as elsewhere in the sweep."""
    layout, rows, some = _layout(setting), rows_per_input(setting), some_inputs(setting)
    affordable = pass_flops(layout, some, rows) <= SOME_FLOPS and some * rows * sum(layout.units) <= SOME_ENTRIES
    return affordable or samples_at(setting) >= some


def _layout(setting: NetworkSpec) -> ParameterLayout:
    return layout_for(input_dimension(setting), setting)


def has_spectral(setting: NetworkSpec) -> bool:
    """Whether the spectral norm is measured too."""
    return has_some_inputs(setting) and spectral_flops(setting) <= SPECTRAL_FLOPS


def spectral_flops(setting: NetworkSpec) -> float:
    """Products of the Lanczos iteration."""
    layout, rows = _layout(setting), rows_per_input(setting)
    products = PRODUCTS + (PRODUCTS_OF_MANY_ROWS if some_inputs(setting) * rows > SMALL_DUAL else 0)
    return products * 4.0 * some_inputs(setting) * (layout.parameters + rows * sum(layout.units))


def normalised_flops(setting: NetworkSpec) -> float:
    """Gram matrices of rescaled inputs, one a unit, and the sums over pairs of units."""
    layout = _layout(setting)
    units, inputs = min(SOME_UNITS, setting.width), some_inputs(setting)
    rescaled = 2.0 * units * inputs**2 * sum(layout.unit_sizes[:-1])
    return rescaled + 60.0 * inputs**2 * units**2 * setting.hidden_layers


def inputs_made(setting: NetworkSpec) -> int:
    """Inputs whose factors are made."""
    return max(samples_at(setting), some_inputs(setting) if has_some_inputs(setting) else 0)


def flops(setting: NetworkSpec) -> float:
    """Operations of one network."""
    layout, rows = _layout(setting), rows_per_input(setting)
    total = pass_flops(layout, inputs_made(setting), rows) + gram_flops(layout, samples_at(setting), rows)
    total += DRAW_FLOPS * layout.parameters
    total += normalised_flops(setting) if has_some_inputs(setting) else 0.0
    return total + (spectral_flops(setting) if has_spectral(setting) else 0.0)


def entries_held(setting: NetworkSpec) -> int:
    """Numbers held at once: weights, factors, Gram matrices."""
    layout, samples, rows = _layout(setting), inputs_made(setting), rows_per_input(setting)
    held = samples * (2 * rows * sum(layout.units) + 2 * sum(layout.unit_sizes)) + 2 * layout.parameters
    held += samples_at(setting) ** 2 * (layout.layers + 2) + SOME_UNITS * some_inputs(setting) ** 2
    return held + (8 * layout.parameters if has_spectral(setting) else 0)


def measure(spec: Spec, setting: NetworkSpec, number: int, progress: Progress | None = None) -> Point:
    """Everything about network `number` of one place of the sweep. `progress` receives (fraction, message)."""

    def part(start: float, share: float) -> Progress | None:
        return None if progress is None else lambda fraction, message: progress(start + share * fraction, message)

    hidden = setting.hidden_layers
    with np.errstate(over="ignore", invalid="ignore"):
        made = factors_of(setting.model_copy(update={"samples": inputs_made(setting)}), number)
        mine = first_inputs(made, samples_at(setting))
        norms = _finite(block_norms_from_factors(mine, unbiased=True, progress=part(0.0, 0.5)))
        normalised, spectral = (NOTHING,) * hidden, np.nan
        if has_some_inputs(setting) and np.isfinite(norms.layer_pairs).all():
            some = first_inputs(made, some_inputs(setting))
            normalised = tuple(normalised_entries(some, layer, SOME_UNITS) for layer in range(1, hidden + 1))
            if has_spectral(setting):
                spectral = off_unit_share(some, progress=part(0.5, 0.5))
    return Point(setting.width, setting.outputs, spec.seed + number, norms, normalised, spectral)


def first_inputs(made: Factors, count: int) -> Factors:
    """The factors of the first inputs only."""
    if count >= made.samples:
        return made
    inputs, signals, slopes = (
        tuple(each[:count] for each in whole) for whole in (made.inputs, made.signals, made.slopes)
    )
    return replace(made, inputs=inputs, signals=signals, slopes=slopes)


def _finite(norms: BlockNorms) -> BlockNorms:
    """The norms, or missing values where numbers overflow."""
    if np.isfinite(norms.layer_pairs).all() and np.isfinite(norms.unit_diagonal).all():
        return norms
    return BlockNorms(np.full_like(norms.layer_pairs, np.nan), np.full_like(norms.unit_diagonal, np.nan), norms.widths)

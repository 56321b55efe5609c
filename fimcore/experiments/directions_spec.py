"""Spec of the question `directions`: the network, and the damping; the structures that are compared, and what each may cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from fimcore.budget import size_in_words
from fimcore.experiments.control import Control
from fimcore.experiments.cost import large
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import Seeds
from fimcore.parameters import ParameterLayout

# Relative to the mean of F's diagonal: the stops of the control, and the sweep.
DAMPINGS = (1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 1.0)
DAMPING_NAMES = ("10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "0.3", "1")

# What one structure may take: bytes at once, and operations over all networks. The same on every machine.
MOST_BYTES = 3 * 2**28
MOST_FLOPS = 2e12
# Against matrix products: factorisations of middling matrices, eigenvectors, and arrays that wait for memory.
FACTORISING, EIGENVECTORS, STREAMING = 3.0, 40.0, 150.0


@dataclass(frozen=True)
class Kind:
    """One structure: a label for axes, words for sentences, and what it keeps of F."""

    label: str
    words: str
    keeps: str


KINDS = {
    "block_tridiagonal": Kind("Tridiagonal", "the block-tridiagonal matrix", "layers with themselves and neighbours"),
    "layer_blocks": Kind("Layer blocks", "layer blocks", "each layer with itself"),
    "unit_blocks": Kind("Unit blocks", "unit blocks", "each unit with itself"),
    "ekfac": Kind("E-KFAC", "E-KFAC", "per layer two bases, and the diagonal in them"),
    "kfac": Kind("K-FAC", "K-FAC", "per layer one Kronecker product"),
    "unit_closed_form": Kind("Closed form", "the closed form", "Amari's unit blocks, with each layer's covariance"),
    "unit_closed_form_isotropic": Kind(
        "Isotropic", "the isotropic closed form", "Amari's unit blocks, covariance σ² I"
    ),
    "quasi_diagonal": Kind("Quasi-diag.", "the quasi-diagonal metric", "diagonal, and each weight with its bias"),
    "diagonal": Kind("Diagonal", "the diagonal", "each parameter with itself"),
    "gradient": Kind("Gradient", "the plain gradient", "nothing: a multiple of the identity"),
}


class Spec(NetworkSpec):
    """The network of the sidebar, and how strongly F is damped."""

    seeds: Seeds = 4
    damping: Annotated[
        float,
        Field(1e-3, ge=1e-6, le=1e4, description="λ added to F and to every structure, in units of F's mean diagonal."),
        Control("Damping λ", "lam", "steps", options=DAMPINGS, names=DAMPING_NAMES, group="View"),
    ]

    @property
    def swept(self) -> tuple[float, ...]:
        """Relative dampings that are measured, ascending: the sweep's, and the one that was set."""
        return tuple(sorted({*DAMPINGS, self.damping}))


def numbers(layout: ParameterLayout, kind: str) -> int:
    """How many numbers a structure keeps."""
    units, sizes, layers = layout.units, layout.unit_sizes, layout.layer_sizes
    kronecker = sum(n**2 + k**2 for n, k in zip(units, sizes, strict=True))
    kept = {
        "block_tridiagonal": sum(size**2 for size in layers) + sum(a * b for a, b in pairwise(layers)),
        "layer_blocks": sum(size**2 for size in layers),
        "unit_blocks": sum(n * k**2 for n, k in zip(units, sizes, strict=True)),
        "ekfac": kronecker + layout.parameters,
        "kfac": kronecker,
        "unit_closed_form": sum(k**2 for k in sizes) + layout.parameters,
        "unit_closed_form_isotropic": layout.parameters + 2 * sum(units) + sum(sizes),
        "quasi_diagonal": 2 * layout.parameters,
        "diagonal": layout.parameters,
        "gradient": 0,
    }
    return kept[kind]


def held_bytes(layout: ParameterLayout, kind: str, dual: int) -> int:
    """Bytes at once to make a structure and to solve with it; `dual`: N R, the side of the matrices between inputs."""
    sizes = layout.layer_sizes
    entries = {
        # its solve may have to form the whole matrix
        "block_tridiagonal": 3 * numbers(layout, kind) + 2 * layout.parameters**2,
        "layer_blocks": sum(min(size, dual) ** 2 for size in sizes) + 2 * max(min(size, dual) for size in sizes) ** 2,
        "unit_blocks": numbers(layout, kind)
        + 2 * max(n * k**2 for n, k in zip(layout.units, layout.unit_sizes, strict=True)),
        "kfac": 3 * numbers(layout, kind),
        "ekfac": 2 * numbers(layout, kind),
    }
    return 8 * (entries.get(kind, 2 * numbers(layout, kind)) + 20 * layout.parameters)


def flops(layout: ParameterLayout, samples: int, rows: int, kind: str, dampings: int) -> float:
    """Operations of one network: made once, solved with at every damping, and compared."""
    pairs = list(zip(layout.units, layout.unit_sizes, strict=True))
    sizes, dual = layout.layer_sizes, samples * rows
    made = {
        "block_tridiagonal": samples * (sum(s**2 for s in sizes) + 2.0 * sum(a * b for a, b in pairwise(sizes))),
        "layer_blocks": sum(
            samples * s**2 if s <= dual else 2.0 * dual**2 * (n + k) for s, (n, k) in zip(sizes, pairs, strict=True)
        ),
        "unit_blocks": 2.0 * samples * sum(n * k**2 for n, k in pairs),
        "kfac": sum(4.0 * samples * (rows * n**2 + k**2) + EIGENVECTORS * (n**3 + k**3) for n, k in pairs),
        "ekfac": sum(4.0 * samples * (rows * n**2 + k**2 + n * k) + EIGENVECTORS * (n**3 + k**3) for n, k in pairs),
        "unit_closed_form": sum(4.0 * samples * (k**2 + n * k) + EIGENVECTORS * k**3 for n, k in pairs),
    }.get(kind, 8.0 * samples * layout.parameters)
    solved = {
        "block_tridiagonal": 8.0 * sum(s**3 for s in sizes) + 4.0 * layout.parameters**3 / 3,
        "layer_blocks": FACTORISING * sum(min(s, dual) ** 3 for s in sizes) / 3,
        "unit_blocks": FACTORISING * sum(n * k**3 for n, k in pairs),
        "kfac": sum(4.0 * n * k * (n + k) for n, k in pairs),
        "ekfac": sum(4.0 * n * k * (n + k) for n, k in pairs),
        "unit_closed_form": sum(8.0 * n * k**2 for n, k in pairs),
    }.get(kind, 0.0)
    compared = 2.0 * dual * sum(layout.units) + 2.0 * samples * layout.parameters
    return made + dampings * (solved + compared + STREAMING * layout.parameters)


def left_out(layout: ParameterLayout, samples: int, rows: int, kind: str, dampings: int, networks: int) -> str:
    """Why a structure is not measured at these sizes, in a clause; empty where it is."""
    held = held_bytes(layout, kind, samples * rows)
    if held > MOST_BYTES:
        return f"it would take {size_in_words(held)}, and one structure may take {size_in_words(MOST_BYTES)}"
    work = networks * flops(layout, samples, rows, kind, dampings)
    if work > MOST_FLOPS:
        return f"it would take {large(work)} operations, and one structure may take {large(MOST_FLOPS)}"
    return ""

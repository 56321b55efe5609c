"""The multiply-adds that suffice for each quantity, written as matrix products (rows, inner, columns) that would do them.

dense: N P^2 / 2, since F_lm = (1/N) sum_x (sum_c delta_c delta_c^T) (x) (a a^T) folds the C output rows before the large
product and F is symmetric. Blocks: the same for each layer, or for each unit. Folding itself, N C n_l n_m, is smaller and left
out. Everything else counts one forward pass, one backward pass of its output rows, and its own products.
Source: Amari, Karakida, Oizumi, Fisher Information and Natural Gradient Learning of Random Deep Networks, arXiv 1808.07172.

The products have the shapes of the real ones, so that the time of a raw product of the same numbers is what a machine needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fimcore.parameters import ParameterLayout


class Product(NamedTuple):
    """One matrix product, (rows, inner) times (inner, columns): rows * inner * columns multiply-adds."""

    rows: int
    inner: int
    columns: int

    @property
    def multiply_adds(self) -> int:
        """rows * inner * columns."""
        return self.rows * self.inner * self.columns


def sufficient_products(work: str, layout: ParameterLayout, samples: int) -> tuple[Product, ...]:
    """The products that suffice for one of the works of `fimcore.benchmark.works`; empty where no fixed number does.

    Args:
        work: dense, layer_blocks, unit_blocks, diagonal, sampled_diagonal, kfac, matvec, matvec_with_factors, block_norms; the
            top eigenvalue takes as many products as it takes.
        layout: the network's parameters.
        samples: N.
    """
    outputs, layers = layout.units[-1], list(zip(layout.units, layout.unit_sizes, strict=True))
    if work == "dense":
        return (_half(layout.parameters, samples, layout.parameters),)
    if work == "layer_blocks":
        return tuple(_half(size, samples, size) for size in layout.layer_sizes)
    if work == "unit_blocks":
        return tuple(_half(units * size, samples, size) for units, size in layers)
    strengths = [Product(units, samples, size) for units, size in layers]
    if work == "diagonal":
        return (*_passes(layout, samples, outputs), *strengths)
    if work == "sampled_diagonal":
        return (*_passes(layout, samples, 1), *strengths)
    if work == "kfac":
        given = [_half(size, samples, size) for _, size in layers]
        backpropagated = [_half(units, samples * outputs, units) for units, _ in layers]
        return (*_passes(layout, samples, outputs), *given, *backpropagated)
    if work in ("matvec", "matvec_with_factors"):
        # J v and then J^T: each once through the inputs and once through the signals
        once = [
            part for units, size in layers for part in (Product(samples, size, units), Product(samples, outputs, units))
        ]
        return (*(_passes(layout, samples, outputs) if work == "matvec_with_factors" else ()), *once, *once)
    if work == "block_norms":
        rows = samples * outputs
        grams = [part for units, size in layers for part in (_half(samples, size, samples), _half(rows, units, rows))]
        return (*_passes(layout, samples, outputs), *grams)
    return ()


def _half(rows: int, inner: int, columns: int) -> Product:
    """A symmetric product: one triangle suffices."""
    return Product(max(rows // 2, 1), inner, columns)


def _passes(layout: ParameterLayout, samples: int, rows: int) -> tuple[Product, ...]:
    """The forward pass, and the backward pass of `rows` rows an input."""
    forward = [Product(samples, size, units) for units, size in zip(layout.units, layout.unit_sizes, strict=True)]
    deeper = zip(layout.units[1:], layout.unit_sizes[1:], strict=True)
    backward = [Product(samples * rows, units, size - 1) for units, size in deeper]
    return (*forward, *backward)


def raw_products(products: tuple[Product, ...], dtype: DTypeLike) -> Callable[[], None]:
    """A function that does these products with numpy, on arrays and into buffers that exist already."""
    generator = np.random.default_rng(0)

    def draw(rows: int, columns: int) -> NDArray[np.floating]:
        return generator.standard_normal((rows, columns), dtype=np.float32).astype(dtype)

    operands = [(draw(m, k), draw(k, n), np.zeros((m, n), dtype)) for m, k, n in products]

    def multiply() -> None:
        for left, right, result in operands:
            np.matmul(left, right, out=result)

    return multiply

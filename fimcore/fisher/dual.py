"""The dual side: (1/N) J J^T = (1/N) sum_l K^l, (N R, N R), with the same non-zero eigenvalues as F = (1/N) J^T J.

K^l[(x,c),(x',c')] = (delta^l_c(x) . delta^l_c'(x')) (a~^{l-1}(x) . a~^{l-1}(x')): cheap where inputs and outputs are few.
Source: Karakida, Akaho, Amari, Universal Statistics of Fisher Information in Deep Neural Networks, arXiv 1806.01316.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from fimcore.fisher.blocks import Progress
from fimcore.fisher.factors import Factors
from fimcore.fisher.parts import AnyFactors
from fimcore.fisher.products import product


def require_rows(made: AnyFactors, what: str) -> None:
    """Refuse "hessian" factors where only sums of rows times themselves will do.

    Raises:
        ValueError: naming the estimator and what works.
    """
    if made.estimator == "hessian":
        raise ValueError(
            f"`estimator` is 'hessian', for which there is no {what}: a second derivative is no sum of squares of rows. "
            "Use `fisher` with a structure, or the estimators exact, score, empirical and probe."
        )


def dual_matrix(made: AnyFactors, layers: Sequence[int], progress: Progress | None = None) -> Tensor:
    """(1/N) sum over the given layers (1..L) of K^l, a (N R, N R) matrix."""
    require_rows(made, "dual matrix")
    side = made.samples * made.rows
    total: Tensor | None = None
    done = 0
    for row, left in _placed(made):
        for column, right in _placed(made):
            if column.start < row.start:
                continue
            for number, layer in enumerate(layers):
                kernel = layer_kernel(left, right, layer)
                kernel /= made.samples
                if total is None:
                    total = kernel if left.samples == made.samples else kernel.new_empty((side, side))
                if number == 0:
                    if total is not kernel:
                        total[row, column] = kernel
                else:
                    total[row, column] += kernel
            assert total is not None
            if column.start > row.start:
                total[column, row] = total[row, column].T
            done += (2 if column.start > row.start else 1) * left.samples * right.samples
            if progress:
                progress(done / made.samples**2, "dual matrix")
    assert total is not None
    return total


def layer_kernel(left: Factors, right: Factors, layer: int) -> Tensor:
    """K^l between the inputs of two parts: (N R, N' R)."""
    rows = left.rows
    signals = [part.signals[layer - 1].reshape(part.samples * rows, -1) for part in (left, right)]
    inputs = [part.inputs[layer - 1] for part in (left, right)]
    gram = product(inputs[0].T, inputs[1].T)
    kernel = product(signals[0].T, signals[1].T)
    if rows == 1:
        return kernel.mul_(gram)
    grid = kernel.view(left.samples, rows, right.samples, rows)
    grid *= gram[:, None, :, None]
    return kernel


def _placed(made: AnyFactors) -> Iterator[tuple[slice, Factors]]:
    """Every part with the rows of the dual matrix that it fills."""
    start = 0
    for part in made.parts:
        stop = start + part.samples * made.rows
        yield slice(start, stop), part
        start = stop

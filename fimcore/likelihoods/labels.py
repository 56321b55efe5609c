"""Labels as a family takes them: of the shape of the outputs, on their device and in their dtype."""

from __future__ import annotations

from torch import Tensor


def labels_of_shape(family: str, labels: Tensor, outputs: Tensor, columns: int) -> Tensor:
    """The labels (N, columns) in the outputs' dtype.

    Raises:
        ValueError: they have another shape.
    """
    expected = (outputs.shape[0], columns)
    if labels.shape != expected:
        raise ValueError(f"`labels` has shape {tuple(labels.shape)}; the {family} family takes {expected}.")
    return labels.to(outputs)

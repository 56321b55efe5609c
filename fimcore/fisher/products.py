"""The large matrix products.

On the CPU through numpy, whose BLAS is often faster than torch's on the same arrays, and which recognises A^T A and computes one
triangle of it only; on other devices through torch.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

from fimcore.blas_threads import threads_for

_NUMPY_TYPES = {torch.float32: np.float32, torch.float64: np.float64}


def product(left: Tensor, right: Tensor) -> Tensor:
    """left^T right for (N, a) and (N, b): (a, b)."""
    if on_numpy(left):
        with threads_for(left.numel() * right.shape[1]):
            return torch.from_numpy(left.numpy().T @ right.numpy())
    return left.T @ right


def symmetric_product(left: Tensor) -> Tensor:
    """left^T left for (N, a): (a, a), by a symmetric rank-N update on the CPU."""
    if on_numpy(left):
        array = left.contiguous().numpy()
        with threads_for(left.numel() * left.shape[1]):
            return torch.from_numpy(array.T @ array)
    return left.T @ left


def contraction(subscripts: str, rows: Tensor, weights: Tensor) -> Tensor:
    """A sum of products as `einsum` writes it, for many small matrices against one vector each."""
    if on_numpy(rows):
        return torch.from_numpy(np.einsum(subscripts, rows.numpy(), weights.numpy()))
    return torch.einsum(subscripts, rows, weights)


def gram_triangle(left: Tensor) -> Tensor:
    """One triangle of left^T left, zero in the other: half the work of the whole, and no mirroring. float64."""
    if on_numpy(left):
        # BLAS counts columns first: its upper triangle is our lower one
        with threads_for(left.numel() * left.shape[1]):
            return torch.from_numpy(dsyrk(1.0, left.numpy(), trans=1).T)
    return (left.T @ left).tril()


def on_numpy(tensor: Tensor) -> bool:
    """Whether numpy can work on this tensor's memory."""
    return tensor.device.type == "cpu" and tensor.dtype in _NUMPY_TYPES

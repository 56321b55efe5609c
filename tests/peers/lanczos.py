"""The largest eigenvalue by scipy's Lanczos from a library's own product: what their documentation recommends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from tests.peers.case import Case

TOLERANCE = 1e-6  # as in fimcore.top_eigenvalues


def top_eigenvalue(product: Callable[[Tensor], Tensor], case: Case) -> float:
    def apply(vector: np.ndarray) -> np.ndarray:
        given = torch.as_tensor(vector.reshape(-1)).to(case.x)
        return product(given).detach().double().cpu().numpy()

    operator = LinearOperator((case.parameters, case.parameters), matvec=apply, dtype=np.float64)
    start = np.cos(np.arange(case.parameters, dtype=np.float64))
    return float(eigsh(operator, k=1, which="LA", tol=TOLERANCE, v0=start, return_eigenvectors=False)[0])

"""curvlinops: its GGN operator times the identity, layer by layer too, its K-FAC, its product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from curvlinops import FisherType, GGNLinearOperator, KFACLinearOperator
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn

from tests.peers import scales
from tests.peers.case import Case
from tests.peers.lanczos import TOLERANCE

# Its product with the identity holds N x P x width numbers at once. Above so many bytes a matrix takes it five to fifteen
# seconds, 3 to 25 times what the fastest library takes, so that nothing is learnt by waiting.
LARGEST_BATCH = 3e8


def works(case: Case) -> dict[str, Callable[[], Any]]:
    model, loss, data = case.model(), case.loss(), [(case.x, case.labels)]
    parameters = list(model.parameters())
    linears = [module for module in model if isinstance(module, nn.Linear)]

    def operator(tensors: list[nn.Parameter]) -> GGNLinearOperator:
        return GGNLinearOperator(model, loss, tensors, data, check_deterministic=False, num_data=case.samples)

    def matrix(tensors: list[nn.Parameter]) -> Tensor:
        size = sum(p.numel() for p in tensors)
        return operator(tensors) @ torch.eye(size, dtype=case.dtype, device=case.device)

    def kfac() -> KFACLinearOperator:
        made = KFACLinearOperator(
            model,
            loss,
            parameters,
            data,
            check_deterministic=False,
            num_data=case.samples,
            num_per_example_loss_terms=1,
            fisher_type=FisherType.TYPE2,
            separate_weight_and_bias=False,
        )
        made.compute_kronecker_factors()
        return made

    def top() -> float:
        linear_operator = operator(parameters).to_scipy()
        return float(eigsh(linear_operator, k=1, which="LA", tol=TOLERANCE, return_eigenvectors=False)[0])

    direction = scales.torch_vector(case, case.vector)
    whole = operator(parameters)
    offered: dict[str, Callable[[], Any]] = {
        "kfac": kfac,
        "matvec": lambda: whole @ direction,
        "top_eigenvalue": top,
    }
    if case.samples * case.parameters * max(case.widths) * case.x.element_size() < LARGEST_BATCH:
        offered["dense"] = lambda: matrix(parameters)
        offered["layer_blocks"] = lambda: [matrix([linear.weight, linear.bias]) for linear in linears]
    return offered


def undo(case: Case, work: str, result: Any) -> Any:
    scale = scales.loss_scale(case)
    if work == "dense":
        return scales.matrix(case, result) / scale
    if work == "layer_blocks":
        return [block / scale for block in scales.layer_blocks(case, result)]
    if work == "matvec":
        return scales.vector(case, result) / scale
    if work == "kfac":
        whole = scales.matrix(case, result @ torch.eye(case.parameters, dtype=case.dtype)) / scale
        return scales.weight_blocks(case, whole)
    return result / scale

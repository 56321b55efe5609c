"""BackPACK: the square root of the GGN, its diagonal, KFLR, and its matrix-free product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from backpack import backpack, extend
from backpack.extensions import KFLR, DiagGGNExact, DiagGGNMC, SqrtGGNExact
from backpack.hessianfree.ggnvp import ggn_vector_product
from torch import Tensor, nn

from tests.peers import scales
from tests.peers.case import Case
from tests.peers.lanczos import top_eigenvalue


def works(case: Case) -> dict[str, Callable[[], Any]]:
    model, loss = extend(case.model()), extend(case.loss())
    plain, plain_loss = case.model(), case.loss()
    parameters = list(model.parameters())
    linears = [module for module in model if isinstance(module, nn.Linear)]

    def backward(extension: Any) -> None:
        model.zero_grad()
        value = loss(model(case.x), case.labels)
        with backpack(extension):
            value.backward()

    def root(tensors: list[Tensor]) -> Tensor:
        return torch.cat([p.sqrt_ggn_exact.reshape(case.outputs * case.samples, -1) for p in tensors], dim=1)

    def square(tensors: list[Tensor]) -> Tensor:
        rows = root(tensors)
        return rows.T @ rows

    def dense() -> Tensor:
        backward(SqrtGGNExact())
        return square(parameters)

    def layer_blocks() -> list[Tensor]:
        backward(SqrtGGNExact())
        return [square([linear.weight, linear.bias]) for linear in linears]

    def diagonal() -> Tensor:
        backward(DiagGGNExact())
        return torch.cat([p.diag_ggn_exact.reshape(-1) for p in parameters])

    def sampled_diagonal() -> Tensor:
        backward(DiagGGNMC(mc_samples=1))
        return torch.cat([p.diag_ggn_mc.reshape(-1) for p in parameters])

    def kfac() -> list[tuple[Tensor, Tensor]]:
        backward(KFLR())
        return [(linear.weight.kflr[1], linear.weight.kflr[0]) for linear in linears]

    direction = scales.torch_list(case, case.vector)

    def product(parts: list[Tensor]) -> Tensor:
        output = plain(case.x)
        moved = ggn_vector_product(plain_loss(output, case.labels), output, plain, parts)
        return torch.cat([part.reshape(-1) for part in moved])

    sizes, shapes = [p.numel() for p in parameters], [p.shape for p in parameters]

    def flat_product(flat: Tensor) -> Tensor:
        return product([part.reshape(shape) for part, shape in zip(flat.split(sizes), shapes, strict=True)])

    return {
        "dense": dense,
        "layer_blocks": layer_blocks,
        "diagonal": diagonal,
        "sampled_diagonal": sampled_diagonal,
        "kfac": kfac,
        "matvec": lambda: product(direction),
        "top_eigenvalue": lambda: top_eigenvalue(flat_product, case),
    }


def undo(case: Case, work: str, result: Any) -> Any:
    scale = scales.loss_scale(case)
    if work == "dense":
        return scales.matrix(case, result) / scale
    if work == "layer_blocks":
        return [block / scale for block in scales.layer_blocks(case, result)]
    if work in ("diagonal", "sampled_diagonal", "matvec"):
        return scales.vector(case, result) / scale
    if work == "kfac":
        return [torch.kron(output, given) / scale for given, output in result]
    return result / scale

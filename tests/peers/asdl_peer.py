"""ASDL (package asdfghjkl): full, layer-wise, unit-wise, Kronecker and diagonal shapes, exact and sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from asdl import (
    FISHER_EXACT,
    FISHER_MC,
    LOSS_CROSS_ENTROPY,
    LOSS_MSE,
    SHAPE_DIAG,
    SHAPE_FULL,
    SHAPE_KRON,
    SHAPE_LAYER_WISE,
    SHAPE_UNIT_WISE,
    FisherConfig,
    get_fisher_maker,
)
from torch import Tensor, nn

from tests.peers import scales
from tests.peers.case import Case


def works(case: Case) -> dict[str, Callable[[], Any]]:
    model = case.model()
    linears = [module for module in model if isinstance(module, nn.Linear)]

    def made(shape: str, kind: str = FISHER_EXACT) -> Callable[[], None]:
        config = FisherConfig(
            fisher_type=kind,
            fisher_shapes=[shape],
            loss_type=LOSS_CROSS_ENTROPY if case.family == "softmax" else LOSS_MSE,
            data_size=case.samples,
        )
        maker = get_fisher_maker(model, config)
        maker.setup_logits_repr(maker.setup_model_call(model, case.x))
        return maker.forward_and_backward

    makers = {shape: made(shape) for shape in (SHAPE_FULL, SHAPE_LAYER_WISE, SHAPE_UNIT_WISE, SHAPE_KRON, SHAPE_DIAG)}
    sampled = made(SHAPE_DIAG, FISHER_MC)

    def matrices(run: Callable[[], None]) -> list[Any]:
        run()
        return [linear.fisher for linear in linears]

    def dense() -> Tensor:
        makers[SHAPE_FULL]()
        return model.fisher.data

    def diagonal(run: Callable[[], None]) -> Tensor:
        parts = [part.diag for part in matrices(run)]
        return torch.cat([torch.cat([part.weight.reshape(-1), part.bias]) for part in parts])

    return {
        "dense": dense,
        "layer_blocks": lambda: [part.data for part in matrices(makers[SHAPE_LAYER_WISE])],
        "unit_blocks": lambda: [part.unit.data for part in matrices(makers[SHAPE_UNIT_WISE])],
        "diagonal": lambda: diagonal(makers[SHAPE_DIAG]),
        "sampled_diagonal": lambda: diagonal(sampled),
        "kfac": lambda: [(part.kron.A, part.kron.B) for part in matrices(makers[SHAPE_KRON])],
    }


def undo(case: Case, work: str, result: Any) -> Any:
    if work == "dense":
        return scales.matrix(case, result)
    if work == "layer_blocks":
        return scales.layer_blocks(case, result)
    if work in ("diagonal", "sampled_diagonal"):
        return scales.vector(case, result)
    if work == "kfac":
        layout = case.network.layout
        cut = [size - 1 for size in layout.unit_sizes]
        return [torch.kron(b, a[:k, :k]) for (a, b), k in zip(result, cut, strict=True)]
    return result

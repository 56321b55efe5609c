"""NNGeometry: its representations of the closed-form Fisher matrix, its implicit product, its Gram matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nngeometry.gram import GramMatrix
from nngeometry.layercollection import LayerCollection
from nngeometry.metrics import FIM, FIM_MonteCarlo
from nngeometry.object import PMatBlockDiag, PMatDense, PMatDiag, PMatImplicit, PMatKFAC, PVector
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from tests.peers import scales
from tests.peers.case import Case
from tests.peers.lanczos import top_eigenvalue


class _OneBatch(DataLoader):
    """All inputs at once, without gathering them one by one. The library asks for gradients of what it is given: a view."""

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        yield (self.dataset.tensors[0].detach(),)


def works(case: Case) -> dict[str, Callable[[], Any]]:
    model = case.model()
    loader = _OneBatch(TensorDataset(case.x), batch_size=case.samples)
    collection = LayerCollection.from_model(model)
    variant = "classif_logits" if case.family == "softmax" else "regression"

    def made(representation: type, maker: Callable[..., Any] = FIM, kind: str = variant) -> Any:
        with scales.default_dtype(case.dtype):
            return maker(
                model=model,
                loader=loader,
                representation=representation,
                variant=kind,
                device=case.device,
                layer_collection=collection,
            )

    def product(flat: Tensor) -> Tensor:
        with scales.default_dtype(case.dtype):
            return made(PMatImplicit).mv(PVector(collection, vector_repr=flat)).to_torch()

    def gram() -> Tensor:
        with scales.default_dtype(case.dtype):
            return GramMatrix(model, loader, layer_collection=collection).data

    direction = scales.torch_vector(case, case.vector)
    offered: dict[str, Callable[[], Any]] = {
        "dense": lambda: made(PMatDense).data,
        "layer_blocks": lambda: list(made(PMatBlockDiag).data.values()),
        "diagonal": lambda: made(PMatDiag).get_diag(),
        "kfac": lambda: made(PMatKFAC),
        "matvec": lambda: product(direction),
        "top_eigenvalue": lambda: top_eigenvalue(product, case),
    }
    if case.family == "softmax":
        offered["sampled_diagonal"] = lambda: made(PMatDiag, FIM_MonteCarlo).get_diag()
    else:
        offered["gram"] = gram
    return offered


def undo(case: Case, work: str, result: Any) -> Any:
    if work == "dense":
        return scales.matrix(case, result)
    if work == "layer_blocks":
        return scales.layer_blocks(case, result)
    if work in ("diagonal", "sampled_diagonal", "matvec"):
        return scales.vector(case, result)
    if work == "kfac":
        with scales.default_dtype(case.dtype):
            whole = scales.matrix(case, result.to_torch())
        return scales.weight_blocks(case, whole)
    if work == "gram":
        return result.permute(1, 0, 3, 2).reshape(case.samples * case.outputs, -1) / case.samples
    return result

"""torch.func: what a user writes who has no library, per-example Jacobians by vmap, and products by jvp and vjp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, jvp, vjp, vmap

from tests.peers import scales
from tests.peers.case import Case
from tests.peers.lanczos import top_eigenvalue


def works(case: Case) -> dict[str, Callable[[], Any]]:
    model = case.model()
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    sizes, shapes = [p.numel() for p in parameters.values()], [p.shape for p in parameters.values()]
    product, direction = _product(case, model, parameters), scales.torch_vector(case, case.vector)

    def flat_product(vector: Tensor) -> Tensor:
        pieces = zip(parameters, vector.split(sizes), shapes, strict=True)
        return product({name: part.reshape(shape) for name, part, shape in pieces})

    return {
        **_from_jacobians(case, model, parameters),
        "sampled_diagonal": _sampled_diagonal(case, model, parameters),
        "matvec": lambda: flat_product(direction),
        "top_eigenvalue": lambda: top_eigenvalue(flat_product, case),
    }


def _from_jacobians(case: Case, model: nn.Sequential, parameters: dict[str, Tensor]) -> dict[str, Callable[[], Any]]:
    names = list(parameters)
    layers = [str(position) for position, module in enumerate(model) if isinstance(module, nn.Linear)]

    def rows(given: dict[str, Tensor], x: Tensor) -> Tensor:
        """B f with the root B of the output Fisher matrix held fixed, for one input."""
        f = functional_call(model, given, (x,))
        if case.family == "gaussian":
            return f
        q = torch.softmax(f.detach(), dim=-1)
        return q.sqrt() * (f - (q * f).sum(dim=-1, keepdim=True))

    jacobians = vmap(jacrev(rows), (None, 0))

    def flat(parts: dict[str, Tensor], chosen: list[str]) -> Tensor:
        count = case.samples * case.outputs
        return torch.cat([parts[name].reshape(count, -1) for name in chosen], dim=1)

    def square(parts: dict[str, Tensor], chosen: list[str]) -> Tensor:
        matrix = flat(parts, chosen)
        return matrix.T @ matrix / case.samples

    def layer_blocks() -> list[Tensor]:
        parts = jacobians(parameters, case.x)
        return [square(parts, [f"{layer}.weight", f"{layer}.bias"]) for layer in layers]

    def unit_blocks() -> list[Tensor]:
        parts, blocks = jacobians(parameters, case.x), []
        for layer in layers:
            joined = torch.cat([parts[f"{layer}.weight"], parts[f"{layer}.bias"][..., None]], dim=-1)
            units = joined.flatten(0, 1).transpose(0, 1)
            blocks.append(units.transpose(1, 2) @ units / case.samples)
        return blocks

    def diagonal() -> Tensor:
        parts = jacobians(parameters, case.x)
        return torch.cat([part.square().sum((0, 1)).reshape(-1) for part in parts.values()]) / case.samples

    def gram() -> Tensor:
        matrix = flat(jacobians(parameters, case.x), names)
        return matrix @ matrix.T / case.samples

    return {
        "dense": lambda: square(jacobians(parameters, case.x), names),
        "layer_blocks": layer_blocks,
        "unit_blocks": unit_blocks,
        "diagonal": diagonal,
        "gram": gram,
    }


def _sampled_diagonal(case: Case, model: nn.Sequential, parameters: dict[str, Tensor]) -> Callable[[], Tensor]:
    softmax = case.family == "softmax"

    def log_likelihood(given: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        f = functional_call(model, given, (x,))
        if softmax:
            return torch.log_softmax(f, dim=-1).gather(-1, label[None])[0]
        return -0.5 * (label - f).square().sum()

    scores = vmap(grad(log_likelihood), (None, 0, 0))

    def sampled() -> Tensor:
        with torch.no_grad():
            outputs = model(case.x)
            drawn = torch.multinomial(outputs.softmax(1), 1)[:, 0] if softmax else torch.normal(outputs)
        parts = scores(parameters, case.x, drawn)
        return torch.cat([part.square().sum(0).reshape(-1) for part in parts.values()]) / case.samples

    return sampled


def _product(case: Case, model: nn.Sequential, parameters: dict[str, Tensor]) -> Callable[[dict[str, Tensor]], Tensor]:
    def outputs_of(given: dict[str, Tensor]) -> Tensor:
        return functional_call(model, given, (case.x,))

    def product(tangent: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            _, moved = jvp(outputs_of, (parameters,), (tangent,))
            outputs, pull = vjp(outputs_of, parameters)
            if case.family == "softmax":
                q = torch.softmax(outputs, dim=1)
                moved = q * (moved - (q * moved).sum(1, keepdim=True))
            (pulled,) = pull(moved)
        return torch.cat([pulled[name].reshape(-1) for name in parameters]) / case.samples

    return product


def undo(case: Case, work: str, result: Any) -> Any:
    if work == "dense":
        return scales.matrix(case, result)
    if work == "layer_blocks":
        return scales.layer_blocks(case, result)
    if work in ("diagonal", "sampled_diagonal", "matvec"):
        return scales.vector(case, result)
    return result

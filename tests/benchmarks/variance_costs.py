"""What the exact variances of both diagonal estimators cost, as a multiple of one training pass over the same batch.

    .venv/bin/python -m tests.benchmarks.variance_costs [--widths 784 64 64 64 10] [--batch 256]
    .venv-peers/bin/python -m tests.benchmarks.variance_costs        (with BackPACK's exact diagonal and diagonal Hessian)

Beside them the same diagonals of second derivatives by the layer recursion of full Hessians, with a matrix a unit pair, an output
and an input: what the sums over squared paths avoid. Every call in the same process, in interleaved rounds, one thread; medians of
processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

import fimcore as fc
from fimcore.activations import activation
from tests.benchmarks.step_costs import measured


def pass_over(network: fc.Network, x: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """Loss and gradient of the batch by autograd."""
    model = network.to_torch()

    def once() -> object:
        model.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        return loss

    return once


def hessian_recursion(network: fc.Network, x: torch.Tensor) -> Callable[[], object]:
    """Hessians of every output in the units of every layer, from the top down, for one input after the other."""
    weights, bent = network.weights, activation(network.activation)

    def one(sample: torch.Tensor) -> list[torch.Tensor]:
        signals, signal = [], sample
        for weight, bias in zip(weights, network.biases, strict=True):
            signals.append(weight @ signal + bias)
            signal = bent.value(signals[-1])
        outputs = len(network.biases[-1])
        backward = torch.eye(outputs, dtype=x.dtype)
        hessian = torch.zeros(outputs, outputs, outputs, dtype=x.dtype)
        diagonals = []
        for layer in range(len(weights) - 2, -1, -1):
            above = backward @ weights[layer + 1]
            slope, bend = bent.first(signals[layer]), bent.second(signals[layer])
            through = weights[layer + 1] * slope
            hessian = through.T @ hessian @ through + torch.diag_embed(above * bend)
            backward = above * slope
            diagonals.append(hessian.diagonal(dim1=1, dim2=2))
        return diagonals

    return lambda: [one(sample) for sample in x]


def peers(network: fc.Network, x: torch.Tensor, labels: torch.Tensor) -> dict[str, Callable[[], object]]:
    """BackPACK's diagonals of the same network, where it is installed; none of the variances is among what it offers."""
    try:
        import backpack
        from backpack.extensions import DiagGGNExact, DiagHessian
    except ImportError:
        return {}
    model, loss = backpack.extend(network.to_torch()), backpack.extend(torch.nn.CrossEntropyLoss())

    def diagonal(extension: type) -> Callable[[], object]:
        def once() -> object:
            model.zero_grad()
            with backpack.backpack(extension()):
                loss(model(x), labels).backward()
            return model

        return once

    return {"BackPACK, exact diagonal": diagonal(DiagGGNExact), "BackPACK, diagonal Hessian": diagonal(DiagHessian)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[784, 64, 64, 64, 10])
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    network = fc.sample_network(fc.Architecture(tuple(options.widths), "sigmoid", 1.5, 0.1), seed=0)
    x = fc.inputs.gaussian(count=options.batch, dim=options.widths[0], seed=0)
    labels = torch.arange(options.batch) % options.widths[-1]

    def variances() -> fc.estimators.DiagonalVariances:
        found = fc.diagonal_variances(network, x, likelihood=fc.Categorical())
        for values in (found.fisher, found.var_score, found.var_hessian, found.covariance, found.input_variance):
            found.by_layer(values)
        return found

    calls: dict[str, Callable[[], object]] = {
        "one pass, forward and backward": pass_over(network, x, labels),
        "variances of both estimators": variances,
        "the same with all bounds": lambda: variances().bounds,
        "Hessians by recursion": hessian_recursion(network, x),
        **peers(network, x, labels),
    }
    found = measured(calls)
    print(f"{'-'.join(map(str, options.widths))}, batch {options.batch}, float64, one thread")
    print("| call | ms | x one pass |\n|---|--:|--:|")
    for name, seconds in found.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {seconds / found['one pass, forward and backward']:.1f} |")


if __name__ == "__main__":
    main()

"""What the sanity report measures of one network: signals, block norms, eigenvalues, kernels, a layer's units, rates.

Everything from factors; F = (1/N) sum_x E_y[score score^T] is never formed. Eigenvalues are taken on as many inputs as keep their
dual matrix small, rates on a handful.
Source: `fimcore.fisher`, module by module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore.activations import activation
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.report_training import FirstSteps, first_steps
from fimcore.experiments.setting import factors_of, inputs_of, network_of, sample_count
from fimcore.fisher import block_norms_from_factors
from fimcore.fisher.dual import dual_matrix, layer_kernel
from fimcore.fisher.factors import Factors, factors
from fimcore.fisher.signals import Signals, signals
from fimcore.fisher.whitening import whitened_trace
from fimcore.likelihoods import Gaussian
from fimcore.networks import Network
from fimcore.norms import BlockNorms

FloatArray = NDArray[np.float64]

# Rows of the dual matrix whose eigenvalues are taken; inputs of the kernels, and of the rates.
MOST_ROWS, KERNEL_INPUTS, RATE_INPUTS = 600, 64, 6
# Relative to the mean eigenvalue: large enough for rounding, small enough to change no rate that is tested.
RATE_DAMPING = 1e-13


@dataclass(frozen=True, eq=False)
class Measured:
    """One network's numbers.

    signals: hidden layers. activity (L - 1,): |a^l|^2 / n_l of one input. norms: block norms on all N inputs, unbiased.
    mean, second_moment, values (descending), trace_centred: the spectrum of F on `spectrum_inputs` inputs. layers (L,): largest
    eigenvalue of each layer's block there. outputs (N', C): of those inputs.
    kernel, layer_covariance (M, M): tangent kernel averaged over outputs, and s_w a.a'/n + s_b behind the last hidden layer, on
    `kernel_inputs` (M, n_0). metric (n_0,): eigenvalues of the input-space metric, descending.
    units (4, n_1): of every unit of layer 1, see `first_layer_units`. readout: eigenvalues of (1/N) sum a a^T of the last
    hidden layer.
    rates: mean eigenvalue of (1/N) J G^+ J^T per structure G, on `rate_inputs` inputs; faded: the same at ten
    times the damping, which differs where a matrix is singular to rounding. trained: its first steps on those inputs.
    """

    network: Network
    signals: Signals
    activity: FloatArray
    norms: BlockNorms
    mean: float
    second_moment: float
    values: FloatArray
    trace_centred: float
    layers: FloatArray
    outputs: FloatArray
    kernel_inputs: FloatArray
    kernel: FloatArray
    layer_covariance: FloatArray
    metric: FloatArray
    units: FloatArray
    readout: FloatArray
    rates: dict[str, float]
    faded: dict[str, float]
    trained: FirstSteps


def spectrum_inputs(spec: NetworkSpec) -> int:
    """Inputs whose dual matrix is taken apart."""
    rows = {"exact": spec.outputs, "score": spec.draws, "empirical": 1}[spec.estimator]
    return max(2, min(sample_count(spec), MOST_ROWS // rows))


def rate_inputs(spec: NetworkSpec) -> int:
    """Inputs that the rates of natural gradients are about: few, so that their conditions are met."""
    return min(RATE_INPUTS, sample_count(spec))


def measure(spec: NetworkSpec, number: int) -> Measured:
    """Every number of network `number` of the Spec."""
    network, x = network_of(spec, number), inputs_of(spec, number)
    made = factors_of(spec, number)
    half = len(x) // 2
    few = factors(network, x[: rate_inputs(spec)], Gaussian())
    count = spectrum_inputs(spec)
    small = made if count == len(x) else _first(made, count)
    plain = factors(network, x[:KERNEL_INPUTS], Gaussian())
    with torch.no_grad():
        own = dual_matrix(small, range(1, made.layout.layers + 1))
        values = np.sort(torch.linalg.eigvalsh(own).numpy())[::-1]
        passed = network.forward(x)
        last = plain.inputs[-1][:, :-1]
        variance, offset = spec.weight_variance, spec.bias_variance
        return Measured(
            network=network,
            signals=signals(network, x[:half], x[half : 2 * half]),
            activity=np.array([float((a[0] ** 2).mean()) for a in _activities(passed.preactivations, network)]),
            norms=block_norms_from_factors(made, unbiased=True),
            mean=float(values.sum()) / made.layout.parameters,
            second_moment=float((values**2).sum()) / made.layout.parameters,
            values=values,
            trace_centred=_centred_trace(own, small.rows),
            layers=np.array([_largest(dual_matrix(small, [layer])) for layer in range(1, made.layout.layers + 1)]),
            outputs=network(x[:count]).numpy(),
            kernel_inputs=plain_inputs(plain),
            kernel=mean_over_outputs(plain),
            layer_covariance=(variance * last @ last.T / last.shape[1] + offset).numpy(),
            metric=_metric(network, factors(network, x[:count], Gaussian(spec.noise_variance))),
            units=first_layer_units(network, made),
            readout=_readout(made),
            rates=_rates(few, RATE_DAMPING),
            faded=_rates(few, 10 * RATE_DAMPING),
            trained=first_steps(network, x[: rate_inputs(spec)], spec.seed + number),
        )


def _first(made: Factors, count: int) -> Factors:
    """The same factors of the first inputs alone."""
    return replace(
        made,
        inputs=tuple(a[:count] for a in made.inputs),
        signals=tuple(delta[:count] for delta in made.signals),
        slopes=tuple(slope[:count] for slope in made.slopes),
    )


def _activities(preactivations: tuple[Tensor, ...] | list[Tensor], network: Network) -> list[Tensor]:
    function = activation(network.activation).value
    return [function(u) for u in preactivations[:-1]]


def plain_inputs(made: Factors) -> FloatArray:
    """(M, n_0) inputs behind some factors, without the appended 1."""
    return np.asarray(made.inputs[0][:, :-1].numpy(), dtype=np.float64)


def mean_over_outputs(made: Factors) -> FloatArray:
    """(1/C) sum_c grad f_c(x) . grad f_c(x'), (M, M)."""
    total = sum(layer_kernel(made, made, layer) for layer in range(1, made.layout.layers + 1))
    assert isinstance(total, Tensor)
    grid = total.view(made.samples, made.rows, made.samples, made.rows)
    return np.asarray(torch.einsum("xcyc->xy", grid).numpy() / made.rows, dtype=np.float64)


def _largest(matrix: Tensor) -> float:
    return float(torch.linalg.eigvalsh(matrix)[-1])


def _centred_trace(dual: Tensor, rows: int) -> float:
    """Trace of H K H, H the projection that takes the mean over inputs off every row kind: tr K - (1/N) sum over equal kinds."""
    samples = dual.shape[0] // rows
    shared = torch.einsum("xcyc->", dual.view(samples, rows, samples, rows))
    return float(dual.trace() - shared / samples)


def _metric(network: Network, made: Factors) -> FloatArray:
    """Eigenvalues of (1/N) sum grad_x f_c grad_x f_c^T that are not zero by their number, from the signals at layer 1."""
    return _of_smaller_side((made.signals[0] @ network.weights[0]).reshape(-1, network.widths[0]), made.samples)


def _of_smaller_side(rows: Tensor, samples: int) -> FloatArray:
    """Eigenvalues of rows^T rows / samples, or of rows rows^T / samples, descending."""
    smaller = rows.T @ rows if rows.shape[1] <= rows.shape[0] else rows @ rows.T
    return np.asarray(torch.linalg.eigvalsh(smaller / samples).flip(0).numpy(), dtype=np.float64)


def first_layer_units(network: Network, made: Factors) -> FloatArray:
    """Rows, for the units of layer 1 with e = w / |w|: e.F_ww e, e.F_w0, (tr F_ww - e.F_ww e) / (n_0 - 1), and F_00: (4, n_1)."""
    x, strength, weights = made.inputs[0][:, :-1], made.unit_strength(1), network.weights[0]
    projected = x @ (weights / weights.norm(dim=1, keepdim=True)).T
    along = (strength * projected.square()).mean(dim=0)
    tilted = (strength * projected).mean(dim=0)
    whole = (strength * x.square().sum(dim=1, keepdim=True)).mean(dim=0)
    across = (whole - along) / max(1, x.shape[1] - 1)
    return np.asarray(torch.stack([along, tilted, across, strength.mean(dim=0)]).numpy(), dtype=np.float64)


def _readout(made: Factors) -> FloatArray:
    """Eigenvalues of (1/N) sum a a^T over the last hidden layer: the output weights' matrix at unit noise."""
    return _of_smaller_side(made.inputs[-1][:, :-1], made.samples)


def _rates(made: Factors, share: float) -> dict[str, float]:
    """Mean eigenvalue of (1/N) J (G + lambda)^{-1} J^T for block structures G; lambda as a share of the mean eigenvalue of F."""
    rows = made.samples * made.rows
    dual = dual_matrix(made, range(1, made.layout.layers + 1))
    damping = share * float(dual.trace()) / rows
    if damping == 0:
        return {}
    found = {}
    for structure in ("layer_blocks", "unit_blocks"):
        found[structure] = whitened_trace(made, structure, damping) / rows
    found["kfac"] = sum(kfac_share(made, layer, damping) for layer in range(1, made.layout.layers + 1)) / rows
    return found


def kfac_share(made: Factors, layer: int, damping: float) -> float:
    """Trace of (1/N) J (G (x) A + lambda)^{-1} J^T of one layer, in the few directions that N inputs span.

    With the singular values s of the signals and t of the inputs, a row is a product of one combination of each, and G (x) A has
    the eigenvalues (s_i t_j / N)^2 there.
    """
    samples, rows = made.samples, made.rows
    left, s, _ = torch.linalg.svd(made.signals[layer - 1].reshape(samples * rows, -1), full_matrices=False)
    right, t, _ = torch.linalg.svd(made.inputs[layer - 1], full_matrices=False)
    kept = (left * s).square().reshape(samples, rows, -1).sum(dim=1)
    weights = 1 / (torch.outer(s.square(), t.square()) / samples**2 + damping)
    return float(torch.einsum("xi,ij,xj->", kept, weights, (right * t).square()) / samples)

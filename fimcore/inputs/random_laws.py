"""Random inputs with E|x|^2 / n_0 = 1: normal, on a sphere, with a power-law spectrum, with a mean, in pairs of one overlap.

Each is drawn in float64 on the CPU from its seed, then converted: a seed means the same inputs in every dtype.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fimcore.inputs.data import InputError


def _draw(seed: int, *shape: int) -> Tensor:
    """Independent standard normal numbers in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(int(seed)), dtype=torch.float64)


def _check_size(count: int, dim: int) -> None:
    for field, value in (("count", count), ("dim", dim)):
        if int(value) != value or value < 1:
            raise InputError(f"`{field}` is {value!r}; give a whole number, 1 or more.")


def _check_between(field: str, value: float, lowest: float, highest: float) -> None:
    if not (math.isfinite(value) and lowest <= value <= highest):
        span = f"from {lowest:g} to {highest:g}" if math.isfinite(highest) else f"of {lowest:g} or more"
        raise InputError(f"`{field}` is {value!r}; give a number {span}.")


def gaussian(
    count: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """Independent standard normal inputs, x_j ~ N(0, 1): (count, dim)."""
    _check_size(count, dim)
    return _draw(seed, count, dim).to(dtype=dtype, device=device)


def sphere(
    count: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """Uniform inputs on the sphere of radius sqrt(dim), |x|^2 = dim: (count, dim)."""
    _check_size(count, dim)
    draw = _draw(seed, count, dim)
    return (draw * (dim**0.5 / draw.norm(dim=1, keepdim=True))).to(dtype=dtype, device=device)


def power_law(
    count: int,
    dim: int,
    exponent: float = 1.0,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Normal inputs whose covariance has eigenvalues falling as a power, x_j ~ N(0, s_j), s_j ~ j^-exponent: (count, dim).

    The s_j add up to dim; coordinates are the eigenvectors, largest first. Exponent 0 is `gaussian`.

    Raises:
        InputError: the exponent is negative or not finite.
    """
    _check_size(count, dim)
    _check_between("exponent", exponent, 0, math.inf)
    spectrum = torch.arange(1, dim + 1, dtype=torch.float64) ** -float(exponent)
    x = _draw(seed, count, dim) * (spectrum * (dim / spectrum.sum())).sqrt()
    return x.to(dtype=dtype, device=device)


def shifted(
    count: int,
    dim: int,
    mean: float = 0.5,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Normal inputs with a mean, x_j ~ N(mean, 1 - mean^2): (count, dim). Two of them overlap by E x.x'/dim = mean^2.

    Raises:
        InputError: |mean| is above 1.
    """
    _check_size(count, dim)
    _check_between("mean", mean, -1, 1)
    x = mean + math.sqrt((1 - mean) * (1 + mean)) * _draw(seed, count, dim)
    return x.to(dtype=dtype, device=device)


def correlated_pair(
    count: int,
    dim: int,
    correlation: float = 0.5,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Pairs on the sphere of radius sqrt(dim) with one overlap, x.x'/dim = correlation: two tensors (count, dim).

    x = sqrt(dim) u and x' = sqrt(dim) (correlation u + sqrt(1 - correlation^2) w), with u uniform of length 1 and w uniform
    among the unit vectors at a right angle to it.

    Raises:
        InputError: dim is below 2, or |correlation| above 1.
    """
    _check_size(count, dim)
    if dim < 2:
        raise InputError(f"`dim` is {dim!r}; a pair of a given correlation needs 2 or more.")
    _check_between("correlation", correlation, -1, 1)
    first, second = _draw(seed, 2, count, dim)
    first = first / first.norm(dim=1, keepdim=True)
    # twice: where the draw is almost parallel, rounding of the first projection is no longer small
    for _ in range(2):
        second = second - (second * first).sum(dim=1, keepdim=True) * first
        second = second / second.norm(dim=1, keepdim=True)
    partner = correlation * first + math.sqrt((1 - correlation) * (1 + correlation)) * second
    radius = dim**0.5
    return (radius * first).to(dtype=dtype, device=device), (radius * partner).to(dtype=dtype, device=device)

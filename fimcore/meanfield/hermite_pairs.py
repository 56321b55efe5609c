"""Smooth activations on all pairs of N inputs: E phi(u) phi(v) = sum_k h_k(u) h_k(v) rho^k, rho the correlation.

h_k = E phi(s z) He_k(z) / sqrt(k!), and likewise for phi'. Poles of phi at distance b from the real line make |h_k| fall as
exp(-b sqrt(2 k) / s), so the number of terms is known beforehand, and |rho|^k can only shorten it.
Source: Mehler's formula (1866); Poole et al., arXiv 1606.05340, for the expectations.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fimcore.activation_formulas import dphi, phi
from fimcore.gaussian_integrals import pair_moments

__all__ = ["hermite_pairs", "symmetric_rule"]

FloatArray = NDArray[np.float64]

POLES = {"tanh": 0.5 * math.pi, "sigmoid": math.pi, "silu": math.pi, "softplus": math.pi}
# Terms are kept until exp(-DIGITS) of the first, which leaves room for the powers of k that double poles bring.
DIGITS = 48.0
FEWEST, MOST = 24, 3000
# The quadrature for h_k reaches this far; He_k(z) z^j times the density has faded to 1e-16 there.
REACH = 14.0
NODES = 20
BLOCK = 64


def hermite_pairs(activation: str, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """E phi phi and E phi' phi' off the diagonal, each (N, N), for tanh, sigmoid, silu or softplus.

    Pairs so large and so alike that the series would need more than 3000 terms take the two-dimensional quadrature of
    `pair_moments`, one by one.
    """
    scale = np.sqrt(np.diagonal(covariance))
    product = np.outer(scale, scale)
    rho = np.clip(covariance / np.where(product > 0.0, product, 1.0), -1.0, 1.0)
    np.fill_diagonal(rho, 0.0)
    size, needed = scale.size, _terms(activation, scale, rho)
    slow = needed > MOST
    rho = np.where(slow, 0.0, rho)
    terms = int(max(FEWEST, np.max(np.where(slow, FEWEST, needed))))
    coefficients = _coefficients(activation, scale, terms)
    results = []
    for table in coefficients:
        total = np.zeros((size, size))
        # Horner's rule, a band of rows at a time so that the band stays in the cache
        band = max(1, 40_000 // size)
        for start in range(0, size, band):
            here, some = rho[start : start + band], total[start : start + band]
            for row in table[::-1]:
                some *= here
                some += row[start : start + band, None] * row
        results.append(total)
    for i, j in np.argwhere(np.triu(slow, 1)):
        found = pair_moments(activation, float(scale[i] ** 2), float(scale[j] ** 2), float(covariance[i, j]))
        results[0][i, j] = results[0][j, i] = found.phi_phi
        results[1][i, j] = results[1][j, i] = found.dphi_dphi
    return results[0], results[1]


def _terms(activation: str, scale: FloatArray, rho: FloatArray) -> FloatArray:
    """Terms after which h_k(u) h_k(v) rho^k is below rounding, (N, N)."""
    rate = POLES[activation] * math.sqrt(2.0) * (1.0 / np.maximum(scale, 1e-3)[:, None] + 1.0 / np.maximum(scale, 1e-3))
    # rate sqrt(k) + decay k = DIGITS
    decay = -np.log(np.maximum(np.abs(rho), 1e-300))
    root = 2.0 * DIGITS / (rate + np.sqrt(rate * rate + 4.0 * decay * DIGITS))
    terms = np.ceil(root * root) + 8.0
    np.fill_diagonal(terms, 1.0)
    return terms


def _coefficients(activation: str, scale: FloatArray, terms: int) -> tuple[FloatArray, FloatArray]:
    """h_k of phi and of phi', each (terms, N)."""
    z, w = _rule(float(scale.max()), terms)
    u = scale * z[:, None]
    value, slope = phi(activation, u), dphi(activation, u)
    tables = np.empty((terms, scale.size)), np.empty((terms, scale.size))
    # Weighted Hermite functions He_k(z) sqrt(density / k!) stay bounded at any order.
    root = np.exp(-0.25 * z * z) / (2.0 * math.pi) ** 0.25
    before, now = np.zeros_like(z), root.copy()
    block = np.empty((BLOCK, z.size))
    for start in range(0, terms, BLOCK):
        count = min(BLOCK, terms - start)
        for place in range(count):
            block[place] = now
            k = start + place
            before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1.0)
        weighted = block[:count] * (w * root)
        tables[0][start : start + count] = weighted @ value
        tables[1][start : start + count] = weighted @ slope
    return tables


def _rule(scale: float, terms: int) -> tuple[FloatArray, FloatArray]:
    """Panels graded towards 0 as the widest input needs, never longer than He_k allows."""
    longest = min(3.0, 10.0 / math.sqrt(terms))
    end = min(longest, 3.0 / max(scale, 1e-12))
    ends: list[float] = []
    while not ends or ends[-1] < REACH:
        ends.append(min(end, REACH))
        end += min(longest, 2.0 * end)
    return symmetric_rule(np.array(ends))


def symmetric_rule(ends: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights (..., M) on panels ending at +-``ends`` (..., E), increasing, first panels at 0."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    starts = np.concatenate([np.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    half = 0.5 * (ends - starts)[..., None]
    shape = (*ends.shape[:-1], -1)
    z = (0.5 * (starts + ends)[..., None] + half * nodes).reshape(shape)
    w = np.broadcast_to(half * weights, (*ends.shape, NODES)).reshape(shape)
    return np.concatenate([-z, z], axis=-1), np.concatenate([w, w], axis=-1)

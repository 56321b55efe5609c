"""Moments of an activation for one input or a pair: E phi phi, E phi' phi', E phi'' phi''.

Source: Poole et al., "Exponential expressivity in deep neural networks through transient chaos", arXiv 1606.05340.
"""

from __future__ import annotations

from dataclasses import dataclass

from fimcore.gaussian_integrals import pair_moments, single_moments

__all__ = ["Moments", "moments"]


@dataclass(frozen=True)
class Moments:
    """E phi(u) phi(v), E phi'(u) phi'(v), E phi''(u) phi''(v), dimensionless numbers."""

    phi_phi: float
    dphi_dphi: float
    d2phi_d2phi: float


def moments(activation: str, q1: float, q2: float | None = None, c: float | None = None) -> Moments:
    """E phi(u) phi(v), E phi'(u) phi'(v), E phi''(u) phi''(v) for centred Gaussian u, v.

    Args:
        activation: one of `ACTIVATION_NAMES`.
        q1: variance of u, 0 or more.
        q2: variance of v. With ``q2`` and ``c`` left out, v = u (one input).
        c: covariance of u and v (not the correlation), at most sqrt(q1 q2) in size.

    Returns:
        `Moments`. For relu and leaky_relu E phi'' phi'' is the derivative of E phi' phi' with respect to c: finite for
        two inputs, infinite for one.

    Raises:
        ValueError: naming the field, the value received and what works.

    Source: Poole et al., arXiv 1606.05340; Schoenholz et al., "Deep Information Propagation", arXiv 1611.01232.
    """
    if q2 is None and c is None:
        one = single_moments(activation, float(q1))
        return Moments(one.phi_phi, one.dphi_dphi, one.d2phi_d2phi)
    if q2 is None or c is None:
        missing = "q2" if q2 is None else "c"
        raise ValueError(f"`{missing}` is None; give both `q2` and `c` for a pair of inputs, or neither for one input.")
    pair = pair_moments(activation, float(q1), float(q2), float(c))
    return Moments(pair.phi_phi, pair.dphi_dphi, pair.d2phi_d2phi)

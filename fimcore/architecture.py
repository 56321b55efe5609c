"""Architecture of a fully connected network: widths, activation and the law of its random weights.

W^l_ij ~ N(0, weight_variance / n_{l-1}),  b^l_i ~ N(0, bias_variance),  u^l = W^l a^{l-1} + b^l,  a^l = phi(u^l),  f = u^L.

This module imports nothing but the standard library, so that the predicted wing can share it without meeting torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ACTIVATION_NAMES = (
    "tanh",
    "erf",
    "relu",
    "leaky_relu",
    "gelu",
    "silu",
    "softplus",
    "sigmoid",
    "sin",
    "elu",
    "linear",
)
INITIALISATIONS = ("gaussian", "orthogonal")


def check_choice(field: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of the named choices, naming the field, the value and the choices."""
    if value not in choices:
        raise ValueError(f"`{field}` is {value!r}; choose one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Architecture:
    """Widths, activation and weight statistics of a fully connected network with a linear read-out.

    Args:
        widths: n_0, ..., n_L: input dimension, hidden widths, number of outputs. At least two positive integers.
        activation: one of `ACTIVATION_NAMES`, shared by all hidden layers ("erf" is erf(u), "gelu" is the exact u Phi(u)).
        weight_variance: sigma_w^2 > 0; a weight into layer l has variance sigma_w^2 / n_{l-1}.
        bias_variance: sigma_b^2 >= 0.
        init: "gaussian" draws, or "orthogonal" matrices scaled to the same mean squared entry.

    Raises:
        ValueError: naming the field, the value received and what works.
    """

    widths: tuple[int, ...]
    activation: str = "tanh"
    weight_variance: float = 1.0
    bias_variance: float = 0.0
    init: str = "gaussian"

    def __post_init__(self) -> None:
        try:
            widths = tuple(int(width) for width in self.widths)
            whole = all(width == given for width, given in zip(widths, self.widths, strict=True))
        except (TypeError, ValueError):
            widths, whole = (), False
        if not whole or len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"`widths` is {self.widths!r}; give at least two whole numbers, each 1 or more.")
        object.__setattr__(self, "widths", widths)
        check_choice("activation", self.activation, ACTIVATION_NAMES)
        check_choice("init", self.init, INITIALISATIONS)
        if not (math.isfinite(self.weight_variance) and self.weight_variance > 0):
            raise ValueError(f"`weight_variance` is {self.weight_variance!r}; give a finite number above 0.")
        if not (math.isfinite(self.bias_variance) and self.bias_variance >= 0):
            raise ValueError(f"`bias_variance` is {self.bias_variance!r}; give a finite number, 0 or more.")

    @property
    def layers(self) -> int:
        """L, the number of weight layers (hidden layers plus the read-out)."""
        return len(self.widths) - 1

    @property
    def outputs(self) -> int:
        """C = n_L, the number of network outputs."""
        return self.widths[-1]

    @property
    def hidden_widths(self) -> tuple[int, ...]:
        """n_1, ..., n_{L-1}."""
        return self.widths[1:-1]

    @property
    def parameters(self) -> int:
        """P = sum_l n_l (n_{l-1} + 1), weights and biases."""
        return sum(width * (fan_in + 1) for fan_in, width in zip(self.widths[:-1], self.widths[1:], strict=True))

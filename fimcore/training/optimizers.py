"""Optimizers by name: how each makes an update from an evaluation, and whether it needs the exact Fisher factors for that.

theta <- theta - (learning_rate / alpha) * direction; every update is a plain function of (evaluation, settings, state) that returns
(vector, state).
Source: each in the module that defines it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from fimcore.training.empirical import cwngd, empirical_fisher, mbf
from fimcore.training.first_order import adam, fadam, momentum, sgd, sophia
from fimcore.training.natural import DIRECTIONS, natural
from fimcore.training.point import Evaluation, Settings

Update = Callable[[Evaluation, Settings, tuple[Tensor, ...]], tuple[Tensor, tuple[Tensor, ...]]]

UPDATES: dict[str, Update] = {
    "sgd": sgd,
    "momentum": momentum,
    "adam": adam,
    "fadam": fadam,
    "sophia": sophia,
    **{name: partial(natural, direction=direction) for name, direction in DIRECTIONS.items()},
    "cwngd": cwngd,
    "mbf": mbf,
    "empirical_fisher": empirical_fisher,
}
OPTIMIZERS = tuple(UPDATES)
# These share one backward pass between gradient and Fisher matrix.
NATURAL = frozenset(DIRECTIONS)

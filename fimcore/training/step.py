"""One point on a training run, as a frozen value.

Step k is the network after k updates; step 0 is the network as it was given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from fimcore.networks import Network


@dataclass(frozen=True, eq=False)
class Step:
    """What `train` reports after each update, and before the first.

    Attributes:
        number: how many updates have been made.
        loss: over all data, whatever the batch: mean negative log-likelihood without its constant; regression:
            (1/2N) sum |f - y|^2 / variance.
        residual: root mean square of f - y over inputs and outputs in regression; nan for classification.
        accuracy: share of inputs whose most probable class is the label in classification; nan for regression.
        gradient_norm: Euclidean norm of the gradient, over the batch that the next update sees.
        seconds: time spent in updates so far (gradient, direction and move; not the measuring of what is here).
        fisher_top: largest eigenvalue of the exact Fisher matrix where it was asked for; nan elsewhere.
        fisher_trace: its trace there.
        diverged: loss or gradient is not finite; this is then the last step of the run.
        network: the network after `number` updates.
        state: what the optimizer carries besides the network (Adam: its two moments), for `train(..., resume=step)`.
        optimizer: whose state that is.
        stopped: why no update follows although more were asked for, where the reason is a matrix that became singular.
    """

    number: int
    loss: float
    residual: float
    accuracy: float
    gradient_norm: float
    seconds: float
    fisher_top: float
    diverged: bool
    network: Network
    state: tuple[Tensor, ...] = ()
    stopped: str = ""
    fisher_trace: float = math.nan
    optimizer: str = ""

    def __repr__(self) -> str:
        return f"Step({self.number}, loss {self.loss:.6g}, {self.seconds:.3f} s{', diverged' if self.diverged else ''})"

"""Where the better of two estimators changes along training: a zero of log(V2 / V1), interpolated between epochs.

With r_e = log(sd_2 / sd_1) at epoch e, a change of sign between e - 1 and e lies at e - 1 + r_(e-1) / (r_(e-1) - r_e).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = ["seed", "layer", "epoch", "better_before", "better_after"]
SCORE, HESSIAN = "score", "hessian"


def winner_changes(layers: pd.DataFrame) -> pd.DataFrame:
    """One row for every change, per seed and layer, from columns "score" and "hessian" (standard deviations).

    Where either has no variance there is nothing to change. An exact tie belongs to what comes after it.
    """
    rows = []
    for _, own in layers.groupby(["seed", "layer"]):
        positive = own[(own[SCORE] > 0) & (own[HESSIAN] > 0)]
        epochs = positive["epoch"].to_numpy(np.float64)
        ratio = np.log(positive[HESSIAN].to_numpy() / positive[SCORE].to_numpy())
        below = ratio < 0
        for place in np.flatnonzero(below[1:] != below[:-1]):
            before, after = ratio[place], ratio[place + 1]
            epoch = epochs[place] + (epochs[place + 1] - epochs[place]) * before / (before - after)
            names = (HESSIAN, SCORE) if below[place] else (SCORE, HESSIAN)
            rows.append((int(own["seed"].iloc[0]), int(own["layer"].iloc[0]), float(epoch), *names))
    return pd.DataFrame(rows, columns=COLUMNS)

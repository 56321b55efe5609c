"""Real images without a download: the handwritten digits that ship with scikit-learn."""

from __future__ import annotations

import numpy as np
import torch

from fimcore.inputs.data import Data
from fimcore.inputs.scaling import common_scale


def digits(dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Data:
    """1,797 real 8 x 8 images of handwritten digits with their labels 0..9, shipped with scikit-learn (no download).

    Pixels are shifted and scaled by one common mean and one common standard deviation, so that the mean of |x|^2 / n_0 is 1.
    Images keep their overlap: x.x'/n_0 of two different images is not 0 on average.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    x = common_scale(torch.as_tensor(np.asarray(bundle.data, dtype=np.float64)))
    names = tuple(f"pixel {row + 1},{column + 1}" for row in range(8) for column in range(8))
    labels = torch.as_tensor(np.asarray(bundle.target, dtype=np.int64), device=device)
    return Data(x.to(dtype=dtype, device=device), labels, "digits", names)

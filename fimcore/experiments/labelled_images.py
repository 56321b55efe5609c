"""Images with class labels to train on: the digits of scikit-learn, or IDX files of one's own (MNIST's format, also .gz).

Labels of an IDX file come from the file beside it: `...images-idx3...` and `...labels-idx1...` belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fimcore import inputs
from fimcore.experiments.setting import INPUT_STREAM
from fimcore.inputs.content import Limits, is_file, read_content
from fimcore.inputs.idx import labels_beside, parse_idx

CLASSES = 10
IDX_MAX_BYTES, IDX_MAX_PIXELS = 64_000_000, 4096
LIMITS = Limits("An IDX file as MNIST has it, also as .gz", IDX_MAX_BYTES, IDX_MAX_PIXELS)


@dataclass(frozen=True, eq=False)
class Images:
    """Pixels as they stand in the file (N, n_0), and classes (N,) from 0 to 9."""

    pixels: NDArray[np.generic]
    classes: NDArray[np.int64]
    name: str

    @property
    def count(self) -> int:
        """N."""
        return int(self.pixels.shape[0])

    @property
    def dimension(self) -> int:
        """Pixels of an image, n_0."""
        return int(self.pixels.shape[1])


def images(path: str = "") -> Images:
    """The digits, or the images of an IDX file with the labels beside it.

    Raises:
        InputError: no such file, not an IDX file of images, no labels beside it, or labels other than 0 to 9.
    """
    return _read_idx(path, inputs.file_hash(path, IDX_MAX_BYTES)) if path else _digits()


@lru_cache(maxsize=1)
def _digits() -> Images:
    data = inputs.digits()
    assert data.y is not None
    return Images(data.x.numpy(), data.y.numpy(), "digits")


@lru_cache(maxsize=1)
def _read_idx(path: str, _content: str) -> Images:
    """Kept as the bytes of the file: 47 MB for all of MNIST."""
    file = Path(path)
    if not is_file(file):
        raise inputs.InputError(f"`data_file` is {file.name!r}, which does not exist here. {LIMITS}")
    pixels = parse_idx(read_content(file, LIMITS), file.name, LIMITS)
    if pixels.ndim < 2 or pixels[0].size > IDX_MAX_PIXELS:
        what = "one number a row, as labels do" if pixels.ndim < 2 else f"{pixels[0].size:,} pixels an image"
        raise inputs.InputError(
            f"{file.name} holds {what}; give the file of images, of up to {IDX_MAX_PIXELS:,} pixels each."
        )
    beside = labels_beside(file)
    if beside is None:
        raise inputs.InputError(
            f"{file.name} has no labels beside it; put both files into one folder, named `...images-idx3-ubyte` and "
            "`...labels-idx1-ubyte` (or with .gz)."
        )
    labels = parse_idx(read_content(beside, LIMITS), beside.name, LIMITS)
    return Images(pixels.reshape(len(pixels), -1), _classes(labels, len(pixels), beside.name), file.name)


def _classes(labels: NDArray[np.generic], count: int, name: str) -> NDArray[np.int64]:
    if labels.shape != (count,):
        sizes = " x ".join(map(str, labels.shape))
        raise inputs.InputError(f"{name} holds {sizes} labels for {count:,} images; give one label an image.")
    classes = labels.astype(np.int64)
    if classes.min() < 0 or classes.max() >= CLASSES or (classes != labels).any():
        raise inputs.InputError(
            f"{name} holds labels from {labels.min()} to {labels.max()}; ten classes, numbered 0 to 9, work."
        )
    return classes


def draw_images(path: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` images in random order, and their classes: x (N, n_0) with |x|^2 / n_0 = 1 on average, y (N,).

    The digits are scaled as a whole, files of one's own by the images drawn, of which only these become numbers of 8 bytes.
    """
    known = images(path)
    generator = torch.Generator().manual_seed(seed + INPUT_STREAM)
    rows = torch.randperm(known.count, generator=generator)[:count].numpy()
    x = torch.as_tensor(known.pixels[rows].astype(np.float64))
    return (inputs.common_scale(x) if path else x), torch.as_tensor(known.classes[rows])

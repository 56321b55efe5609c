"""What a matrix view shows, as frozen values: axes, panels, a frame, a pinned cell, a sweep of frames.

Row and column indices count displayed cells, that is after any pooling; names carry the readable meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """The displayed rows or columns of a matrix.

    names: one readable name per displayed cell, e.g. "w₂[7←3]", or "w₂[7←3] … w₂[7←5]" for a pooled cell.
    layer_edges: positions of layer lines in cells, fractions allowed; the outer two (0 and the length) may be left out.
    layer_labels: one short label per layer, e.g. ("1", "2", "3", "out"), or nothing.
    unit_edges: positions of thinner lines, drawn only where they are at least 6 pixels apart.
    dead: half-open ranges of cells whose parameters never move the output; drawn hatched.
    """

    names: tuple[str, ...]
    layer_edges: tuple[float, ...] = ()
    layer_labels: tuple[str, ...] = ()
    unit_edges: tuple[float, ...] = ()
    dead: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        spans = len(self.boundaries) - 1
        if self.layer_labels and len(self.layer_labels) != spans:
            raise ValueError(f"`layer_labels` has {len(self.layer_labels)} entries for {spans} layers; give one each")

    @property
    def boundaries(self) -> tuple[float, ...]:
        """Layer edges including both ends."""
        inner = sorted({float(edge) for edge in self.layer_edges if 0 < edge < len(self.names)})
        return (0.0, *inner, float(len(self.names)))


@dataclass(frozen=True, eq=False)
class Panel:
    """One matrix of a frame.

    values: (rows, columns); NaN means "no value" and is drawn hatched.
    alt: the finding in words, for screen readers. name: what the read-out calls the panel (default: the title).
    cell_text: text printed inside each cell where it fits, for matrices of few cells.
    """

    title: str
    values: NDArray[np.floating]
    alt: str
    name: str = ""
    cell_text: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ValueError(f"`values` has shape {self.values.shape}; a panel needs two dimensions")
        if not self.name:
            object.__setattr__(self, "name", self.title.split(",")[0].strip().lower())


@dataclass(frozen=True, eq=False)
class Frame:
    """One to three panels over the same rows and columns.

    limit: the value at the end of the colour range, shared by all panels, or one per panel.
    clipped: words on cells beyond the range; left empty, they are counted here.
    note: pooling and other remarks, printed under the picture, e.g. "Each cell shows the largest of 3 × 3 entries."
    caption: what this frame is, e.g. "Width 16". tick: identity of the frame (default: from the view and the position).
    """

    panels: tuple[Panel, ...]
    rows: Axis
    columns: Axis
    limit: float | tuple[float, ...]
    clipped: str = ""
    note: str = ""
    caption: str = ""
    tick: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.panels) <= 3:
            raise ValueError(f"`panels` has {len(self.panels)} entries; a frame shows one to three")
        shape = (len(self.rows.names), len(self.columns.names))
        for panel in self.panels:
            if panel.values.shape != shape:
                raise ValueError(f"`values` of {panel.title!r} has shape {panel.values.shape}; the axes name {shape}")
        if isinstance(self.limit, tuple) and len(self.limit) != len(self.panels):
            raise ValueError(f"`limit` has {len(self.limit)} entries for {len(self.panels)} panels; give one each")

    @property
    def limits(self) -> tuple[float, ...]:
        """One limit per panel."""
        return self.limit if isinstance(self.limit, tuple) else (self.limit,) * len(self.panels)

    @property
    def shared(self) -> bool:
        """Whether all panels use one colour range."""
        return len(set(self.limits)) == 1


@dataclass(frozen=True)
class Pin:
    """A pinned cell of the current frame; text is printed under the read-out, e.g. its exact value and formula."""

    row: int
    column: int
    text: str = ""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Frames computed ahead and played in the page, without messages to the server.

    positions: the value of the swept setting in each frame, as shown. current: the frame of the present settings.
    trigger: whether choosing another frame is reported as a "sweep" event.
    of_settings: whether `current` is what the page's settings say, so that every other frame is marked as another.
    """

    label: str
    frames: tuple[Frame, ...] = field(repr=False)
    positions: tuple[str, ...]
    current: int
    trigger: bool = True
    of_settings: bool = True

    def __post_init__(self) -> None:
        if not self.frames or len(self.frames) != len(self.positions):
            raise ValueError(f"`positions` has {len(self.positions)} entries for {len(self.frames)} frames; match them")
        if not 0 <= self.current < len(self.frames):
            raise ValueError(f"`current` is {self.current}; choose 0 to {len(self.frames) - 1}")

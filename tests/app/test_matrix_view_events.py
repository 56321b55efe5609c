"""Events of the matrix view come from a browser, so they are read with suspicion."""

from __future__ import annotations

import pytest
from matrix_view.events import Cell, MatrixEvents, read_events

SHAPES = {"t": (4, 6), "t#1": (2, 2)}


def events(**raw: object) -> MatrixEvents:
    return read_events(raw, SHAPES, levels=3, positions=2)


def test_honest_events_are_read():
    assert events(pin={"row": 3, "column": 5, "tick": "t", "frame": None}).pin == Cell(3, 5, "t", None)
    assert events(dive={"row": 1, "column": 1, "tick": "t#1", "frame": 1}).dive == Cell(1, 1, "t#1", 1)
    assert events(rise={"level": 0}).rise == 0
    assert events(sweep={"index": 1, "position": "8"}).sweep == 1
    assert events(difference={"shown": False}).difference is False


@pytest.mark.parametrize(
    "raw",
    [
        {"pin": {"row": 4, "column": 0, "tick": "t"}},
        {"pin": {"row": -1, "column": 0, "tick": "t"}},
        {"pin": {"row": 1.5, "column": 0, "tick": "t"}},
        {"pin": {"row": True, "column": 0, "tick": "t"}},
        {"pin": {"row": 0, "column": 0, "tick": "another"}},
        {"pin": {"row": 0, "column": 0, "tick": ["t"]}},
        {"dive": [0, 0]},
        {"dive": "0"},
        {"rise": {"level": 3}},
        {"rise": 1},
        {"sweep": {"index": 2}},
        {"sweep": {"index": "1"}},
        {"difference": {"shown": "yes"}},
        {},
    ],
)
def test_anything_else_counts_as_nothing(raw):
    assert events(**raw) == MatrixEvents()

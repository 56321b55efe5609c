"""Both components inside a script run: they mount, take their data and report nothing until something happens."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page() -> None:
    import numpy as np
    import streamlit as st
    from matrix_view import Axis, Frame, MatrixEvents, Panel, Sweep, matrix_view
    from player import Chart, player

    names = Axis(("w₁[1←1]", "b₁[1]"))
    small = Frame((Panel("Full", np.eye(2), "Only the diagonal"),), names, names, 1.0)
    sweep = Sweep("Width", (small, small), ("1", "2"), current=0)
    events = matrix_view(small, tick="t", sweep=sweep, on_event=lambda _: None)
    st.text("quiet" if events == MatrixEvents() else repr(events))
    steps = np.arange(3)
    player(steps=steps, charts=(Chart("loss", (steps, None)),), values={"plain": [1.0, 0.5, np.nan]})


def test_components_mount_quietly():
    run = AppTest.from_function(page).run()
    assert not run.exception
    assert run.text[0].value == "quiet"
    assert len(run.get("bidi_component")) == 2
    assert not run.run().exception


def test_player_refuses_data_of_another_length():
    import pytest
    from player import Chart, player_data

    with pytest.raises(ValueError, match="give one number per step"):
        player_data([0, 1], (Chart("loss", ([0.0],)),), {}, "loss")
    with pytest.raises(ValueError, match="at least one step"):
        player_data([], (), {}, "loss")
    data = player_data([0, 1], (Chart("loss", ([0.0, float("nan")], None)),), {"a": [2.0, float("inf")]}, "loss")
    assert data["charts"] == [{"key": "loss", "x": [[0.0, None], None]}]
    assert data["series"] == [{"name": "a", "texts": ["2.00", "∞"]}]

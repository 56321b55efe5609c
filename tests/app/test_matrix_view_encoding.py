"""The bytes of the matrix view: what the page reads back is what was sent, within half a step, on every scale."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from colour_scales import DIVERGING_DARK, DIVERGING_LIGHT, plotly_scale
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from matrix_view import Axis, Frame, Panel, Pin, Sweep, colour_limit, log_floor, number_text
from matrix_view.encoding import (
    CENTRE,
    MAGNITUDE_STEPS,
    NO_VALUE,
    SIGNED_STEPS,
    ZERO,
    clipped_text,
    colour_table,
    decode,
    payload,
    quantise,
)
from matrix_view.scales import SCALES, colour_bar_ticks, forward, inverse

MATRICES = npst.arrays(
    np.float64,
    npst.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(allow_nan=True, allow_infinity=True, width=64),
)


def axis(cells: int) -> Axis:
    return Axis(tuple(f"w₁[1←{i}]" for i in range(cells)))


def frame(values: np.ndarray, limit: float | None = None, **words: str) -> Frame:
    rows, columns = values.shape
    wanted = colour_limit(values) if limit is None else limit
    return Frame((Panel("Full", values, "a finding"),), axis(rows), axis(columns), wanted, **words)


def read(content: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack_from("<I", content)
    return json.loads(content[4 : 4 + length]), content[4 + length :]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("colour", "steps"), [("diverging", SIGNED_STEPS), ("magnitude", MAGNITUDE_STEPS)])
def test_decoded_values_are_within_half_a_step(scale, colour, steps):
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (50, 50)) * 10.0 ** rng.uniform(-8, 0, (50, 50))
    if colour == "magnitude":
        values = np.abs(values)
    decoded = decode(quantise(values, 0.7, scale, colour), 0.7, scale, colour)
    if scale == "signed_log":
        # On this scale the centre stands for everything up to the floor.
        decoded = np.where(decoded == 0, np.copysign(log_floor(0.7), values), decoded)
    error = np.abs(forward(decoded, 0.7, scale) - forward(values, 0.7, scale))
    assert error.max() <= 0.5 / steps + 1e-12


def test_linear_error_in_units_of_the_limit():
    values = np.linspace(-3, 3, 1001).reshape(7, 143)
    decoded = decode(quantise(values, 3.0, "linear", "diverging"), 3.0, "linear", "diverging")
    assert np.abs(decoded - values).max() <= 3.0 * 0.5 / SIGNED_STEPS + 1e-12


@pytest.mark.parametrize("scale", SCALES)
def test_exact_zero_tiny_and_missing_have_codes_of_their_own(scale):
    values = np.array([[0.0, -0.0, 1e-30, -1e-30, np.nan, np.inf, -np.inf, 5.0]])
    codes = quantise(values, 1.0, scale, "diverging")[0].tolist()
    assert codes == [ZERO, ZERO, CENTRE, CENTRE, NO_VALUE, 254, 2, 254]
    assert np.isnan(decode(np.array([NO_VALUE], dtype=np.uint8), 1.0, scale, "diverging"))[0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("colour", ["diverging", "magnitude"])
@given(values=MATRICES)
def test_no_matrix_crashes_the_encoding(scale, colour, values):
    content = payload(frame(values), scale=scale, dark=False, tick="t", colour=colour)
    head, rest = read(content)
    assert len(rest) == 768 + values.size
    assert head["frames"][0]["tick"] == "t"


@pytest.mark.parametrize("scale", SCALES)
def test_all_zero_matrix(scale):
    zero = frame(np.zeros((3, 4)))
    assert zero.limits == (0.0,)
    head, rest = read(payload(zero, scale=scale, dark=True, tick="t"))
    assert set(rest[768:]) == {ZERO}
    assert head["frames"][0]["panels"][0]["ticks"] == [[0.5, "0"]]


def test_zero_maps_to_the_neutral_colour_of_the_theme():
    for dark, stops in ((False, DIVERGING_LIGHT), (True, DIVERGING_DARK)):
        table = colour_table("diverging", dark)
        for code, stop in ((ZERO, 2), (CENTRE, 2), (2, 0), (254, 4)):
            assert "#" + bytes(table[code]).hex() == stops[stop]
    assert [stop for _, stop in plotly_scale("diverging", dark=True)] == list(DIVERGING_DARK)


@pytest.mark.parametrize("scale", SCALES)
@given(position=st.floats(0.01, 1.0), sign=st.sampled_from([-1, 1]), limit=st.floats(1e-12, 1e12))
def test_scales_invert(scale, position, sign, limit):
    value = inverse(np.array([sign * position]), limit, scale)
    assert forward(value, limit, scale)[0] == pytest.approx(sign * position, rel=1e-9)


def test_sweep_frames_travel_once_and_the_current_one_is_the_main_frame():
    widths = (2, 3, 4)
    frames = tuple(frame(np.full((w, w), 0.5), caption=f"Width {w}") for w in widths)
    sharp = frame(np.full((6, 6), 0.5))
    content = payload(
        sharp, scale="linear", dark=False, tick="n=3", sweep=Sweep("Width", frames, ("2", "3", "4"), current=1)
    )
    head, rest = read(content)
    assert head["sweep"]["order"] == [1, 0, 2]
    assert [one["tick"] for one in head["frames"]] == ["n=3", "n=3#0", "n=3#2"]
    assert len(rest) == 768 + 36 + 4 + 16


def test_equal_axes_are_sent_once():
    square = frame(np.eye(5))
    assert len(read(payload(square, scale="linear", dark=False, tick="t"))[0]["axes"]) == 1


def test_clipped_cells_are_counted_in_words():
    values = np.linspace(0, 1, 1000).reshape(10, 100)
    assert clipped_text(frame(values, 0.995), "linear", "diverging") == "0.5\u00a0% of cells beyond the range"
    assert clipped_text(frame(values, 2.0), "linear", "diverging") == ""
    assert clipped_text(frame(values, 0.995, clipped="none to speak of"), "linear", "diverging") == "none to speak of"


def test_colour_limit_sees_through_sparsity_and_missing_values():
    sparse = np.zeros((100, 100))
    sparse[0, 0] = 4.0
    assert colour_limit(sparse) == 4.0
    assert colour_limit(np.full((2, 2), np.nan)) == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.021, "−0.0210"),
        (4.8e-6, "4.80 × 10⁻⁶"),
        (12345.0, "1.23 × 10⁴"),
        (9999.6, "1.00 × 10⁴"),
        (999.6, "1000"),
        (float("nan"), "no value"),
    ],
)
def test_numbers_read_well(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize("scale", SCALES)
def test_colour_bar_is_symmetric_and_ends_at_the_limit(scale):
    ticks = colour_bar_ticks(0.5, scale, signed=True)
    assert [position for position, _ in ticks] == [0, 0.25, 0.5, 0.75, 1]
    assert (ticks[0][1], ticks[2][1], ticks[-1][1]) == ("−0.500", "0", "0.500")


def test_wrong_values_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match="the axes name"):
        Frame((Panel("Full", np.eye(3), ""),), axis(3), axis(2), 1.0)
    with pytest.raises(ValueError, match="`layer_labels` has 1 entries for 2 layers"):
        Axis(("a", "b"), (1,), ("1",))
    with pytest.raises(ValueError, match="choose 0 to 0"):
        Sweep("Width", (frame(np.eye(2)),), ("2",), current=3)
    with pytest.raises(ValueError, match="choose one of linear"):
        quantise(np.eye(2), 1.0, "cubic", "diverging")  # type: ignore[arg-type]


def test_pin_and_levels_travel():
    head, _ = read(
        payload(
            frame(np.eye(2)),
            scale="linear",
            dark=False,
            tick="t",
            breadcrumb=("All", "<b>"),
            pin=Pin(1, 0, "F = 0"),
            difference=True,
        )
    )
    assert head["breadcrumb"] == ["All", "<b>"]
    assert head["pin"] == {"row": 1, "column": 0, "text": "F = 0"}
    assert head["difference"] is True

from __future__ import annotations

import io
import json
import math
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import exports
import figure_export
import jobs
import numpy as np
import pytest
from figures import style
from PIL import Image

from fimcore.experiments import load
from fimcore.experiments.result import Result

ADDRESS = "http://127.0.0.1:8501/?n=4&L=1"


@pytest.fixture(scope="module")
def result() -> Result:
    module = load("explore")
    found: Result = module.run(module.Spec(width=4, hidden_layers=1, samples=10, seeds=2))
    return found


def chart(dark: bool = False) -> style.go.Figure:
    made = style.figure(dark=dark, x="Width n", y="Ratio", log_x=True, log_y=True)
    widths = np.array([16, 32, 64, 128])
    ratio = 0.2 * (widths / 16) ** -0.5
    style.band(made, widths, 0.9 * ratio, 1.1 * ratio, "8 seeds", dark=dark)
    style.measured(made, widths, ratio, "Measured", dark=dark)
    style.theory(made, widths, ratio, "Theory & <more>", dark=dark)
    style.doubling_axis(made, [16, 32, 64, 128])
    return made


def test_files_come_in_the_order_of_the_menu_and_are_made_on_demand(result: Result) -> None:
    asked = []
    made = exports.files(result, ADDRESS, png=lambda: asked.append("png") or b"", svg=lambda: "")
    assert list(made) == ["PNG", "SVG", "CSV", "NPZ", "JSON", "Python"]
    assert asked == []
    assert list(exports.files(result, ADDRESS)) == ["CSV", "NPZ", "JSON", "Python"]


def test_every_file_starts_with_settings_seeds_versions_and_address(result: Result) -> None:
    made = exports.files(result, ADDRESS)
    data = json.loads(made["JSON"]())
    assert data["settings"]["width"] == 4
    assert data["seeds"] == [0, 1]
    assert data["address"] == ADDRESS
    assert data["versions"]["torch"]
    assert made["CSV"]().startswith("# name:")
    with np.load(io.BytesIO(made["NPZ"]()), allow_pickle=False) as arrays:
        assert json.loads(str(arrays["header"]))["address"] == ADDRESS
        np.testing.assert_array_equal(
            arrays["summary.largest_eigenvalue"], result.tables["summary"]["largest_eigenvalue"].to_numpy()
        )


def test_a_menu_holds_the_table_behind_its_picture(result: Result) -> None:
    for table, columns in (
        ("", "seed,largest"),
        ("eigenvalues", "structure,rank,eigenvalue"),
        ("predictions", "measure,"),
    ):
        lines = exports.files(result, ADDRESS, table=table)["CSV"]().splitlines()
        assert next(line for line in lines if not line.startswith("#")).startswith(columns)
    assert exports.files(result, ADDRESS, csv=lambda: "row,column")["CSV"]() == "row,column"


@pytest.mark.parametrize(
    ("path", "settings", "menus"),
    [
        ("width", {"w1": 32, "N": 20, "S": 2}, {"Export ratios": "ratios", "Export slopes": "trends"}),
        (
            "width",
            {"w1": 32, "N": 20, "S": 2, "view": "shares"},
            {"Export hidden layers": "mass", "Export all layers": "mass", "Export slopes": "trends"},
        ),
        ("train", {"n": 4, "N": 10, "S": 1, "T": 10}, {"Export steps": "curves", "Export seconds": "curves"}),
    ],
)
def test_menus_of_a_page_have_their_own_names_and_tables(path, settings, menus, open_page, monkeypatch) -> None:
    monkeypatch.setattr(jobs, "INLINE_SECONDS", math.inf)
    made = {}

    def menu(*_args, **options):
        made[options["label"]] = options["table"]

    monkeypatch.setattr(exports, "export_menu", menu)
    open_page(path, **settings)
    assert made == menus


def test_script_reproduces_the_numbers(result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "again.py"
    path.write_text(exports.files(result, ADDRESS)["Python"](), encoding="utf-8")
    again = runpy.run_path(str(path))["result"]
    for name, table in result.tables.items():
        numbers = table.select_dtypes("number")
        np.testing.assert_allclose(again.tables[name][numbers.columns].to_numpy(), numbers.to_numpy(), rtol=1e-6)
    assert "summary" in capsys.readouterr().out


def test_file_names_are_plain() -> None:
    assert exports.file_name("width", "C = n, L=3", "csv") == "fimcore-width-c-n-l-3.csv"
    assert exports.file_name("explore", "../../x", "png") == "fimcore-explore-x.png"


def test_caption_names_what_differs_from_the_defaults_and_never_a_path(result: Result) -> None:
    lines = exports.caption_lines(result, ADDRESS, "The finding.")
    assert lines[0] == "The finding."
    assert "width = 4" in lines[1]
    assert "seeds 0 to 1" in lines[1]
    assert lines[2] == ADDRESS


@pytest.mark.parametrize("dark", [False, True])
def test_chart_as_svg_parses_and_carries_every_word(dark: bool) -> None:
    text = figure_export.figure_svg(chart(dark), "What does width change?", ["Finding.", ADDRESS], dark)
    root = ET.fromstring(text)
    words = " ".join(node.text or "" for node in root.iter() if node.tag.endswith("text"))
    for expected in ("What does width change?", "Finding.", ADDRESS, "Width n", "Ratio", "Measured", "128", "0.1"):
        assert expected in words
    assert "href" not in text
    assert "<script" not in text
    assert len([node for node in root.iter() if node.tag.endswith("polyline")]) > 8


def test_chart_as_png_has_twice_the_size_and_carries_its_caption() -> None:
    content = figure_export.figure_png(chart(), "Title", ["Finding."])
    with Image.open(io.BytesIO(content)) as image:
        assert image.width == 2 * figure_export.WIDTH
        assert image.info["Description"] == "Finding."
        colours = {colour for _, colour in image.getcolors(1 << 20)}
    assert (0, 0x72, 0xB2) in colours


def test_missing_numbers_leave_gaps_and_do_not_break_the_picture() -> None:
    made = style.figure(dark=False, x="x", y="y", log_y=True)
    style.measured(made, [1, 2, 3, 4, 5], [1.0, np.nan, 0.0, 2.0, np.inf], "a", dark=False)
    style.theory(made, [], [], "empty", dark=False)
    assert "<svg" in figure_export.figure_svg(made, "t", [])
    assert "<svg" in figure_export.figure_svg(style.figure(dark=True, x="x", y="y"), "t", [], True)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1e-6, 1e2, "10⁻⁶"), (0.03, 0.5, "0.05"), (1, 3000, "1000")],
)
def test_logarithmic_ticks_read_as_people_write(low: float, high: float, expected: str) -> None:
    values, texts = style.log_ticks(low, high)
    assert expected in texts
    assert all(low * 0.99 <= value <= high * 1.01 for value in values)

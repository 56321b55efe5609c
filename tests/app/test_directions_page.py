"""The page Directions in-process: its sentences follow the numbers, and what is left out is said."""

from __future__ import annotations

from dataclasses import replace

import jobs
import numpy as np
import pytest

from fimcore.experiments import directions
from fimcore.experiments.result import Result

SMALL = directions.Spec(width=4, hidden_layers=2, samples=30, seeds=2)


@pytest.fixture(scope="module")
def measured() -> Result:
    return directions.run(SMALL)


def shown(monkeypatch, open_page, result: Result) -> str:
    """All text of the page when it shows this result."""

    def compute(*_args, draw, **_options):
        draw(result)
        return result

    monkeypatch.setattr(jobs, "compute", compute)
    page = open_page("directions")
    return " ".join(element.value for element in [*page.markdown, *page.caption, *page.header])


def pair(result: Result, **changes: float | str) -> Result:
    """The result with one pair that changes places."""
    row = {
        "closer": "kfac",
        "better": "unit_blocks",
        "error_closer": 0.5,
        "error_better": 0.7,
        "cosine_closer": 0.6,
        "cosine_better": 0.8,
        "seeds_agree": 2,
        "seeds": 2,
    }
    pairs = result.tables["pairs"].iloc[:0].copy()
    pairs.loc[0] = row | changes
    return replace(result, tables={**result.tables, "pairs": pairs})


def test_a_pair_that_changes_places_is_said_with_its_numbers(measured, monkeypatch, open_page):
    text = shown(monkeypatch, open_page, pair(measured))
    assert "But **the two rankings differ**: K-FAC is closer to F than unit blocks" in text
    assert (
        "(Frobenius error 0.50 against 0.70) and gives the worse direction (cosine 0.60 against 0.80), in 2 of 2"
        in text
    )
    assert "Of 45 pairs of structures, **1** changes its order" in text


def test_a_pair_that_differs_by_little_is_not_made_much_of(measured, monkeypatch, open_page):
    text = shown(monkeypatch, open_page, pair(measured, closer="unit_blocks", better="kfac", error_better=0.5004))
    assert "nearly agree" in text
    assert "unit blocks are closer to F than K-FAC (Frobenius error 0.5000 against 0.5004) and give the worse" in text


def test_rankings_that_agree_are_said_to_agree(measured, monkeypatch, open_page):
    tables = {**measured.tables, "pairs": measured.tables["pairs"].iloc[:0]}
    text = shown(monkeypatch, open_page, replace(measured, tables=tables))
    assert "**both rankings agree**" in text
    assert "None of the 45 pairs" in text


def test_what_is_left_out_is_said_and_the_rest_is_drawn(measured, monkeypatch, open_page):
    table = measured.table.copy()
    gone = table["structure"] == "layer_blocks"
    table.loc[gone, ["cosine", "euclidean", "error", "rank_cosine", "rank_error"]] = np.nan
    table.loc[gone, "note"] = "it would take 4.6 GB, and one structure may take 805 MB"
    text = shown(monkeypatch, open_page, replace(measured, tables={**measured.tables, "structures": table}))
    assert "Layer blocks: not shown, it would take 4.6 GB, and one structure may take 805 MB." in text
    assert "What does each cost?" in text


def test_a_network_without_any_direction_is_one_sentence(measured, monkeypatch, open_page):
    table = measured.table.assign(cosine=np.nan, note="The Fisher matrix is zero.")
    text = shown(monkeypatch, open_page, replace(measured, tables={**measured.tables, "structures": table}))
    assert "The Fisher matrix is zero." in text
    assert "What does each cost?" not in text


def test_no_number_is_missing_at_the_default_and_no_prediction_says_why(open_page):
    page = open_page("directions", n=8, S=2, N=50)
    text = " ".join(element.value for element in [*page.markdown, *page.caption])
    assert "nan" not in text
    assert "no prediction here, because" in text
    assert len(page.get("plotly_chart")) == 4

"""The page Width in-process: the reason it gives for a slope is about the outputs that were set."""

from __future__ import annotations

from dataclasses import replace

import jobs
import pytest

from fimcore.experiments import width

FLAT, FALLS = "It does not fall with width", "because the number of outputs grows with the width"


@pytest.mark.parametrize(
    ("outputs", "slope", "said", "not_said"),
    [
        (1, 0.0, [FLAT], [FALLS]),
        (1, -0.5, [], [FLAT, FALLS]),
        ("n", -0.5, [FALLS], [FLAT]),
        ("n", 0.0, [], [FLAT, FALLS]),
    ],
)
def test_a_reason_is_given_only_where_it_is_one(outputs, slope, said, not_said, open_page, monkeypatch):
    made = width.run(width.Spec(widths=(4, 8), outputs=outputs, samples=20, seeds=2, hidden_layers=2))
    slopes = made.tables["slopes"].assign(slope=slope)
    result = replace(made, tables={**made.tables, "slopes": slopes})

    def shown(*_args, draw, **_options):
        draw(result)
        return result

    monkeypatch.setattr(jobs, "compute", shown)
    text = " ".join(element.value for element in open_page("width").markdown)
    assert all(words in text for words in said)
    assert not any(words in text for words in not_said)

"""The page Report in-process: every group in the house's words, settings that break theory, files."""

from __future__ import annotations

import exports
import pytest

from fimcore.experiments import report, report_html
from fimcore.experiments.report_spec import Spec

SMALL = {"n": 8, "L": 1, "N": 20, "S": 4}


@pytest.mark.parametrize(
    "settings",
    [
        SMALL,
        SMALL | {"act": "relu", "sw2": 4.0, "L": 3},
        SMALL | {"out": "softmax", "k": 3},
        SMALL | {"est": "empirical"},
        SMALL | {"in": "digits"},
        SMALL | {"act": "relu", "sw2": 2.0, "sb2": 0.0, "d": 2},
    ],
    ids=str,
)
def test_the_page_runs_at_odd_settings(open_page, settings):
    page = open_page("report", **settings)
    assert not page.exception
    assert [metric.label for metric in page.metric][:3] == ["Agree", "Disagree", "Do not apply"]
    assert page.title[0].value == "Does mean-field theory hold here?"
    texts = " ".join(each.value for each in page.markdown)
    assert "nan" not in texts
    assert "do not apply" in texts


def test_every_group_has_words_and_every_layer_a_place():
    result = report.run(Spec(width=32, hidden_layers=1, samples=20, seeds=4, activation="relu", bias_variance=0.0))
    checks = result.tables["checks"]
    assert set(checks["group"]) == set(report_html.GROUP_WORDS)
    for group in report_html.GROUP_WORDS:
        assert "<table" in report_html.group_table(checks[checks["group"] == group])


def test_the_menu_offers_a_page_that_works_offline():
    result = report.run(Spec(width=8, hidden_layers=1, samples=20, seeds=4))
    made = exports.files(result, "http://127.0.0.1/report", html=lambda: report_html.document(result))
    assert list(made) == ["CSV", "NPZ", "JSON", "Python", "HTML"]
    assert "sanity report" in str(made["HTML"]())

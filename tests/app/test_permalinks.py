from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import permalinks
import presets
import pytest
import settings
import train_words
import uploads
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from fimcore.budget import Budget
from fimcore.experiments import load
from fimcore.experiments.control import control_of
from fimcore.experiments.cost import largest_width

QUESTIONS = ["explore", "width", "train"]


def one(question: str, **query: str) -> permalinks.Reading:
    return permalinks.read(question, {key.rstrip("_"): [text] for key, text in query.items()})


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_setting_survives_the_way_through_an_address(question: str) -> None:
    for setting in settings.settings_of(question).values():
        candidates = [setting.default, *setting.control.options]
        if setting.many:
            candidates = [setting.default]
        elif setting.control.widget == "toggle":
            candidates = [False, True]
        elif not setting.control.options and setting.field.annotation in (int, float):
            candidates += [bound for bound in setting.bounds if bound is not None]
        for value in candidates:
            if setting.default == "" and value == "":
                continue
            assert setting.parse(setting.text(value)) == value, (setting.name, value)


def test_too_large_a_width_is_told_in_one_sentence_and_the_rest_is_kept() -> None:
    reading = one("explore", n="9999", L="5")
    assert reading.values == {"L": 5}
    assert reading.notices == (
        "This link asked for width 9999. Widths here go up to 4096, so the default 16 is shown.",
    )


HOSTILE = {
    "out of range": {"n": "9999"},
    "below range": {"sw2": "-1"},
    "zero width": {"n": "0"},
    "wrong type": {"n": "wide"},
    "fraction for a count": {"L": "2.5"},
    "not a number": {"sw2": "nan"},
    "infinite": {"sb2": "inf"},
    "huge": {"n": "9" * 5000},
    "empty": {"n": ""},
    "script": {"act": "<script>alert(1)</script>"},
    "markup": {"act": "**bold** [x](javascript:alert(1)) $x$ `y`"},
    "unknown key": {"<img src=x onerror=alert(1)>": "1"},
    "older version": {"v": "0"},
    "newer version": {"v": "99"},
    "path in a data key": {"csv": "../../etc/passwd", "in": "csv"},
    "data that is not here": {"csv": "0123456789abcdef", "in": "csv"},
    "null byte": {"act": "tanh\x00"},
    "another script's digits": {"n": "３２x"},
}


@pytest.mark.parametrize("query", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_address_falls_back_with_a_sentence_and_keeps_the_rest(query: dict[str, str]) -> None:
    table = settings.settings_of("explore")
    reading = permalinks.read("explore", {**{key: [text] for key, text in query.items()}, "seed": ["7"]})
    assert reading.values["seed"] == 7
    assert reading.notices
    for key, value in reading.values.items():
        if key != settings.CSV_KEY:
            assert table[key].parse(table[key].text(value)) == value
    for notice in reading.notices:
        outside = "".join(notice.split("`")[::2])
        assert not set("<>[]$*\x00") & set(outside), notice
        assert len(notice) < 300


def test_repeated_key_is_ambiguous_but_the_same_twice_is_not() -> None:
    assert permalinks.read("explore", {"n": ["8", "32"]}).values == {}
    assert permalinks.read("explore", {"n": ["8", "8"]}).values == {"n": 8}


def test_keys_of_other_pages_are_neither_used_nor_complained_about() -> None:
    reading = one("explore", w0="32", n="8")
    assert reading.values == {"n": 8}
    assert reading.notices == ()


def test_value_off_the_list_but_in_range_is_kept() -> None:
    assert one("explore", n="24").values == {"n": 24}


@pytest.mark.parametrize(
    ("question", "query", "notice"),
    [
        ("explore", {"k": "5000"}, "for outputs 5000. Outputs here go up to 4096, so the default 1 is shown."),
        ("explore", {"N": "1"}, "for inputs 1. Inputs here start at 2, so the default 1000 is shown."),
        ("train", {"goal": "1"}, "for goal 1. Goals here lie below 1, so the default 1 % of the start is shown."),
        ("train", {"goal": "0"}, "for goal 0. Goals here lie above 0, so the default 1 % of the start is shown."),
        ("train", {"goal": "low"}, "for goal low. Goals are numbers, so the default 1 % of the start is shown."),
    ],
)
def test_what_a_link_may_not_ask_for_is_told_in_good_grammar(question: str, query: dict, notice: str) -> None:
    assert one(question, **query).notices == (f"This link asked {notice}",)


def chips_of(question: str, width: int) -> list[dict[str, object]]:
    """The values of every chip, read from the source of the page, for a network of some width."""
    path = Path(permalinks.__file__).with_name("views") / f"{question}.py"
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "chips":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Dict):
                    code = compile(ast.Expression(inner), str(path), "eval")
                    found.append(eval(code, {"spec": SimpleNamespace(width=width)}))
    return found


def remedies_of(question: str) -> list[dict[str, object]]:
    """Values of one-click remedies: settings that do not fit together, what diverges, what is too large."""
    module, table = load(question), settings.settings_of(question)
    found = [
        {table[key].key: value}
        for key in train_words.DAMPING_KEYS.values()
        for value in (0.1, 1.0, 100.0)
        if key in table
    ]
    found += [{key: 0.0} for key in train_words.RATE_KEYS.values() if key in table]
    found += [{key: train_words.two_digits(3.14159e-4)} for key in train_words.RATE_KEYS.values() if key in table]
    size = control_of(module.Spec.model_fields[module.Spec.size_field])
    assert size is not None
    largest = largest_width(module.Spec(samples=2000), module.cost, Budget(2**30, 2.0))
    return found + ([{size.url: largest}] if largest else [])


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_preset_chip_and_remedy_survives_the_way_through_an_address(question: str) -> None:
    table = settings.settings_of(question)
    wanted = [preset.values(question) for preset in presets.load_presets()] + remedies_of(question)
    chips = [values for width in (1, 2, 24, 128, 512, 4096) for values in chips_of(question, width)]
    assert chips
    for values in wanted + chips:
        reading = permalinks.read(question, {key: [table[key].text(value)] for key, value in values.items()})
        assert (reading.values, reading.notices) == (values, ())


def test_choice_is_found_by_its_value_or_its_name() -> None:
    assert one("explore", act="ReLU").values == one("explore", act="relu").values == {"act": "relu"}


def test_controls_to_hide_must_exist() -> None:
    assert one("explore", hide="est,blk,foo").hidden == {"est", "blk"}


def test_upload_that_is_here_is_used() -> None:
    token = uploads.keep(b"1,2\n3,4\n5,7\n")
    assert one("explore", in_="csv", csv=token).values == {"in": "csv", "csv": token}


@given(st.dictionaries(st.text(max_size=12), st.lists(st.text(max_size=40), min_size=1, max_size=3), max_size=6))
def test_no_address_breaks_the_reader(query: dict[str, list[str]]) -> None:
    permalinks.read("explore", query)


@given(key=st.sampled_from(sorted(settings.settings_of("train"))), text=st.text(max_size=30))
def test_whatever_is_accepted_is_a_value_of_the_field(key: str, text: str) -> None:
    setting = settings.settings_of("train")[key]
    reading = permalinks.read("train", {key: [text]})
    assert (key in reading.values) != bool(reading.notices)
    if key in reading.values:
        again = setting.parse(setting.text(reading.values[key]))
        assert again == reading.values[key]


def test_shown_text_is_short_and_inert() -> None:
    assert permalinks.shown("9999") == "9999"
    assert permalinks.shown("-2.5") == "-2.5"
    assert permalinks.shown("a b") == "`a b`"
    for address in ("www.host.tld", "host.tld", "a.b", "a@b.c", "http://x.y", "1.2.3"):
        assert permalinks.shown(address) == f"`{address}`"
    assert permalinks.shown("x`y\n<b>" * 50).count("`") == 2
    assert len(permalinks.shown("q" * 5000)) <= permalinks.SHOWN_TEXT + 2
    assert permalinks.shown("\u202e\x00") == "nothing"


def frame() -> None:
    import controls
    import permalinks
    import streamlit as st

    question = st.session_state.get("page", "explore")
    permalinks.arrive(question)
    controls.sidebar(question)
    permalinks.publish(question)
    for notice in permalinks.notices():
        st.text(notice)


def page_at(**query: str) -> AppTest:
    page = AppTest.from_function(frame, default_timeout=60)
    for key, text in query.items():
        page.query_params[key] = text
    return page.run()


def test_address_sets_the_controls_and_the_controls_write_the_address() -> None:
    page = page_at(n="24", act="relu", foo="1", sw2="1.5")
    assert not page.exception
    assert page.session_state["n"] == 24
    assert dict(page.query_params) == {"n": "24", "act": "relu"}
    page.slider(key="L").set_value(7).run()
    assert dict(page.query_params) == {"n": "24", "L": "7", "act": "relu"}
    page.button(key="reset").click().run()
    assert dict(page.query_params) == {}
    assert page.session_state["n"] == 16


def test_hidden_setting_keeps_its_value() -> None:
    page = page_at(d="8")
    page.selectbox(key="in").set_value("digits").run()
    assert not [each for each in page.select_slider if each.key == "d"]
    page.selectbox(key="in").set_value("gaussian").run()
    assert page.select_slider(key="d").value == 8


def test_network_moves_along_to_another_page_and_defaults_do_not() -> None:
    page = page_at(L="5")
    page.session_state["page"] = "train"
    page.run()
    assert page.session_state["L"] == 5
    assert page.session_state["n"] == settings.settings_of("train")["n"].default
    assert dict(page.query_params) == {"L": "5"}


def test_choice_that_is_a_default_elsewhere_comes_back() -> None:
    page = page_at(N="100")
    for question in ("train", "explore"):
        page.session_state["page"] = question
        page.run()
        assert page.session_state["N"] == 100
    assert dict(page.query_params) == {"N": "100"}


def test_hide_removes_controls() -> None:
    page = page_at(hide="est,n")
    keys = {each.key for each in [*page.select_slider, *page.slider, *page.get("button_group")]}
    assert "n" not in keys
    assert "est" not in keys
    assert "L" in keys
    assert dict(page.query_params) == {"hide": "est,n"}

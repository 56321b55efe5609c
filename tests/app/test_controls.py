from __future__ import annotations

from typing import Any

import presets
import pytest
import settings
import streamlit as st
from streamlit.testing.v1 import AppTest

QUESTIONS = [
    "explore",
    "width",
    "spectrum",
    "phase",
    "unit",
    "directions",
    "train",
    "dynamics",
    "plateau",
    "sampling",
    "estimators",
    "estimator_training",
    "toy_descent",
    "empirical_fisher",
    "report",
]
NETWORKS = [question for question in QUESTIONS if settings.has_network(question)]


def frame() -> None:
    import controls
    import page
    import permalinks
    import settings
    import streamlit as st

    question = st.session_state["page"]
    permalinks.arrive(question)
    if settings.has_network(question):
        controls.sidebar(question)
    permalinks.publish(question)
    controls.view_controls(question)
    spec = page.spec(question)
    page.link_notices()
    st.session_state["spec"] = spec


def page_of(question: str, **values: Any) -> AppTest:
    page = AppTest.from_function(frame, default_timeout=60)
    page.session_state["page"] = question
    for key, value in values.items():
        page.session_state[key.rstrip("_")] = value
    return page.run()


def both_ends(setting: settings.Setting) -> list[Any]:
    if setting.control.options:
        ends = [setting.control.options[0], setting.control.options[-1]]
        return [[end] for end in ends] if setting.many else ends
    if setting.control.widget == "toggle":
        return [False, True]
    return [bound for bound in setting.bounds if bound is not None]


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_control_at_both_ends_and_at_its_default(question: str) -> None:
    page = page_of(question)
    assert not page.exception
    assert page.session_state["spec"] == type(page.session_state["spec"])()
    for key, setting in settings.settings_of(question).items():
        if setting.control.widget == "none" or key == "in":
            continue
        for end in both_ends(setting):
            page.session_state[key] = end
            page.run()
            assert not page.exception, (key, end)
            assert page.session_state["spec"] is not None
        settings_default = setting.default
        page.session_state[key] = list(settings_default) if setting.many else settings_default
        page.run()
    assert page.session_state["spec"] == type(page.session_state["spec"])()


@pytest.mark.parametrize("question", QUESTIONS)
def test_widgets_are_those_of_the_table(question: str) -> None:
    page = page_of(question, in_="csv", est="score")
    drawn = {
        element.key
        for kind in ("select_slider", "slider", "selectbox", "number_input", "toggle", "button_group")
        for element in page.get(kind)
    }
    table = settings.settings_of(question)
    expected = {key for key, setting in table.items() if setting.control.widget != "none"}
    hidden = {"d"} | ({"n"} if question == "width" else set())
    if "s2" in expected and table["out"].default != "regression":
        hidden.add("s2")
    assert drawn == expected - (hidden if question in NETWORKS else set())


def test_softmax_with_one_output_is_one_sentence_with_a_remedy_and_nothing_is_lost() -> None:
    page = page_of("explore", L=5, out="softmax")
    assert page.session_state["spec"].hidden_layers == 3  # the last settings that work: the defaults
    sentences = [each.value for each in page.markdown if "softmax needs 2 classes" in each.value]
    assert len(sentences) == 1
    next(each for each in page.button if each.label == "Use 2 classes").click().run()
    assert page.session_state["spec"].likelihood == "softmax"
    assert (page.session_state["spec"].outputs, page.session_state["spec"].hidden_layers) == (2, 5)


def test_csv_without_a_file_keeps_the_last_picture() -> None:
    page = page_of("explore", in_="csv")
    assert page.session_state["spec"].inputs == "gaussian"
    assert any("Choose a CSV" in each.value for each in page.markdown)


def test_edge_of_chaos_sets_the_critical_weight_variance() -> None:
    page = page_of("explore", sb2=0.0)
    page.button(key="edge").click().run()
    assert page.session_state["sw2"] == pytest.approx(1.0)
    page.session_state["act"] = "relu"
    page.session_state["sb2"] = 0.5
    page.run()
    assert page.button(key="edge").disabled


def test_new_seed_is_another_one_and_the_rest_stays() -> None:
    page = page_of("explore", L=5)
    seeds = [page.session_state["spec"].seed]
    for _ in range(3):
        page.button(key="new-seed").click().run()
        assert page.session_state["spec"].hidden_layers == 5
        seeds.append(page.session_state["spec"].seed)
    assert not page.exception
    assert len(set(seeds)) > 2, seeds
    assert all(0 <= seed < 1_000_000 for seed in seeds)


@pytest.mark.parametrize("question", NETWORKS)
def test_a_preset_sets_its_fields_and_the_others_to_their_defaults(
    monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    def menu_button(label: str, options: list[str], *, key: str, on_click: Any, **_: Any) -> None:
        def take(option: str) -> None:
            st.session_state[key] = option
            on_click()

        for option in options:
            st.button(option, key=option, on_click=take, args=(option,))

    monkeypatch.setattr(st, "menu_button", menu_button)  # AppTest cannot open a menu
    page = page_of(question)
    defaults = page.session_state["spec"]
    table = settings.settings_of(question)
    for preset in presets.load_presets():
        page.session_state["sb2"] = 1.25
        page.button(key=preset.name).click().run()
        assert not page.exception
        now = page.session_state["spec"]
        wanted = {table[key].name: value for key, value in preset.values(question).items()}
        assert wanted, preset.name
        assert now != defaults, preset.name
        assert now.model_dump(include=wanted.keys()) == wanted
        if "bias_variance" not in wanted:
            assert now.bias_variance == defaults.bias_variance


def test_cost_line_says_parameters_entries_and_time_and_says_when_it_is_too_large() -> None:
    page = page_of("explore")
    assert any("P = 833 · 0.7 M entries · about" in each.value for each in page.markdown)
    page.session_state["n"] = 512
    page.session_state["L"] = 12
    page.run()
    assert any("Too large" in each.value and "T entries" in each.value for each in page.markdown)

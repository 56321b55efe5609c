"""Widgets made from the table of settings: the sidebar "The network", and the view controls above a picture.

A widget's key is its key in the address; its value lives in the session and survives being hidden and other pages.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import image_uploads
import jobs
import permalinks
import presets
import problems
import settings
import specs
import streamlit as st
import uploads
import words
from settings import CSV_KEY, Setting, settings_of, value_of

from fimcore.experiments import SpecError, load
from fimcore.experiments.cost import default_limits
from fimcore.experiments.critical import critical_weight_variance
from fimcore.experiments.question_spec import QuestionSpec
from fimcore.inputs import InputError

_UPLOAD_FAULT, _LAST_GOOD = "_upload_fault", "_last_good_spec"
_OPTION_WORDS = {"d": {0: "= n"}}
# Which settings matter only beside certain values of others; the others keep their value while they are not shown.
_MATTERS = {
    "d": lambda now: now["in"] in ("gaussian", "sphere"),
    "y": lambda now: now["in"] == "csv",
    "s2": lambda now: now["out"] == "regression",
    "mc": lambda now: now["est"] == "score",
    # what a view of Spectrum sweeps over has no value of its own there
    "n": lambda now: now.get("view") != "width",
    "N": lambda now: now.get("view") != "inputs",
    "l": lambda now: now["L"] > 1,
    "u": lambda now: now["n"] > 1,
}
# Settings that count layers and units of the network: they reach as far as it does.
_AT_MOST = {"l": "L", "u": "n", "ly": "L"}


def shown_here(key: str, now: Mapping[str, Any]) -> bool:
    """Whether a control is drawn: it matters beside the other values, and the link did not ask to leave it out."""
    matters = _MATTERS.get(key)
    if key == "n" and "w0" in now and now["view"] != "outputs":  # a sweep over widths has no width of its own
        return False
    return key not in permalinks.hidden_controls() and (matters is None or matters(now))


def widget(setting: Setting, *, label: bool = True) -> None:
    """Draw the widget of one setting."""
    control, key = setting.control, setting.key
    if key not in st.session_state:
        settings.apply({key: setting.default})
    common: dict[str, Any] = {
        "key": key,
        "help": setting.field.description,
        "label_visibility": "visible" if label else "collapsed",
        "persist_state": "session",
    }
    options = list(control.options)
    if control.widget == "steps":
        options = _steps(setting)
        names = _OPTION_WORDS.get(key, {})
        st.select_slider(
            control.label, options, format_func=lambda option: names.get(option, setting.name_of(option)), **common
        )
    elif control.widget == "choice":
        st.segmented_control(control.label, options, format_func=setting.name_of, required=True, **common)
    elif control.widget == "several":
        st.pills(control.label, options, format_func=setting.name_of, selection_mode="multi", **common)
    elif control.widget == "select":
        st.selectbox(control.label, options, format_func=setting.name_of, **common)
    elif control.widget == "toggle":
        st.toggle(control.label, **common)
    elif control.widget in ("slider", "number"):
        low, high = setting.bounds
        if key in _AT_MOST:
            beyond = 1 if key == "ly" else 0  # the output layer
            high = min(high, st.session_state.get(_AT_MOST[key], high) + beyond)
            if value_of(setting) > high:
                settings.apply({key: high})
        kind = int if setting.field.annotation is int else float
        draw = st.slider if control.widget == "slider" else st.number_input
        draw(control.label, kind(low), kind(high), step=kind(control.step or 1), **common)


def _steps(setting: Setting) -> list[Any]:
    """The listed values, and in its place a value off the list that a link or a preset asked for."""
    extra_key = f"_extra_{setting.key}"
    present = value_of(setting)
    extra = st.session_state.get(extra_key, frozenset())
    if present not in setting.control.options and present not in extra:
        extra = st.session_state[extra_key] = extra | {present}
    options = list(setting.control.options)
    falling = len(options) > 1 and options[0] > options[-1]
    return sorted({*options, *extra}, reverse=falling)


def view_controls(question: str, *keys: str, label: bool = True) -> None:
    """A row of controls above a picture: those named by address key, or all of the question's own that have a widget.

    Without `label` the first one stands without its name: choices that speak for themselves.
    """
    table, now = settings_of(question), settings.values(question)
    chosen = keys or tuple(key for key, setting in table.items() if setting.owner != "network")
    drawn = [table[key] for key in chosen if table[key].control.widget != "none" and shown_here(key, now)]
    if not drawn:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key=f"view-{'-'.join(chosen)}"):
        for setting in drawn:
            wide = setting.control.widget in ("slider", "steps")
            with st.container(width=260 if wide else "content"):
                widget(setting, label=label or setting is not drawn[0])


def sidebar(question: str | None) -> QuestionSpec | None:
    """Draw "The network" and return the page's Spec, or None where the settings do not fit together."""
    with st.sidebar:
        st.header("The network", anchor=False)
        with st.container(horizontal=True, gap="small"):
            _presets(question)
            st.button("Reset", key="reset", on_click=_reset, args=(question,), help="Back to the defaults.")
        _network(question)
        _group(question, "Input", _input_words)
        _group(question, "Output", _output_words)
        _group(question, "Estimator", _estimator_words)
        _seeds(question)
        spec = None
        with suppress(SpecError, InputError):  # told beside the picture, where the visitor looks
            spec = specs.read_spec(question)
        _cost_line(question, spec)
    return spec


def _presets(question: str | None) -> None:
    found = {preset.name: preset for preset in presets.load_presets()}

    def choose() -> None:
        name = st.session_state["preset"]
        if name in found:
            settings.apply({**_defaults_of_network(question), **found[name].values(question)})

    st.menu_button("Presets", list(found), key="preset", on_click=choose, width="stretch")


def _defaults_of_network(question: str | None) -> dict[str, Any]:
    return {key: setting.default for key, setting in settings_of(question).items() if setting.owner == "network"}


def _reset(question: str | None) -> None:
    settings.reset(question)
    st.session_state[_UPLOAD_FAULT] = ""


def _drawn(question: str | None, group: str) -> list[Setting]:
    now = settings.values(question)
    return [
        setting
        for setting in settings_of(question).values()
        if setting.owner == "network" and setting.control.group == group and shown_here(setting.key, now)
    ]


def _network(question: str | None) -> None:
    for setting in _drawn(question, "Network"):
        if setting.key != "sw2":
            widget(setting)
            continue
        now = settings.values(question)
        critical, reason = _critical(now["act"], now["sb2"])
        low, high = setting.bounds
        if critical is not None and not low <= critical <= high:
            reason, critical = f"The edge of chaos lies at {words.number(critical)}, beyond this slider.", None
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
            widget(setting)
            st.button(
                "Edge",
                icon=":material/my_location:",
                key="edge",
                help=reason or f"Edge of chaos: σ_w² = {words.number(critical or 0)} at this σ_b².",
                disabled=critical is None,
                on_click=settings.apply,
                args=({"sw2": critical},),
            )


def _critical(activation: str, bias_variance: float) -> tuple[float | None, str]:
    """Four significant digits are as critical as a random network can tell."""
    try:
        found, reason = critical_weight_variance(activation, bias_variance)
    except (ValueError, OverflowError) as error:
        return None, str(error)
    return (None if found is None else float(f"{found:.4g}")), reason


def _group(question: str | None, group: str, summary: Callable[[Mapping[str, Any]], str]) -> None:
    """One of the folded groups; its label says what is set inside."""
    drawn = _drawn(question, group)
    if not drawn and not (group == "Input" and "csv" not in permalinks.hidden_controls()):
        return
    now = settings.values(question)
    with st.expander(f"{group}: {summary(now)}", key=f"group-{group.lower()}", type="compact"):
        for setting in drawn:
            widget(setting)
            if setting.key == "in" and now["in"] == "csv":
                _uploader()
            elif setting.key == "in" and now["in"] == "images":
                image_uploads.uploader()


def _input_words(now: Mapping[str, Any]) -> str:
    names = {"gaussian": "Gaussian", "sphere": "sphere", "digits": "digits", "csv": "your CSV", "images": "your images"}
    dimension = f", d = {now['d'] or 'n'}" if now["in"] in ("gaussian", "sphere") else ""
    return f"{names[now['in']]}{dimension}, N = {now['N']:,}"


def _output_words(now: Mapping[str, Any]) -> str:
    return f"{now['out']}, C = {now['k']}" if "k" in now else str(now["out"])


def _estimator_words(now: Mapping[str, Any]) -> str:
    return f"Monte Carlo × {now['mc']}" if now["est"] == "score" else str(now["est"])


def _seeds(question: str | None) -> None:
    for setting in _drawn(question, "Seeds"):
        if setting.key != "seed":
            widget(setting)
            continue
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", wrap=False):
            widget(setting)
            st.button("New", icon=":material/refresh:", key="new-seed", help="Draw a new seed.", on_click=_new_seed)


def _new_seed() -> None:
    st.session_state["seed"] = secrets.randbelow(1_000_000)


def _uploader() -> None:
    """Your CSV: kept under the hash of its content; a file that does not work changes nothing."""
    st.file_uploader("CSV of numbers", type="csv", key="upload", max_upload_size=2, on_change=_take_upload)
    fault = st.session_state.get(_UPLOAD_FAULT, "")
    if fault:
        st.warning(problems.plain(fault), icon=":material/warning:")
    elif st.session_state.get(CSV_KEY):
        st.caption("Uploaded; columns are standardised. It stays on this server until it stops.")


def _take_upload() -> None:
    file = st.session_state.get("upload")
    if file is None:
        st.session_state[_UPLOAD_FAULT] = ""
        return
    try:
        st.session_state[CSV_KEY] = uploads.keep(file.getvalue())
        st.session_state[_UPLOAD_FAULT] = ""
    except InputError as error:
        st.session_state[_UPLOAD_FAULT] = str(error)


def _cost_line(question: str | None, spec: QuestionSpec | None) -> None:
    """`P = 833 · 0.7 M entries · about 0.1 s`, amber where it will run in the background, red where it is refused."""
    if question is None or spec is None:
        return
    module = load(question)
    try:
        asked = module.cost(spec)
    except (ValueError, OverflowError):  # told beside the picture
        return
    line = f"P = {asked.parameters:,} · {words.entries(asked.entries)} · {words.about(asked.seconds)}"
    allowed = default_limits()
    if asked.bytes > allowed.memory_bytes or asked.seconds > allowed.seconds:
        line = f":red[**Too large:** P = {asked.parameters:,} · {words.entries(asked.entries)}]"
    elif asked.seconds >= jobs.INLINE_SECONDS:
        line = f":orange[{line}, runs in the background]"
    st.markdown(f":small[{line}]")

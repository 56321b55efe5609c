"""Addresses: the whole state of a page in readable keys, only what differs from the defaults, validated key by key.

A link is never trusted: what is right is kept, what is wrong is replaced by its default and explained in one sentence. The
server alone writes the address (one entry of the browser's history per change), in the words of the Spec and not in those
of the labels, so that a reworded label breaks no link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import settings
import streamlit as st
import uploads
from settings import CSV_KEY, Setting, UnfitError, settings_of
from streamlit.runtime.scriptrunner import get_script_run_ctx

# The meaning of the keys. It stands in an address only once it is no longer 1.
VERSION = 1
MAX_TEXT = 200
SHOWN_TEXT = 40
HIDE_KEY, VERSION_KEY = "hide", "v"
# Words have no dot: Markdown makes a link of www.host.tld by itself.
_HARMLESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z+-]{0,19}|[+-]?\d{1,10}\.\d{1,10}", re.ASCII)
_NOTICES, _PAGE, _HIDDEN, _NOWHERE = "_link_notices", "_page", "_hidden_controls", "nowhere yet"


@dataclass(frozen=True)
class Reading:
    """What an address says: values by key, keys of controls to hide, and one sentence for everything that did not work."""

    values: Mapping[str, Any]
    hidden: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()


@dataclass
class _Draft:
    values: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    lost_upload: bool = False


def shown(text: str) -> str:
    """A visitor's text, short: a plain number or word as it is, anything else as a code span in which nothing is markup."""
    if _HARMLESS.fullmatch(text):
        return text
    clean = "".join(character if character.isprintable() else " " for character in text[: 4 * SHOWN_TEXT])
    clean = clean.replace("`", "'").strip()
    short = clean if len(clean) <= SHOWN_TEXT else clean[: SHOWN_TEXT - 1] + "…"
    return f"`{short}`" if short else "nothing"


def read(question: str | None, query: Mapping[str, Sequence[str]]) -> Reading:
    """Validate an address, given as key to the texts it carries."""
    draft, table = _Draft(), settings_of(question)
    elsewhere = settings.all_keys()
    unknown = []
    for key, texts in query.items():
        if key == VERSION_KEY:
            _read_version(texts, draft)
        elif key == HIDE_KEY:
            draft.hidden |= {name for text in texts for name in text.split(",") if name in elsewhere}
        elif key == CSV_KEY:
            _read_upload(texts, draft)
        elif key in table:
            _read_setting(table[key], texts, draft)
        elif key not in elsewhere:
            unknown.append(key)
    if unknown:
        what = "a setting that does" if len(unknown) == 1 else f"{len(unknown)} settings that do"
        listed = ", ".join(map(shown, unknown[:3])) + (" and more" if len(unknown) > 3 else "")
        draft.notices.append(f"This link has {what} not exist here ({listed}).")
    _settle_upload(table, draft)
    return Reading(draft.values, frozenset(draft.hidden), tuple(draft.notices))


def _read_version(texts: Sequence[str], draft: _Draft) -> None:
    if list(texts) != [str(VERSION)]:
        draft.notices.append(
            f"This link was made for version {shown(texts[-1] if texts else '')} of the addresses; here it is version "
            f"{VERSION}, and its settings are read as such."
        )


def _read_setting(setting: Setting, texts: Sequence[str], draft: _Draft) -> None:
    default = "empty" if setting.default == "" else setting.text(setting.default)
    if setting.control.names and not setting.many:
        default = setting.name_of(setting.default)
    verb = "are" if setting.many and len(setting.default) > 1 else "is"
    if len(set(texts)) > 1:
        draft.notices.append(
            f"This link gives {setting.noun} {len(texts)} times, so the default {default} {verb} shown."
        )
        return
    text = texts[-1] if texts else ""
    try:
        if len(text) > MAX_TEXT:
            raise UnfitError(f"that is {len(text):,} characters long")
        draft.values[setting.key] = setting.parse(text)
    except UnfitError as unfit:
        why = unfit.why[0].upper() + unfit.why[1:]
        draft.notices.append(
            f"This link asked for {setting.noun} {shown(text)}. {why}, so the default {default} {verb} shown."
        )


def _read_upload(texts: Sequence[str], draft: _Draft) -> None:
    token = texts[-1] if texts else ""
    draft.lost_upload = uploads.path_of(token) is None
    if not uploads.is_token(token):
        draft.notices.append(f"This link names a CSV in a way that cannot be ({shown(token)}); upload it again.")
    elif draft.lost_upload:
        draft.notices.append(
            "This link uses a CSV that this server does not have; upload it again to see that picture."
        )
    else:
        draft.values[CSV_KEY] = token


def _settle_upload(table: Mapping[str, Setting], draft: _Draft) -> None:
    """A link to a table that is not here falls back to random inputs, and only in that; one that names none asks for one."""
    if draft.lost_upload and draft.values.get("in") == "csv":
        default = table["in"].default
        draft.values["in"] = default
        draft.values.pop("y", None)
        draft.notices.append(f"Until then the input is {table['in'].name_of(default)}.")


def arrive(question: str | None) -> None:
    """Take over the address: once when a visitor arrives, and again when they go back or forward in the browser's history."""
    back = bool(getattr(get_script_run_ctx(), "is_history_navigation", False))
    before = st.session_state.get(_PAGE, _NOWHERE)
    st.session_state[_PAGE] = question
    if before not in (_NOWHERE, question):
        settings.move(before, question)
    if before != _NOWHERE and not back:
        return
    reading = read(question, {key: st.query_params.get_all(key) for key in st.query_params})
    if back:
        settings.apply({key: setting.default for key, setting in settings_of(question).items()})
    settings.apply(reading.values)
    if reading.hidden or not back:
        st.session_state[_HIDDEN] = reading.hidden
    st.session_state[_NOTICES] = reading.notices


def notices() -> tuple[str, ...]:
    """Sentences about the link a visitor came by."""
    return tuple(st.session_state.get(_NOTICES, ()))


def dismiss() -> None:
    """Callback: the visitor has read the notices."""
    st.session_state[_NOTICES] = ()


def hidden_controls() -> frozenset[str]:
    """Keys of the controls that the link asked to leave out."""
    return frozenset(st.session_state.get(_HIDDEN, ()))


def query_of(question: str | None) -> dict[str, str]:
    """The present state as an address's keys, in a fixed order, defaults left out."""
    query = {}
    for key, setting in settings_of(question).items():
        value = settings.value_of(setting)
        if value is not None and value != setting.default:
            query[key] = setting.text(value)
        if key == "in" and value == "csv" and st.session_state.get(CSV_KEY):
            query[CSV_KEY] = st.session_state[CSV_KEY]
    if hidden_controls():
        query[HIDE_KEY] = ",".join(sorted(hidden_controls()))
    return query


def publish(question: str | None) -> None:
    """Write the present state into the browser's address where it differs."""
    query = query_of(question)
    present = {key: st.query_params.get_all(key) for key in st.query_params}
    if present != {key: [value] for key, value in query.items()}:
        st.query_params.from_dict(query)


def current_address(question: str | None) -> str:
    """The full address of what is on screen, for exports."""
    parts = urlsplit(st.context.url or "http://127.0.0.1/")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query_of(question), safe=","), ""))

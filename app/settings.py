"""The table of settings of a page: address key, field, range and words, read from the Spec of its question.

A page shows the fields of NetworkSpec (the sidebar), the further fields of its own Spec, and, where the question has a
`View`, those too. Widgets, addresses, presets and remedies all use this one table; a value lives in the session under its
address key.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, get_origin

import streamlit as st
from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.fields import FieldInfo

from fimcore.experiments import QUESTIONS, load
from fimcore.experiments.control import Control, bounds_of, control_of
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import QuestionSpec

CSV_KEY, _CHOSEN = "csv", "_chosen_settings"


class UnfitError(ValueError):
    """A text in an address that is no value of its setting; `why` says what works, in a clause that ends a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, eq=False)
class Setting:
    """One field of a Spec with the way it is shown. owner: "network" (of every page with one), "question" or "view"."""

    name: str
    owner: str
    control: Control
    field: FieldInfo

    @property
    def key(self) -> str:
        return self.control.url

    @property
    def default(self) -> Any:
        return self.field.get_default(call_default_factory=True)

    @property
    def many(self) -> bool:
        """Whether the value is a tuple."""
        return get_origin(self.field.annotation) is tuple

    @property
    def bounds(self) -> tuple[Any, Any]:
        """Smallest and largest value that a link may ask for: what the widget reaches, or what the field accepts.

        A slider over listed values takes any other as one more stop.
        """
        low, high = bounds_of(self.field)
        control = self.control
        if control.widget == "steps":
            return low, high
        above = next((item.gt for item in self.field.metadata if hasattr(item, "gt")), None)
        if low is None and above is not None:
            low = above + (control.step or 1)
        return (low if control.low is None else control.low), (high if control.high is None else control.high)

    def offers(self, value: Any) -> bool:
        """Whether the widget can show a value: pages may list more choices of one setting than others do."""
        control = self.control
        return self.many or control.widget not in ("choice", "select") or value in control.options

    @property
    def noun(self) -> str:
        """The label inside a sentence: lower case, without the symbol at its end."""
        words = self.control.label.split()
        if len(words) > 1 and (len(words[-1]) == 1 or not words[-1].strip("(),").isascii() or "_" in words[-1]):
            words = words[:-1]
        text = " ".join(words)
        return text if text[:2].isupper() else text[0].lower() + text[1:]

    def name_of(self, option: Any) -> str:
        """What a person reads for an option."""
        control = self.control
        if control.names and option in control.options:
            return control.names[control.options.index(option)]
        return f"{option:g}" if isinstance(option, float) else str(option)

    def text(self, value: Any) -> str:
        """The value in an address."""
        if self.many:
            return ",".join(_plain(item) for item in value)
        return _plain(value)

    def parse(self, text: str) -> Any:
        """The value that a text in an address stands for.

        Raises:
            UnfitError: it is none; the message ends a sentence.
        """
        if self.control.widget in ("choice", "select") and not self.many:
            return self._option(text)
        try:
            parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
            value = self._adapter.validate_python(parts if self.many else text.strip())
        except ValueError as error:
            raise UnfitError(self._reason(text)) from error
        low, high = self.bounds
        for item in value if self.many else (value,):
            if isinstance(item, int | float) and not isinstance(item, bool):
                if high is not None and item > high:
                    raise UnfitError(f"{plural(self.noun)} here go up to {_plain(high)}")
                if low is not None and item < low:
                    raise UnfitError(f"{plural(self.noun)} here start at {_plain(low)}")
        return value

    @property
    def _adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.field)

    def _option(self, text: str) -> Any:
        for option in self.control.options:
            if text.strip().casefold() in (str(option).casefold(), self.name_of(option).casefold()):
                return option
        raise UnfitError(f"the choices are {', '.join(map(self.name_of, self.control.options))}")

    def _reason(self, text: str) -> str:
        """Why a text cannot be converted: beyond the field's own bounds, or no number at all."""
        low, high = self.bounds
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        what = plural(self.noun)
        if value == value and high is not None and value > high:
            return f"{what} here go up to {_plain(high)}"
        if value == value and low is not None and value < low:
            return f"{what} here start at {_plain(low)}"
        for bound in self.field.metadata:
            if value >= getattr(bound, "lt", math.inf):
                return f"{what} here lie below {_plain(bound.lt)}"
            if value <= getattr(bound, "gt", -math.inf):
                return f"{what} here lie above {_plain(bound.gt)}"
        return f"{what} are {'whole numbers' if self._whole else 'numbers'}"

    @property
    def _whole(self) -> bool:
        return self.field.annotation is int or self.many


@lru_cache(maxsize=256)
def _adapter_of(annotation: Hashable, metadata: tuple[Any, ...]) -> TypeAdapter[Any]:
    kind: Any = Annotated[(annotation, *metadata)] if metadata else annotation
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = field.annotation
    return _adapter_of(kind, tuple(item for item in field.metadata if not isinstance(item, Control)))


def _plain(value: Any) -> str:
    """A scalar in an address: 1/0 for yes/no, shortest exact decimals."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def plural(noun: str) -> str:
    """The noun at the start of a sentence about all its values."""
    if "," in noun:
        return "Values"
    text = noun[0].upper() + noun[1:]
    return text if text.endswith("s") else text[:-1] + "ies" if text.endswith("cy") else text + "s"


@lru_cache(maxsize=16)
def settings_of(question: str | None) -> Mapping[str, Setting]:
    """Address key to setting, in the order of the address; None stands for pages without a question."""
    module = None if question is None else load(question)
    models: list[type[BaseModel]] = [NetworkSpec if module is None else module.Spec]
    view = getattr(module, "View", None)
    models += [view] if view is not None else []
    table: dict[str, Setting] = {}
    for model in models:
        for name, field in model.model_fields.items():
            control = control_of(field)
            if control is None or not control.url:
                continue
            if control.url in table:
                raise ValueError(f"address key {control.url!r} is used by `{table[control.url].name}` and by `{name}`")
            table[control.url] = Setting(name, _owner(model, name, control), control, field)
    return table


def _owner(model: type[BaseModel], name: str, control: Control) -> str:
    """A question may tighten a field of the network under its own key (another default); under another key it is its own."""
    if not issubclass(model, QuestionSpec):
        return "view"
    if not issubclass(model, NetworkSpec):
        return "question"
    known = NetworkSpec.model_fields.get(name)
    shared = known is not None and (control_of(known) or control).url == control.url
    return "network" if shared else "question"


def has_network(question: str | None) -> bool:
    """Whether a page is about a network, which the sidebar then shows."""
    return question is None or issubclass(load(question).Spec, NetworkSpec)


@lru_cache(maxsize=1)
def all_keys() -> frozenset[str]:
    """Every address key of every page."""
    found: set[str] = set()
    for question in QUESTIONS:
        with suppress(ModuleNotFoundError):
            found |= set(settings_of(question))
    return frozenset(found)


def value_of(setting: Setting) -> Any:
    """The present value: what the visitor chose, else the default."""
    value = st.session_state.get(setting.key, setting.default)
    return tuple(value) if setting.many else value


def values(question: str | None) -> dict[str, Any]:
    """Address key to present value, for all settings of a page."""
    return {key: value_of(setting) for key, setting in settings_of(question).items()}


def apply(changes: Mapping[str, Any]) -> None:
    """Set values by address key; to be called from a callback, before widgets are drawn."""
    for key, value in changes.items():
        st.session_state[key] = list(value) if isinstance(value, tuple) else value


def move(before: str | None, after: str | None) -> None:
    """On the way from one page to another, what nobody chose takes the default of the new page.

    A choice stays a choice where it happens to be a page's default, so that the network comes back as it was.
    """
    new, chosen = settings_of(after), st.session_state.setdefault(_CHOSEN, set())
    for key, setting in settings_of(before).items():
        if key not in st.session_state:
            continue
        if value_of(setting) != setting.default:
            chosen.add(key)
        elif key not in chosen and key in new:
            apply({key: new[key].default})
        if key in new and not new[key].offers(value_of(setting)):
            apply({key: new[key].default})


def reset(question: str | None, keep: frozenset[str] = frozenset()) -> None:
    """All settings of a page back to their defaults."""
    apply({key: setting.default for key, setting in settings_of(question).items() if key not in keep})
    st.session_state.pop(CSV_KEY, None)
    st.session_state.pop(_CHOSEN, None)

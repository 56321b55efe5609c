"""Command-line flags from a question's Spec: one flag a field, so the page, the address and the command say the same.

Source: the fields of `fimcore.experiments.*.Spec` and their `Control` metadata.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fimcore.experiments.control import bounds_of, control_of

SPEC_FILE_LIMIT = 1_000_000
_PREFIX = "field_"


def add_fields(parser: argparse.ArgumentParser, spec: type[BaseModel]) -> None:
    """Add `--some-field VALUE` for every field of a Spec; values stay text and are checked by the Spec, all at once."""
    groups: dict[str, Any] = {}
    for name, field in spec.model_fields.items():
        control = control_of(field)
        heading = control.group if control is not None and control.group else "Settings"
        group = groups.setdefault(heading, None) or parser.add_argument_group(heading)
        groups[heading] = group
        flags = [f"--{name.replace('_', '-')}"]
        group.add_argument(
            *flags, dest=_PREFIX + name, default=argparse.SUPPRESS, metavar=_metavar(field), help=_help(field)
        )


def settings_of(options: argparse.Namespace, spec: type[BaseModel], question: str) -> dict[str, Any]:
    """Settings from `--spec` with the flags on top.

    Raises:
        ValueError: the file is no JSON object, too large, or an export of another question.
    """
    settings = _from_file(options.spec, question) if options.spec else {}
    for name, field in spec.model_fields.items():
        text = getattr(options, _PREFIX + name, None)
        if text is not None:
            settings[name] = _value(text, field)
    return settings


def _value(text: str, field: FieldInfo) -> Any:
    """Text as the Spec takes it: a list splits at commas, `none` is None where the field allows it."""
    kinds = (field.annotation, *get_args(field.annotation))
    if type(None) in kinds and text.lower() in ("", "none"):
        return None
    if any(get_origin(kind) in (tuple, list) or kind in (tuple, list) for kind in kinds):
        return [part.strip() for part in text.strip("()[] ").split(",") if part.strip()]
    return text


def _from_file(name: str, question: str) -> dict[str, Any]:
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(SPEC_FILE_LIMIT + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(SPEC_FILE_LIMIT + 1)
    except OSError as fault:
        raise ValueError(f"--spec: {name!r} cannot be read ({fault.strerror}).") from fault
    if len(raw) > SPEC_FILE_LIMIT:
        raise ValueError(f"--spec: {name!r} is larger than {SPEC_FILE_LIMIT // 1000} kB; settings are a few lines.")
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"--spec: {name!r} is no JSON ({fault}).") from fault
    if not isinstance(content, dict):
        raise ValueError(f"--spec: {name!r} holds a {type(content).__name__}; a JSON object of settings is needed.")
    if isinstance(content.get("settings"), dict):  # an export of the page or of `--json`
        if content.get("question", question) != question:
            raise ValueError(f"--spec: {name!r} answers the question {content['question']!r}, not {question!r}.")
        return dict(content["settings"])
    return content


def _metavar(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if kind is bool:
        return "{true,false}"
    names = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
    if isinstance(kind, type) and kind in names:
        return names[kind]
    return "A,B,..." if get_origin(kind) in (tuple, list) else "VALUE"


def _help(field: FieldInfo) -> str:
    low, high = bounds_of(field)
    above = next((item.gt for item in field.metadata if hasattr(item, "gt")), None)
    least = f"{low:g}" if low is not None else f"above {above:g}" if above is not None else None
    limits = " to ".join(part for part in (least, f"{high:g}" if high is not None else None) if part)
    default = field.default
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    facts = "; ".join(part for part in (limits, f"default {shown}" if shown else "") if part)
    return f"{field.description or ''} ({facts})".strip().replace("%", "%%")

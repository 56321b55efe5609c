"""Presets: named settings of the network, kept as data and checked against the Spec by a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from settings import settings_of

from fimcore.places import assets_folder


@dataclass(frozen=True, eq=False)
class Preset:
    """A name, a sentence on what to look at, and field name to value; fields left out take their defaults."""

    name: str
    sentence: str
    fields: Mapping[str, Any]
    elsewhere: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def values(self, question: str | None) -> dict[str, Any]:
        """Address key to value, for the fields that the page shows; a page may say it in its own words (`elsewhere`)."""
        wanted = {**self.fields, **self.elsewhere.get(question or "", {})}
        return {
            key: wanted[setting.name]
            for key, setting in settings_of(question).items()
            if setting.name in wanted
            and (setting.owner == "network" or wanted[setting.name] in setting.control.options)
        }


@lru_cache(maxsize=1)
def load_presets() -> tuple[Preset, ...]:
    """All presets in the order of the menu."""
    path = assets_folder() / "presets" / "presets.json"
    return tuple(Preset(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))

"""Presets: named settings of the network, kept as data and checked against the Spec by a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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

    def values(self, question: str | None) -> dict[str, Any]:
        """Address key to value, for the fields that the page shows."""
        table = settings_of(question)
        return {key: self.fields[setting.name] for key, setting in table.items() if setting.name in self.fields}


@lru_cache(maxsize=1)
def load_presets() -> tuple[Preset, ...]:
    """All presets in the order of the menu."""
    path = assets_folder() / "presets" / "presets.json"
    return tuple(Preset(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))

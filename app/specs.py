"""The Spec that the present values make, and one-click remedies where they do not fit together."""

from __future__ import annotations

from typing import Any

import image_uploads
import settings
import streamlit as st
import uploads
from settings import CSV_KEY, settings_of, value_of

from fimcore.experiments import spec_from_mapping
from fimcore.experiments.network_spec import CSV_MAX_BYTES, CSV_MAX_COLUMNS, NetworkSpec
from fimcore.experiments.question_spec import QuestionSpec
from fimcore.inputs import InputError


def read_spec(question: str | None) -> QuestionSpec:
    """The page's Spec from the present values.

    Raises:
        SpecError: values that do not fit together, one sentence each; InputError: a file is asked for and none is here.
    """
    table = settings_of(question)
    chosen = {setting.name: value_of(setting) for setting in table.values() if setting.owner != "view"}
    if chosen.get("inputs") == "csv":
        path = uploads.path_of(st.session_state.get(CSV_KEY, ""))
        if path is None:
            raise InputError(
                f"Choose a CSV: numbers only, at most {CSV_MAX_BYTES / 1e6:g} MB and {CSV_MAX_COLUMNS} columns."
            )
        chosen["data_file"] = path
    elif chosen.get("inputs") == "images":
        chosen["data_file"] = image_uploads.path()
    if question is None:
        return NetworkSpec.model_validate(chosen)
    return spec_from_mapping(question, chosen)


def remedy(question: str, field: str) -> tuple[str, dict[str, Any]] | None:
    """A label and values by address key that make settings fit together again, where one click does."""
    now = settings.values(question)
    outputs = next((key for key, setting in settings_of(question).items() if setting.name == "outputs"), None)
    if not field and now.get("out") == "softmax" and outputs is not None and now[outputs] in (0, 1):
        classes = 10 if now["in"] == "digits" or outputs == "C" else 2
        return f"Use {classes} classes", {outputs: classes}
    if not field and outputs is not None and now.get("est") == "empirical" and now["in"] == "digits":
        return "Use 10 outputs", {outputs: 10}
    for setting in settings_of(question).values():
        if setting.name == field:
            return f"Back to {setting.name_of(setting.default)}", {setting.key: setting.default}
    return None

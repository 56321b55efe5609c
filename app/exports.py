"""The export menu: the same order on every page, files made on click, each beginning with the same block of facts."""

from __future__ import annotations

import json
from collections.abc import Callable

import permalinks
import streamlit as st

from fimcore.experiments.result import Result

File = Callable[[], bytes | str]
KINDS = {
    "PNG": ("png", "image/png"),
    "SVG": ("svg", "image/svg+xml"),
    "CSV": ("csv", "text/csv"),
    "NPZ": ("npz", "application/octet-stream"),
    "JSON": ("json", "application/json"),
    "Python": ("py", "text/x-python"),
    "HTML": ("html", "text/html"),
}


def export_menu(
    result: Result,
    *,
    name: str = "",
    png: Callable[[], bytes] | None = None,
    svg: Callable[[], bytes | str] | None = None,
    key: str = "",
    label: str = "Export",
    table: str = "",
    csv: Callable[[], str] | None = None,
    html: Callable[[], str] | None = None,
) -> None:
    """`label` ▾: PNG, SVG, CSV, NPZ, JSON, Python, HTML. A picture or page that is not given is left out.

    name: added to the file names, "fimcore-width-<name>.csv". png, svg: draw the picture with its caption, settings and link.
    table: name of the table behind this picture, for the CSV (the first one where left out); csv: makes the CSV instead.
    html: makes a page that works offline.
    """
    place = f"{result.question}-{key}" if key else result.question
    with st.popover(label, icon=":material/download:", key=f"export-{place}"):
        for kind, make in files(
            result, permalinks.current_address(result.question), png, svg, table, csv, html
        ).items():
            suffix, media = KINDS[kind]
            st.download_button(
                kind,
                data=make,
                file_name=file_name(result.question, name, suffix),
                mime=media,
                key=f"export-{place}-{suffix}",
                on_click="ignore",
                width="stretch",
            )


def file_name(question: str, name: str, suffix: str) -> str:
    """ "fimcore-width-n16.csv": letters, digits and dashes only."""
    words = "".join(character if character.isascii() and character.isalnum() else "-" for character in name.lower())
    parts = ["fimcore", question, *(part for part in words.split("-") if part)]
    return f"{'-'.join(parts)}.{suffix}"


def files(
    result: Result,
    address: str,
    png: Callable[[], bytes] | None = None,
    svg: Callable[[], bytes | str] | None = None,
    table: str = "",
    csv: Callable[[], str] | None = None,
    html: Callable[[], str] | None = None,
) -> dict[str, File]:
    """Kind to a function that makes the file; nothing is made before it is called."""
    made: dict[str, File | None] = {
        "PNG": png,
        "SVG": svg,
        "CSV": csv or (lambda: result.to_csv(address, table or None)),
        "NPZ": lambda: result.to_npz(address),
        "JSON": lambda: json.dumps(result.to_json(address), indent=2, ensure_ascii=False),
        "Python": lambda: result.to_script(address),
        "HTML": html,
    }
    return {kind: make for kind, make in made.items() if make is not None}


def caption_lines(result: Result, address: str, sentence: str = "") -> list[str]:
    """What is burnt into a picture below its axes: the finding, the settings that differ from the defaults, and the link."""
    changed = json.loads(result.spec.model_dump_json(exclude_defaults=True))
    changed.pop("data_file", None)
    settings = ", ".join(f"{field} = {value}" for field, value in changed.items()) or "default settings"
    seeds = f"seeds {result.spec.seed} to {result.spec.seed + result.spec.seeds - 1}"
    versions = result.header()["versions"]
    facts = f"{result.question}: {settings}; {seeds}; fimcore {versions['fimcore']}"
    return [*([sentence] if sentence else []), facts, address]

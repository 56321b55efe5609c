"""The sanity report as HTML: one self-contained file, and the same tables for a page.

Every comparison is a strip: its shaded part is what agrees, its mark where the measurement lies. No scripts, no pictures, nothing
is fetched; the numbers are text.
"""

from __future__ import annotations

import math
from html import escape
from typing import Any

import pandas as pd

from fimcore.experiments.report import name_of, rows_of
from fimcore.experiments.report_checks import AGREES, DISAGREES, NOT_APPLICABLE
from fimcore.experiments.result import Result
from fimcore.number_words import MINUS, number, percent

__all__ = ["GROUP_WORDS", "document", "group_table", "reasons", "style", "summary_sentence"]

# Relative errors below this are rounding.
IDENTITY = 1e-6
# Heading and one sentence a group.
GROUP_WORDS = {
    "signals": (
        "Signals",
        "Length |u|² / n of the pre-activations, overlap of two inputs, and |∂f/∂u|², layer by layer, against the mean-field maps.",
    ),
    "block sizes": (
        "Block sizes",
        "Entries inside a unit's own block, entries between units over those inside (RMS), and shares of ‖F‖².",
    ),
    "eigenvalues": (
        "Eigenvalues",
        "Trace, second moment, the eigenvalues that stand out and the rest; the layers' own blocks.",
    ),
    "input metric": (
        "Metric on the inputs",
        "Eigenvalues of the mean of ∂f/∂x ∂f/∂xᵀ: the same theory one layer further down.",
    ),
    "two layers": (
        "Output weights behind one ReLU layer",
        "Eigenvalues of E a aᵀ against spherical harmonics of degree 0 and 1.",
    ),
    "kernels": (
        "Kernels",
        "Tangent kernel and output covariance at each network's own inputs, against infinite width.",
    ),
    "one unit": (
        "Units of layer 1",
        "F of a unit along its weights, across them and towards its bias, over its bias entry: A₂, A₀ and A₁ over A₀.",
    ),
    "training": (
        "First steps of training",
        "Residuals after a few steps over those before, on a few inputs with random targets, against the linearised network.",
    ),
    "rates": (
        "Rates of natural gradients",
        "How many times faster than the exact natural gradient an undamped block structure takes residuals down, on a few inputs.",
    ),
}

_COLOURS = {
    "light": {
        "page": "#ffffff",
        "text": "#1a2733",
        "quiet": "#586673",
        "line": "#d9e0e6",
        "ok": "#0072b2",
        "bad": "#b34700",
    },
    "dark": {
        "page": "#10171e",
        "text": "#e8eef3",
        "quiet": "#a3b1bd",
        "line": "#33414d",
        "ok": "#6cb8ee",
        "bad": "#ffa654",
    },
}

_RULES = """
.report-table{border-collapse:collapse;width:100%;max-width:64rem;table-layout:fixed;font-variant-numeric:tabular-nums;color:var(--text)}
.report-table th{font-weight:600;text-align:left;color:var(--quiet);padding:4px 10px 4px 0;border-bottom:1px solid var(--line)}
.report-table td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:middle}
.report-table .figure{text-align:right;white-space:nowrap;width:10.5%}
.report-table .narrow{width:6%}
.report-table .place{width:7%}
.report-table .chart{width:118px;padding-left:14px}
.report-table .place{color:var(--quiet)}
.report-strip{position:relative;display:block;width:100%;height:18px;border-radius:3px;overflow:hidden}
.report-strip .band{position:absolute;left:25%;width:50%;top:0;bottom:0;background:var(--ok);opacity:.18;border-radius:3px}
.report-strip .zero{position:absolute;left:50%;top:0;bottom:0;width:0;border-left:1.5px dashed var(--quiet)}
.report-strip .mark{position:absolute;top:3px;width:12px;height:12px;margin-left:-6px;border-radius:50%;background:var(--ok)}
.report-strip .mark.bad{border-radius:0;transform:rotate(45deg);background:var(--bad)}
.report-bad{color:var(--bad);font-weight:600}
@media(max-width:640px){.report-table .wide{display:none}
.report-table{font-size:.85rem}
.report-table .figure{width:22%}.report-table .place{width:13%}.report-table .chart{width:62px;padding-left:4px}
.report-table td,.report-table th{padding-right:6px}}
"""

_PAGE_RULES = """
body{font:16px/1.5 "Source Sans 3","Source Sans Pro",system-ui,sans-serif;background:var(--page);color:var(--text);
max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin:2rem 0 .2rem}p{margin:.3rem 0 .8rem;max-width:75ch}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:1rem 0}
dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}
.quiet{color:var(--quiet)}
"""


def style(dark: bool | None = None) -> str:
    """The rules of the tables; dark None follows the reader's system."""

    def variables(theme: str) -> str:
        return "".join(f"--{name}:{value};" for name, value in _COLOURS[theme].items())

    if dark is not None:
        return f".report-table,.report-strip{{{variables('dark' if dark else 'light')}}}{_RULES}"
    follow = f"@media(prefers-color-scheme:dark){{:root{{{variables('dark')}color-scheme:dark}}}}"
    return f":root{{{variables('light')}}}{follow}{_RULES}{_PAGE_RULES}"


def summary_sentence(result: Result) -> str:
    """How many of the predictions that apply agree; and those that do not."""
    checks = result.tables["checks"]
    words = checks["verdict"].value_counts()
    agree, fail, silent = (int(words.get(word, 0)) for word in (AGREES, DISAGREES, NOT_APPLICABLE))
    if agree + fail == 0:
        return f"None of {silent} predictions applies to this setting."
    said = f"{agree} of {agree + fail} predictions that apply here agree with {result.spec.seeds} networks"
    if fail:
        names = "; ".join(name_of(row) for row in rows_of(checks[checks["verdict"] == DISAGREES])[:4])
        said += f", {fail} disagree ({names}{', …' if fail > 4 else ''})"
    return f"{said}. {silent} do not apply." if silent else f"{said}."


def group_table(checks: pd.DataFrame) -> str:
    """Those checks of one group that apply, as a table."""
    head = (
        "<tr><th>Quantity</th><th class='place'>Layer</th><th class='figure'>Measured</th><th class='figure wide'>±</th>"
        "<th class='figure'>Predicted</th><th class='figure narrow wide'>z</th><th class='figure wide'>Off by</th>"
        "<th class='figure wide'>Notices</th><th class='chart'>Band</th></tr>"
    )
    rows = "".join(_table_row(row) for row in rows_of(checks[checks["verdict"] != NOT_APPLICABLE]))
    return f"<table class='report-table'><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _table_row(row: dict[str, Any]) -> str:
    failed = row["verdict"] == DISAGREES
    word = f"<span class='report-bad'>{DISAGREES}</span>" if failed else ""
    return (
        f"<tr><td>{escape(row['quantity'])} {word}</td><td class='place'>{escape(row['layer'])}</td>"
        f"<td class='figure'>{_shown(row['measured'])}</td><td class='figure wide'>{_shown(row['standard_error'])}</td>"
        f"<td class='figure'>{_shown(row['predicted'])}</td><td class='figure narrow wide'>{_z(row)}</td>"
        f"<td class='figure wide'>{_off(row['relative_error'])}</td>"
        f"<td class='figure wide'>{percent(row['noticeable'])}</td><td>{_strip(row, failed)}</td></tr>"
    )


def _shown(value: float) -> str:
    return number(value) if math.isfinite(value) else "–"


def _off(value: float) -> str:
    """A signed share."""
    return f"{'+' if value >= 0 else ''}{percent(value)}" if math.isfinite(value) else "–"


def _z(row: dict[str, Any]) -> str:
    """The difference in standard errors; of an identity, which both sides meet to rounding, there is nothing to say."""
    value, identity = row["z"], abs(row["relative_error"]) < IDENTITY
    return "–" if identity or not math.isfinite(value) else f"{MINUS if value < 0 else ''}{min(abs(value), 999):.1f}"


def _strip(row: dict[str, Any], failed: bool) -> str:
    """A strip of four bands' halves: where the measurement lies, in units of what would be noticed."""
    reach = row["relative_error"] / row["noticeable"] if row["noticeable"] > 0 else 0.0
    place = 50 + 25 * max(-1.9, min(1.9, reach))
    kind = "mark bad" if failed else "mark"
    said = f"{row['verdict']}, off by {_off(row['relative_error'])}"
    return (
        f"<span class='report-strip' role='img' aria-label='{said}'><span class='band'></span><span class='zero'></span>"
        f"<span class='{kind}' style='left:{place:.1f}%'></span></span>"
    )


def reasons(checks: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Why checks do not apply: each reason with the names it is about."""
    found: dict[str, list[str]] = {}
    for row in rows_of(checks[checks["verdict"] == NOT_APPLICABLE]):
        found.setdefault(row["reason"], []).append(name_of(row))
    return list(found.items())


def document(result: Result, address: str = "") -> str:
    """The whole report as one HTML file that needs nothing else."""
    checks, header = result.tables["checks"], result.header(address)
    facts = {
        "Settings": ", ".join(f"{name} = {value}" for name, value in header["settings"].items() if value != ""),
        "Seeds": ", ".join(map(str, header["seeds"])),
        "Scale": header["scale"],
        "Date": header["date"],
        "Versions": ", ".join(f"{name} {value}" for name, value in header["versions"].items()),
        **({"Address": address} if address else {}),
        "Licence": header["licence"],
        "Cite": header["cite"],
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    parts = []
    for group in dict.fromkeys(checks["group"]):
        own = checks[checks["group"] == group]
        if (own["verdict"] == NOT_APPLICABLE).all():
            continue
        title, sentence = GROUP_WORDS[group]
        parts.append(f"<h2>{escape(title)}</h2><p class='quiet'>{escape(sentence)}</p>{group_table(own)}")
    silent = "".join(
        f"<li>{escape(reason)}<br><span class='quiet'>{escape('; '.join(names))}</span></li>"
        for reason, names in reasons(checks)
    )
    if silent:
        parts.append(f"<h2>Does not apply</h2><ul>{silent}</ul>")
    rule = (
        "agrees: measured and predicted differ by no more than t standard errors over the networks (jackknife, 99.9 %) plus the "
        "error that theory is allowed at this depth over width. “Notices” is that sum: a prediction off by more would fail."
    )
    unfinished = "" if result.complete else "<p>This report was stopped before its last network.</p>"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>fimcore: sanity report</title><style>{style()}</style></head><body>"
        f"<h1>Does mean-field theory hold here?</h1><p>{escape(summary_sentence(result))}</p>{unfinished}"
        f"<p class='quiet'>{escape(rule)}</p><dl>{listed}</dl>{''.join(parts)}</body></html>\n"
    )

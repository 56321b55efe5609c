"""The sanity report for a terminal: a line per comparison, group by group, and why the others do not apply."""

from __future__ import annotations

from fimcore.experiments.report import rows_of
from fimcore.experiments.report_checks import NOT_APPLICABLE
from fimcore.experiments.report_html import GROUP_WORDS, reasons, summary_sentence
from fimcore.experiments.result import Result
from fimcore.number_words import number, percent

__all__ = ["report_text"]


def report_text(result: Result) -> str:
    """Tables of what applies, reasons for what does not, and the summary last, where a terminal ends."""
    checks, parts = result.tables["checks"], []
    applying = checks[checks["verdict"] != NOT_APPLICABLE]
    for group in dict.fromkeys(applying["group"]):
        lines = [GROUP_WORDS[group][0]]
        for row in rows_of(applying[applying["group"] == group]):
            name = f"{row['quantity']}{', layer ' + row['layer'] if row['layer'] else ''}"
            lines.append(
                f"  {row['verdict']:<10} {name:<42} measured {number(row['measured']):>14}   predicted "
                f"{number(row['predicted']):>14}   off by {percent(row['relative_error']):>7}"
                f"   would notice {percent(row['noticeable'])}"
            )
        parts.append("\n".join(lines))
    silent = [f"  {reason}\n      {'; '.join(names)}" for reason, names in reasons(checks)]
    if silent:
        parts.append("\n".join(["Does not apply", *silent]))
    parts.append(f"{summary_sentence(result)}\n{result.seconds:.2f} s · F = E_x E_y|x [score scoreᵀ], mean over inputs")
    return "\n\n".join(parts)

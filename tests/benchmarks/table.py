"""One row of the comparison with its bars, and the rows as Markdown and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Row:
    """One work in one case, by one clock; milliseconds."""

    case: str
    work: str
    clock: str
    fimcore_ms: float
    peer: str
    peer_ms: float
    peer_bar: float | None
    product_ms: float
    product_bar: float | None
    peers_ms: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return self.peer_ms / self.fimcore_ms

    @property
    def multiple(self) -> float:
        return self.fimcore_ms / self.product_ms

    @property
    def met(self) -> str:
        """Whether every bar of the row is met; empty where it has none or was not measured."""
        verdicts = []
        if self.peer_bar is not None and math.isfinite(self.ratio):
            verdicts.append(self.ratio >= self.peer_bar)
        if self.product_bar is not None and math.isfinite(self.multiple):
            verdicts.append(self.multiple <= self.product_bar)
        return ("yes" if all(verdicts) else "no") if verdicts else ""

    def to_json(self) -> dict[str, Any]:
        everything = asdict(self) | {"ratio": self.ratio, "multiple": self.multiple, "met": self.met}
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in everything.items()
        }


def markdown(rows: Iterable[Row]) -> str:
    """One table a case."""
    lines, case = [], ""
    for row in rows:
        if row.case != case:
            case = row.case
            lines += ["", f"### {case}", ""]
            lines.append(
                "| work | clock | fimcore ms | fastest peer ms | ratio | bar | product ms | multiple | bar | met |"
            )
            lines.append("|---|---|--:|--:|--:|--:|--:|--:|--:|---|")
        peer = f"{_number(row.peer_ms)} ({row.peer.replace('_', '.')})" if row.peer else "–"
        cells = [
            row.work.replace("_", " "),
            row.clock,
            _number(row.fimcore_ms),
            peer,
            _number(row.ratio, "×"),
            _number(row.peer_bar, "×"),
            _number(row.product_ms),
            _number(row.multiple, "×"),
            _number(row.product_bar, "×"),
            row.met,
        ]
        lines.append(f"| {' | '.join(cells)} |")
        lines += [f"<!-- {row.work}: {note} -->" for note in row.notes]
    return "\n".join(lines)


def _number(value: float | None, unit: str = "") -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return (f"{value:,.0f}" if value >= 100 else f"{value:.3g}") + unit

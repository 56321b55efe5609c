"""Result of a question: the spec that determines it, tidy tables, arrays, verdicts, and what it cost. No pickles anywhere."""

from __future__ import annotations

import builtins
import io
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fimcore.experiments.column_words import column_words
from fimcore.experiments.network_spec import NetworkSpec
from fimcore.experiments.question_spec import QuestionSpec
from fimcore.number_words import number, with_spread

FEWEST_SEEDS = 4  # below, a comparison has no other word than "too few seeds to say"
LICENCE = "Apache-2.0"
CITATION = "fimcore: Fisher information matrices of deep networks, measured and predicted (2026)"


@dataclass(frozen=True)
class Verdict:
    """One comparison of measurement with prediction, in a word with a fixed meaning and a sentence.

    word, of a number over seeds (`verdict`): "agrees" (the prediction lies within two standard deviations of the seeds' mean),
    "close" (within 10 %), "disagrees"; of a slope (width): "agrees" (inside the fit's 95 % interval), "close" (within 10 % or
    0.05), "disagrees"; of a limit (train): "agrees" (it tells every run right), "disagrees"; of an error (unit): "agrees" (nothing
    is left beyond noise and chance, 99 %), "close" (at most 10 %), "disagrees"; of bounds (estimators): "agrees" (every
    parameter lies inside); of the end of a map (empirical_fisher): "agrees" (within 1e-6 from every start), "close" (within 10 %);
    of drawn labels (estimators): "agrees" (within 3.5 standard errors in every layer). Everywhere: "too few
    seeds to say" (fewer than 4), "no prediction".
    """

    quantity: str
    word: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Result:
    """What a question's `run` returns.

    Attributes:
        question: its name, the same as its address and its command.
        spec: the settings that determine everything below.
        tables: tidy tables by name; the first one is the main one.
        arrays: further arrays by name, full precision.
        verdicts: measured against predicted, in words.
        seconds, bytes: what it took to compute, and the largest array it held.
        complete: False for a partial result (cancelled, or still running).
        data_sha256: `fimcore.inputs.content_hash` of the file it was computed from; empty where there is none.
    """

    question: str
    spec: QuestionSpec
    tables: Mapping[str, pd.DataFrame]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    seconds: float = 0.0
    bytes: int = 0
    complete: bool = True
    data_sha256: str = field(init=False, default="")

    def __post_init__(self) -> None:
        spec = self.spec
        if isinstance(spec, NetworkSpec) and spec.inputs in ("csv", "images") and spec.data_file:
            from fimcore.inputs import file_hash

            object.__setattr__(self, "data_sha256", file_hash(spec.data_file))

    @property
    def table(self) -> pd.DataFrame:
        """The main table."""
        return next(iter(self.tables.values()))

    def __repr__(self) -> str:
        return (
            f"Result({self.question}, tables {', '.join(self.tables)}, {self.seconds:.2f} s, "
            "F = E_x E_y|x [score score^T])"
        )

    def header(self, address: str = "") -> dict[str, Any]:
        """The block every export starts with: name, versions, address, settings, seeds, date, licence, citation.

        Of a table only the file's name and the hash of its content leave this machine, never the folder it lies in.
        """
        spec = self.spec
        settings = json.loads(spec.model_dump_json())
        if isinstance(spec, NetworkSpec):
            settings["data_file"] = Path(spec.data_file).name
        return {
            "name": "fimcore",
            "versions": versions(),
            "question": self.question,
            "address": address,
            "settings": settings,
            **({"data_sha256": self.data_sha256} if self.data_sha256 else {}),
            "seeds": [spec.seed + number for number in range(spec.seeds)],
            "scale": "F = E_x E_{y~p(y|x)} [score score^T]: mean over inputs, model expectation over labels",
            "date": date.today().isoformat(),  # noqa: DTZ011 (a date on a file, in the reader's own time zone)
            "licence": LICENCE,
            "cite": CITATION,
            "complete": self.complete,
        }

    def to_json(self, address: str = "") -> dict[str, Any]:
        """Header, tables, verdicts and cost as plain values, every digit of them; missing and infinite numbers are null."""
        return {
            **self.header(address),
            "tables": {name: records(table) for name, table in self.tables.items()},
            "verdicts": [vars(verdict) for verdict in self.verdicts],
            "seconds": self.seconds,
            "bytes": self.bytes,
        }

    def to_csv(self, address: str = "", table: str | None = None) -> str:
        """One table (the main one where None) with the header and the meaning of its columns as comment lines."""
        chosen = self.table if table is None else self.tables[table]
        header = self.header(address) | {"columns": column_words(self.question, chosen.columns)}
        lines = [f"# {key}: {json.dumps(value)}" for key, value in header.items()]
        return "\n".join(lines) + "\n" + chosen.to_csv(index=False)

    def to_npz(self, address: str = "") -> builtins.bytes:
        """Arrays and every column of every table (`table.column`), with the header as JSON text; loads without pickle."""
        content: dict[str, Any] = {"header": np.array(json.dumps(self.header(address)))}
        for name, table in self.tables.items():
            for column in table.columns:
                values = table[column].to_numpy()
                content[f"{name}.{column}"] = values if values.dtype.kind in "biuf" else values.astype(str)
        content.update(self.arrays)
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **content)
        return stream.getvalue()

    def to_script(self, address: str = "") -> str:
        """A Python script that reproduces the numbers with fimcore alone."""
        changed = self.spec.model_dump(exclude_defaults=True)
        note = ""
        if "data_file" in changed:
            changed["data_file"] = Path(changed["data_file"]).name
            note = f"# Put the table here first, as {changed['data_file']!r}."
            if self.data_sha256:
                note += f" The SHA-256 of its content begins with {self.data_sha256}."
            note += "\n"
        arguments = "".join(f"\n    {name}={value!r}," for name, value in changed.items())
        title = f'"""{self.question}: reproduces the numbers of {address or "this setting"} (fimcore {versions()["fimcore"]})."""'
        return (
            f"{title}\n\nimport fimcore as fc\n\n{note}"
            f"spec = fc.experiments.{self.question}.Spec({arguments}{chr(10) if changed else ''})\n"
            f"result = fc.experiments.{self.question}.run(spec)\n"
            "for name, table in result.tables.items():\n    print(name)\n    print(table.to_string(index=False))\n"
            "for verdict in result.verdicts:\n    print(verdict.sentence)\n"
        )

    def save(self, path: str | Path) -> None:
        """Write to a file, in the format its suffix names: .json, .csv, .npz or .py.

        Raises:
            ValueError: another suffix.
        """
        path = Path(path)
        if path.suffix == ".npz":
            path.write_bytes(self.to_npz())
            return
        text = {
            ".json": lambda: json.dumps(self.to_json(), indent=2),
            ".csv": self.to_csv,
            ".py": self.to_script,
        }.get(path.suffix)
        if text is None:
            raise ValueError(f"`path` is {path.name!r}; its suffix must be .json, .csv, .npz or .py.")
        path.write_text(text(), encoding="utf-8")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain Python values at full precision; None for what is not a finite number."""
    columns = {str(name): [_plain(value) for value in table[name].tolist()] for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    missing = value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value))
    return None if missing else value


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("fimcore", "torch", "numpy", "scipy", "pandas", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def signed(value: float, decimals: int = 2) -> str:
    """Fixed decimals with a true minus sign, and no negative zero: "−0.50", "0.00"."""
    rounded = round(value, decimals) + 0.0
    return f"{'−' if rounded < 0 else ''}{abs(rounded):.{decimals}f}"


def verdict(quantity: str, measured: NDArray[np.float64], predicted: float, reason: str = "") -> Verdict:
    """Compare values over seeds with a prediction; `reason` says why there is none when `predicted` is not finite.

    agrees: |mean - predicted| within two standard deviations of the seeds; close: within 10 % of the prediction.
    """
    values = measured[np.isfinite(measured)]
    if not np.isfinite(predicted):
        return Verdict(quantity, "no prediction", f"{quantity}: no prediction here. {reason}".strip())
    if len(values) == 0:
        return Verdict(quantity, "too few seeds to say", f"{quantity}: nothing finite was measured.")
    mean, count = float(values.mean()), len(values)
    spread = float(values.std(ddof=1)) if count > 1 else 0.0
    facts = f"measured {with_spread(mean, spread, count)}, predicted {number(predicted)}"
    if count < FEWEST_SEEDS:
        word = "too few seeds to say"
    elif abs(mean - predicted) <= 2 * spread:
        word = "agrees"
    elif abs(mean - predicted) <= 0.1 * abs(predicted):
        word = "close"
    else:
        word = "disagrees"
    return Verdict(quantity, word, f"{quantity}: {facts}: {word}.")

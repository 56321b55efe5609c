"""The example of the README runs as it stands and says where theory has no prediction."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_example_runs_and_prints_what_it_says(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    shown = capsys.readouterr().out.splitlines()[-1]
    promised = re.findall(r"^# \[([\d.]+)\] (.*)$", example, flags=re.MULTILINE)
    assert not names["theory"].valid  # type: ignore[attr-defined]
    assert [f"[{promised[0][0]}", promised[0][1]] == [shown[:5], shown.split("] ", 1)[1]]

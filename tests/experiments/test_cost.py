"""Limits of one computation, when many run side by side."""

import pytest

from fimcore.experiments import cost

GB = 2**30


@pytest.mark.parametrize(
    ("memory", "cores", "expected"),
    [
        (8 * GB, 2, 2 * GB),
        (64 * GB, 2, 4 * GB),
        (64 * GB, 9, 2 * GB),
        (64 * GB, 64, GB),
        (2 * GB, 1, GB),
        (8 * GB, None, 2 * GB),
    ],
)
def test_memory_is_shared_by_all_that_can_run_at_once(memory, cores, expected, monkeypatch):
    monkeypatch.setattr(cost, "available_memory", lambda: memory)
    monkeypatch.setattr(cost.os, "cpu_count", lambda: cores)
    found = cost.default_limits().memory_bytes
    assert found == expected
    slots = 2 * max(1, (cores or 2) - 1)
    assert found == GB or slots * found <= memory / 2


def test_seconds_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("FIMCORE_SECONDS", raising=False)
    assert cost.default_limits().seconds == 120
    monkeypatch.setenv("FIMCORE_SECONDS", "7")
    assert cost.default_limits().seconds == 7

from __future__ import annotations

from typing import Any

import pytest
import worker


class Clock:
    """Time that passes only where the test says so, and a connection on which sending a partial result takes `cost`."""

    def __init__(self, cost: float) -> None:
        self.now, self.cost = 100.0, cost
        self.sent: list[tuple[Any, ...]] = []
        self.orders: list[str] = []

    def monotonic(self) -> float:
        return self.now

    def poll(self) -> bool:
        return bool(self.orders)

    def recv(self) -> str:
        return self.orders.pop()

    def send(self, message: tuple[Any, ...]) -> None:
        self.sent.append(message)
        self.now += self.cost if message[3] is not None else 0.0


@pytest.mark.parametrize(("cost", "partials"), [(0.0, 100), (0.001, 100), (0.1, 25), (1.0, 4)])
def test_partial_results_take_a_fifth_of_the_time_at_most(
    monkeypatch: pytest.MonkeyPatch, cost: float, partials: int
) -> None:
    clock = Clock(cost)
    monkeypatch.setattr(worker, "time", clock)
    report = worker.Reporter(clock)
    for number in range(100):
        clock.now += 0.125
        report(number / 100, f"{number} of 100", {"rows": number})
    sent = [message for message in clock.sent if message[3] is not None]
    assert len(sent) == pytest.approx(partials, abs=1)
    assert sent[0][3] == {"rows": 0}, "the first comes at once"
    assert cost * len(sent) <= worker.SHARE_FOR_PARTIALS * (clock.now - 100.0) + cost
    assert len(clock.sent) >= 90, "progress itself goes on"


def test_the_complete_result_is_sent_once_and_a_cancel_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.0)
    report = worker.Reporter(clock)
    report(1.0, "2 of 2", "complete")
    assert all(message[3] is None for message in clock.sent)
    clock.orders.append(worker.CANCEL)
    with pytest.raises(worker.CancelledError):
        report(0.5, "more")

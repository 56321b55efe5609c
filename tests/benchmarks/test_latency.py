"""Latency in a real browser, from the event to two animation frames after the new picture is in the page.

Every figure is recorded in tests/benchmarks/out/latency.json; it is judged only where the machine has less to do than cores.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pytest

from tests.browser import matrix
from tests.browser.driver import control, machine_is_busy, settle, slider

OUT = Path(__file__).resolve().parent / "out"
REPEATS = 7
# Milliseconds: target for the median, and above which it fails on an idle machine of two cores.
BUDGETS = {
    "hover": (35, 70),
    "sweep frame": (50, 100),
    "cached change": (120, 250),
    "computed change": (300, 600),
    "first progress": (300, 500),
    "cancel": (300, 600),
    "first visit, warm server": (2000, 4000),
}
CLOCK = """() => {
  window.__event = null;
  for (const kind of ['keydown', 'pointermove', 'input', 'click'])
    addEventListener(kind, () => { window.__event ??= performance.now(); }, true);
  const find = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [e, ...find(e.shadowRoot)] : []);
  window.__inside = selector => { for (const root of [document, ...find(document).map(e => e.shadowRoot)]) {
    const hit = root.querySelector(selector); if (hit) return hit; } return null; };
  window.__painted = condition => new Promise((done, fail) => { const test = new Function('return ' + condition);
    setTimeout(() => fail(new Error('never painted: ' + condition)), 20000);
    const look = () => test() ? requestAnimationFrame(() => requestAnimationFrame(
      () => { done(performance.now() - window.__event); window.__event = null; })) : requestAnimationFrame(look); look(); });
}"""


def judge(name: str, times: list[float]) -> None:
    """Record the median; compare it with the budget unless the machine is busy."""
    target, limit = BUDGETS[name]
    OUT.mkdir(exist_ok=True)
    file = OUT / "latency.json"
    book = json.loads(file.read_text()) if file.exists() else {}
    median = statistics.median(times)
    book[name] = {
        "median_ms": round(median),
        "all_ms": [round(value) for value in times],
        "target_ms": target,
        "limit_ms": limit,
        "load": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
    }
    file.write_text(json.dumps(book, indent=1) + "\n")
    print(f"\n{name}: {median:.0f} ms (target {target}, limit {limit}, load {os.getloadavg()[0]:.1f})")
    if machine_is_busy():
        pytest.skip(f"the machine is busy: {name} recorded as {median:.0f} ms, not judged")
    assert median <= limit, times


@pytest.fixture
def ready(open_app):
    page = open_app()
    matrix.expect_tick(page, "^16-3-tanh")
    page.evaluate(CLOCK)
    return page


def test_first_visit(open_app):
    times = []
    for _ in range(3):
        start = time.monotonic()
        page = open_app("/", rest=False)
        page.locator(f"{matrix.VIEW}[data-tick]").wait_for()
        times.append(1000 * (time.monotonic() - start))
        settle(page)
        page.context.close()
    judge("first visit, warm server", times)


def test_hover(ready):
    times = []
    for step in range(REPEATS):
        x, y = matrix.at(ready, 0.1 + 0.1 * step, 0.5)
        before = ready.evaluate("__inside('.mv .read').textContent")
        ready.evaluate("window.__event = null")
        ready.mouse.move(x, y)
        condition = f"__inside('.mv .read').textContent !== {json.dumps(before)}"
        times.append(ready.evaluate(f"__painted({json.dumps(condition)})"))
    judge("hover", times)


def test_sweep_frame(ready):
    scrubber = ready.locator(f"{matrix.VIEW} .sweep input[type=range]")
    scrubber.wait_for()
    scrubber.focus()
    times = []
    for step in range(REPEATS):
        before = matrix.tick(ready)
        ready.evaluate("window.__event = null")
        ready.keyboard.press("ArrowLeft" if step % 2 == 0 else "ArrowRight")
        times.append(ready.evaluate(f"__painted(\"__inside('.mv').dataset.tick !== '{before}'\")"))
        settle(ready)
    judge("sweep frame", times)


def changes(page, strokes, value) -> list[float]:
    slider(page, "sb2").focus()
    times = []
    for stroke in strokes:
        value = round(value + (0.05 if stroke == "ArrowRight" else -0.05), 2)
        page.evaluate("window.__event = null")
        page.keyboard.press(stroke)
        times.append(page.evaluate(f"__painted(\"__inside('.mv').dataset.tick.includes('-1.5-{value:g}-gaussian')\")"))
        settle(page)
    return times


def test_computed_and_cached_changes(ready):
    computed = changes(ready, ["ArrowRight"] * REPEATS, 0.1)
    cached = changes(ready, ["ArrowLeft"] * REPEATS, round(0.1 + 0.05 * REPEATS, 2))
    try:
        judge("cached change", cached)
    finally:
        judge("computed change", computed)


def test_progress_and_cancel(open_app):
    page = open_app("/width?w0=8&w1=16")
    page.evaluate(CLOCK)
    slider(page, "w1").focus()
    page.evaluate("window.__event = null")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    card = "document.querySelector('.st-key-job-card-width-run')"
    first = page.evaluate(f'__painted("{card}")')
    control(page, "job-card-width-run").get_by_text("networks").first.wait_for()
    page.evaluate("window.__event = null")
    control(page, "job-card-width-run").get_by_role("button", name="Cancel").click()
    stopped = page.evaluate("__painted(\"document.querySelector('.st-key-stopped-width-run')\")")
    try:
        judge("first progress", [first])
    finally:
        judge("cancel", [stopped])

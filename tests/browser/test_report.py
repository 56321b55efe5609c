"""The sanity report in a real browser: the numbers of the core, settings that break theory, a file that opens offline."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from fimcore.experiments import report, report_html
from tests.browser.driver import download, press_button, settle, slide_to, wait_for_address

SMALL = "/report?n=64&S=4&N=50"
SPEC = report.Spec(width=64, seeds=4, samples=50)


def test_the_page_shows_the_verdicts_of_the_core_and_follows_the_setting(open_app):
    page = open_app(SMALL)
    result = report.run(SPEC)
    expect(page.get_by_text(report_html.summary_sentence(result))).to_be_visible()
    checks = result.tables["checks"]
    applying = checks[checks["verdict"] != "does not apply"]
    expect(page.locator(".report-strip")).to_have_count(len(applying))
    row = page.locator(".report-table tr", has_text="RMS ratio").first
    ratio = applying[applying["quantity"] == "RMS ratio"].iloc[0]
    expect(row).to_contain_text(f"{ratio['measured']:.3f}")
    expect(row).to_contain_text(f"{ratio['predicted']:.3f}")
    # the mark lies inside the band, whose left and right ends are at a quarter of the strip
    strip = page.locator(".report-strip").first.bounding_box()
    mark = page.locator(".report-strip .mark").first.bounding_box()
    middle = (mark["x"] + mark["width"] / 2 - strip["x"]) / strip["width"]
    assert 0.25 <= middle <= 0.75
    slide_to(page, "sb2", "0.00")
    wait_for_address(page, sb2="0")
    settle(page)
    expect(page.get_by_text("do not overlap").first).to_be_visible()


def test_the_html_file_opens_without_the_dashboard(open_app, browser):
    page = open_app(SMALL)
    press_button(page, "export-report")
    file = download(page, page.get_by_role("button", name="HTML", exact=True).click)
    context = browser.new_context(offline=True)
    try:
        alone = context.new_page()
        wanted = []
        alone.on("request", lambda request: wanted.append(request.url))
        alone.set_content(Path(file.path()).read_text(encoding="utf-8"))
        expect(alone.get_by_role("heading", level=1)).to_have_text("Does mean-field theory hold here?")
        expect(alone.locator("body")).to_contain_text("width = 64")
        expect(alone.locator("body")).to_contain_text(re.compile(r"http://127\.0\.0\.1:\d+/report\?"))
        assert alone.locator(".report-strip").count() > 10
        assert wanted == []
    finally:
        context.close()

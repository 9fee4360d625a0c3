"""A report in a browser: it bars nobody, fits a phone, a desk and paper, and asks for nothing."""

import re
from pathlib import Path

import pytest

from training.report.page import page


@pytest.fixture(scope="module")
def written(finding, hostile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(hostile(finding())), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_bars_nobody(written, open_page, barriers, scheme):
    seen = open_page(written.as_uri(), color_scheme=scheme)
    assert barriers(seen) == ""
    seen.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert barriers(seen) == ""


def test_no_request_leaves_it_and_no_script_runs(written, open_page):
    seen = open_page(written.as_uri())
    assert [request.url for request in seen.asked] == [written.as_uri()]
    assert seen.complaints == []
    assert seen.evaluate("window.ran") is None
    blocked = """new Promise((done) => {
      document.addEventListener("securitypolicyviolation", (said) => done(said.violatedDirective));
      document.body.append(Object.assign(document.createElement("script"), {text: "window.ran=1"}));
    })"""
    assert seen.evaluate(blocked).startswith("script-src")
    assert seen.evaluate("window.ran") is None


@pytest.mark.parametrize("width", [360, 820, 1320])
def test_it_fits_a_phone_and_a_desk(written, open_page, width):
    seen = open_page(written.as_uri(), viewport={"width": width, "height": 800})
    for opened in "false", "true":
        seen.evaluate(
            f"for (const one of document.querySelectorAll('details')) one.open = {opened}"
        )
        assert seen.evaluate("document.documentElement.scrollWidth") <= width
    if width == 360:
        wide = seen.evaluate(
            "[...document.querySelectorAll('.scroll')]"
            ".filter((one) => one.scrollWidth > one.clientWidth).length"
        )
        assert wide > 0  # tables move within their own frame


def test_it_is_read_with_the_keyboard_and_without_script(written, open_page):
    seen = open_page(written.as_uri(), java_script_enabled=False)
    seen.keyboard.press("Tab")
    assert seen.locator(":focus").inner_text() == "Skip to what was found"
    seen.keyboard.press("Enter")
    assert seen.locator(":focus").inner_text() == "What was found"
    first = seen.locator("details").first
    first.locator("summary").press("Enter")
    assert first.locator("table").is_visible()
    frame = first.locator(".scroll")
    frame.focus()
    assert frame.evaluate("one => one === document.activeElement")


def test_it_prints_on_sheets_that_hold_it(written, open_page):
    seen = open_page(written.as_uri(), color_scheme="dark")
    sheets = seen.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) > 3
    seen.emulate_media(media="print")
    seen.set_viewport_size({"width": 688, "height": 1000})  # what margins leave of A4
    assert seen.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert seen.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.evaluate("getComputedStyle(document.querySelector('details')).display") == "none"
    assert seen.evaluate("document.documentElement.scrollWidth") <= 688

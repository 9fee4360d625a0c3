"""Takes the README's pictures from a running service, so that they cannot flatter.

Use: ``recsys serve --demo`` in one terminal, then ``python docs/pictures.py [ADDRESS] [ARTICLE]``;
for the desk too, with the token of ``recsys keys create pictures --scope admin`` in DESK_KEY.
"""

import os
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
FLAGS = "--no-sandbox --disable-gpu --disable-quic --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync"
MARGIN = 32
WIDE, PHONE = {"width": 1100, "height": 1000}, {"width": 390, "height": 844}
DESK = [
    ("desk.png", "/desk/box?article={article}", "light", WIDE),
    ("desk-dark.png", "/desk/clicks", "dark", WIDE),
    ("desk-phone.png", "/desk/now", "light", PHONE),
]
"""Pictures of the desk: each a file, an address, a colour scheme and a size."""


def main(address: str = "http://127.0.0.1:8000", article: str = "") -> None:
    """Write the pictures of the widget beside this file, and where there is a key, of the desk.

    ``article`` is ``site/key``; by default the first article of the first site.
    """
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS.split())
        for scheme, name in (("light", "widget.png"), ("dark", "widget-dark.png")):
            take(browser, address, article, scheme, HERE / name)
        if key := os.environ.get("DESK_KEY"):
            trend = httpx.get(f"{address}/v1/trending", params={"n": 1}).json()["items"][0]
            on_top = f"{trend['site']}/{trend['key']}"
            for name, page, scheme, size in DESK:
                path = page.format(article=on_top)
                take_desk(browser, address, key, path, scheme, size, HERE / name)
        browser.close()


def take(browser: Browser, address: str, article: str, scheme: str, target: Path) -> None:
    """Write a picture of the box under an article, in a colour scheme, to ``target``."""
    page = _opened(browser, scheme, WIDE)
    page.goto(f"{address}/demo/{article}")
    if not article:
        page.locator(".teaser a").first.click()
    box = page.locator("recsys-box")
    box.scroll_into_view_if_needed()
    box.get_by_role("link").first.wait_for()
    page.wait_for_load_state("networkidle")
    frame = box.bounding_box()
    assert frame is not None
    top = frame["y"] + page.evaluate("scrollY")
    clip = {
        "x": frame["x"] - MARGIN,
        "y": top - MARGIN,
        "width": frame["width"] + 2 * MARGIN,
        "height": frame["height"] + 2 * MARGIN,
    }
    page.screenshot(path=target, full_page=True, clip=clip)  # type: ignore[arg-type]
    page.close()


def take_desk(
    browser: Browser,
    address: str,
    key: str,
    path: str,
    scheme: str,
    size: dict[str, int],
    target: Path,
) -> None:
    """Write a picture of a page of the desk, as whoever holds ``key`` sees it, to ``target``."""
    page = _opened(browser, scheme, size)
    page.goto(address + path)
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target)
    page.get_by_role("button", name="Sign out").click()
    page.close()


def _opened(browser: Browser, scheme: str, size: dict[str, int]) -> Page:
    told: dict[str, Any] = {"viewport": size, "device_scale_factor": 2, "color_scheme": scheme}
    return browser.new_page(**told)


if __name__ == "__main__":
    main(*sys.argv[1:])

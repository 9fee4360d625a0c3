"""Takes the README's pictures of the widget from a running service, so that they cannot flatter.

Use: ``recsys serve --demo`` in one terminal, then ``python docs/pictures.py [ADDRESS] [ARTICLE]``.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
FLAGS = "--no-sandbox --disable-gpu --disable-quic --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync"
MARGIN = 32


def main(address: str = "http://127.0.0.1:8000", article: str = "") -> None:
    """Write ``widget.png`` and ``widget-dark.png`` beside this file.

    ``article`` is ``site/key``; by default the first article of the first site.
    """
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS.split())
        for scheme, name in (("light", "widget.png"), ("dark", "widget-dark.png")):
            take(browser, address, article, scheme, HERE / name)
        browser.close()


def take(browser: Browser, address: str, article: str, scheme: str, target: Path) -> None:
    """Write a picture of the box under an article, in a colour scheme, to ``target``."""
    page = browser.new_page(
        viewport={"width": 1100, "height": 1000},
        device_scale_factor=2,
        color_scheme=scheme,  # type: ignore[arg-type]
    )
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


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The box in a real browser, on strict pages, against the real service and a bad one."""

import http.server
import os
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

import service as package

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDGET = Path(package.__file__).parent / "static" / "widget.js"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
CARD = {
    "site": "daily",
    "key": "a-1",
    "site_name": "The Daily",
    "url": "https://daily.example/a-1",
    "title": "A quiet title",
    "section": "News",
    "language": "en",
    "image": "",
    "sponsored": False,
}


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists():
        if os.environ.get("RECSYS_REQUIRE_BROWSER") == "1":
            pytest.fail(f"RECSYS_REQUIRE_BROWSER=1, but there is no {CHROMIUM}")
        pytest.skip(f"needs {CHROMIUM}; RECSYS_REQUIRE_BROWSER=1 makes this a failure")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open an address; what the console or the policy says lands in `page.complaints`."""
    contexts = []

    def opened(url, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda line: page.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: page.complaints.append(f"thrown: {error}"))
        page.goto(url, wait_until="networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def publish():
    """Serve a publisher's page; `answers` maps further paths to (status, type, body)."""
    servers = []

    def published(tag, policy="", answers=None, head=""):
        pages = {
            "/": (200, "text/html", f"<!DOCTYPE html><html lang=en><head><title>page</title>{head}"
                  f"</head><body><h1>Page</h1>{tag}<p id=end>end</p></body></html>"),
            "/widget.js": (200, "text/javascript", WIDGET.read_text("utf-8")),
            "/favicon.ico": (204, "image/x-icon", ""),
            **(answers or {}),
        }  # fmt: skip

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, kind, body = pages.get(self.path.partition("?")[0], (404, "text/plain", ""))
                self.send_response(status)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                if policy and self.path == "/":
                    self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield published
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def demo(stocked, articles, describe):
    hostile = describe(
        "culture", 50, title=HOSTILE, section=HOSTILE, published=articles[0].published
    )
    foreign = describe(
        "travel", 51, title="温泉街を歩く", language="ja", section="", sponsored=True
    )
    return stocked([*articles, hostile, foreign], "--demo", "--workers", "1").url


def test_shows_cards_under_an_article_and_they_lead_to_articles(open_page, demo):
    page = open_page(f"{demo}/demo/daily/a-1")
    box = page.locator("recsys-box")
    assert box.locator("h2").inner_text() == "Articles, Offers & Useful Resources"
    assert box.locator(".line").inner_text() == "A mix of what’s trending on our other sites"
    assert box.locator("li").count() == 6
    section = page.get_by_role("region", name="Articles, Offers & Useful Resources")
    assert section.get_by_role("listitem").count() == 6
    link = box.locator("li a").first
    title = link.inner_text()
    link.click()
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").inner_text() == title
    assert page.locator("recsys-box li").count() == 6
    assert page.complaints == []


def test_works_on_another_origin_under_a_strict_policy(open_page, demo, publish):
    tag = f'<script async src="{demo}/widget.js" data-site=daily data-key=a-1 data-n=3></script>'
    policy = (
        f"default-src 'none'; script-src {demo}; connect-src {demo}; img-src {demo}; "
        "style-src 'self'; require-trusted-types-for 'script'"
    )
    page = open_page(publish(tag, policy))
    assert page.locator("recsys-box li").count() == 3
    href = page.locator("recsys-box a").first.get_attribute("href")
    assert href.startswith(f"{demo}/demo/")
    columns = page.locator("recsys-box ul").evaluate("e => getComputedStyle(e).gridTemplateColumns")
    assert len(columns.split()) == 3, "its styles are in force"
    assert page.complaints == []


def test_hostile_titles_stay_text_on_every_page(open_page, demo):
    for path in ("/demo/", "/demo/culture/", "/demo/culture/a-50", "/demo/daily/a-1"):
        page = open_page(f"{demo}{path}")
        assert HOSTILE in page.locator("body").inner_text() + _box_text(page)
        assert page.title() != "owned"
        assert page.locator("img[src='x']").count() == 0
        assert page.complaints == []


def test_hostile_addresses_are_not_shown(open_page, publish):
    items = [
        {**CARD, "url": "javascript:document.title='owned'", "title": "one"},
        {**CARD, "url": " java\nscript:alert(1)", "title": "two"},
        {**CARD, "url": "data:text/html,x", "title": "three"},
        {**CARD, "image": "javascript:alert(1)", "title": "four"},
    ]
    page = open_page(publish(_tag(), answers=_answering(items)))
    assert page.locator("recsys-box a").all_inner_texts() == ["four"]
    assert page.locator("recsys-box img").count() == 0
    assert page.title() == "page"


@pytest.mark.parametrize(
    "answer",
    [
        (500, "application/problem+json", "{}"),
        (200, "application/json", "{"),
        (200, "application/json", "{}"),
        (200, "application/json", '{"items": null}'),
        (200, "application/json", '{"items": [null, 3]}'),
        (200, "application/json", '{"items": []}'),
        (200, "text/html", "<h1>captive portal</h1>"),
    ],
)
def test_a_failing_service_leaves_no_trace(open_page, publish, answer):
    page = open_page(publish(_tag(), answers={"/v1/recommendations": answer}))
    assert page.locator("recsys-box").count() == 0
    assert page.locator("#end").is_visible()
    assert not [line for line in page.complaints if line.startswith("thrown")]


def test_a_service_that_is_away_leaves_no_trace(open_page, publish):
    tag = '<script async src="http://127.0.0.1:9/widget.js" data-site=daily></script>'
    page = open_page(publish(tag))
    assert page.locator("recsys-box").count() == 0
    assert not [line for line in page.complaints if line.startswith("thrown")]


def test_sponsored_cards_say_so_and_foreign_titles_carry_their_language(open_page, publish):
    items = [CARD, {**CARD, "title": "温泉街を歩く", "language": "ja", "sponsored": True}]
    page = open_page(publish(_tag(), answers=_answering(items)))
    first, second = page.locator("recsys-box li").all()
    assert "Sponsored" not in first.inner_text()
    assert "Sponsored" in second.inner_text()
    assert second.locator("a").get_attribute("rel") == "sponsored"
    assert second.locator("a").get_attribute("lang") == "ja"


def test_the_keyboard_goes_from_card_to_card_with_a_visible_ring(open_page, publish):
    items = [{**CARD, "title": f"Title {place}"} for place in range(3)]
    page = open_page(publish(_tag(), answers=_answering(items)))
    for place in range(3):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.shadowRoot.activeElement.textContent")
        assert focused == f"Title {place}"
        ring = page.evaluate(
            "getComputedStyle(document.activeElement.shadowRoot.activeElement, '::after')"
            ".outlineStyle"
        )
        assert ring == "solid"


@pytest.mark.parametrize(
    ("head", "tag", "dark"),
    [
        ("<meta name=color-scheme content='light dark'>", "", True),
        ("", "", False),
        ("", "data-theme=auto", True),
        ("<meta name=color-scheme content='light dark'>", "data-theme=light", False),
    ],
)
def test_is_dark_where_the_page_is(open_page, publish, head, tag, dark):
    page = open_page(publish(_tag(tag), answers=_answering([CARD]), head=head), color_scheme="dark")
    colour = page.locator("recsys-box h2").evaluate("e => getComputedStyle(e).color")
    assert colour == ("rgb(236, 235, 231)" if dark else "rgb(27, 27, 25)")


def test_takes_colours_from_the_page(open_page, publish):
    head = "<style>recsys-box { --recsys-accent: rgb(1, 2, 3) } :root { --accent: red }</style>"
    page = open_page(publish(_tag(), answers=_answering([CARD]), head=head))
    colour = page.locator("recsys-box .kicker").evaluate("e => getComputedStyle(e).color")
    assert colour == "rgb(1, 2, 3)"


@pytest.mark.parametrize(("width", "columns"), [(390, 1), (620, 2), (1000, 3)])
def test_columns_follow_the_room_there_is(open_page, publish, width, columns):
    page = open_page(
        publish(_tag(), answers=_answering([CARD] * 6)), viewport={"width": width, "height": 800}
    )
    style = page.locator("recsys-box ul").evaluate("e => getComputedStyle(e).gridTemplateColumns")
    assert len(style.split()) == (columns if columns > 1 else 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pictures_take_their_room_before_they_load(open_page, publish):
    items = [{**CARD, "image": "/never.jpg"}]
    page = open_page(
        publish(_tag(), answers=_answering(items)), viewport={"width": 900, "height": 800}
    )
    frame = page.locator("recsys-box .picture")
    box = frame.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.01)
    assert frame.inner_text() == "T", "a picture that fails gives way to the site's initial"


def test_reads_right_to_left(open_page, publish):
    page = open_page(
        publish(f"<div dir=rtl>{_tag()}</div>", answers=_answering([CARD])),
        viewport={"width": 390, "height": 800},
    )
    picture = page.locator("recsys-box .picture").bounding_box()
    title = page.locator("recsys-box .title").bounding_box()
    assert picture["x"] > title["x"]


def test_asks_by_the_canonical_address_where_no_key_is_given(open_page, publish):
    asked = []
    url = publish(
        "<script async src=/widget.js data-site=daily></script>",
        answers=_answering([CARD]),
        head="<link rel=canonical href='https://daily.example/a-1'>",
    )
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url, wait_until="networkidle")
    question = next(url for url in asked if "/v1/" in url)
    assert question.endswith("?site=daily&url=https%3A%2F%2Fdaily.example%2Fa-1")


def test_is_small():
    import gzip

    assert len(gzip.compress(WIDGET.read_bytes())) < 8_000


def _tag(extra=""):
    return f"<script async src=/widget.js data-site=daily data-key=a-1 {extra}></script>"


def _answering(items):
    import json

    return {"/v1/recommendations": (200, "application/json", json.dumps({"items": items}))}


def _box_text(page):
    box = page.locator("recsys-box section")
    return box.inner_text() if box.count() else ""

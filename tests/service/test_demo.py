"""The sample network as pages: what a reader finds, and what cannot happen on them."""

import dataclasses
import json
import re
import time

import httpx
import pytest

from data import keyring
from service.app import create_app
from service.holder import Holder
from training.recipe import Recipe
from training.run import run as learn

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
PAGES = "/demo/", "/demo/daily/", "/demo/daily/a-1"


@pytest.fixture
def client(settings, store, articles, describe):
    store.put_articles([*articles, describe("travel", 50, title="<b>bold</b>", tags=("tea",))])
    holder = Holder(settings)
    holder.refresh(int(time.time()))
    return create_app(dataclasses.replace(settings, demo=True), holder).test_client()


def test_the_network_leads_to_sites_and_sites_to_articles(client):
    assert "/demo/culture/" in client.get("/demo/").text
    front = client.get("/demo/culture/").text
    links = re.findall(r'href="(/demo/culture/a-\d+)"', front)
    assert len(links) == 8
    assert "<h1" in client.get(links[0]).text


def test_an_article_page_holds_the_article_and_the_tag(client, articles):
    page = client.get("/demo/daily/a-1").text
    assert articles[1].title in page
    assert articles[1].body.split("\n\n")[2] in page
    assert 'src="/widget.js" data-site="daily" data-key="a-1"' in page
    assert '<link rel="canonical" href="https://daily.example/a-1">' in page


def test_titles_are_text(client):
    for path in ("/demo/travel/", "/demo/travel/a-50"):
        page = client.get(path).text
        assert "&lt;b&gt;bold" in page
        assert "<b>bold" not in page


def test_nothing_inline_may_run(client):
    for path in ("/demo/", "/demo/daily/", "/demo/daily/a-1"):
        answer = client.get(path)
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*src=)", answer.text)


def test_pictures_are_drawings_that_may_load_nothing(client):
    answer = client.get("/demo/image/daily/a-1.svg")
    assert answer.mimetype == "image/svg+xml"
    assert answer.text.lstrip().startswith("<svg")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_chosen_reader_follows_from_page_to_page(client):
    page = client.get("/demo/daily/a-1?as=reader-1").text
    assert 'data-consent="yes" data-visitor="reader-1"' in page
    assert "/demo/culture/?as=reader-1" in page
    asked = {"site": "daily", "key": "a-1", "visitor": "reader-1"}
    items = client.get("/v1/recommendations", query_string=asked).json["items"]
    assert items
    assert all(item["url"].endswith("?as=reader-1") for item in items)


def test_readers_are_those_of_the_network_who_read_most(settings, store, articles, visits):
    store.put_articles(articles)
    ring = keyring.load(settings.keyring, int(time.time()))
    often = {f"reader-{n}" for n in (7, 8)}
    kept = [event for event in visits if event.visitor in often or event.id.endswith("-0")]
    store.put_events(ring.hide(event) for event in kept)
    learn(store, settings.bundles, Recipe(dims=8, factors=8), int(time.time()))
    holder = Holder(settings)
    holder.refresh(int(time.time()))
    page = create_app(dataclasses.replace(settings, demo=True), holder).test_client().get("/demo/")
    offered = re.findall(r'href="\?as=([^"]+)"', page.text)
    assert set(offered[:2]) == often
    assert len(offered) == 4


def test_pages_hold_the_box_of_trends_and_articles_do_not(client):
    for path in ("/demo/", "/demo/daily/"):
        assert 'data-source="/v1/trending?n=6"' in client.get(path).text
    assert "/v1/trending" not in client.get("/demo/daily/a-1").text


@pytest.mark.parametrize("path", ["/demo/nowhere/", "/demo/daily/none", "/demo/image/daily/x.svg"])
def test_what_is_not_there_is_a_problem(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


# In a browser


@pytest.fixture(scope="module")
def network(stocked, articles, describe):
    newest = articles[0].published
    hostile = describe("culture", 50, title=HOSTILE, section=HOSTILE, published=newest)
    return stocked([*articles, hostile], "--demo", "--workers", "1")


def test_a_reader_goes_from_article_to_article(open_page, network):
    page = _shown(open_page, network, "/demo/daily/a-1")
    links = page.locator("recsys-box li a")
    assert links.count() == 6
    title = links.first.inner_text()
    links.first.click()
    page.locator("h1", has_text=title).wait_for()
    assert page.complaints == []


def test_hostile_titles_stay_text_on_every_page(open_page, network):
    _open(network, "culture", "a-50", 9)
    for path in ("/demo/", "/demo/culture/", "/demo/culture/a-50", "/demo/daily/a-1"):
        page = _shown(open_page, network, path)
        box = page.locator("recsys-box section")
        assert HOSTILE in page.locator("body").inner_text() + "".join(box.all_inner_texts())
        assert page.title() != "owned"
        assert page.locator("img[src='x']").count() == 0
        assert page.complaints == []


def test_trends_move_while_one_looks(open_page, network):
    page = _shown(open_page, network, "/demo/?as=reader-1")
    _lead(network, "daily", "a-3")
    _until_first(page, "a-3")
    first = page.locator("#trends li").first
    assert "The Daily Archipelago · " in first.inner_text()
    assert first.locator("a").get_attribute("href").endswith("/demo/daily/a-3?as=reader-1")
    _lead(network, "travel", "a-4")
    _until_first(page, "a-4")
    assert page.locator("#trends li").nth(1).locator("a").get_attribute("href").count("a-3")
    assert page.evaluate("shifted") < 0.02
    assert page.complaints == []


def test_trends_hold_still_under_the_keyboard(open_page, network):
    _open(network, "daily", "a-5", 9)
    page = _shown(open_page, network, "/demo/")
    link = page.locator("#trends li a").first
    link.wait_for()
    link.focus()
    _lead(network, "daily", "a-6")
    page.wait_for_timeout(4500)  # two turns
    assert link.evaluate("e => e === document.activeElement")
    page.locator("h1").evaluate("e => document.activeElement.blur()")
    _until_first(page, "a-6")


@pytest.mark.parametrize(("motion", "moving"), [("no-preference", True), ("reduce", False)])
def test_rows_glide_to_their_places_where_motion_is_welcome(open_page, network, motion, moving):
    page = _shown(open_page, network, "/demo/", reduced_motion=motion)
    page.evaluate(
        "() => { window.glides = 0; const { animate } = Element.prototype;"
        "Element.prototype.animate = function (...how) { glides++; animate.apply(this, how) } }"
    )
    key = "a-1" if moving else "a-2"
    _lead(network, "culture", key)
    _until_first(page, key)
    assert (page.evaluate("glides") > 0) == moving


def test_what_is_first_is_said_once_and_not_at_every_turn(open_page, network):
    page = _shown(open_page, network, "/demo/")
    said = page.locator("#trends [role=status]")
    _lead(network, "culture", "a-3")
    _until_first(page, "a-3")
    assert said.inner_text() == "", "what came within seconds of the page is read with it"
    assert page.locator("#trends ol").get_attribute("aria-live") is None


def test_trends_hide_while_the_service_fails_and_come_back(open_page, network):
    _open(network, "daily", "a-5", 9)
    page = _shown(open_page, network, "/demo/")
    box = page.locator("#trends")
    box.wait_for(state="visible")
    page.route("**/v1/trending*", lambda route: route.fulfill(status=500, body="{"))
    box.wait_for(state="hidden")
    page.unroute("**/v1/trending*")
    box.wait_for(state="visible")
    assert not [line for line in page.complaints if line.startswith("thrown")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_axe_finds_nothing(open_page, network, barriers, scheme, direction):
    _open(network, "daily", "a-5", 9)
    for path in PAGES:
        page = _shown(open_page, network, path, color_scheme=scheme)
        page.evaluate("direction => document.documentElement.dir = direction", direction)
        page.evaluate("document.getAnimations().forEach(one => one.finish())")
        assert barriers(page) == "", path


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_pages_hold_on_a_narrow_screen_and_at_twice_the_size(open_page, network, direction):
    for path in PAGES:
        page = _shown(open_page, network, path, viewport={"width": 320, "height": 640})
        page.evaluate("direction => document.documentElement.dir = direction", direction)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def _shown(open_page, network, path, **options):
    """Open a page and wait for what comes by itself: the trends, or the box when it is near."""
    page = open_page(f"{network.url}{path}", **options)
    if page.locator("#trends").count():
        page.locator("#trends[data-state='']").wait_for()
    else:
        page.locator("recsys-box").evaluate("box => box.scrollIntoView()")
        page.locator("recsys-box a").first.wait_for()
    return page


def _open(network, site, key, readers):
    """Have so many readers open an article."""
    events = [
        {"kind": "read", "id": f"{key}-{time.monotonic_ns()}", "site": site, "key": key,
         "session": f"{key}-{n}-{time.monotonic_ns()}"}
        for n in range(readers)
    ]  # fmt: skip
    for start in range(0, readers, 100):
        answer = httpx.post(
            f"{network.url}/v1/events",
            content=json.dumps({"events": events[start : start + 100]}),
            headers={
                "Content-Type": "text/plain",
                "Origin": network.url,
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0",
            },
        )
        assert answer.json()["accepted"] == len(events[start : start + 100])


def _lead(network, site, key):
    """Have ever more readers open an article until it is what trends most."""
    for readers in (50, 100, 200, 400, 800, 1600):
        _open(network, site, key, readers)
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            (first, *_) = network.get("/v1/trending", n=1).json()["items"] or [{}]
            if (first.get("site"), first.get("key")) == (site, key):
                return
            time.sleep(0.2)
    pytest.fail(f"{site}/{key} does not trend")


def _until_first(page, key):
    page.wait_for_function(
        "key => document.querySelector('#trends li a')?.pathname.endsWith(key)", arg=key
    )

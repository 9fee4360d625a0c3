"""What a reader sees and opens in a real browser arrives in the store, and nothing else does."""

import dataclasses
import os
import signal
import time

import pytest

from data import keyring
from recsys.types import ArticleId, Kind

TALL = {"width": 1000, "height": 2400}
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


def until(true, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def plain(store, articles):
    """The network without pictures, which lie on hosts that are not there."""
    store.put_articles(dataclasses.replace(article, image="") for article in articles)


@pytest.fixture
def demo(plain, start):
    service = start("--demo", "--workers", "1")
    service.wait_for("/readyz")
    return service


@pytest.fixture
def told(store):
    """Return what was told of readers without consent: (kind, article) of each event."""

    def events(*kinds):
        return [event for event in store.held("") if not kinds or event.kind in kinds]

    return events


def cards(page):
    """The articles that a box shows, from the first slot on."""
    paths = page.locator("recsys-box li a").evaluate_all("all => all.map(a => a.pathname)")
    return [ArticleId(*path.split("/")[2:4]) for path in paths]


def test_the_page_each_card_and_a_click_arrive_and_trends_move(open_page, demo, told):
    page = open_page(f"{demo.url}/demo/daily/a-1", viewport=TALL)
    shown = cards(page)
    assert until(lambda: len(told(Kind.IMPRESSION)) == 6)
    assert [event.article for event in told(Kind.READ)] == [("daily", "a-1")]
    seen = sorted(told(Kind.IMPRESSION), key=lambda event: event.position)
    assert [event.article for event in seen] == shown
    assert [event.position for event in seen] == list(range(6))
    assert {event.seen_on for event in seen} == {"daily"}
    assert {event.propensity for event in seen} == {1.0}
    (slate,) = {event.slate for event in seen}
    assert len(slate) == 24
    (session,) = {event.session for event in [*seen, *told(Kind.READ)]}
    assert session
    assert not {event.visitor for event in told()} - {""}

    page.locator("recsys-box li a").nth(4).click()
    page.wait_for_load_state("networkidle")
    assert until(lambda: told(Kind.CLICK))
    (click,) = told(Kind.CLICK)
    assert (click.article, click.position, click.slate) == (shown[4], 4, slate)
    assert until(lambda: [event.article for event in told(Kind.READ)][1:] == [shown[4]])
    assert until(lambda: _trending(demo)[:1] == [shown[4]])
    assert page.complaints == []


def test_only_what_was_half_visible_for_a_second_counts_as_seen(open_page, demo, told):
    page = open_page(f"{demo.url}/demo/daily/a-1", viewport={"width": 390, "height": 700})
    box = page.locator("recsys-box")
    box.scroll_into_view_if_needed()
    page.locator("recsys-box a").last.wait_for()
    # Past all of them, faster than anybody reads.
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    assert not told(Kind.IMPRESSION)
    # The third card by less than half.
    third = box.locator("li").nth(2)
    height = third.bounding_box()["height"]
    page.evaluate("by => scrollTo(0, by)", third.evaluate("e => e.getBoundingClientRect().top")
                  + page.evaluate("scrollY") + 0.35 * height - 700)  # fmt: skip
    assert until(lambda: len(told(Kind.IMPRESSION)) == 2)
    page.wait_for_timeout(1500)
    assert {event.position for event in told(Kind.IMPRESSION)} == {0, 1}


def test_a_page_that_nobody_sees_counts_for_nothing_until_somebody_does(open_page, demo, told):
    page = open_page("about:blank", viewport=TALL)
    page.add_init_script(f"({HIDE})(true)")
    page.goto(f"{demo.url}/demo/daily/a-1", wait_until="networkidle")
    assert len(cards(page)) == 6
    page.wait_for_timeout(1500)
    assert told() == []
    page.evaluate(HIDE, False)
    assert until(lambda: len(told(Kind.IMPRESSION)) == 6)
    assert len(told(Kind.READ)) == 1


def test_a_second_that_is_cut_short_begins_anew(open_page, demo, told):
    page = open_page("about:blank", viewport=TALL)
    page.goto(f"{demo.url}/demo/daily/a-1")
    page.locator("recsys-box li a").first.wait_for()
    page.evaluate(HIDE, True)
    page.wait_for_timeout(1500)
    assert not told(Kind.IMPRESSION)
    page.evaluate(HIDE, False)
    assert until(lambda: len(told(Kind.IMPRESSION)) == 6)


def test_the_middle_button_and_the_keyboard_count_as_clicks_and_once(open_page, demo, told):
    page = open_page(f"{demo.url}/demo/daily/a-1", viewport=TALL)
    shown = cards(page)
    first = page.locator("recsys-box li a").first
    for _ in range(2):
        with page.context.expect_page():
            first.click(button="middle")
    first.click(button="right")
    page.locator("recsys-box li a").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{shown[1].site}/{shown[1].key}")
    assert until(lambda: len(told(Kind.CLICK)) == 2)
    page.wait_for_timeout(500)
    assert sorted(event.position for event in told(Kind.CLICK)) == [0, 1]


def test_a_reader_is_known_with_consent_only_and_by_pseudonym(open_page, demo, store, var, told):
    open_page(f"{demo.url}/demo/daily/a-1")
    assert until(lambda: len(told(Kind.READ)) == 1)
    open_page(f"{demo.url}/demo/daily/a-2?as=reader-1")
    ring = keyring.load(var / "keyring.json", int(time.time()))
    assert until(lambda: store.held(ring.visitor("reader-1")))
    (read,) = store.held(ring.visitor("reader-1"))
    assert read.article == ("daily", "a-2")
    assert read.session == "", "the visit goes on from page to page"
    assert len(told()) == 1
    assert store.held("reader-1") == []


def test_works_on_a_site_of_its_own_under_a_strict_policy(
    open_page, publish, plain, var, start, told
):
    site = publish("")
    config = var / "recsys.toml"
    own = f'url = "https://daily.example/"\norigins = ["{site.url.rstrip("/")}"]'
    config.write_text(config.read_text().replace('url = "https://daily.example/"', own))
    service = start("--workers", "1")
    service.wait_for("/readyz")
    policy = (
        f"default-src 'none'; script-src {service.url}; connect-src {service.url}; "
        f"img-src {service.url}; style-src 'self'; require-trusted-types-for 'script'"
    )
    tag = (
        f"<script async src='{service.url}/widget.js' data-site=daily data-key=a-1 data-n=3"
        " data-context='device:phone' data-history='daily/a-2'></script>"
    )
    # The origin had to be known before the service, and the service before the page.
    site.pages["/"], site.policy = publish(tag).pages["/"], policy
    page = open_page(site.url, viewport=TALL)
    columns = page.locator("recsys-box ul").evaluate("e => getComputedStyle(e).gridTemplateColumns")
    assert len(columns.split()) == 3, "its styles are in force"
    assert until(lambda: len(told(Kind.IMPRESSION)) == 3)
    assert {event.context for event in told()} == {("device:phone",)}
    assert page.complaints == []


def test_events_leave_from_pages_that_tell_no_referrer(open_page, demo, told):
    page = open_page("about:blank")
    quiet = "<meta name=referrer content=no-referrer>"
    page.route(
        "**/demo/quiet",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"{quiet}<body><script src=/widget.js data-site=daily data-key=a-3></script>",
        ),
    )
    page.goto(f"{demo.url}/demo/quiet", wait_until="networkidle")
    assert until(lambda: [event.article.key for event in told(Kind.READ)] == ["a-3"])


def test_a_site_that_counts_its_own_openings_can_say_so(open_page, demo, told):
    page = open_page(f"{demo.url}/demo/daily/a-1", viewport=TALL)
    before = len(told(Kind.READ))
    page.evaluate(
        "const box = document.querySelector('recsys-box');"
        "box.setAttribute('views', 'no'); box.setAttribute('key', 'a-2');"
    )
    assert until(lambda: len(told(Kind.IMPRESSION)) == 6)
    assert len(told(Kind.READ)) == before


def test_a_service_that_goes_away_harms_no_page(open_page, demo):
    page = open_page(f"{demo.url}/demo/daily/a-1", viewport=TALL)
    assert len(cards(page)) == 6
    workers = demo.workers()
    demo.process.kill()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    demo.process.wait(10)
    page.evaluate(
        "document.addEventListener('click', (click) => click.preventDefault());"
        "document.querySelector('recsys-box').shadowRoot.querySelector('a').click();"
        "document.querySelector('recsys-box').setAttribute('key', 'a-2');"
    )
    page.wait_for_timeout(2500)
    assert page.locator("h1").is_visible()
    assert page.locator("recsys-box a").count() == 0
    assert not [line for line in page.complaints if line.startswith("thrown")]


def _trending(service):
    items = service.get("/v1/trending", n=3).json()["items"]
    return [ArticleId(item["site"], item["key"]) for item in items]

"""How the box looks and behaves in a real browser, on a publisher's pages."""

import gzip
import json
import re
import time

import pytest

from service.widget import SCRIPT

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
    "position": 0,
}
BOTH = "<meta name=color-scheme content='light dark'><style>body { background: Canvas }</style>"
QUESTION = "**/v1/recommendations?**"
DOT = (200, "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"/>')
TALL = "<div style='height: 3000px'>A long article.</div>"


@pytest.fixture
def show(open_page, publish):
    """Open a page whose box is answered with some items, as it is a second after it came."""

    def shown(items, tag="", head="", **options):
        site = publish(_tag(tag), pages=_answering(items), head=head)
        return open_page(site.url, **options)

    return shown


# What it shows


def test_shows_cards_as_a_named_region_with_a_list(show):
    page = show([CARD] * 6)
    region = page.get_by_role("region", name="Articles, Offers & Useful Resources")
    assert region.get_by_text("A mix of what’s trending on our other sites").is_visible()
    assert region.get_by_role("listitem").count() == 6
    assert region.get_by_role("heading", level=3, name="A quiet title").count() == 6
    assert page.complaints == []


def test_its_words_can_be_given(show):
    words = "data-heading='続きを読む' data-line='ほかのサイトから' data-sponsored='広告'"
    page = show([{**CARD, "sponsored": True}], words)
    text = page.locator("recsys-box section").inner_text()
    assert all(word in text for word in ("続きを読む", "ほかのサイトから", "広告"))


def test_hostile_titles_stay_text(show):
    fields = dict.fromkeys(("title", "section", "site_name", "language", "key"), HOSTILE)
    page = show([{**CARD, **fields}], f'data-heading="{HOSTILE.replace(chr(34), "&quot;")}"')
    assert page.locator("recsys-box section").inner_text().count("<script>") >= 2
    assert page.locator("recsys-box h2").inner_text() == HOSTILE
    assert page.title() == "page"
    assert page.locator("img, recsys-box script").count() == 0
    assert page.complaints == []


def test_hostile_addresses_are_not_shown(show):
    page = show(
        [
            {**CARD, "url": "javascript:document.title='owned'", "title": "one"},
            {**CARD, "url": " java\nscript:alert(1)", "title": "two"},
            {**CARD, "url": "data:text/html,x", "title": "three"},
            {**CARD, "image": "javascript:alert(1)", "title": "four"},
        ]
    )
    assert page.locator("recsys-box a").all_inner_texts() == ["four"]
    assert page.locator("recsys-box img").count() == 0
    assert page.title() == "page"


def test_a_blank_label_cannot_hide_that_a_card_is_paid_for(show):
    page = show([{**CARD, "sponsored": True}], "data-sponsored=' '")
    assert page.locator("recsys-box .paid").inner_text() == "Sponsored"


def test_the_service_is_told_where_the_box_stands(show):
    page = show([CARD], "data-placement='home'")
    asked = [
        url
        for url in page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
        if "/v1/recommendations" in url
    ]
    assert "placement=home" in asked[0]


def test_sponsored_cards_say_so_and_foreign_titles_carry_their_language(show):
    page = show([CARD, {**CARD, "title": "温泉街を歩く", "language": "ja", "sponsored": True}])
    first, second = page.locator("recsys-box li").all()
    assert "Sponsored" not in first.inner_text()
    assert "Sponsored" in second.inner_text()
    assert second.locator("a").get_attribute("rel") == "sponsored"
    assert second.locator("a").get_attribute("lang") == "ja"


def test_pictures_take_their_room_before_they_load(show):
    page = show([{**CARD, "image": "/never.jpg"}], viewport={"width": 900, "height": 800})
    frame = page.locator("recsys-box .picture")
    box = frame.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.01)
    assert frame.inner_text() == "T", "a picture that fails gives way to the site's initial"


def test_the_browser_chooses_among_pictures_where_the_address_holds_a_width(open_page, publish):
    image = "/picture-{width}.svg"
    drawings = {image.format(width=width): DOT for width in (320, 480, 640, 960)}
    pages = _answering([{**CARD, "image": image}, {**CARD, "image": "/plain.svg"}])
    site = publish(_tag(), pages={**pages, **drawings, "/plain.svg": DOT})
    page = open_page(site.url, viewport={"width": 390, "height": 800})
    chosen, plain = page.locator("recsys-box img").all()
    assert chosen.evaluate("e => e.currentSrc") == f"{site.url}picture-320.svg"
    widths = [part.split()[1] for part in chosen.get_attribute("srcset").split(", ")]
    assert widths == ["320w", "480w", "640w", "960w"]
    assert plain.get_attribute("srcset") is None
    assert plain.evaluate("e => e.currentSrc") == f"{site.url}plain.svg"


# Light and dark, sizes, scripts of both directions, hands and eyes


@pytest.mark.parametrize(
    ("head", "tag", "dark"),
    [
        (BOTH, "", True),
        ("", "", False),
        ("", "data-theme=auto", True),
        (BOTH, "data-theme=light", False),
    ],
)
def test_is_dark_where_the_page_is(show, head, tag, dark):
    page = show([CARD], tag, head, color_scheme="dark")
    colour = page.locator("recsys-box h2").evaluate("e => getComputedStyle(e).color")
    assert colour == ("rgb(236, 235, 231)" if dark else "rgb(27, 27, 25)")


def test_takes_colours_and_parts_from_the_page(show):
    head = (
        "<style>recsys-box { --recsys-accent: rgb(1, 2, 3) } :root { --accent: red }"
        "recsys-box::part(title) { color: rgb(4, 5, 6) }</style>"
    )
    page = show([CARD], head=head)
    colour = "e => getComputedStyle(e).color"
    assert page.locator("recsys-box .kicker").evaluate(colour) == "rgb(1, 2, 3)"
    assert page.locator("recsys-box .title").evaluate(colour) == "rgb(4, 5, 6)"


@pytest.mark.parametrize(("width", "columns"), [(320, 1), (390, 1), (620, 2), (1000, 3)])
def test_columns_follow_the_room_there_is(show, width, columns):
    items = [{**CARD, "title": "Donaudampfschifffahrtsgesellschaftskapitän " * 2}] * 6
    page = show(items, viewport={"width": width, "height": 800})
    style = page.locator("recsys-box ul").evaluate("e => getComputedStyle(e).gridTemplateColumns")
    assert len(style.split()) == columns
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_holds_at_twice_the_size_of_text(show):
    head = "<style>html { font-size: 200% }</style>"
    page = show([CARD] * 6, head=head, viewport={"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    title = page.locator("recsys-box .title").first
    assert title.evaluate("e => e.scrollWidth <= e.clientWidth")
    # Glyphs of some fonts reach a little beyond their line; a line that is cut off is more.
    line = "parseFloat(getComputedStyle(e).lineHeight)"
    assert title.evaluate(f"e => e.scrollHeight - e.clientHeight < {line} / 4")


def test_reads_right_to_left(open_page, publish):
    site = publish(f"<div dir=rtl>{_tag()}</div>", pages=_answering([CARD]))
    page = open_page(site.url, viewport={"width": 390, "height": 800})
    picture = page.locator("recsys-box .picture").bounding_box()
    title = page.locator("recsys-box .title").bounding_box()
    assert picture["x"] > title["x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_axe_finds_nothing(open_page, publish, barriers, scheme, direction):
    items = [{**CARD, "title": f"Title {n}", "sponsored": n == 1} for n in range(6)]
    site = publish(f"<div dir={direction}>{_tag()}</div>", pages=_answering(items), head=BOTH)
    page = open_page(site.url, color_scheme=scheme)
    assert page.locator("recsys-box a").count() == 6
    assert barriers(page) == ""


def test_axe_finds_nothing_while_it_waits(open_page, publish, barriers):
    site = publish(_tag(), pages={"/v1/recommendations": _late(_answering([CARD]), 3)})
    page = open_page("about:blank")
    page.goto(site.url)
    assert page.locator("recsys-box .wait").count() == 1
    assert barriers(page) == ""
    assert "Articles" not in page.locator("body").aria_snapshot()


def test_the_keyboard_goes_from_card_to_card_with_a_visible_ring(show):
    page = show([{**CARD, "title": f"Title {place}"} for place in range(3)])
    for place in range(3):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.shadowRoot.activeElement.textContent")
        assert focused == f"Title {place}"
        ring = page.evaluate(
            "getComputedStyle(document.activeElement.shadowRoot.activeElement, '::after')"
            ".outlineStyle"
        )
        assert ring == "solid"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.shadowRoot") is None, "and out of the box again"


def test_forced_colours_leave_edges_and_labels(show):
    page = show([{**CARD, "sponsored": True}], forced_colors="active")
    edge = "e => getComputedStyle(e).borderTopStyle"
    assert page.locator("recsys-box .picture").evaluate(edge) == "solid"
    assert page.locator("recsys-box .paid").evaluate(edge) == "solid"


# Its room


@pytest.mark.parametrize("width", [390, 1000])
@pytest.mark.parametrize("found", [6, 2, 0])
def test_nothing_jumps_when_a_late_answer_comes_into_sight(open_page, publish, found, width):
    answer = _late(_answering([CARD] * found), 1)
    head = "<style>html { overflow-anchor: none }</style>"  # some browsers never anchor
    site = publish(TALL + _tag() + TALL, pages={"/v1/recommendations": answer}, head=head)
    page = open_page(site.url, viewport={"width": width, "height": 800})
    page.evaluate("scrollTo(0, 2700)")
    waiting = page.locator("recsys-box .wait li")
    waiting.first.wait_for(state="attached")
    assert waiting.count() == 6
    # Let all of it be seen, with what follows it.
    page.locator("#end").evaluate("e => scrollTo(0, e.offsetTop - 3000 - 700)")
    page.locator("recsys-box .wait").wait_for(state="detached")
    page.wait_for_timeout(300)
    assert page.locator("recsys-box a").count() == found
    assert page.evaluate("shifted") < 0.02


@pytest.mark.parametrize("width", [390, 1000])
def test_nothing_jumps_where_the_box_stands_in_sight_from_the_beginning(open_page, publish, width):
    (room,) = re.findall(r"recsys-box:not\(:defined\) \{.*?\}", SCRIPT.read_text("utf-8"))
    head = f"<style>{room}</style>"
    tag = "<recsys-box site=daily key=a-1></recsys-box><script async src=/widget.js></script>"
    site = publish(tag, pages=_answering([CARD] * 6), head=head)
    page = open_page(site.url, viewport={"width": width, "height": 844})
    assert page.locator("recsys-box a").count() == 6
    assert page.evaluate("shifted") < 0.001


def test_room_that_nothing_came_for_is_given_back_out_of_sight(open_page, publish):
    site = publish(_tag() + TALL, pages=_answering([]))
    page = open_page(site.url)
    box = page.locator("recsys-box")
    assert box.bounding_box()["height"] > 100, "in sight it stays"
    assert box.inner_text() == ""
    # Whatever comes before the box pushes it out of sight.
    page.evaluate("document.querySelector('h1').after(document.querySelector('div'))")
    box.wait_for(state="hidden")


def test_asks_only_when_the_reader_comes_near(open_page, publish):
    site = publish(TALL + _tag(), pages=_answering([CARD]))
    page = open_page(site.url, viewport={"width": 900, "height": 600})
    assert not _questions(page)
    page.evaluate("scrollTo(0, 2000)")
    page.locator("recsys-box a").wait_for()
    assert len(_questions(page)) == 1


def test_asks_at_once_where_it_is_told_to(open_page, publish):
    site = publish(TALL + _tag("data-lazy=no"), pages=_answering([CARD]))
    page = open_page(site.url, viewport={"width": 900, "height": 600})
    assert len(_questions(page)) == 1


# What it asks


def test_asks_by_the_canonical_address_where_no_key_is_given(open_page, publish):
    head = "<link rel=canonical href='https://daily.example/a-1'>"
    tag = "<script async src=/widget.js data-site=daily></script>"
    page = open_page(publish(tag, pages=_answering([CARD]), head=head).url)
    assert _lasting(page) == ["?site=daily&n=6&url=https%3A%2F%2Fdaily.example%2Fa-1"]


def test_tells_of_a_reader_only_with_consent(show):
    given = "data-visitor=v-1 data-history=daily/a-2 data-context=device:phone data-n=3"
    page = show([CARD], given)
    assert _lasting(page) == ["?site=daily&n=3&history=daily%2Fa-2&context=device%3Aphone&key=a-1"]
    # The visit has a name as long as the page is open, and another one on the next.
    visits = [_session(question) for question in _questions(page)]
    visits += [_session(question) for question in _questions(show([CARD], given))]
    assert all(re.fullmatch("[0-9a-f]{32}", visit) for visit in visits)
    assert len(set(visits)) == 2
    page = show([CARD], f"{given} data-consent=yes")
    assert "&visitor=v-1&consent=1&" in _questions(page)[0]
    assert not _session(_questions(page)[0])


def test_keeps_an_id_of_its_own_with_consent_only_and_forgets_it_when_that_ends(open_page, publish):
    site = publish(_tag(), pages=_answering([CARD]))
    page = open_page(site.url)
    kept = "Object.keys({...localStorage, ...sessionStorage}).length + document.cookie.length"
    assert page.evaluate(kept) == 0
    site.pages["/"] = (200, "text/html", "<p>" + _tag("data-consent=yes"))
    page.goto(site.url, wait_until="networkidle")
    own = page.evaluate("localStorage.getItem('recsys-visitor')")
    assert len(own) == 32
    assert f"&visitor={own}&consent=1&" in _questions(page)[-1]
    with page.expect_request(QUESTION):
        page.evaluate("document.querySelector('recsys-box').setAttribute('consent', 'no')")
    assert page.evaluate(kept) == 0


# Pages that change without loading


def test_asks_anew_when_its_attributes_change(open_page, publish):
    site = publish(_tag(), pages=_answering([CARD]))
    page = open_page(site.url)
    with page.expect_request(re.compile("site=travel")):
        page.evaluate(
            "const box = document.querySelector('recsys-box');"
            "box.setAttribute('site', 'travel'); box.setAttribute('key', 'x-2');"
        )
    assert _lasting(page) == ["?site=daily&n=6&key=a-1", "?site=travel&n=6&key=x-2"]


def test_asks_anew_when_the_tag_is_put_in_again(open_page, publish):
    site = publish(_tag(), pages=_answering([CARD]))
    page = open_page(site.url)
    page.evaluate(
        "document.querySelector('recsys-box').remove();"
        "const tag = document.createElement('script');"
        "tag.src = '/widget.js'; tag.dataset.site = 'daily'; tag.dataset.key = 'a-2';"
        "document.querySelector('h1').after(tag);"
    )
    page.locator("recsys-box a").wait_for()
    assert _lasting(page)[1:] == ["?site=daily&n=6&key=a-2"]
    assert page.locator("recsys-box").count() == 1
    assert page.complaints == []


def test_a_box_without_key_follows_the_page(open_page, publish):
    tag = "<script async src=/widget.js data-site=daily></script>"
    site = publish(tag, pages=_answering([CARD]), head="<link rel=canonical href=/one>")
    page = open_page(site.url)
    page.evaluate("history.pushState(null, '', '/two')")
    page.wait_for_timeout(200)
    assert len(_questions(page)) == 1, "the page still calls itself /one"
    with page.expect_request(QUESTION):
        page.evaluate("document.querySelector('link[rel=canonical]').href = '/two'")
    page.evaluate("document.querySelector('link[rel=canonical]').remove()")
    with page.expect_request(QUESTION):
        page.evaluate("history.pushState(null, '', '/three')")
    asked = [question.rpartition("%2F")[2] for question in _questions(page)]
    assert asked == ["one", "two", "three"], "the last by its location"


def test_a_box_that_is_taken_out_does_nothing_more(open_page, publish):
    site = publish(_tag(), pages=_answering([CARD]))
    page = open_page(site.url)
    page.evaluate(
        "const box = document.querySelector('recsys-box'); box.remove();"
        "box.setAttribute('key', 'a-2'); dispatchEvent(new PopStateEvent('popstate'));"
    )
    page.wait_for_timeout(1500)
    assert len(_questions(page)) == 1
    assert not any("impression" in body for body in site.posted)


# When the service fails


@pytest.mark.parametrize(
    "answer",
    [
        (500, "application/problem+json", "{}"),
        (200, "application/json", "{"),
        (200, "application/json", "{}"),
        (200, "application/json", "null"),
        (200, "application/json", '{"items": null}'),
        (200, "application/json", '{"items": [null, 3, [], {"title": {}, "url": 7}]}'),
        (200, "application/json", '{"items": []}'),
        (200, "text/html", "<h1>captive portal</h1>"),
    ],
)
def test_a_failing_service_leaves_no_trace(open_page, publish, answer):
    site = publish(TALL + _tag("data-lazy=no"), pages={"/v1/recommendations": answer})
    page = open_page(site.url)
    assert not page.locator("recsys-box").is_visible()
    assert page.locator("#end").is_visible()
    assert not [line for line in page.complaints if line.startswith("thrown")]


def test_what_is_good_in_a_bad_answer_is_shown(show):
    page = show([None, {**CARD, "image": 7, "section": [], "site_name": None}, {"title": "x"}])
    assert page.locator("recsys-box a").all_inner_texts() == ["A quiet title"]
    assert page.complaints == []


def test_a_service_that_is_away_leaves_no_trace(open_page, publish):
    tag = '<script async src="http://127.0.0.1:9/widget.js" data-site=daily></script>'
    page = open_page(publish(tag).url)
    assert page.locator("recsys-box").count() == 0
    assert not [line for line in page.complaints if line.startswith("thrown")]


@pytest.mark.parametrize("tag", ["data-target='###'", "data-n=-1", "data-url='http://['"])
def test_a_wrong_attribute_throws_nothing(show, tag):
    page = show([CARD], tag)
    assert not [line for line in page.complaints if line.startswith("thrown")]


def test_fills_the_element_that_it_is_told_to(open_page, publish):
    tag = _tag("data-target='#place'") + "<div id=place>Nothing yet</div>"
    page = open_page(publish(tag, pages=_answering([CARD])).url)
    assert page.locator("#place recsys-box a").count() == 1
    assert "Nothing yet" not in page.locator("#place").inner_text()


def test_is_small():
    assert len(gzip.compress(SCRIPT.read_bytes())) < 8_000


def _tag(extra=""):
    return f"<script async src=/widget.js data-site=daily data-key=a-1 {extra}></script>"


def _answering(items):
    return {"/v1/recommendations": (200, "application/json", json.dumps({"items": items}))}


def _late(pages, seconds):
    def answer():
        time.sleep(seconds)
        return pages["/v1/recommendations"]

    return answer


def _lasting(page) -> list[str]:
    """What a page asked for, but for the name of the visit, which is another one each time."""
    return [re.sub("&session=[^&]*", "", question) for question in _questions(page)]


def _session(question: str) -> str:
    found = re.search("&session=([^&]*)", question)
    return found[1] if found else ""


def _questions(page):
    urls = [request.url for request in page.asked]
    return [url[url.index("?") :] for url in urls if "/v1/recommendations" in url]

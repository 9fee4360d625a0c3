"""The box drawn on the server: what a page without script gets."""

import dataclasses
import re
import time
from html.parser import HTMLParser

import pytest

from service.app import create_app
from service.holder import Holder
from service.settings import Site

HOSTILE = "<img src=x onerror=alert(1)>\"'</section>"
PLACE = {"site": "daily", "key": "a-1"}


@pytest.fixture
def holder(settings, store, articles, describe):
    newest = articles[0].published + 1
    hostile = describe("travel", 50, title=HOSTILE, section=HOSTILE, published=newest)
    paid = describe("culture", 51, title="温泉街を歩く", language="ja", published=newest)
    wide = describe("culture", 52, image="https://i.example/{width}.jpg", published=newest)
    paid = dataclasses.replace(paid, sponsored=True)
    store.put_articles([*articles, hostile, paid, wide])
    holder = Holder(settings)
    holder.refresh(int(time.time()))
    return holder


@pytest.fixture
def fragment(settings, holder):
    client = create_app(settings, holder).test_client()

    def asked(**query):
        return client.get("/v1/widget.html", query_string={"n": 12, **PLACE, **query})

    return asked


def test_is_a_page_with_a_named_section_and_a_list_of_links(fragment):
    page = fragment(n=4)
    assert page.mimetype == "text/html"
    assert page.text.startswith("<!DOCTYPE html>")
    label = re.search(r'<section class="recsys-box" aria-labelledby="([\w-]+)">', page.text)[1]
    assert f'id="{label}" lang="en">Articles, Offers &amp; Useful Resources</h2>' in page.text
    assert page.text.count("<li class") == 4
    assert re.findall(r'<a href="(\w+:)[^"]*" target="_top"', page.text) == ["https:"] * 4


def test_gives_what_the_json_gives(fragment, settings, holder):
    client = create_app(settings, holder).test_client()
    items = client.get("/v1/recommendations", query_string={"n": 12, **PLACE}).json["items"]
    links = re.findall(r'<a href="([^"]+)"', fragment().text)
    assert links == [item["url"] for item in items]


@pytest.mark.parametrize(
    "article", [{"key": "a-2"}, {"key": "", "url": "https://daily.example/a-2"}]
)
def test_an_article_is_named_by_key_or_address_and_not_shown_under_itself(fragment, article):
    page = fragment(n=50, **article).text
    assert "https://daily.example/a-1" in page
    assert 'href="https://daily.example/a-2"' not in page


@pytest.mark.parametrize("query", [{"key": "nobody-knows"}, {"site": "nowhere"}])
def test_what_nobody_knows_is_no_error(fragment, query):
    answer = fragment(**query)
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")


def test_nothing_to_show_is_an_empty_page(settings, store):
    answer = create_app(settings, Holder(settings)).test_client().get("/v1/widget.html")
    assert answer.status_code == 200
    assert re.search(r'<body class="recsys-page">\s*</body>', answer.text)


def test_titles_are_text_wherever_they_stand(fragment):
    page = fragment(heading=HOSTILE, line=HOSTILE, sponsored=HOSTILE).text
    assert page.count("&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&lt;/section&gt;") >= 6
    assert "<img src=x" not in page
    assert Parsed.of(page).attributes("img", "onerror") == []


def test_what_is_paid_for_says_so_and_titles_carry_their_language(fragment):
    assert ">Sponsored<" in fragment(n=50, sponsored=" ").text
    page = fragment(n=50, sponsored="広告").text
    card = (
        page[: page.index("温泉街を歩く")].rpartition("<li")[2] + page.partition("温泉街を歩く")[2]
    )
    assert 'lang="ja" rel="sponsored"' in card
    assert ">広告</span>" in card


def test_pictures_come_in_sizes_where_the_address_holds_a_width(fragment):
    page = fragment(n=50).text
    assert 'src="https://i.example/480.jpg" srcset="https://i.example/320.jpg 320w, ' in page
    assert "{width}" not in page


def test_may_stand_in_any_page_and_run_nothing(fragment):
    answer = fragment()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors *" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    page = Parsed.of(answer.text)
    assert not {"style", "script"} & set(page.names)
    assert not [name for _, given in page.tags for name in given if re.match("style|on", name)]
    assert answer.headers["Cache-Control"] == "no-store"


def test_bare_it_is_only_the_section_with_its_sheet(fragment):
    page = Parsed.of(fragment(bare=1).text)
    assert page.names[:2] == ["link", "section"]
    assert not {"html", "head", "body", "title", "meta"} & set(page.names)
    assert page.attributes("link", "href") == ["http://localhost/static/fragment.css"]


@pytest.mark.parametrize(
    ("language", "direction"), [("en", "ltr"), ("ja", "ltr"), ("ar", "rtl"), ("he-IL", "rtl")]
)
def test_reads_as_its_site_does(settings, holder, language, direction):
    sites = {"daily": Site("The Daily", "https://daily.example/", language)}
    app = create_app(dataclasses.replace(settings, sites=sites), holder)
    page = app.test_client().get("/v1/widget.html", query_string=PLACE).text
    assert f'<html lang="{language}" dir="{direction}">' in page


def test_in_the_demo_it_leads_to_the_demo(settings, holder):
    app = create_app(dataclasses.replace(settings, demo=True), holder)
    page = app.test_client().get("/v1/widget.html", query_string=PLACE).text
    assert 'href="http://localhost/demo/' in page
    assert 'src="http://localhost/demo/image/' in page


@pytest.mark.parametrize("query", [{"n": 0}, {"heading": "x" * 121}, {"colour": "red"}])
def test_a_wrong_parameter_is_named(fragment, query):
    answer = fragment(**query)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == next(iter(query))


class Parsed(HTMLParser):
    @classmethod
    def of(cls, text):
        page = cls()
        page.names, page.tags = [], []
        page.feed(text)
        return page

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.tags.append((tag, dict(attrs)))

    def attributes(self, tag, name):
        return [given[name] for found, given in self.tags if found == tag and name in given]


# In a browser


@pytest.fixture(scope="module")
def service(stocked, articles):
    plain = [dataclasses.replace(article, image="") for article in articles]
    return stocked(plain, "--workers", "1").url


def _framing(service, extra=""):
    source = f"{service}/v1/widget.html?site=daily&amp;key=a-1"
    return (
        f'<iframe title="More to read" width="100%" height="1200" src="{source}" {extra}></iframe>'
    )


def test_stands_in_a_frame_on_another_site_without_script(open_page, publish, service):
    frame = _framing(service, "sandbox='allow-top-navigation-by-user-activation'")
    page = open_page(publish(frame).url, java_script_enabled=False)
    box = page.frame_locator("iframe")
    assert box.locator("li a").count() == 6
    width = box.locator("h2").bounding_box()["width"]
    assert width > 200
    assert not [line for line in page.complaints if "Content Security Policy" in line]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_axe_finds_nothing(open_page, barriers, service, scheme, language):
    page = open_page(f"{service}/v1/widget.html?site=daily&key=a-1", color_scheme=scheme)
    if language == "ar":
        page.evaluate("document.documentElement.dir = 'rtl'")
    assert page.locator("li a").count() == 6
    # A part of somebody's page: background, main landmark and first heading are theirs.
    page.evaluate("document.body.style.background = 'Canvas'")
    assert barriers(page, "landmark-one-main", "page-has-heading-one") == ""


def test_holds_on_a_narrow_page_and_at_twice_the_size(open_page, service):
    page = open_page(
        f"{service}/v1/widget.html?site=daily&key=a-1", viewport={"width": 320, "height": 640}
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.locator("h2").evaluate("e => getComputedStyle(e).fontSize") == "22px"
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_keyboard_reaches_each_link_with_a_visible_ring(open_page, service):
    page = open_page(f"{service}/v1/widget.html?site=daily&key=a-1&n=3")
    for link in page.locator("li a").all():
        page.keyboard.press("Tab")
        assert link.evaluate("e => e === document.activeElement")
        assert link.evaluate("e => getComputedStyle(e, '::after').outlineStyle") == "solid"

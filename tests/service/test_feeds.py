"""The mix as RSS, Atom and JSON Feed, through the whole application on a real store."""

import dataclasses
import json
import re
import time
import xml.etree.ElementTree as ET

import feedparser
import pytest

from recsys.policy import Policy
from recsys.types import ArticleId
from service.app import create_app
from service.holder import Holder

FORMATS = "rss", "atom", "json"
TYPES = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
}
HOSTILE = "]]><script>alert('1')</script> &amp; <b>\"x\"</b> &#0; {{ 7 * 7 }}"
ATOM = "{http://www.w3.org/2005/Atom}"
NAMES = {"daily": "The Daily Archipelago", "culture": "Hana & Hearth", "travel": "Slow Islands"}


@pytest.fixture
def stock(articles, describe):
    """The network's articles and some that are hard to write down."""
    newest = articles[0].published + 60
    odd = [
        describe("culture", 50, title=HOSTILE, section=HOSTILE, body=HOSTILE, tags=(HOSTILE,),
                 authors=(HOSTILE,)),
        describe("culture", 51, title="a\x00b\x0bc\ufffe\x1bd", body="e\x01f"),
        describe("travel", 52, sponsored=True, section="Offers"),
        describe("travel", 53, url="javascript:alert(1)"),
        describe("travel", 54, url="https://[nowhere/", image="javascript:alert(1)"),
        describe("travel", 55, url="/here?a=1&b=2", image="https://i.example/{width}.jpg?a&b"),
        describe("travel", 56, authors=("Sato Emi", "Jo & Co"), tags=("ferry", "islands", "ferry"),
                 key="with space/é?#"),
    ]  # fmt: skip
    return [*articles, *(dataclasses.replace(one, published=newest) for one in odd)]


@pytest.fixture
def client(settings, store, stock):
    return serve(settings, store, stock)


def serve(settings, store, articles):
    store.put_articles(articles)
    holder = Holder(settings)
    holder.refresh(int(time.time()))
    return create_app(settings, holder).test_client()


def ask(client, format, site="daily", **query):
    answer = client.get(f"/v1/feeds/{site}.{format}", query_string={"n": 50, **query})
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == TYPES[format]
    return answer


def items(client, format, **query):
    """Return the items of a feed as a reader's library sees them, by id, in order."""
    answer = ask(client, format, **query)
    if format == "json":
        found = [
            {**one, "link": one["url"], "categories": one.get("tags", []),
             "names": [a["name"] for a in one.get("authors", [])],
             "picture": one.get("image", ""), "from": one["_recsys"]["site_name"],
             "at": one["date_published"]}
            for one in answer.json["items"]
        ]  # fmt: skip
        return {one["id"]: one for one in found}
    parsed = feedparser.parse(answer.data, sanitize_html=False)
    assert not parsed.bozo, parsed.bozo_exception
    return {
        one.id: {
            "link": one.link,
            "title": one.title,
            "categories": [tag.term for tag in one.get("tags", [])],
            "names": [author.name for author in one.get("authors", [])],
            "picture": one.get("media_content", [{}])[0].get("url", ""),
            "from": one.source.title,
            "at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", one.published_parsed),
            "summary": one.get("summary", ""),
        }
        for one in parsed.entries
    }


def tag(id):
    return f"tag:recsys,2026:{id}"


def test_three_formats_tell_the_same(client):
    rss, atom, feed = (items(client, format) for format in FORMATS)
    assert list(rss) == list(atom) == list(feed)
    assert len(feed) == 29, "24 and those of the odd ones that lead somewhere"
    for id, one in feed.items():
        for name in "link", "categories", "picture", "from", "at":
            assert rss[id][name] == atom[id][name] == one[name]


def test_it_is_the_mix_of_the_front_page(client):
    box = client.get("/v1/recommendations", query_string={"site": "daily", "n": 20}).json["items"]
    shown = [tag(f"{one['site']}/{one['key']}") for one in box]
    feed = list(items(client, "json"))
    assert [id for id in feed if id in shown] == [id for id in shown if id in feed]
    assert {id.split(":")[2].split("/")[0] for id in feed} == {"daily", "culture", "travel"}


@pytest.mark.parametrize("format", FORMATS)
def test_an_item_tells_who_wrote_what_when_and_where(client, articles, format):
    shown = items(client, format)
    plain = shown[tag("culture/a-1")]
    told = next(one for one in articles if str(one.id) == "culture/a-1")
    assert (plain["title"], plain["link"]) == (told.title, told.url)
    assert (plain["from"], plain["picture"]) == (NAMES["culture"], told.image)
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(told.published))
    assert plain["at"] == at
    assert plain["categories"] == [told.section]
    assert told.body.startswith(plain["summary"].removesuffix("…"))
    assert len(plain["summary"]) > 100
    signed = shown[tag("travel/with%20space%2F%C3%A9%3F%23")]
    assert signed["names"] == ["Sato Emi", "Jo & Co"]
    assert signed["categories"][1:] == ["ferry", "islands"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_feed_tells_whose_it_is_and_where_else_it_is(client, format):
    answer = ask(client, format, title="Für <dich>", n=3)
    text = answer.text
    assert len(items(client, format, n=3)) == 3
    own = f"http://localhost/v1/feeds/daily.{format}?n=3&title=F%C3%BCr+%3Cdich%3E"
    if format == "json":
        feed = answer.json
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["title"] == "Für <dich>"
        assert (feed["feed_url"], feed["language"]) == (own, "en")
        assert feed["home_page_url"] == "https://daily.example/"
        return
    parsed = feedparser.parse(answer.data)
    assert parsed.version == {"rss": "rss20", "atom": "atom10"}[format]
    assert parsed.feed.title == "Für <dich>" or "&lt;dich&gt;" in text
    assert parsed.feed.link == "https://daily.example/"
    assert parsed.feed.language == "en"
    links = {(link.rel, link.type): link.href for link in parsed.feed.links}
    assert links["self", TYPES[format]] == own
    for other in set(FORMATS) - {format}:
        address = links["alternate", TYPES[other]]
        assert client.get(address).status_code == 200


@pytest.mark.parametrize("format", ["rss", "atom"])
def test_hostile_words_stay_words(client, format):
    root = ET.fromstring(ask(client, format).data)
    texts = [element.text or "" for element in root.iter()]
    terms = [element.get("term") for element in root.iter(f"{ATOM}category")]
    assert HOSTILE in texts, "the title"
    assert HOSTILE in terms + texts[texts.index(HOSTILE) + 1 :], "a category or an author"
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not names & {"script", "b"}


def test_what_readers_of_rss_take_for_html_holds_no_markup(client):
    root = ET.fromstring(ask(client, "rss").data)
    (item,) = (one for one in root.iter("item") if one.findtext("title") == HOSTILE)
    assert "<" not in item.findtext("description")
    assert "&lt;script&gt;" in item.findtext("description")


@pytest.mark.parametrize("format", ["rss", "atom"])
def test_what_no_xml_may_hold_is_dropped(client, format):
    assert items(client, format)[tag("culture/a-51")]["title"] == "abcd"


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_paid_for_says_so_in_title_and_category(client, format):
    for word in "Sponsored", "Anzeige <&>":
        query = {} if word == "Sponsored" else {"sponsored": word}
        answer = ask(client, format, **query)
        if format == "json":
            titles = {one["title"]: one["tags"] for one in answer.json["items"]}
        else:
            titles = {}
            for one in ET.fromstring(answer.data).iter():
                if one.tag in ("item", f"{ATOM}entry"):
                    space = "" if one.tag == "item" else ATOM
                    kinds = one.iter(f"{space}category")
                    named = [kind.text or kind.get("term") for kind in kinds]
                    titles[one.findtext(f"{space}title")] = named
        paid = [title for title, named in titles.items() if word in named]
        assert paid == [title for title in titles if title.startswith(f"{word}: ")]
        assert len(paid) == 1
        assert titles[paid[0]] == [word, "Offers"]


@pytest.mark.parametrize("format", FORMATS)
def test_addresses_hold_everywhere_or_are_not_told(client, format):
    shown = items(client, format)
    assert tag("travel/a-53") not in shown
    assert tag("travel/a-54") not in shown
    assert "javascript" not in ask(client, format).text
    assert shown[tag("travel/a-55")]["link"] == "http://localhost/here?a=1&b=2"
    assert shown[tag("travel/a-55")]["picture"] == "https://i.example/960.jpg?a&b"


@pytest.mark.parametrize("format", FORMATS)
def test_an_item_is_the_same_one_whatever_becomes_of_its_title(settings, store, stock, format):
    before = items(serve(settings, store, stock), format)
    moved = dataclasses.replace(stock[0], title="Another title", url="https://new.example/")
    after = items(serve(settings, store, [moved]), format)
    assert set(after) == set(before)
    assert after[tag("daily/a-0")]["title"] == "Another title"


@pytest.mark.parametrize("format", FORMATS)
def test_who_has_it_already_is_told_so(settings, store, stock, describe, format):
    client = serve(settings, store, stock)
    first = ask(client, format)
    assert first.headers["Cache-Control"] == "public, no-cache"
    have = {"If-None-Match": first.headers["ETag"]}
    path = f"/v1/feeds/daily.{format}?n=50"
    again = client.get(path, headers=have)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "public, no-cache"
    # An older article that comes in late is news to the reader all the same.
    late = describe("travel", 99, published=stock[0].published - 86_400)
    client = serve(settings, store, [late])
    changed = client.get(path, headers=have)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert tag("travel/a-99") in changed.text


def test_a_withdrawn_article_is_gone(settings, store, stock):
    assert tag("travel/a-2") in items(serve(settings, store, stock), "json")
    store.withdraw([ArticleId("travel", "a-2")], int(time.time()))
    assert tag("travel/a-2") not in items(serve(settings, store, []), "json")


@pytest.mark.parametrize("format", FORMATS)
def test_titles_are_told_while_the_store_is_away(settings, store, stock, format):
    client = serve(settings, store, stock)
    before = items(client, format)
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE articles RENAME TO away")
    after = items(client, format)
    assert list(after) == list(before)
    assert before[tag("culture/a-1")]["summary"]
    assert not after[tag("culture/a-1")].get("summary")


def test_nothing_is_left_to_chance(settings, store, stock):
    still = list(items(serve(settings, store, stock), "json", n=8))
    bold = dataclasses.replace(settings, policy=Policy(exploration=0.5))
    client = serve(bold, store, [])
    asked = {"site": "daily", "n": 8}
    boxes = [client.get("/v1/recommendations", query_string=asked).json for _ in range(8)]
    drawn = {tuple(one["key"] for one in box["items"]) for box in boxes}
    assert len(drawn) > 1, "the box does explore"
    for _ in range(8):
        assert list(items(client, "json", n=8)) == still


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_store_has_an_empty_feed(settings, store, format):
    for sites in settings.sites, {}:
        client = serve(dataclasses.replace(settings, sites=sites), store, [])
        assert items(client, format) == {}


def test_a_site_without_a_description_is_called_by_its_id(settings, store, stock):
    client = serve(dataclasses.replace(settings, sites={}), store, stock)
    for format in FORMATS:
        assert items(client, format)[tag("culture/a-1")]["from"] == "culture"
    feed = ask(client, "json").json
    assert feed["title"].startswith("daily: ")
    assert "language" not in feed
    assert client.get("/v1/feeds/nowhere.rss").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("nowhere.rss", 404, "no site 'nowhere'; it has daily, culture, travel"),
        ("daily.html", 404, ""),
        ("daily", 404, ""),
        ("daily.atom?n=0", 422, "n:"),
        ("daily.json?n=51", 422, "n:"),
        ("daily.json?sponsored=", 422, "sponsored:"),
        ("daily.json?visitor=x", 422, "visitor:"),
    ],
)
def test_what_cannot_be_given_is_a_problem(client, path, status, said):
    answer = client.get(f"/v1/feeds/{path}")
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert said in answer.json["detail"]


@pytest.mark.parametrize("format", FORMATS)
def test_any_page_may_ask_and_nothing_may_run(client, format):
    headers = ask(client, format).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_document_describes_it(client):
    paths = client.get("/openapi/openapi.json").json["paths"]
    described = paths["/v1/feeds/{site}.{format}"]["get"]
    assert set(described["responses"]["200"]["content"]) == set(TYPES.values())
    named = [(one["in"], one["name"]) for one in described["parameters"]]
    assert sorted(named) == [
        ("path", "format"),
        ("path", "site"),
        ("query", "n"),
        ("query", "sponsored"),
        ("query", "title"),
    ]


def test_the_demo_leads_to_its_own_pages_and_announces_the_feeds(settings, store, stock):
    client = serve(dataclasses.replace(settings, demo=True), store, stock)
    for format in FORMATS:
        shown = items(client, format)
        assert shown[tag("culture/a-1")]["link"] == "http://localhost/demo/culture/a-1"
        assert client.get(shown[tag("culture/a-1")]["link"]).status_code == 200
        picture = shown[tag("culture/a-1")]["picture"]
        assert client.get(picture).mimetype == "image/svg+xml"
    page = client.get("/demo/daily/").text
    announced = dict(re.findall(r'<link rel="alternate" type="([^"]+)"[^>]* href="([^"]+)"', page))
    assert set(announced) == set(TYPES.values())
    for kind, address in announced.items():
        assert client.get(address).mimetype == kind
    assert json.loads(client.get(announced[TYPES["json"]]).data)["items"]

"""What trends is told by site, section and language, to any page."""

import time

import pytest

from recsys.types import Event, Kind
from service.app import create_app
from service.holder import Holder

PATH = "/v1/trending"


@pytest.fixture
def client(settings, store, articles):
    store.put_articles(articles)
    now = int(time.time())
    store.put_events(
        Event(f"{place}-{n}", Kind.READ, article.id, now, session=f"s{place}-{n}")
        for place, article in enumerate(articles)
        for n in range(4 + place)
    )
    holder = Holder(settings)
    holder.refresh(now)
    return create_app(settings, holder).test_client()


def trends(client, **query):
    answer = client.get(PATH, query_string=query)
    assert answer.status_code == 200
    return answer.json["items"]


def test_the_loudest_comes_first_with_its_card_and_numbers(client, articles):
    first, *rest = trends(client, n=5)
    loudest = articles[-1]
    assert (first["site"], first["key"], first["url"]) == (*loudest.id, loudest.url)
    assert first["site_name"] == "Slow Islands"
    assert first["voices"] == pytest.approx((4 + len(articles) - 1) / 4, rel=0.1)
    scores = [item["score"] for item in (first, *rest)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5


def test_trends_are_told_apart(client):
    assert {item["site"] for item in trends(client, site="daily", n=50)} == {"daily"}
    assert "daily" not in {item["site"] for item in trends(client, exclude_site="daily", n=50)}
    assert {item["section"] for item in trends(client, section="Craft", n=50)} == {"Craft"}
    assert len(trends(client, language="en", n=50)) == len(trends(client, n=50)) == 24
    assert trends(client, language="ja") == trends(client, site="nowhere") == []


@pytest.mark.parametrize("window", ["fast", "slow", "rising"])
def test_windows_are_ranked(client, window):
    assert len(trends(client, window=window)) == 10


@pytest.mark.parametrize(
    ("query", "field"),
    [({"window": "slwo"}, "window"), ({"n": 0}, "n"), ({"sight": "x"}, "sight")],
)
def test_what_makes_no_sense_is_named(client, query, field):
    answer = client.get(PATH, query_string=query)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)


def test_any_page_may_ask(client):
    assert client.get(PATH).headers["Access-Control-Allow-Origin"] == "*"

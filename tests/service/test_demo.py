"""The sample network as pages: what a reader finds, and what cannot happen on them."""

import dataclasses
import re
import time

import pytest

from service.app import create_app
from service.holder import Holder


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
    assert 'data-visitor="reader-1"' in page
    assert "/demo/culture/?as=reader-1" in page
    asked = {"site": "daily", "key": "a-1", "visitor": "reader-1"}
    items = client.get("/v1/recommendations", query_string=asked).json["items"]
    assert items
    assert all(item["url"].endswith("?as=reader-1") for item in items)


@pytest.mark.parametrize("path", ["/demo/nowhere/", "/demo/daily/none", "/demo/image/daily/x.svg"])
def test_what_is_not_there_is_a_problem(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"

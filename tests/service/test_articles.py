"""What editors publish is taken, what they take down is gone, and only they may do either."""

import time

import pytest

from data import access
from data.audit import entries
from data.scope import Scope
from recsys.types import ArticleId
from service.app import create_app
from service.holder import Holder

PATH = "/v1/articles"
NEW = {
    "site": "daily",
    "key": "fresh",
    "url": "https://daily.example/fresh",
    "title": "A lantern festival on the river",
    "published": "2026-01-01T00:00:00Z",
    "body": "Lanterns, rice and copper by the river station. " * 20,
    "tags": ["festival"],
}


@pytest.fixture
def holder(settings, store, articles):
    store.put_articles(articles)
    return Holder(settings)


@pytest.fixture
def client(settings, holder):
    return create_app(settings, holder).test_client()


@pytest.fixture
def key(store, holder):
    def make(*scopes, sites=()):
        _, token = access.create(store, "cms", scopes or [Scope.ARTICLES], sites, int(time.time()))
        holder.refresh(int(time.time()))
        return {"Authorization": f"Bearer {token}"}

    return make


def put(client, *rows, headers=None):
    return client.put(PATH, json={"articles": list(rows)}, headers=headers)


def shown(client, **query):
    page = {"site": "culture", "n": 50, **query}
    items = client.get("/v1/recommendations", query_string=page).json["items"]
    return {f"{item['site']}/{item['key']}" for item in items}


def test_a_new_article_is_recommended_before_anyone_has_read_it(client, holder, key):
    headers = key()
    answer = put(client, NEW, headers=headers)
    assert (answer.status_code, answer.json["new"]) == (200, 1)
    assert "daily/fresh" not in shown(client)
    holder.refresh(int(time.time()))
    assert "daily/fresh" in shown(client)


def test_the_same_again_changes_nothing_and_a_change_is_taken(client, store, key):
    headers = key()
    put(client, NEW, headers=headers)
    assert put(client, NEW, headers=headers).json["same"] == 1
    assert put(client, {**NEW, "title": "Another"}, headers=headers).json["changed"] == 1
    assert store.article(ArticleId("daily", "fresh")).title == "Another"


def test_a_withdrawn_article_is_gone_until_it_is_put_again(client, holder, key):
    headers = key()
    put(client, NEW, headers=headers)
    holder.refresh(int(time.time()))
    path = f"{PATH}/daily/fresh"
    assert client.delete(path, headers=headers).json == {"withdrawn": True}
    holder.refresh(int(time.time()))
    assert "daily/fresh" not in shown(client)
    assert client.delete(path, headers=headers).json == {"withdrawn": False}
    told = [(one.action, one.actor, one.subject) for one in entries(holder.store)]
    assert told[0][:2] == ("article.withdraw", "cms")
    assert [action for action, *_ in told].count("article.withdraw") == 1
    put(client, NEW, headers=headers)
    holder.refresh(int(time.time()))
    assert "daily/fresh" in shown(client)


def test_keys_may_hold_slashes_and_other_letters(client, store, key):
    headers = key()
    put(client, {**NEW, "key": "2026/11/日本"}, headers=headers)
    assert client.delete(f"{PATH}/daily/2026/11/日本", headers=headers).json["withdrawn"]


def test_what_is_unknown_cannot_be_withdrawn(client, key):
    answer = client.delete(f"{PATH}/daily/none", headers=key())
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_bad_rows_are_named_and_the_rest_is_kept(client, store, key):
    rows = [
        NEW,
        {**NEW, "key": "b", "url": "javascript:alert(1)"},
        {**NEW, "key": "c", "title": "  "},
        {name: value for name, value in NEW.items() if name != "published"},
        {**NEW, "key": "d", "tittle": "x"},
        {**NEW, "key": "e", "site": "nowhere"},
        {**NEW, "key": "f", "image": "data:image/svg+xml,x"},
    ]
    answer = put(client, *rows, headers=key())
    assert (answer.status_code, answer.json["new"]) == (200, 1)
    faults = [(fault["row"], fault["field"]) for fault in answer.json["refused"]]
    fields = ["url", "title", "published", "tittle", "site", "image"]
    assert faults == list(enumerate(fields, start=1))
    assert "did you mean 'title'" in answer.json["refused"][3]["message"]


def test_a_batch_without_a_good_row_is_a_problem(client, key):
    answer = put(client, {**NEW, "title": ""}, headers=key())
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "articles.0.title")


@pytest.mark.parametrize("body", [{}, {"articles": []}, {"articles": [NEW] * 501}, [], "x", None])
def test_a_body_that_is_none_is_a_problem(client, key, body):
    answer = client.put(PATH, json=body, headers=key())
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")


def test_only_keys_for_articles_of_the_site_open(client, store, key):
    assert put(client, NEW).status_code == 401
    assert put(client, NEW, headers=key(Scope.EVENTS)).status_code == 403
    travel = key(sites=["travel"])
    assert put(client, NEW, headers=travel).json["errors"][0]["field"] == "articles.0.site"
    assert client.delete(f"{PATH}/daily/a-1", headers=travel).status_code == 403
    assert client.delete(f"{PATH}/daily/a-1").status_code == 401
    assert store.article(ArticleId("daily", "fresh")) is None
    assert store.article(ArticleId("daily", "a-1")) is not None


def test_a_body_is_not_even_read_without_a_key(client):
    answer = client.put(PATH, data=b"{" * 1_000_000, content_type="application/json")
    assert answer.status_code == 401

"""What article pages are told, through the whole application on a real store."""

import json
import time

import jsonschema
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from data import access
from data.scope import Scope
from recsys.types import ArticleId
from service.app import create_app
from service.holder import Holder

PATH = "/v1/recommendations"


@pytest.fixture
def holder(settings, store, articles):
    store.put_articles(articles)
    held = Holder(settings)
    held.refresh(int(time.time()))
    assert held.state.error == ""
    return held


@pytest.fixture
def client(settings, holder) -> FlaskClient:
    return create_app(settings, holder).test_client()


def test_gives_cards_for_an_article(client):
    answer = client.get(PATH, query_string={"site": "daily", "key": "a-1", "n": 6})
    assert answer.status_code == 200
    items = answer.json["items"]
    assert len(items) == 6
    assert ("daily", "a-1") not in {(item["site"], item["key"]) for item in items}
    names = {"daily": "The Daily Archipelago", "culture": "Hana & Hearth", "travel": "Slow Islands"}
    for item in items:
        assert item["site_name"] == names[item["site"]]
        assert item["url"] == f"https://{item['site']}.example/{item['key']}"


def test_the_three_ways_to_name_an_article_are_one(client):
    def shown(**query):
        items = client.get(PATH, query_string=query).json["items"]
        return [(item["site"], item["key"]) for item in items]

    by_key = shown(site="daily", key="a-1")
    assert shown(article="daily/a-1") == by_key
    assert shown(site="daily", url="https://daily.example/a-1") == by_key


def test_whatever_nobody_knows_is_a_note_and_not_an_error(client):
    unknown = {"site": "nowhere", "key": "a-1", "visitor": "stranger"}
    answer = client.get(PATH, query_string=unknown)
    assert answer.status_code == 200
    assert len(answer.json["items"]) == 6
    said = " ".join(answer.json["notes"])
    assert "'nowhere/a-1'" in said
    assert "site 'nowhere'" in said
    assert "visitor" in said


def test_an_empty_store_answers_with_nothing_and_a_note(settings):
    held = Holder(settings)
    held.refresh(int(time.time()))
    answer = create_app(settings, held).test_client().get(PATH, query_string={"site": "daily"})
    assert answer.status_code == 200
    assert answer.json["items"] == []
    assert answer.json["notes"]


def test_an_engine_that_fails_gives_an_empty_answer_and_is_counted(client, holder, monkeypatch):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError("no such luck")

    before = _value(client, "recsys_engine_failures_total")
    monkeypatch.setattr(type(holder), "engine", Broken())
    answer = client.get(PATH, query_string={"site": "daily"})
    assert answer.status_code == 200
    assert answer.json["items"] == []
    assert answer.headers["X-Request-ID"] in answer.json["notes"][0]
    assert _value(client, "recsys_engine_failures_total") == before + 1


def bearer(store, *scopes):
    _, token = access.create(store, "desk", scopes, [], int(time.time()))
    return {"Authorization": f"Bearer {token}"}


def test_an_explanation_needs_a_key_and_is_of_the_answer(client, holder, store):
    ask = PATH + "?site=daily&key=a-1&explain=1"
    assert client.get(ask).status_code == 401
    editor, sender = bearer(store, Scope.EDITOR), bearer(store, Scope.EVENTS)
    holder.refresh(int(time.time()))
    assert client.get(ask, headers=sender).status_code == 403
    told = client.get(ask + "&seed=7", headers=editor).json
    assert told["trace"]["seed"] == 7
    assert told["trace"]["placement"] == "article"
    shown = [f"{item['site']}/{item['key']}" for item in told["items"]]
    slots = {one["slot"]: one["article"] for one in told["trace"]["candidates"] if one["slot"]}
    assert [slots[slot + 1] for slot in range(len(shown))] == shown
    assert "trace" not in client.get(PATH + "?site=daily&key=a-1").json


def test_what_a_reader_has_opened_is_explained_to_those_who_may_see_it_only(client, holder, store):
    ask = PATH + "?site=daily&key=a-1&visitor=ann&consent=1&explain=1"
    viewer, both = bearer(store, Scope.VIEWER), bearer(store, Scope.VIEWER, Scope.VISITORS)
    holder.refresh(int(time.time()))
    assert client.get(ask, headers=viewer).status_code == 403
    assert client.get(ask, headers=both).status_code == 200


def test_a_withdrawn_article_leaves_and_a_new_one_enters(client, holder, store, describe):
    def shown():
        items = client.get(PATH, query_string={"site": "daily", "n": 50}).json["items"]
        return {(item["site"], item["key"]) for item in items}

    assert ("travel", "a-2") in shown()
    store.withdraw([ArticleId("travel", "a-2")], int(time.time()))
    store.put_articles([describe("travel", 99, published=int(time.time()) - 5)])
    holder.refresh(int(time.time()))
    assert ("travel", "a-2") not in shown()
    assert ("travel", "a-99") in shown()


def test_a_card_with_a_hostile_address_is_left_out_with_a_note(client, holder, store, describe):
    store.put_articles(
        [
            describe("daily", 90, url="javascript:alert(1)"),
            describe("daily", 91, image="javascript:alert(1)"),
        ]
    )
    holder.refresh(int(time.time()))
    answer = client.get(PATH, query_string={"site": "daily", "n": 50}).json
    shown = {item["key"]: item for item in answer["items"] if item["site"] == "daily"}
    assert "a-90" not in shown
    assert shown["a-91"]["image"] == ""
    assert any("daily/a-90" in note for note in answer["notes"])


@pytest.mark.parametrize(
    ("query", "field"),
    [("n=0", "n"), ("n=x", "n"), ("history=a", "history"), ("vistor=x", "vistor"), ("key=a", "")],
)
def test_a_wrong_parameter_is_named_in_a_problem(client, query, field):
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == 422
    assert [error["field"] for error in answer.json["errors"]] == [field or "query"]


@pytest.mark.parametrize(("query", "status"), [("n=3&n=0", 200), ("n=0&n=3", 422)])
def test_of_a_parameter_that_is_given_twice_the_first_counts(client, query, status):
    assert client.get(f"{PATH}?{query}").status_code == status


@pytest.mark.parametrize("query", ["", "?n=0"])
def test_any_page_may_ask_and_nothing_is_cached(client, query):
    headers = client.get(PATH + query, headers={"Origin": "https://elsewhere.example"}).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nope", 404), ("POST", PATH, 405), ("GET", "/demo/", 404)],
)
def test_every_failure_is_a_problem(client, method, path, status):
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_an_unexpected_failure_is_a_problem_that_tells_no_secret(settings, holder):
    app = create_app(settings, holder)
    app.add_url_rule("/fails", view_func=lambda: 1 // 0)
    answer = app.test_client().get("/fails")
    assert answer.status_code == 500
    assert answer.mimetype == "application/problem+json"
    assert "division" not in answer.text


def test_the_document_describes_what_is_answered(client):
    document = client.get("/openapi/openapi.json").json
    assert document["openapi"].startswith("3.1")
    for path, status in [(PATH, 200), ("/healthz", 200), ("/readyz", 200), (f"{PATH}?n=0", 422)]:
        answer = client.get(path)
        assert answer.status_code == status
        responses = document["paths"][path.partition("?")[0]]["get"]["responses"]
        schema = responses[str(status)]["content"][answer.mimetype]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(
            answer.json
        )
        described = document["components"]["schemas"]
        if path == PATH:
            assert set(answer.json) == set(described["Answer"]["properties"])
            assert set(answer.json["items"][0]) == set(described["ItemOut"]["properties"])


def test_the_browsable_page_loads_nothing_from_elsewhere(client):
    page = client.get("/openapi/swagger")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]


WORDS = st.one_of(
    st.sampled_from(["daily", "a-1", "daily/a-1", "daily/a-1,travel/a-2", "6", "", "/", "0", "-1"]),
    st.text(max_size=40),
)
NAMES = st.sampled_from(["site", "key", "article", "url", "visitor", "history", "n", "other"])


@effort(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.dictionaries(NAMES, WORDS, max_size=5))
def test_no_parameters_make_it_fail(client, query):
    answer = client.get(PATH, query_string=query)
    assert answer.status_code in (200, 422)
    body = json.loads(answer.data)
    if answer.status_code == 200:
        assert not any("engine failed" in note for note in body["notes"])
        assert len(body["items"]) <= int(query.get("n") or 6)
    else:
        assert body["errors"]


def _value(client, name):
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

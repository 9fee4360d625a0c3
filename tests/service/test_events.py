"""What browsers and systems report is checked, kept once, and counts."""

import dataclasses
import json
import sqlite3
import time

import pytest

from data import access, keyring
from data.scope import Scope
from data.store import Mark
from recsys.types import Kind
from service.app import create_app
from service.holder import Holder
from service.settings import Limits

BROWSER = {
    "Origin": "https://daily.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}
PATH = "/v1/events"


@pytest.fixture
def holder(settings, store, articles):
    store.put_articles(articles)
    made = Holder(settings)
    made.refresh(int(time.time()))
    return made


@pytest.fixture
def client(settings, holder):
    return create_app(settings, holder).test_client()


@pytest.fixture
def key(store, holder):
    def make(*scopes, sites=()):
        _, token = access.create(store, "x", scopes or [Scope.EVENTS], sites, int(time.time()))
        holder.refresh(int(time.time()))
        return {"Authorization": f"Bearer {token}"}

    return make


def read(n=0, **fields):
    return {"kind": "read", "site": "daily", "key": "a-1", "id": f"id-{n}", **fields}


def post(client, *rows, headers=BROWSER, **options):
    options.setdefault("content_type", "text/plain")
    return client.post(PATH, data=json.dumps({"events": rows}), headers=headers, **options)


def kept(store):
    return [event for _, event in store.changes(Mark()).events]


def box(client, **query):
    return client.get(
        "/v1/recommendations", query_string={"site": "daily", "key": "a-1", **query}
    ).json


def of_card(answer, place, kind="click", **fields):
    card = answer["items"][place]
    names = {"site": card["site"], "key": card["key"], "position": card["position"]}
    return {"kind": kind, "slate": answer["slate"], **names, **fields}


def test_a_page_view_is_kept_before_the_answer(client, store):
    answer = post(client, read(dwell=12.5, context=["device:phone"]))
    told = {"accepted": 1, "repeated": 0, "queued": 0, "refused": []}
    assert (answer.status_code, answer.json) == (202, told)
    (event,) = kept(store)
    assert (event.kind, event.article, event.dwell) == (Kind.READ, ("daily", "a-1"), 12.5)
    assert (event.visitor, event.session, event.slate) == ("", "", "")
    assert abs(event.at - time.time()) < 30


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "text/plain;charset=UTF-8"]
)
def test_beacons_and_fetches_are_taken(client, content_type):
    assert post(client, read(), content_type=content_type).status_code == 202


def test_a_retry_counts_once(client, store, holder):
    post(client, read(1), read(2))
    again = post(client, read(1), read(2), read(3)).json
    assert (again["accepted"], again["repeated"]) == (1, 2)
    assert len(kept(store)) == 3


def test_without_consent_no_visitor_is_kept_and_with_it_a_pseudonym(client, store, settings):
    post(client, read(1, visitor="anna", session="tab"), read(2, visitor="anna", consent=True))
    first, second = kept(store)
    ring = keyring.load(settings.keyring, 0)
    assert (first.visitor, first.session) == ("", ring.session("tab"))
    assert second.visitor == ring.visitor("anna")


def test_what_a_slate_showed_is_taken_from_its_signature(client, store):
    shown = box(client)
    post(client, of_card(shown, 0, "impression"), of_card(shown, 1), of_card(shown, 1))
    seen, clicked = kept(store)
    assert (seen.kind, seen.position, seen.seen_on) == (Kind.IMPRESSION, 0, "daily")
    assert (clicked.kind, clicked.position) == (Kind.CLICK, 1)
    assert clicked.slate == shown["slate"].partition(".")[0]
    assert clicked.propensity == shown["items"][1]["propensity"] == 1.0
    assert (seen.source, clicked.source) == tuple(shown["items"][n]["source"] for n in (0, 1))
    assert {event.bundle for event in (seen, clicked)} == {shown["bundle"]} != {""}
    assert {event.placement for event in (seen, clicked)} == {"article"}


def test_a_box_on_a_front_page_is_told_apart(client, store):
    shown = client.get("/v1/recommendations", query_string={"site": "daily"}).json
    post(client, of_card(shown, 0), read())
    clicked, elsewhere = kept(store)
    assert clicked.placement == "home"
    assert (elsewhere.source, elsewhere.bundle, elsewhere.placement) == ("", "", "")


@pytest.mark.parametrize("name", ["source", "bundle", "placement", "arm", "propensity"])
def test_what_a_slate_proves_nobody_may_say(client, store, name):
    shown = box(client)
    answer = post(client, of_card(shown, 0, **{name: "latest"}), read(1, **{name: "latest"}))
    assert [fault["field"].rsplit(".", 1)[1] for fault in answer.json["errors"]] == [name] * 2
    assert kept(store) == []


def test_a_click_on_what_was_never_shown_is_refused_and_teaches_nothing(client, store, holder):
    shown, other = box(client), box(client, key="a-2")
    mixed = other["slate"].split(".")[0] + "." + ".".join(shown["slate"].split(".")[1:])
    never = next(
        {"site": site, "key": f"a-{n}"}
        for site in ("daily", "culture", "travel")
        for n in range(8)
        if {"site": site, "key": f"a-{n}"} != {k: shown["items"][0][k] for k in ("site", "key")}
    )
    rows = [
        {**of_card(shown, 0), **never},
        {**of_card(shown, 0), "position": 1},
        {**of_card(shown, 0), "position": 49},
        {**of_card(shown, 0), "slate": mixed},
        {**of_card(shown, 0), "slate": shown["slate"][:-2]},
        {**of_card(shown, 0), "slate": "nonsense"},
    ]
    answer = post(client, *rows)
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == len(rows)
    assert kept(store) == []
    holder.refresh(int(time.time()))
    assert client.get("/v1/trending").json["items"] == []


def test_bad_rows_are_named_and_the_rest_is_kept(client, store):
    rows = [
        read(1),
        read(2, kind="kiss"),
        read(3, at="soon"),
        read(4, key=""),
        read(5, site="nowhere"),
        read(6, key="unknown"),
        {"kind": "read", "site": "daily", "key": "a-1"},
        read(8, dwell=-1),
        read(9, vistor="x"),
        "a text",
        None,
        read(12, context=["device"]),
        read(13, id="x" * 200),
        read(14, site="travel"),
    ]
    answer = post(client, *rows)
    assert answer.status_code == 202
    assert answer.json["accepted"] == 1
    fields = {fault["row"]: fault["field"] for fault in answer.json["refused"]}
    expected = ["kind", "at", "key", "site", "key", "id", "dwell", "vistor"]
    assert [fields[row] for row in range(1, 9)] == expected
    assert set(fields) == set(range(1, 14))
    assert fields[13] == "site"
    assert all(fault["message"] for fault in answer.json["refused"])
    assert len(kept(store)) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"events": []}', 422),
        (b'{"events": {}}', 422),
        (b'{"events": [NaN]}', 422),
        (b'{"events": ["\xff"]}', 422),
        (b'{"events":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 422),
        (json.dumps({"events": [{}] * 101}).encode(), 413),
        (b" " * 70_000, 413),
    ],
)
def test_a_body_that_is_none_is_a_problem(client, body, status):
    answer = client.post(PATH, data=body, headers=BROWSER, content_type="text/plain")
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.json["detail"]


def test_other_types_are_refused(client):
    assert post(client, read(), content_type="multipart/form-data").status_code == 415


def test_browsers_must_be_on_a_page_of_the_site(client, store, key):
    shown = box(client)
    for origin in ("https://evil.example", "null", "", "https://daily.example.evil.example"):
        answer = post(client, read(), headers={**BROWSER, "Origin": origin})
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    travel = {**BROWSER, "Origin": "https://travel.example"}
    assert post(client, read(), of_card(shown, 0), headers=travel).status_code == 422
    assert kept(store) == []
    post(client, read(site="travel"), headers=travel)
    assert len(kept(store)) == 1


def test_known_origins_may_ask_before(client):
    answer = client.options(PATH, headers={**BROWSER, "Access-Control-Request-Method": "POST"})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://daily.example"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    answer = client.options(PATH, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_clock_that_is_wrong_is_put_right(client, store, key):
    now = int(time.time())
    post(client, read(1, at=now + 10**9), read(2, at=now - 10**8), read(3, at=now - 60))
    ahead, behind, right = (event.at - now for event in kept(store))
    assert 0 <= ahead < 30
    assert -3600 <= behind < -3500
    assert right == -60
    post(client, read(4, at=now + 10**9), read(5, at=now - 10**8), headers=key())
    ahead, behind = (event.at - now for event in kept(store)[3:])
    assert (0 <= ahead < 30, behind) == (True, -(10**8))


def test_crawlers_are_answered_and_not_counted(client, store):
    answer = post(client, read(), headers={**BROWSER, "User-Agent": "Googlebot/2.1"})
    assert (answer.status_code, answer.json["accepted"]) == (202, 0)
    assert kept(store) == []


def test_one_address_opens_an_article_a_few_times_and_no_more(client, store, settings):
    answers = [post(client, read(n)) for n in range(settings.limits.openings + 2)]
    assert [answer.status_code for answer in answers] == [202] * settings.limits.openings + [
        422
    ] * 2
    assert len(kept(store)) == settings.limits.openings


def test_an_address_that_floods_is_told_to_wait(settings, holder, store):
    limits = Limits(events_per_minute=30, remembered=10)
    client = create_app(dataclasses.replace(settings, limits=limits), holder).test_client()
    forged = (
        post(
            client,
            *(read(f"{n}-{i}", visitor=f"v{n}{i}", consent=True, key=f"a-{i}") for i in range(5)),
        )
        for n in range(200)
    )
    codes = [answer.status_code for answer in forged]
    assert codes[:5] == [202] * 5
    assert codes[10:] == [429] * 190
    assert len(kept(store)) <= 30
    last = post(client, read("last"))
    assert (last.mimetype, last.headers["Retry-After"]) == ("application/problem+json", "60")


def test_a_key_sends_for_many_readers_and_unknown_articles(client, store, key):
    rows = [read(n, key=f"later-{n}", visitor=f"v{n}", consent=True) for n in range(150)]
    answer = post(client, *rows, headers=key(), content_type="application/json")
    assert answer.json["accepted"] == 150
    assert len({event.visitor for event in kept(store)}) == 150


def test_a_key_opens_its_own_sites_and_scopes_only(client, store, key):
    assert post(client, read(), headers=key(Scope.ARTICLES)).status_code == 403
    assert post(client, read(), headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert post(client, read(), headers={"Authorization": "Basic eDp5"}).status_code == 401
    elsewhere = post(client, read(), headers=key(sites=["travel"]))
    assert (elsewhere.status_code, elsewhere.json["errors"][0]["field"]) == (422, "events.0.site")
    assert kept(store) == []


def test_a_revoked_key_opens_nothing(client, store, holder, key):
    headers = key()
    access.revoke(store, access.keys(store)[0].id, 1)
    holder.refresh(int(time.time()))
    assert post(client, read(), headers=headers).status_code == 401


def test_hostile_texts_are_kept_out_or_kept_as_text(client, store):
    script = "<script>alert(1)</script>"
    rows = [
        read(1, session=script, visitor=script, consent=True),
        read(2, id="\x00\x1f"),
        read(3, context=[f"x:{script}"]),
        read(4, key=script),
    ]
    answer = post(client, *rows)
    assert {fault["row"] for fault in answer.json["refused"]} == {1, 3}
    assert all("<" not in event.visitor + event.session for event in kept(store))


def test_a_store_that_cannot_be_written_acknowledges_nothing(client, store, settings):
    path = settings.store_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE events RENAME TO elsewhere")
    answer = post(client, read())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE elsewhere RENAME TO events")
    assert post(client, read()).json["accepted"] == 1


def test_a_store_that_is_away_is_no_reason_to_lose_events(client, store, settings, holder):
    spooled = dataclasses.replace(settings, spool=settings.bundles.parent / "spool")
    holder = Holder(spooled)
    holder.refresh(int(time.time()))
    client = create_app(spooled, holder).test_client()
    path = settings.store_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE events RENAME TO elsewhere")
    answer = post(client, read(1), read(2), read(2), read(3, kind="kiss"))
    assert answer.status_code == 202
    assert (answer.json["accepted"], answer.json["repeated"], answer.json["queued"]) == (0, 1, 2)
    assert [fault["row"] for fault in answer.json["refused"]] == [3]
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE elsewhere RENAME TO events")
    raw.close()
    assert holder.intake.deliver().rows == 2
    assert post(client, read(1), read(2), read(4)).json["repeated"] == 2
    assert len(kept(store)) == 3
    assert client.get("/readyz").json["queued"] == 0


def test_what_became_of_events_is_counted_without_naming_anybody(client):
    post(client, read(1, visitor="anna", consent=True), read(1), read(2, kind="kiss"))
    text = client.get("/metrics").text
    for result in ("accepted", "repeated", "row"):
        assert f'recsys_events_total{{result="{result}"}}' in text
    assert "anna" not in text


def test_clicks_count_in_the_next_answer(client, holder):
    for n in range(4):
        post(client, read(n, key="a-3"))
    holder.refresh(int(time.time()))
    assert client.get("/v1/trending").json["items"][0]["key"] == "a-3"

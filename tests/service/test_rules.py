"""Editors make rules over HTTP and take them back; who did it is kept."""

import sqlite3
import time

import pytest

from data import access, audit, rules
from data.scope import Scope
from recsys.rules import Action, Aim
from recsys.types import NEVER, Tone
from service.app import create_app
from service.holder import Holder

PATH = "/v1/rules"
BLOCK = {"action": "block", "aim": "pattern", "value": "*casino*", "reason": "no gambling"}
PIN = {
    "action": "pin",
    "aim": "article",
    "value": "daily/a-1",
    "site": "culture",
    "slot": 2,
    "reason": "election night",
}


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
    def make(*scopes, sites=(), name="anna"):
        scopes = scopes or [Scope.EDITOR]
        _, token = access.create(store, name, scopes, sites, int(time.time()))
        holder.refresh(int(time.time()))
        return {"Authorization": f"Bearer {token}"}

    return make


def test_a_rule_is_made_told_and_undone(client, store, key):
    headers, before = key(), int(time.time())
    answer = client.post(PATH, json=PIN, headers=headers)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    made = answer.json
    assert PIN.items() <= made.items()
    assert (made["author"], made["state"], made["end"], made["undone"]) == (
        "anna",
        "active",
        None,
        0,
    )
    assert made["created"] >= before
    assert client.get(PATH, headers=headers).json == {"rules": [made]}
    (rule,) = rules.rules(store)
    assert (rule.action, rule.aim, rule.slot, rule.end) == (Action.PIN, Aim.ARTICLE, 2, NEVER)
    gone = client.delete(f"{PATH}/{made['id']}?reason=over", headers=headers)
    assert (gone.status_code, gone.json["state"], gone.json["undone_by"]) == (200, "undone", "anna")
    assert client.get(PATH, headers=headers, query_string={"active": 1}).json == {"rules": []}
    assert client.get(PATH, headers=headers).json == {"rules": [gone.json]}
    assert client.delete(f"{PATH}/{made['id']}", headers=headers).status_code == 409
    assert client.delete(f"{PATH}/77", headers=headers).status_code == 404


def test_times_are_seconds_or_words(client, key):
    headers = key()
    body = {**BLOCK, "start": "2099-01-01T00:00:00Z", "end": 4_070_908_900}
    made = client.post(PATH, json=body, headers=headers).json
    assert (made["start"], made["end"], made["state"]) == (4_070_908_800, 4_070_908_900, "planned")
    assert len(client.get(PATH, headers=headers, query_string={"active": 1}).json["rules"]) == 1


def test_every_action_can_be_made(client, store, key):
    headers = key()
    article = {"aim": "article", "value": "daily/a-1", "reason": "why"}
    for fields in (
        {"action": "boost", "factor": 2},
        {"action": "bury", "factor": 0.0},
        {"action": "block"},
        {"action": "stop"},
        {"action": "tone", "tone": "grave"},
    ):
        assert client.post(PATH, json={**article, **fields}, headers=headers).status_code == 201
    assert rules.rules(store)[0].tone == Tone.GRAVE
    assert len(rules.rules(store)) == 5


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"action": "hide"}, "action"),
        ({"aim": "reader"}, "aim"),
        ({"value": ""}, "value"),
        ({"value": "**"}, "value"),
        ({"value": "x" * 601}, "value"),
        ({"value": "a\u0000b"}, "value"),
        ({"value": "\ud800"}, "value"),
        ({"aim": "article", "value": "daily"}, "value"),
        ({"aim": "article", "value": "daily/none"}, "value"),
        ({"site": "dialy"}, "site"),
        ({"slot": 1}, "slot"),
        ({"action": "boost"}, "factor"),
        ({"action": "boost", "factor": 11}, "factor"),
        ({"action": "bury", "factor": "x"}, "factor"),
        ({"tone": "grave"}, "tone"),
        ({"tone": "sad"}, "tone"),
        ({"action": "stop"}, "aim"),
        ({"action": "stop", "aim": "article", "value": "daily/a-1", "site": "daily"}, "site"),
        ({"end": 1_000}, "end"),
        ({"start": 4_000_000_000, "end": 3_900_000_000}, "end"),
        ({"start": "soon"}, "start"),
        ({"start": -1}, "start"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 1_001}, "reason"),
        ({"author": "ben"}, "author"),
    ],
)
def test_a_rule_that_makes_no_sense_names_the_field(client, store, key, fields, field):
    answer = client.post(PATH, json={**BLOCK, **fields}, headers=key())
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert [fault["field"] for fault in answer.json["errors"]] == [field]
    assert answer.json["errors"][0]["message"]
    assert rules.rules(store) == []


def test_a_rule_needs_a_reason(client, store, key):
    body = {name: value for name, value in BLOCK.items() if name != "reason"}
    assert client.post(PATH, json=body, headers=key()).json["errors"][0]["field"] == "reason"
    assert rules.rules(store) == []


def test_viewers_look_and_editors_decide(client, store, key):
    viewer, editor, other = key(Scope.VIEWER), key(), key(Scope.ARTICLES)
    made = client.post(PATH, json=BLOCK, headers=editor).json
    assert client.get(PATH, headers=viewer).json == {"rules": [made]}
    for headers, status in ((viewer, 403), (other, 403), ({}, 401)):
        assert client.post(PATH, json=BLOCK, headers=headers).status_code == status
        assert client.delete(f"{PATH}/{made['id']}", headers=headers).status_code == status
    assert client.get(PATH, headers=other).status_code == 403
    assert client.get(PATH).status_code == 401
    assert client.post(PATH, json=BLOCK, headers=key(Scope.ADMIN)).status_code == 201
    assert [rule.undone for rule in rules.rules(store)] == [0, 0]


def test_a_key_of_some_sites_decides_for_these_and_never_for_all(client, store, key):
    limited, whole = key(sites=["culture"]), key()
    mine = client.post(PATH, json=PIN, headers=limited)
    assert mine.status_code == 201
    stop = {"action": "stop", "aim": "article", "value": "culture/a-1", "reason": "why"}
    for body in (BLOCK, {**BLOCK, "site": "daily"}, stop):
        answer = client.post(PATH, json=body, headers=limited)
        assert (answer.status_code, "culture only" in answer.json["detail"]) == (403, True)
    everywhere = client.post(PATH, json=BLOCK, headers=whole).json
    assert client.delete(f"{PATH}/{everywhere['id']}", headers=limited).status_code == 403
    assert client.delete(f"{PATH}/{mine.json['id']}", headers=limited).status_code == 200
    assert [rule.undone > 0 for rule in rules.rules(store)] == [False, True]


def test_who_decided_is_kept_with_the_request(client, store, key):
    headers = key(Scope.ADMIN)
    made = client.post(PATH, json=BLOCK, headers=headers)
    gone = client.delete(f"{PATH}/{made.json['id']}?reason=satire", headers=headers)
    undone, added, created = client.get("/v1/audit", headers=headers).json["entries"]
    assert [e["action"] for e in (created, added, undone)] == [
        "key.create",
        "rule.add",
        "rule.undo",
    ]
    assert (added["actor"], added["key"]) == ("anna", created["subject"])
    assert added["request"] == made.headers["X-Request-ID"]
    assert undone["request"] == gone.headers["X-Request-ID"]
    assert undone["detail"]["reason"] == "satire"


def test_the_audit_log_comes_in_pages_and_for_admins_only(client, store, key):
    headers = key(Scope.ADMIN)
    for _ in range(3):
        client.post(PATH, json=BLOCK, headers=headers)

    def seqs(**query):
        answer = client.get("/v1/audit", query_string=query, headers=headers)
        return [entry["seq"] for entry in answer.json["entries"]]

    assert (seqs(most=3), seqs(most=3, before=2)) == ([4, 3, 2], [1])
    assert seqs(since=int(time.time()) + 60) == []
    assert len(seqs()) == len(audit.entries(store)) == 4
    assert client.get("/v1/audit").status_code == 401
    assert client.get("/v1/audit", headers=key()).status_code == 403
    wrong = client.get("/v1/audit", query_string={"most": 0}, headers=headers)
    assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (422, "most")


def test_a_store_that_is_away_keeps_nothing_and_says_so(client, store, key, settings):
    headers = key(Scope.ADMIN)
    with sqlite3.connect(settings.store_url.removeprefix("sqlite:///")) as raw:
        raw.execute("ALTER TABLE audit RENAME TO elsewhere")
    posted = client.post(PATH, json=BLOCK, headers=headers)
    assert (posted.status_code, posted.headers["Retry-After"]) == (503, "5")
    assert client.get("/v1/audit", headers=headers).status_code == 503
    assert client.get(PATH, headers=headers).json == {"rules": []}


def test_an_expired_key_opens_nothing(client, store, holder):
    now = int(time.time())
    _, token = access.create(store, "x", [Scope.EDITOR], [], now - 90, expires=now - 30)
    holder.refresh(now)
    answer = client.get(PATH, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, "expired" in answer.json["detail"]) == (401, True)


def test_both_tokens_of_a_rotated_key_open_during_the_grace(client, store, holder):
    now = int(time.time())
    made, old = access.create(store, "x", [Scope.VIEWER], [], now)
    new = access.rotate(store, made.id, now, grace=600)
    holder.refresh(now)
    for token in (old, new):
        assert client.get(PATH, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    access.rotate(store, made.id, now, grace=0)
    holder.refresh(now)
    assert client.get(PATH, headers={"Authorization": f"Bearer {new}"}).status_code == 401

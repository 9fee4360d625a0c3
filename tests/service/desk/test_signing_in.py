"""Who may sit at the desk, for how long, and what nobody else can do in their name."""

import dataclasses
import re
import time
from http.cookies import SimpleCookie

import pytest
from sqlalchemy import update

from data import access, audit, rules, schema, sessions
from data.scope import Scope
from service import headers
from service.app import create_app
from service.desk.login import FAILURES
from service.settings import Limits

BLOCK = {"action": "block", "value": "daily/a-1", "reason": "a mistake"}
OWN = {"Origin": "http://localhost"}


def cookie_of(answer):
    return SimpleCookie(answer.headers["Set-Cookie"])


@pytest.fixture
def client(app):
    return app.test_client()


def sign_in(client, token, next="", **sent):
    return client.post("/desk/login", data={"key": token, "next": next}, headers={**OWN, **sent})


# In and out


@pytest.mark.parametrize("role", [Scope.VIEWER, Scope.EDITOR, Scope.ADMIN])
def test_a_key_with_a_role_opens_the_desk(sit, role):
    page = sit(role).get("/desk/")
    assert page.status_code == 200
    assert f"{role}&#39;s</b>, {role}" in page.text


def test_who_has_not_signed_in_is_asked_to_and_finds_back(client, key):
    asked = client.get("/desk/rules?past=all")
    assert asked.status_code == 303
    form = client.get(asked.headers["Location"]).text
    next = re.search(r'name="next" value="([^"]*)"', form)[1]
    answer = sign_in(client, key(Scope.VIEWER), next)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/desk/rules?past=all"


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/desk/\\evil.example",
        "/desk/..//evil.example",
        "/desktop",
        "/v1/visitors/x",
        "javascript:alert(1)",
        "/desk/\nSet-Cookie: a=b",
        "/desk/" + "x" * 3_000,
    ],
)
def test_nobody_is_led_away_from_the_desk(client, key, next):
    answer = sign_in(client, key(Scope.VIEWER), next)
    assert answer.headers["Location"] == "/desk/"
    assert "evil" not in client.get("/desk/login", query_string={"next": next}).text


def test_the_cookie_is_for_the_desk_and_from_no_script(client, key):
    kept = cookie_of(sign_in(client, key(Scope.VIEWER)))["desk"]
    assert kept["httponly"]
    assert kept["samesite"] == "Strict"
    assert kept["path"] == "/desk"
    assert not kept["secure"]
    assert not kept["max-age"]
    assert not kept["expires"]


def test_over_https_the_cookie_goes_over_https_only(settings, holder, key):
    behind = dataclasses.replace(settings, limits=Limits(trusted_proxies=1))
    client = create_app(behind, holder).test_client()
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    sent = {"Origin": "https://localhost", **proxied}
    answer = sign_in(client, key(Scope.VIEWER), **sent)
    assert answer.status_code == 303
    assert cookie_of(answer)["__Secure-desk"]["secure"]


def test_signing_in_gives_a_new_token_whatever_the_browser_had(client, key, store):
    client.set_cookie("desk", "planted", path="/desk")
    first = cookie_of(sign_in(client, key(Scope.VIEWER)))["desk"].value
    second = cookie_of(sign_in(client, key(Scope.EDITOR)))["desk"].value
    assert len({"planted", first, second}) == 3
    now = int(time.time())
    assert sessions.find(store, "planted", now) is None
    assert sessions.find(store, first, now) is None, "the session of before has ended"
    assert sessions.find(store, second, now) is not None


def test_signing_out_ends_the_session_in_the_store(sit, store):
    desk = sit(Scope.VIEWER)
    token = desk.client.get_cookie("desk", path="/desk").value
    answer = desk.post("/desk/logout")
    assert answer.headers["Location"] == "/desk/login"
    assert desk.client.get_cookie("desk", path="/desk") is None
    assert sessions.find(store, token, int(time.time())) is None
    desk.client.set_cookie("desk", token, path="/desk")
    assert desk.get("/desk/").status_code == 303
    assert desk.get("/desk/logout").status_code == 303


@pytest.mark.parametrize(
    "values",
    [
        {"seen": int(time.time()) - sessions.IDLE},
        {"created": int(time.time()) - sessions.LONGEST},
    ],
    ids=["idle", "old"],
)
def test_a_session_ends_when_idle_and_after_a_day(sit, store, values):
    desk = sit(Scope.VIEWER)
    assert desk.get("/desk/").status_code == 200
    with store.writing() as connection:
        connection.execute(update(schema.sessions).values(values))
    answer = desk.get("/desk/rules")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/desk/login?next=")


def test_a_key_that_is_revoked_or_has_expired_ends_its_sessions_at_once(sit, store):
    revoked, expired = sit(Scope.EDITOR), sit(Scope.EDITOR)
    now = int(time.time())
    access.revoke(store, revoked.token.split("_")[1], now)
    with store.writing() as connection:
        id = expired.token.split("_")[1]
        connection.execute(
            update(schema.api_keys).where(schema.api_keys.c.id == id).values(expires=now)
        )
    for desk in (revoked, expired):
        assert desk.get("/desk/").status_code == 303
        sent = {"csrf": "x", **BLOCK}
        assert desk.client.post("/desk/rules/new", data=sent, headers=OWN).status_code == 303
        assert desk.login(desk.token).status_code == 403
    assert rules.rules(store) == []


# Keys that open nothing


@pytest.mark.parametrize("given", ["", "rk_0_x", "\ud800", "x" * 5_000, "rk_' OR 1=1 --_"])
def test_a_wrong_key_opens_nothing_and_is_written_down(client, store, given):
    answer = sign_in(client, given.encode("utf-8", "surrogatepass"))
    assert answer.status_code == 403
    assert "This key is unknown, revoked or expired." in answer.text
    assert "Set-Cookie" not in answer.headers
    entry = audit.entries(store)[0]
    assert (entry.action, entry.actor, entry.detail) == (
        "session.refuse",
        "nobody",
        {"address": "127.0.0.1"},
    )


def test_a_key_of_a_system_is_told_what_it_lacks(client, key):
    answer = sign_in(client, key(Scope.ARTICLES, Scope.EVENTS))
    assert answer.status_code == 403
    assert "it has none of the scopes viewer, editor, admin" in answer.text


def test_whoever_tries_many_keys_waits_and_others_do_not(app, key, store):
    good, client = key(Scope.VIEWER), app.test_client()
    for _ in range(FAILURES + 1):
        assert sign_in(client, "rk_0_x").status_code == 403
    answer = sign_in(client, good)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "600"
    assert "Too many wrong keys" in answer.text
    other = app.test_client()
    other.environ_base["REMOTE_ADDR"] = "203.0.113.7"
    assert sign_in(other, good).status_code == 303
    assert len([e for e in audit.entries(store) if e.action == "session.refuse"]) == FAILURES + 1


def test_in_and_out_are_written_down_without_a_secret(sit, store):
    desk = sit(Scope.EDITOR)
    desk.post("/desk/logout")
    out, into = audit.entries(store, 2)
    assert (into.action, into.actor, out.action) == ("session.begin", "editor's", "session.end")
    assert into.key == out.key == desk.token.split("_")[1]
    assert desk.token.split("_")[2] not in str((out, into))


# Programs


def test_a_program_reads_pages_with_its_key_and_changes_nothing(app, key, store):
    client, bearer = app.test_client(), {"Authorization": f"Bearer {key(Scope.EDITOR)}"}
    assert client.get("/desk/rules", headers=bearer).status_code == 200
    answer = client.post("/desk/rules/new", data=BLOCK, headers={**bearer, **OWN})
    assert answer.status_code == 403
    assert "/v1/rules" in answer.text
    assert rules.rules(store) == []


@pytest.mark.parametrize("given", ["Bearer rk_0_x", "Bearer", "Basic eDp5", "x"])
def test_a_wrong_key_of_a_program_is_a_page_too(app, given):
    answer = app.test_client().get("/desk/", headers={"Authorization": given})
    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


# Forged forms


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        ({"Origin": "https://evil.example"}, {}),
        ({"Origin": "null"}, {}),
        ({}, {}),
        ({"Sec-Fetch-Site": "cross-site", **OWN}, {}),
        ({"Sec-Fetch-Site": "same-site", **OWN}, {}),
        ({"Sec-Fetch-Site": "none"}, {}),
        (OWN, {"csrf": ""}),
        (OWN, {"csrf": "wrong"}),
        (OWN, {"csrf": "\u00e9"}),
    ],
)
def test_a_forged_form_changes_nothing_and_says_what_to_do(sit, store, sent, form):
    desk = sit(Scope.EDITOR)
    data = {"csrf": desk.csrf(), **BLOCK, **form}
    answer = desk.client.post("/desk/rules/new", data=data, headers=sent)
    assert answer.status_code == 403
    assert answer.mimetype == "text/html"
    assert "again" in answer.text
    assert rules.rules(store) == []
    assert desk.client.post("/desk/logout", data=data, headers=sent).status_code == 403
    assert desk.get("/desk/").status_code == 200


def test_the_token_of_another_session_is_not_good(sit, store):
    desk, other = sit(Scope.EDITOR), sit(Scope.EDITOR)
    sent = {"csrf": other.csrf(), **BLOCK}
    assert desk.client.post("/desk/rules/new", data=sent, headers=OWN).status_code == 403
    sent = {"csrf": desk.csrf(), **BLOCK}
    told = {"Sec-Fetch-Site": "same-origin"}
    assert desk.client.post("/desk/rules/new", data=sent, headers=told).status_code == 303
    assert len(rules.rules(store)) == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_nobody_is_signed_in_by_another_sites_page(client, key, origin):
    answer = sign_in(client, key(Scope.VIEWER), Origin=origin)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


# What browsers are told


@pytest.mark.parametrize("path", ["/desk/", "/desk/login", "/desk/rules", "/desk/nothing"])
def test_pages_are_kept_by_nobody_and_run_nothing_inline(sit, path):
    answer = sit(Scope.ADMIN).get(path)
    assert answer.headers["Content-Security-Policy"] == headers.DESK
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*src=)", answer.text)


def test_nothing_else_takes_the_cookie_for_anything(sit):
    desk = sit(Scope.ADMIN)
    token = desk.client.get_cookie("desk", path="/desk").value
    client = desk.client.application.test_client()
    client.set_cookie("desk", token)
    assert client.get("/v1/rules").status_code == 401

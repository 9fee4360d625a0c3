"""A reader sees what is held of them, and is forgotten by store, workers and the next bundle."""

import dataclasses
import time

import pytest

from data import access, keyring
from data.audit import entries
from data.scope import Scope
from recsys.types import Event, Kind
from service.app import create_app
from service.holder import Holder
from service.spool import Spool
from training.recipe import Recipe
from training.run import run as learn

PATH = "/v1/visitors/"


@pytest.fixture
def ring(settings):
    return keyring.load(settings.keyring, int(time.time()))


@pytest.fixture
def holder(settings, store, articles, visits, ring):
    store.put_articles(articles)
    store.put_events(ring.hide(event) for event in visits)
    learn(store, settings.bundles, Recipe(dims=8, factors=8), int(time.time()))
    made = Holder(settings)
    made.refresh(int(time.time()))
    return made


@pytest.fixture
def client(settings, holder):
    return create_app(settings, holder).test_client()


@pytest.fixture
def headers(store, holder):
    _, token = access.create(store, "x", [Scope.VISITORS], [], int(time.time()))
    holder.refresh(int(time.time()))
    return {"Authorization": f"Bearer {token}"}


def test_what_is_held_is_exported(client, headers, visits, ring):
    held = client.get(f"{PATH}reader-3", headers=headers).json
    assert held["visitor"] == ring.visitor("reader-3")
    own = [event for event in visits if event.visitor == "reader-3"]
    assert [(e["site"], e["key"], e["at"]) for e in held["events"]] == [
        (*event.article, event.at) for event in own
    ]
    assert client.get(f"{PATH}nobody", headers=headers).json["events"] == []


def test_what_waits_for_an_absent_store_is_exported_and_erased_too(
    settings, store, articles, headers, ring
):
    spooled = dataclasses.replace(settings, spool=settings.bundles.parent / "spool")
    holder = Holder(spooled)
    holder.refresh(int(time.time()))
    client = create_app(spooled, holder).test_client()
    who = ring.visitor("anna")
    queue = Spool(spooled.spool, 10**7)
    queue.put([Event("e", Kind.READ, articles[0].id, 5, who)])
    (event,) = client.get(f"{PATH}anna", headers=headers).json["events"]
    assert (event["key"], event["visitor"]) == (articles[0].key, who)
    assert client.delete(f"{PATH}anna", headers=headers).json == {"events": 1}
    assert client.get(f"{PATH}anna", headers=headers).json["events"] == []
    assert queue.held(who) == []
    queue.close()


def notes(client):
    query = {"site": "daily", "visitor": "reader-3", "consent": 1}
    return client.get("/v1/recommendations", query_string=query).json["notes"]


def test_an_erased_reader_is_forgotten_everywhere(
    client, headers, holder, store, settings, ring, visits
):
    assert not any("unknown" in note for note in notes(client))
    assert client.delete(f"{PATH}reader-3", headers=headers).json == {"events": 4}
    told = entries(store)[0]
    assert (told.action, told.subject, told.detail) == ("visitor.erase", "", {})
    holder.refresh(int(time.time()))
    # The bundle in service was made before; it must not answer from what it knows.
    assert any("visitor is unknown" in note for note in notes(client))
    assert client.get(f"{PATH}reader-3", headers=headers).json["events"] == []
    again = [event for event in visits if event.visitor == "reader-3"]
    assert store.put_events(ring.hide(event) for event in again).same == 4
    bundle = learn(store, settings.bundles, Recipe(dims=8, factors=8), int(time.time()) + 1)
    assert ring.visitor("reader-3") not in bundle.visitors
    assert ring.visitor("reader-4") in bundle.visitors


def test_a_worker_that_starts_later_does_not_know_an_erased_reader(client, headers, settings):
    client.delete(f"{PATH}reader-3", headers=headers)
    late = Holder(settings)
    late.refresh(int(time.time()))
    assert any("unknown" in note for note in notes(create_app(settings, late).test_client()))


def test_an_erased_reader_may_come_back_as_a_new_one(client, headers, holder, store, ring, visits):
    client.delete(f"{PATH}reader-3", headers=headers)
    later = dataclasses.replace(
        visits[0], id="later", visitor=ring.visitor("reader-3"), at=int(time.time()) + 2
    )
    assert store.put_events([later]).new == 1


def test_only_a_key_for_visitors_opens(client, store, holder):
    assert client.get(f"{PATH}reader-3").status_code == 401
    assert client.delete(f"{PATH}reader-3").status_code == 401
    _, token = access.create(store, "x", [Scope.EVENTS], [], 0)
    holder.refresh(int(time.time()))
    headers = {"Authorization": f"Bearer {token}"}
    assert client.delete(f"{PATH}reader-3", headers=headers).status_code == 403
    assert len(client.get("/healthz").data) > 0


def test_a_visitor_counts_with_consent_only(client):
    query = {"site": "daily", "visitor": "reader-3"}
    said = client.get("/v1/recommendations", query_string=query).json["notes"]
    assert "visitor was not used: it needs consent=1" in said

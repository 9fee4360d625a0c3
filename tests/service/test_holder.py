"""How a worker keeps its engine: new bundles, broken bundles, a store that goes away."""

import shutil
import time

import pytest

from data import rules
from data.audit import Actor
from recsys import shelf
from recsys.policy import Policy
from recsys.rules import Action, Aim, Rule
from recsys.types import ArticleId, Query
from service.app import create_app
from service.holder import RETRY, Holder
from training.recipe import Recipe
from training.run import run

T = int(time.time())


@pytest.fixture
def filled(store, articles, visits):
    store.put_articles(articles)
    store.put_events(visits)
    return store


@pytest.fixture
def trained(filled, settings):
    return run(filled, settings.bundles, Recipe(), T)


def asked(holder, n=6):
    return holder.engine.recommend(Query("daily", T, ArticleId("daily", "a-1"), n=n))


def test_answers_from_the_first_moment(settings):
    assert asked(Holder(settings)).items == ()


def test_serves_the_store_until_there_is_a_bundle(settings, filled):
    holder = Holder(settings)
    holder.refresh(T)
    assert len(asked(holder).items) == 6
    made = run(filled, settings.bundles, Recipe(), T)
    holder.refresh(T + 1)
    assert holder.state.bundle == made.id
    assert asked(holder).bundle_id == made.id
    assert len(asked(holder).items) == 6


def test_takes_a_new_bundle_and_follows_a_rollback(settings, filled, trained, describe):
    holder = Holder(settings)
    holder.refresh(T)
    filled.put_articles([describe("travel", 60)])
    newer = run(filled, settings.bundles, Recipe(), T + 1)
    holder.refresh(T + 1)
    assert asked(holder).bundle_id == newer.id != trained.id
    shelf.rollback(settings.bundles)
    holder.refresh(T + 2)
    assert asked(holder).bundle_id == trained.id


def test_articles_newer_than_the_bundle_are_there_and_withdrawn_ones_are_not(
    settings, filled, trained, describe
):
    filled.put_articles([describe("culture", 70)])
    filled.withdraw([ArticleId("travel", "a-3")], T)
    holder = Holder(settings)
    holder.refresh(T)
    shown = {item.article for item in asked(holder, n=50).items}
    assert ArticleId("culture", "a-70") in shown
    assert ArticleId("travel", "a-3") not in shown


def test_a_bundle_with_one_flipped_byte_is_refused_and_the_old_stays(
    settings, filled, trained, describe
):
    holder = Holder(settings)
    holder.refresh(T)
    filled.put_articles([describe("travel", 61)])
    newer = run(filled, settings.bundles, Recipe(), T + 1)
    path = settings.bundles / newer.id / "vectors.npy"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    holder.refresh(T + 1)
    assert asked(holder).bundle_id == trained.id
    assert holder.state.refused == newer.id
    assert "vectors.npy" in holder.state.refused_because
    client = create_app(settings, holder).test_client()
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert (ready.json["bundle"], ready.json["refused"]) == (trained.id, newer.id)
    assert 'recsys_refresh_failures_total{what="bundle"}' in client.get("/metrics").text
    path.write_bytes(sound)
    holder.refresh(T + 2 + RETRY)
    assert asked(holder).bundle_id == newer.id
    assert (holder.state.refused, holder.state.refused_because) == ("", "")


def test_a_broken_first_bundle_leaves_the_store_to_serve(settings, trained):
    shutil.rmtree(settings.bundles / trained.id)
    holder = Holder(settings)
    holder.refresh(T)
    assert holder.state.refused == trained.id
    assert len(asked(holder).items) == 6


def test_a_lost_store_is_reported_while_the_last_state_is_served(settings, trained):
    holder = Holder(settings)
    holder.refresh(T)
    holder.store.close()
    database = settings.bundles.parent / "recsys.db"
    database.write_bytes(b"this is not a database any more" * 400)
    for left in database.parent.glob("recsys.db-*"):
        left.unlink()
    holder.refresh(T + 1)
    assert holder.state.store_reachable is False
    assert holder.state.error
    assert asked(holder).bundle_id == trained.id
    assert len(asked(holder).items) == 6


def test_a_policy_reaches_the_engine(settings, filled):
    import dataclasses

    holder = Holder(dataclasses.replace(settings, policy=Policy(diversity=0.7)))
    assert asked(holder).policy_id == Policy(diversity=0.7).id


def test_a_damaged_pointer_stops_neither_the_store_nor_the_engine(settings, filled, trained):
    (settings.bundles / "current").write_bytes(b"\xff\xfe\x00 not a pointer")
    holder = Holder(settings)
    holder.refresh(T)
    assert len(asked(holder).items) == 6
    assert holder.state.store_reachable
    assert holder.state.error or holder.state.refused


def test_a_worker_is_not_ready_before_it_has_looked(settings):
    holder = Holder(settings)
    client = create_app(settings, holder).test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").mimetype == "application/problem+json"
    assert client.get("/healthz").status_code == 200
    holder.refresh(T)
    assert client.get("/readyz").status_code == 200


def test_the_thread_follows_the_store_by_itself(settings, store, articles):
    holder = Holder(settings)
    holder.start()
    store.put_articles(articles)
    deadline = time.monotonic() + 20
    while not asked(holder).items and time.monotonic() < deadline:
        time.sleep(0.05)
    holder.stop()
    assert len(asked(holder).items) == 6


def test_what_editors_decide_counts_from_the_next_look_on_through_a_new_bundle(
    settings, filled, trained
):
    holder = Holder(settings)
    holder.refresh(T)
    first = asked(holder).items[0].article
    rule = Rule("", Action.BLOCK, Aim.ARTICLE, str(first), reason="wrong")
    made = rules.add(filled, rule, Actor("ann"))
    holder.refresh(T + 1)
    assert first not in [item.article for item in asked(holder, 50).items]
    run(filled, settings.bundles, Recipe(dims=8), T + 2)
    holder.refresh(T + 2)
    assert asked(holder).bundle_id != trained.id
    assert first not in [item.article for item in asked(holder, 50).items]
    another = Holder(settings)
    another.refresh(T + 2)
    assert first not in [item.article for item in asked(another, 50).items]
    rules.undo(filled, made.id, Actor("bob"), T + 3)
    holder.refresh(T + 3)
    assert first in [item.article for item in asked(holder, 50).items]

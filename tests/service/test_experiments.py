"""Readers are shown their arm of an experiment, and what they do with it is kept under its name."""

import base64
import dataclasses
import json
import shutil
import time

import httpx
import pytest

from data import keyring
from data.exposures import exposures
from data.store import Mark
from recsys.arms import Arm, Experiment
from recsys.policy import Policy
from recsys.types import ArticleId, Event, Kind, Query
from service.app import create_app
from service.holder import RETRY, Holder
from training.recipe import Recipe
from training.run import run

T = int(time.time())
PATH = "/v1/recommendations"
RECIPE = Recipe(dims=8, factors=8)
BROWSER = {
    "Origin": "https://daily.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Content-Type": "text/plain",
}
STILL = {"exploration": 0.0, "max_per_site": 1.0}
HOME = Arm("home", 0.5, policy=Policy(other_sites_min=0.0, **STILL))
AWAY = Arm("away", 0.5, policy=Policy(other_sites_min=1.0, **STILL))
EXPERIMENT = Experiment("sites", (HOME, AWAY))
CONFIG = """
[experiment]
id = "sites"

[[experiment.arms]]
name = "home"
share = 0.5
policy = { other_sites_min = 0.0, max_per_site = 1.0 }

[[experiment.arms]]
name = "away"
share = 0.5
policy = { other_sites_min = 1.0, max_per_site = 1.0 }
"""


def card_of(answer: dict, kind: str, place: int = 0, **who: object) -> dict:
    names = {name: answer["items"][place][name] for name in ("site", "key", "position")}
    return {"kind": kind, "slate": answer["slate"], **names, **who}


def with_arm(token: str, old: bytes, new: bytes) -> str:
    """A token that claims another arm, as somebody without the key would make it."""
    id, payload, mac = token.split(".")
    told = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    assert told.endswith(old)
    changed = base64.urlsafe_b64encode(told.removesuffix(old) + new).decode().rstrip("=")
    return f"{id}.{changed}.{mac}"


def test_two_arms_are_served_told_apart_and_logged_by_the_real_service(var, store, articles, start):
    config = var / "recsys.toml"
    config.write_text(config.read_text() + CONFIG)
    store.put_articles(articles)
    service = start("--workers", "2")
    service.wait_for("/readyz")
    ring = keyring.load(var / "keyring.json", T)
    page = {"site": "daily", "key": "a-1"}
    sites: dict[str, set[str]] = {}
    rows: list[dict] = []
    arms: dict[str, str] = {}
    for n in range(12):
        visitor = f"reader-{n}"
        answers = [
            service.get(PATH, **page, visitor=visitor, consent="true").json() for _ in range(3)
        ]
        (arm,) = {answer["arm"] for answer in answers}
        expected = EXPERIMENT.arm_of(ring.visitor(visitor), T)
        assert arm == EXPERIMENT.label(expected)
        assert answers[0]["policy"] == expected.policy.id
        sites.setdefault(arm, set()).update(item["site"] for item in answers[0]["items"])
        who = {"visitor": visitor, "consent": True}
        rows += [card_of(answers[0], "impression", **who), card_of(answers[0], "click", **who)]
        arms[ring.visitor(visitor)] = arm
    assert "daily" in sites["sites/home"]
    assert sites["sites/away"] == {"culture", "travel"}

    def post(*posted: dict) -> httpx.Response:
        body = json.dumps({"events": posted})
        return httpx.post(f"{service.url}/v1/events", content=body, headers=BROWSER, timeout=20)

    assert post(*rows).json()["accepted"] == 24
    came = [event for _, event in store.changes(Mark()).events]
    assert [(e.arm, e.kind) for e in came] == [
        (arms[e.visitor], kind)
        for e, kind in zip(came, [Kind.IMPRESSION, Kind.CLICK] * 12, strict=True)
    ]
    labels = [EXPERIMENT.label(arm) for arm in EXPERIMENT.arms]
    seen = exposures(store, labels)
    assert len(seen) == len(set(seen.reader.tolist())) == 12
    assert seen.clicked.all()
    assert sorted(labels[arm] for arm in seen.arm) == sorted(arms.values())
    plain = card_of(answers[0], "impression", place=1)
    old, new = (b"sites/home", b"sites/away")[:: 1 if arm == "sites/home" else -1]
    forged = [
        {**plain, "slate": with_arm(plain["slate"], old, new)},
        {**plain, "slate": with_arm(plain["slate"], old, b"")},
        {**plain, "arm": new.decode()},
    ]
    refused = post(*forged)
    assert refused.status_code == 422
    assert [error["field"].rpartition(".")[2] for error in refused.json()["errors"]] == [
        "slate",
        "slate",
        "arm",
    ]
    assert len(store.changes(Mark()).events) == 24


@pytest.fixture
def served(settings, store, articles):
    """Make a holder and a client for some settings; the store knows the articles."""
    store.put_articles(articles)

    def make(**changes: object):
        changed = dataclasses.replace(settings, **changes)
        holder = Holder(changed)
        holder.refresh(T)
        return holder, create_app(changed, holder).test_client()

    return make


def arm_of(client, **query: object) -> str:
    page = {"site": "daily", "key": "a-1"}
    answer = client.get(PATH, query_string={**page, **query})
    assert answer.status_code == 200
    assert answer.json["items"]
    return answer.json["arm"]


def test_a_reader_without_consent_is_in_an_arm_by_session_and_nobody_else_is(served, settings):
    holder, client = served(experiment=EXPERIMENT)
    for n in range(8):
        session = holder.keyring.session(f"tab-{n}")
        expected = EXPERIMENT.label(EXPERIMENT.arm_of(session, T))
        assert arm_of(client, session=f"tab-{n}") == expected
        assert arm_of(client, session=f"tab-{n}", visitor="x") == expected, "no consent: no use"
    assert arm_of(client) == ""
    assert arm_of(client, visitor="anna") == ""
    anna = EXPERIMENT.label(EXPERIMENT.arm_of(holder.keyring.visitor("anna"), T))
    tabs = [{"session": f"tab-{n}"} for n in range(8)]
    assert {arm_of(client, visitor="anna", consent=True, **tab) for tab in tabs} == {anna}


def test_who_is_in_no_arm_gets_the_plain_policy(served, settings):
    later = dataclasses.replace(EXPERIMENT, start=T + 10_000)
    for experiment in (None, later, dataclasses.replace(EXPERIMENT, traffic=0.0)):
        _, client = served(experiment=experiment)
        query = {"site": "daily", "visitor": "anna", "consent": True}
        answer = client.get(PATH, query_string=query).json
        assert (answer["arm"], answer["policy"]) == ("", settings.policy.id)


def test_an_event_outside_of_a_box_belongs_to_no_arm(served, store):
    _, client = served(experiment=EXPERIMENT)
    row = {"kind": "read", "site": "daily", "key": "a-1", "id": "i", "session": "tab"}
    client.post("/v1/events", data=json.dumps({"events": [row]}), headers=BROWSER)
    ((_, event),) = store.changes(Mark()).events
    assert event.arm == ""


@pytest.fixture
def trained(store, settings, articles, visits):
    store.put_articles(articles)
    store.put_events(visits)
    return run(store, settings.bundles, RECIPE, T)


def by_arm(holder: Holder, experiment: Experiment, now: int) -> dict[str, object]:
    """The engine of some reader of each arm, and the label that came with it."""
    readers = [f"reader-{n}" for n in range(100)]
    return {
        arm.name: next(
            holder.engine_for(reader, now)
            for reader in readers
            if experiment.arm_of(reader, now) == arm
        )
        for arm in experiment.arms
    }


def shown(engine) -> set[ArticleId]:
    return {item.article for item in engine.recommend(Query("daily", T, n=50)).items}


def test_an_arm_is_served_from_its_bundle_which_follows_the_store_too(
    served, settings, store, trained, describe
):
    newer = run(store, settings.bundles, dataclasses.replace(RECIPE, seed=1), T + 1)
    experiment = Experiment("bundles", (Arm("current", 0.5), Arm("before", 0.5, trained.id)))
    holder, _ = served(experiment=experiment)
    engines = by_arm(holder, experiment, T)
    assert {name: engine.bundle.id for name, (engine, _) in engines.items()} == {
        "current": newer.id,
        "before": trained.id,
    }
    assert {label for _, label in engines.values()} == {"bundles/current", "bundles/before"}
    store.put_articles([describe("culture", 70)])
    store.withdraw([ArticleId("travel", "a-3")], T)
    store.put_events([Event("e", Kind.READ, ArticleId("daily", "a-2"), T, session="s")])
    holder.refresh(T + 1)
    for engine, _ in by_arm(holder, experiment, T + 1).values():
        assert ArticleId("culture", "a-70") in shown(engine)
        assert ArticleId("travel", "a-3") not in shown(engine)
    third = run(store, settings.bundles, dataclasses.replace(RECIPE, seed=2), T + 2)
    holder.refresh(T + 2)
    engines = by_arm(holder, experiment, T + 2)
    assert [engine.bundle.id for engine, _ in engines.values()] == [third.id, trained.id]


def test_an_arm_whose_bundle_cannot_be_served_is_none_until_it_can(
    served, settings, store, trained, tmp_path
):
    newer = run(store, settings.bundles, dataclasses.replace(RECIPE, seed=1), T + 1)
    shutil.move(settings.bundles / trained.id, tmp_path / "away")
    experiment = Experiment("bundles", (Arm("current", 0.5), Arm("other", 0.5, trained.id)))
    holder, client = served(experiment=experiment)
    engine, label = by_arm(holder, experiment, T)["other"]
    assert (engine.bundle.id, label) == (newer.id, "")
    assert (
        f"an arm's bundle {trained.id!r} is not in service" in client.get("/readyz").json["error"]
    )
    shutil.move(tmp_path / "away", settings.bundles / trained.id)
    holder.refresh(T + 1)
    assert by_arm(holder, experiment, T + 1)["other"][1] == "", "not looked at every second"
    holder.refresh(T + RETRY)
    assert by_arm(holder, experiment, T + RETRY)["other"][1] == "bundles/other"
    assert client.get("/readyz").json["error"] == ""


def test_a_bundle_that_an_arm_needs_outlives_those_that_were_trained_since(
    store, settings, trained
):
    for seed in range(1, 4):
        recipe = dataclasses.replace(RECIPE, seed=seed)
        run(store, settings.bundles, recipe, T + seed, keep=1, spare={trained.id})
    assert (settings.bundles / trained.id).is_dir()
    assert len([path for path in settings.bundles.iterdir() if path.is_dir()]) == 2

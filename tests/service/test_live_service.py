"""What readers do and editors publish counts in every worker, and survives whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from waiting import until

from data import access, keyring
from data.scope import Scope
from data.store import Mark, Store
from recsys import bundle as bundles
from training.recipe import Recipe
from training.run import run as learn

BROWSER = {
    "Origin": "https://daily.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Content-Type": "text/plain",
}
RECSYS = str(Path(sys.executable).with_name("recsys"))
RECIPE = Recipe(dims=8, factors=8)
NEW = {
    "site": "daily",
    "key": "fresh",
    "url": "https://daily.example/fresh",
    "title": "A lantern festival on the river",
    "published": "2026-01-01T00:00:00Z",
    "body": "Lanterns, rice and copper by the river station. " * 20,
}


def always(true: Callable[[], bool], times: int = 25) -> bool:
    """Ask often enough that every worker has answered, each time over a new connection."""
    return all(true() for _ in range(times))


@pytest.fixture
def token(store) -> str:
    return access.create(store, "x", list(Scope), [], int(time.time()))[1]


@pytest.fixture
def service(var, store, articles, visits, token, start):
    store.put_articles(articles)
    ring = keyring.load(var / "keyring.json", int(time.time()))
    store.put_events(ring.hide(event) for event in visits)
    learn(store, var / "bundles", RECIPE, int(time.time()))
    started = start("--workers", "2")
    started.wait_for("/readyz")
    return started


def shown(service) -> set[str]:
    items = service.get("/v1/recommendations", site="culture", n=50).json()["items"]
    return {f"{item['site']}/{item['key']}" for item in items}


def loudest(service) -> list[str]:
    return [item["key"] for item in service.get("/v1/trending", n=1).json()["items"]]


def read(n: int, key: str = "a-7") -> dict[str, str]:
    return {"kind": "read", "site": "daily", "key": key, "id": f"id-{n}"}


def test_a_new_article_a_takedown_and_clicks_reach_every_worker(service, token):
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.put(f"{service.url}/v1/articles", json={"articles": [NEW]}, headers=headers)
    assert answer.json()["new"] == 1
    assert until(lambda: always(lambda: "daily/fresh" in shown(service)))
    answer = httpx.delete(f"{service.url}/v1/articles/daily/fresh", headers=headers)
    assert answer.json() == {"withdrawn": True}
    assert until(lambda: always(lambda: "daily/fresh" not in shown(service)))
    rows = [read(n) | {"session": f"s{n}"} for n in range(200)]
    answer = httpx.post(f"{service.url}/v1/events", json={"events": rows}, headers=headers)
    assert answer.json()["accepted"] == 200
    assert until(lambda: always(lambda: loudest(service) == ["a-7"]))


def test_an_editors_rules_reach_every_worker_and_end_when_they_are_undone(service, token, var):
    headers = {"Authorization": f"Bearer {token}"}
    rules, aim = f"{service.url}/v1/rules", {"aim": "article", "value": "daily/a-3"}

    def first() -> str:
        card = service.get("/v1/recommendations", site="culture", n=3).json()["items"][0]
        return f"{card['site']}/{card['key']}"

    pin = {"action": "pin", **aim, "site": "culture", "slot": 1, "reason": "election night"}
    made = httpx.post(rules, json=pin, headers=headers)
    assert made.status_code == 201
    assert until(lambda: always(lambda: first() == "daily/a-3"))
    words = ["rules", "stop", "daily/a-3", "--reason", "retracted", "--json"]
    done = subprocess.run(
        [RECSYS, "--var", str(var), *words], capture_output=True, text=True, check=True
    )
    assert until(lambda: always(lambda: "daily/a-3" not in shown(service)))
    for id in (made.json()["id"], json.loads(done.stdout)["id"]):
        assert httpx.delete(f"{rules}/{id}?reason=over", headers=headers).status_code == 200
    assert until(lambda: always(lambda: "daily/a-3" in shown(service)))
    told = httpx.get(f"{service.url}/v1/audit", headers=headers).json()["entries"]
    assert [entry["action"] for entry in told[:4]] == ["rule.undo"] * 2 + ["rule.add"] * 2
    assert told[2]["actor"].startswith("command line (")


def test_what_was_acknowledged_survives_kill_9_and_counts_once(service, start, var):
    def post(n: int) -> int:
        body = {"events": [read(n, key=f"a-{n % 8}")]}
        with httpx.Client(timeout=20) as client:
            return client.post(f"{service.url}/v1/events", json=body, headers=BROWSER).status_code

    assert [post(n) for n in range(10)] == [202] * 10
    for pid in service.workers():  # right after the answer, before anything could be tidied up
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: service.wait_for("/readyz").status_code == 200)
    assert post(10) == 202
    os.kill(service.process.pid, signal.SIGKILL)
    for pid in service.workers():
        os.kill(pid, signal.SIGKILL)
    again = start("--workers", "1")
    again.wait_for("/readyz")
    body = {"events": [read(n, key=f"a-{n % 8}") for n in range(11)]}
    retry = httpx.post(f"{again.url}/v1/events", json=body, headers=BROWSER).json()
    assert (retry["accepted"], retry["repeated"]) == (0, 11)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        posted = [e for _, e in store.changes(Mark()).events if e.kind.name == "READ"]
    assert len(posted) == 11


def test_bundles_are_swapped_without_a_failed_request_and_a_broken_one_is_refused(
    service, var, store
):
    root = var / "bundles"
    failures: list[object] = []
    asked = 0
    stop = threading.Event()

    def ask() -> None:
        nonlocal asked
        with httpx.Client(timeout=20) as client:
            while not stop.is_set():
                page = {"site": "daily", "key": "a-1"}
                try:
                    answer = client.get(f"{service.url}/v1/recommendations", params=page)
                    if answer.status_code != 200 or len(answer.json()["items"]) != 6:
                        failures.append(answer.text)
                except httpx.HTTPError as error:
                    failures.append(error)
                asked += 1

    def served() -> set[str]:
        return {service.get("/readyz").json()["bundle"] for _ in range(12)}

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for round_ in range(3):
            recipe = Recipe(dims=8, factors=8, seed=round_ + 1)
            made = learn(store, root, recipe, int(time.time()))
            assert until(lambda made=made: served() == {made.id})
        broken = learn(store, var / "elsewhere", Recipe(dims=8, factors=8, seed=9), 10**9)
        (var / "elsewhere" / broken.id).rename(root / broken.id)
        (root / broken.id / "vectors.npy").write_bytes(b"\x00" * 100)
        bundles.publish(root, broken.id)
        assert until(
            lambda: {service.get("/readyz").json()["refused"] for _ in range(12)} == {broken.id}
        )
        assert served() == {made.id}
        state = service.get("/readyz").json()
        assert "vectors.npy" in state["refused_because"]
        assert "recsys_bundle_refused 1.0" in service.get("/metrics").text
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert asked > 50
    assert bundles.rollback(root) == made.id
    assert until(lambda: "recsys_bundle_refused 0.0" in service.get("/metrics").text)


def test_slates_signed_before_a_rotation_are_still_taken(service, var):
    def shown_and_clicked() -> dict:
        page = {"site": "daily", "key": "a-1"}
        answer = service.get("/v1/recommendations", **page).json()
        first = answer["items"][0]
        row = {"kind": "click", "slate": answer["slate"], "position": 0}
        row |= {"site": first["site"], "key": first["key"]}
        keyring.rotate(var / "keyring.json", int(time.time()))
        time.sleep(2)
        body = {"events": [row]}
        return httpx.post(f"{service.url}/v1/events", json=body, headers=BROWSER).json()

    assert shown_and_clicked()["accepted"] == 1
    assert shown_and_clicked()["accepted"] == 1

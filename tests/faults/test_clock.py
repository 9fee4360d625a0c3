"""A clock that jumps back an hour under a running service takes nothing with it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import Service, serving

from data import access
from data.scope import Scope
from data.store import Store

from .conftest import BROWSER, UNBOUNDED, Traffic, lacking, trained, until

HOT, NEXT = "culture/a-2", "culture/a-3"
SLEEP = """
import select, time
# libfaketime 0.9.10 breaks the call that this makes where it leaves the monotonic clock alone.
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> Path:
    """A file that says how far the service's clock is from ours."""
    if not FAKETIME.exists():
        lacking(f"there is no {FAKETIME} to set a clock with (apt-get install faketime)")
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("+0")
    return file


@pytest.fixture(scope="module")
def var(tmp_path_factory) -> Path:
    var = trained(tmp_path_factory.mktemp("var"))
    with (var / "recsys.toml").open("a") as config:
        config.write(UNBOUNDED)
    return var


@pytest.fixture(scope="module")
def service(var, clock) -> Iterator[Service]:
    (clock.parent / "sitecustomize.py").write_text(SLEEP)
    found = os.environ.get("PYTHONPATH", "")
    environment = {
        "PYTHONPATH": f"{clock.parent}{os.pathsep}{found}" if found else str(clock.parent),
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # As of a real clock that is set: what counts seconds goes on.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with serving(var, "--workers", "1", environment=environment) as started:
        started.wait_for("/readyz")
        yield started


def test_an_hour_back_costs_no_answer_no_click_no_trend_and_no_rule(service, var, clock):
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        _, token = access.create(store, "x", [Scope.ADMIN, Scope.EVENTS], [], int(time.time()))
    headers = {"Authorization": f"Bearer {token}"}
    traffic = Traffic(service)
    client = httpx.Client(base_url=service.url, timeout=60)

    def shown() -> dict:
        return client.get("/v1/recommendations", params={"site": "daily", "key": "a-1"}).json()

    def keys() -> set[str]:
        return {f"{item['site']}/{item['key']}" for item in shown()["items"]}

    def read(key: str, name: str, n: int) -> list[dict]:
        row = {"kind": "read", "site": "culture", "key": key}
        return [row | {"id": f"{name}{i}", "session": f"{name}{i}"} for i in range(n)]

    def post(rows: list[dict], **headers: str) -> dict:
        return client.post("/v1/events", json={"events": rows}, headers=headers).json()

    def loudest() -> str:
        items = client.get("/v1/trending").json()["items"]
        return f"{items[0]['site']}/{items[0]['key']}" if items else ""

    def stop(article: str) -> None:
        rule = {"action": "stop", "aim": "article", "value": article, "reason": "retracted"}
        assert client.post("/v1/rules", json=rule, headers=headers).status_code == 201

    assert until(lambda: client.get("/v1/rules", headers=headers).status_code == 200)
    post(read("a-2", "before", 40), **headers)
    assert until(lambda: loudest() == HOT)
    stopped = min(keys() - {HOT, NEXT})
    stop(stopped)
    assert until(lambda: stopped not in keys())
    slate = shown()
    refreshed = service.get("/readyz").json()["refreshed"]

    clock.write_text("-3600")

    assert until(lambda: service.get("/readyz").json()["refreshed"] < refreshed - 3000)
    card = slate["items"][0]
    click = {"kind": "click", "slate": slate["slate"], "position": 0}
    click |= {"site": card["site"], "key": card["key"]}
    assert post([click], **BROWSER)["accepted"] == 1  # what was shown before still counts
    assert stopped not in keys()  # what was taken down stays down
    voices = client.get("/v1/trending").json()["items"][0]["voices"]
    assert 0 < voices < 100  # and nothing explodes
    post(read("a-3", "after", 160), **headers)
    assert until(lambda: loudest() == NEXT)  # nor stands still
    another = min(keys() - {HOT, NEXT})
    stop(another)
    assert until(lambda: another not in keys())
    for _ in range(5):
        traffic.ask(client)
    assert set(traffic.answers) == {200}
    client.close()
    for (
        pid
    ) in service.workers():  # another one reads it all anew, and half of it is of a time to come
        os.kill(pid, signal.SIGKILL)
    service.wait_for("/readyz")
    told = service.get("/v1/trending").json()["items"]
    assert [f"{item['site']}/{item['key']}" for item in told[:2]] == [NEXT, HOT]
    assert max(item["voices"] for item in told) < 100

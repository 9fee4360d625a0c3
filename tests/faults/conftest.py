"""Real processes, and what breaks under them: workers, trainers, databases, disks, clocks."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from served import SITES, Service, article, furnished
from waiting import until

from data import keyring
from data.records import digest_of
from data.store import Mark, Store
from recsys.types import Event, Kind
from training.recipe import Recipe
from training.run import run

RECIPE = Recipe(dims=8, factors=8)
BROWSER = {
    "Origin": "https://daily.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Content-Type": "text/plain",
}


def lacking(what: str) -> None:
    """Skip a test for which the system lacks something, or fail where it must have it."""
    if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
        pytest.fail(f"RECSYS_REQUIRE_SYSTEM=1, but {what}")
    pytest.skip(f"{what}; RECSYS_REQUIRE_SYSTEM=1 makes this a failure")


def trained(var: Path, url: str = "") -> Path:
    """Fill a store with three small sites and their readers, and make a bundle of it."""
    furnished(var)
    if url:
        with (var / "recsys.toml").open("a") as config:
            config.write(f'[store]\nurl = "{url}"\n')
    articles = [article(site, place) for site in SITES for place in range(8)]
    ring, now = keyring.load(var / "keyring.json", int(time.time())), int(time.time())
    visits = [
        Event(f"v{reader}-{step}", Kind.CLICK, read.id, now - 3000 + reader, f"r{reader}")
        for reader in range(30)
        for step, read in enumerate(articles[reader % 20 :: 7][:4])
    ]
    with Store.open(url or f"sqlite:///{var / 'recsys.db'}") as store:
        store.put_articles(articles)
        store.put_events(ring.hide(event) for event in visits)
        run(store, var / "bundles", RECIPE, now)
    return var


def kept(store: Store) -> list[bytes]:
    """Return the digests of the ids of all events that pages reported, in order of arrival."""

    events, mark = [], Mark()
    while (changes := store.changes(mark)).mark != mark:
        events += [e for _, e in changes.events if e.kind == Kind.READ]
        mark = changes.mark
    return [bytes.fromhex(event.id) for event in events]


@dataclass
class Traffic:
    """What pages ask and report while something breaks."""

    service: Service
    answers: list[int] = field(default_factory=list)
    """Status of each answer to a page, 0 where none came."""
    reports: list[int] = field(default_factory=list)
    acknowledged: list[bytes] = field(default_factory=list)
    """Digests of the ids of events that the service has taken."""
    queued: int = 0

    def ask(self, client: httpx.Client) -> None:
        page = {"site": "daily", "key": "a-1"}
        try:
            answer = client.get("/v1/recommendations", params=page)
            full = answer.status_code == 200 and len(answer.json()["items"]) == 6
            self.answers.append(answer.status_code if full else -answer.status_code)
        except httpx.HTTPError:
            self.answers.append(0)

    def report(self, client: httpx.Client, name: str) -> httpx.Response | None:
        ids = [f"{name}-{part}" for part in range(3)]
        rows = [
            {"kind": "read", "site": "daily", "key": f"a-{n}", "id": id} for n, id in enumerate(ids)
        ]
        try:
            answer = client.post("/v1/events", json={"events": rows}, headers=BROWSER)
        except httpx.HTTPError:
            self.reports.append(0)
            return None
        self.reports.append(answer.status_code)
        if answer.status_code == 202:
            told = answer.json()
            assert told["accepted"] + told["repeated"] + told["queued"] == 3, told
            self.queued += told["queued"]
            self.acknowledged += [digest_of(id) for id in ids]
        return answer

    @contextmanager
    def flowing(self) -> Iterator["Traffic"]:
        """Ask and report all the while."""
        stop = threading.Event()

        def asking() -> None:
            with httpx.Client(base_url=self.service.url, timeout=60) as client:
                while not stop.wait(0.02):
                    self.ask(client)

        def reporting(name: str) -> None:
            n = 0
            with httpx.Client(base_url=self.service.url, timeout=60) as client:
                while not stop.wait(0.03):
                    self.report(client, f"{name}-{n}")
                    n += 1

        threads = [threading.Thread(target=asking) for _ in range(2)]
        threads += [threading.Thread(target=reporting, args=(str(n),)) for n in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def more(self, answers: int = 30, reports: int = 20) -> bool:
        """Wait for so many more answers; they prove that the service goes on."""
        asked, reported = len(self.answers) + answers, len(self.reports) + reports
        return until(lambda: len(self.answers) >= asked and len(self.reports) >= reported)

    def settled(self, store: Store) -> bool:
        """Wait until the store holds all that was acknowledged."""
        return until(lambda: set(self.acknowledged) <= set(kept(store)))


UNBOUNDED = "\n[limits]\nevents_per_minute = 1000000\nopenings = 1000000\n"


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a small disk of one's own; it is unmounted with the test."""
    mounted = []

    def mount(megabytes: float, name: str = "disk") -> Path:
        place = tmp_path / name
        place.mkdir()
        words = ("mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs")
        done = subprocess.run([*words, str(place)], capture_output=True, text=True)
        if done.returncode:
            lacking(f"no disk can be mounted here ({done.stderr.strip()})")
        mounted.append(place)
        return place

    try:
        yield mount
    finally:
        for place in mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)

"""A bundle that is sound by every check and bad for readers is gone back from, unasked."""

import dataclasses
import http.server
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from served import SITES, Service, article, furnished, serving

from data import audit, keyring
from data.store import Store
from recsys import bundle as bundles
from recsys import shelf
from recsys.history import History
from recsys.types import Article, Event, Kind
from training.learn import learn

from .conftest import BROWSER, RECIPE, UNBOUNDED, until

ARTICLES = [article(site, place) for site in SITES for place in range(16)]
LIKED = {str(a.id) for a in ARTICLES if random.Random(a.title).random() < 0.5}
"""The truth: what readers click one time in four, and all else one time in fifty."""
QUICK = """
[watch]
impressions = 600
answers = 100
settle = 0.0
seconds = 0.2

[alerts]
webhook = "{webhook}"
"""


class Network:
    """A service, its readers, and those who make its bundles."""

    def __init__(self, service: Service, var: Path, store: Store, alerts: list[dict]) -> None:
        self.service, self.var, self.store, self.alerts = service, var, store, alerts
        self.root = var / "bundles"
        self._readers = 0
        self.pages = httpx.Client(base_url=service.url, timeout=60)

    def publish(self, knows: Callable[[Article], bool], seed: int = 1) -> str:
        """Publish what was learned as if only some articles were there: sound, by every check."""
        now = int(time.time())
        known = self.store.snapshot(until=now + 1)
        rows = [row for row, one in enumerate(known.articles) if knows(one)]
        with Store.open("sqlite://") as aside:
            aside.put_articles([known.articles[row] for row in rows])
            part = aside.snapshot(until=now + 1)
        history = History(part.articles, part.visitors, part.interactions)
        if len(rows) == len(known.articles):
            history = History(known.articles, known.visitors, known.interactions)
        recipe = dataclasses.replace(RECIPE, seed=seed)
        made = learn(history, recipe, now, mark=dataclasses.asdict(known.mark))
        folder = bundles.write(made, self.root)
        bundles.verify(folder)
        shelf.publish(self.root, folder.name)
        assert until(lambda: self.served() == {folder.name})
        return folder.name

    def served(self) -> set[str]:
        """Return what workers serve, each time asked over a new connection."""
        headers = {"Connection": "close"}
        return {self.pages.get("/readyz", headers=headers).json()["bundle"] for _ in range(10)}

    def current(self) -> str:
        return shelf.current(self.root)

    def read(self, pages: int, until_left: str = "") -> None:
        """Have readers open pages, see their cards and click by the truth, each but once."""
        with ThreadPoolExecutor(4) as pool:
            first = self._readers
            self._readers += pages
            for chunk in range(first, first + pages, 100):
                list(pool.map(self._page, range(chunk, min(chunk + 100, first + pages))))
                if until_left and self.current() != until_left:
                    return

    def _page(self, reader: int) -> None:
        draw = random.Random(reader)
        page = draw.choice(ARTICLES)
        who = {"session": f"reader-{reader}"}
        asked = {"site": page.site, "key": page.key, **who}
        answer = self.pages.get("/v1/recommendations", params=asked)
        rows = []
        for item in answer.json()["items"]:
            names = {name: item[name] for name in ("site", "key", "position")}
            card = {"slate": answer.json()["slate"], **names, **who}
            rows.append({"kind": "impression", **card})
            liked = f"{item['site']}/{item['key']}" in LIKED
            if draw.random() < (0.25 if liked else 0.02):
                rows.append({"kind": "click", **card})
        if rows:
            headers = {**BROWSER, "Origin": f"https://{page.site}.example"}
            taken = self.pages.post("/v1/events", json={"events": rows}, headers=headers)
            # A bundle that does not know an article refuses it: a part of how bad it is.
            assert taken.status_code == 202 or "is unknown" in taken.text, taken.text

    def rollbacks(self, reason: str) -> float:
        name = f'recsys_rollbacks_total{{reason="{reason}"}}'
        lines = self.service.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict]]]:
    """Stand for a chat that takes alerts."""
    got: list[dict] = []

    class Takes(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret", got
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network with a good bundle that many readers have seen."""
    var = furnished(tmp_path_factory.mktemp("var"))
    ring, now = keyring.load(var / "keyring.json", int(time.time())), int(time.time())
    visits = [
        Event(f"v{reader}-{step}", Kind.CLICK, read.id, now - 3000 + reader, f"r{reader}")
        for reader in range(40)
        for step, read in enumerate(random.Random(reader).sample(ARTICLES, 4))
    ]
    with webhook() as (address, alerts), Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        with (var / "recsys.toml").open("a") as config:
            config.write(UNBOUNDED + QUICK.format(webhook=address))
        store.put_articles(ARTICLES)
        store.put_events(ring.hide(event) for event in visits)
        with serving(var, "--workers", "2") as service:
            service.wait_for("/readyz")
            network = Network(service, var, store, alerts)
            network.publish(lambda _: True)
            network.read(400)
            yield network
            network.pages.close()


def gone_back(network: Network, bad: str, good: str, reason: str, before: float) -> None:
    """Check that the service went back by itself, and that everybody can learn why."""
    assert until(lambda: network.current() == good)
    assert until(lambda: network.served() == {good})
    entry = next(e for e in audit.entries(network.store) if e.action == "bundle.rollback")
    assert (entry.actor, entry.subject, entry.detail["left"]) == ("watch", good, bad)
    assert entry.detail["reason"] == reason
    assert entry.detail["high"] < entry.detail["bound"] < entry.detail["expected"]
    assert network.rollbacks(reason) == before + 1
    assert until(lambda: any(alert["subject"] == bad for alert in network.alerts))
    (told,) = [alert for alert in network.alerts if alert["subject"] == bad]
    assert (told["event"], told["detail"]["bundle"]) == ("bundle.rolled_back", good)
    assert bad in told["text"]
    assert good in told["text"]
    lines = map(json.loads, network.service.log.read_text().splitlines())
    assert [line["reason"] for line in lines if line.get("left") == bad] == [reason]
    assert "/secret" not in network.service.log.read_text()


def test_a_bundle_whose_cards_nobody_clicks_is_left(network):
    good, before = network.current(), network.rollbacks("clicks")
    bad = network.publish(lambda a: str(a.id) not in LIKED)
    network.read(3_000, until_left=bad)
    gone_back(network, bad, good, "clicks", before)


def test_a_bundle_that_knows_hardly_any_article_is_left(network):
    good, before = network.current(), network.rollbacks("fill")
    bad = network.publish(lambda a: a.key in ("a-0", "a-1") and a.site == "daily", seed=2)
    network.read(3_000, until_left=bad)
    gone_back(network, bad, good, "fill", before)


def test_a_bundle_that_is_as_good_stays_and_so_does_the_one_that_was_gone_back_to(network):
    assert network.publish(lambda _: True, seed=3) == network.current()
    fresh, alerts = network.current(), len(network.alerts)
    network.read(600)
    time.sleep(1)  # several looks
    assert network.current() == fresh
    assert len(network.alerts) == alerts

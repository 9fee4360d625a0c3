"""Two services behind nginx share one store and one directory of bundles, and none is missed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from served import Service, serving

from data import keyring
from data.store import Store
from recsys import shelf
from service import slates
from training.recipe import Recipe
from training.run import run

from .conftest import UNBOUNDED, Traffic, kept, lacking, trained, until

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def bundles_of(service: Service, times: int = 12) -> set[str]:
    """Return what the workers of a service say that they serve."""
    return {service.get("/readyz").json()["bundle"] for _ in range(times)}


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[str]:
    """Run nginx as deploy/ configures it, on free ports; returns its address."""
    (folder / "nginx").mkdir()
    port, text = free_port(), CONFIG.read_text()
    for n, own in enumerate(ports, 1):
        text = text.replace(f"service-{n}:8000", f"127.0.0.1:{own}")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("/tmp/", f"{folder}/nginx/")
    assert "service-" not in re.sub("#.*", "", text)
    (folder / "nginx.conf").write_text(text)
    words = ["nginx", "-e", "stderr", "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(words, stderr=log, stdout=log)
    try:
        url = f"http://127.0.0.1:{port}"
        assert until(lambda: process.poll() is not None or _answers(url), 20)
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield url
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Pages(Traffic):
    """Traffic that also keeps which bundle each answer says it is from, and its slate."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, client: httpx.Client) -> None:
        n = len(self.answers)
        page = {"site": "daily", "key": f"a-{n % 8}", "session": f"s-{n}"}
        try:
            answer = client.get("/v1/recommendations", params=page)
            body = answer.json()
            full = answer.status_code == 200 and len(body["items"]) == 6
            self.answers.append(answer.status_code if full else -answer.status_code)
            self.told.append((body["bundle"], body["slate"]))
        except (httpx.HTTPError, ValueError, KeyError):
            self.answers.append(0)


@dataclass
class Replicas:
    """Two services that run on fixed ports, and nginx in front of them."""

    var: Path
    store: Store
    front: Service
    ports: list[int]
    running: list[ExitStack]
    services: list[Service]

    def start(self, n: int) -> None:
        """Start a replica, on the port that it always has."""
        beside = self.var / f"replica-{n}"
        beside.mkdir(exist_ok=True)
        stack = ExitStack()
        words = ("--workers", "2", "--port", str(self.ports[n]))
        service = stack.enter_context(serving(self.var, *words, beside=beside))
        self.running[n], self.services[n] = stack, service
        assert until(lambda: _ready(service))

    def stop(self, n: int) -> None:
        """Stop a replica with SIGTERM and wait for its end."""
        self.running[n].close()
        assert self.services[n].process.returncode == 0

    def train(self, seed: int) -> str:
        recipe = Recipe(dims=8, factors=8, seed=seed)
        return run(self.store, self.var / "bundles", recipe, int(time.time())).id


def _ready(service: Service) -> bool:
    try:
        return service.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def replicas(tmp_path_factory, postgres_url: Callable[[], str]) -> Iterator[Replicas]:
    if shutil.which("nginx") is None:
        lacking("needs nginx")
    url = postgres_url()
    var = trained(tmp_path_factory.mktemp("var"), url)
    with (var / "recsys.toml").open("a") as config:
        config.write(UNBOUNDED + "trusted_proxies = 1\n")
    ports = [free_port(), free_port()]
    with Store.open(url) as store, ExitStack() as ending:
        front = Service("", None, var / "nginx.log")  # type: ignore[arg-type]
        both = Replicas(var, store, front, ports, [ExitStack(), ExitStack()], [front, front])
        for n in range(2):
            both.start(n)
            ending.callback(lambda n=n: both.running[n].close())
        with nginx(var, ports) as address:
            both.front = Service(address, None, var / "nginx.log")  # type: ignore[arg-type]
            yield both


def flawless(pages: Pages, replicas: Replicas, known: set[str]) -> None:
    """Check that nothing failed, that no answer mixes bundles, and that events count once."""
    assert set(pages.answers) == {200}, (replicas.var / "nginx.log").read_text()
    assert set(pages.reports) == {202}
    ring = keyring.load(replicas.var / "keyring.json", int(time.time()))
    for bundle, slate in pages.told:
        assert bundle in known
        assert slates.read(slate, ring, int(time.time())).bundle == bundle
    assert pages.settled(replicas.store)
    ids = kept(replicas.store)
    assert len(ids) == len(set(ids))


def test_each_replica_is_restarted_and_no_request_fails(replicas):
    known = {shelf.current(replicas.var / "bundles")}
    with Pages(replicas.front).flowing() as pages:
        assert pages.more()
        for n in (0, 1):
            replicas.stop(n)
            replicas.start(n)
            assert pages.more(10, 10)
    flawless(pages, replicas, known)


def test_bundles_are_swapped_and_rolled_back_and_no_request_fails(replicas):
    root = replicas.var / "bundles"
    known = {shelf.current(root)}

    def everywhere(id: str) -> bool:
        return until(lambda: all(bundles_of(service) == {id} for service in replicas.services))

    with Pages(replicas.front).flowing() as pages:
        for seed in (11, 12):
            made = replicas.train(seed)
            known.add(made)
            assert everywhere(made)
            assert pages.more(10, 10)
        assert everywhere(shelf.rollback(root))
        assert pages.more(10, 10)
    flawless(pages, replicas, known)
    assert len({bundle for bundle, _ in pages.told}) == 3


@pytest.mark.parametrize("n", [0, 1])
def test_a_worker_is_killed_and_no_request_fails(replicas, n):
    # One at a time: a request that dies with two workers, of either replica, has nobody left.
    known, service = {shelf.current(replicas.var / "bundles")}, replicas.services[n]
    with Pages(replicas.front).flowing() as pages:
        assert pages.more()
        os.kill(service.workers()[0], signal.SIGKILL)
        assert pages.more()
    flawless(pages, replicas, known)
    assert until(lambda: _ready(service))


def test_a_slate_of_one_replica_is_known_to_the_other(replicas):
    one, other = replicas.services
    answer = one.get("/v1/recommendations", site="daily", key="a-1").json()
    first = answer["items"][0]
    row = {"kind": "click", "slate": answer["slate"], "position": 0}
    row |= {"site": first["site"], "key": first["key"]}
    headers = {"Origin": "https://daily.example", "Content-Type": "text/plain"}
    headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"
    for service, counted in ((other, 1), (one, 0)):
        taken = httpx.post(f"{service.url}/v1/events", json={"events": [row]}, headers=headers)
        assert taken.json()["accepted"] == counted

import http.server
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import service as package
from data.store import Store
from recsys.policy import Policy
from recsys.types import Article, Event, Kind
from service.settings import Settings, Site

NOW = int(time.time())
RECSYS = str(Path(sys.executable).with_name("recsys"))
SITES = {
    "daily": Site("The Daily Archipelago", "https://daily.example/", "en"),
    "culture": Site("Hana & Hearth", "https://culture.example/", "en"),
    "travel": Site("Slow Islands", "https://travel.example/", "en"),
}
STILL = Policy(exploration=0.0)
"""What is left to chance has its own tests."""
WORDS = """
river station paper morning lantern harbour kitchen temple ticket winter garden bridge letter
market island copper evening platform rice cedar window school craft silence festival wool
""".split()  # noqa: SIM905

WIDGET = Path(package.__file__).parent / "static" / "widget.js"


def article(site: str, place: int, **fields: object) -> Article:
    draw = random.Random(f"{site}{place}")
    body = "\n\n".join(" ".join(draw.choices(WORDS, k=40)).capitalize() + "." for _ in range(3))
    values: dict[str, object] = {
        "site": site,
        "key": f"a-{place}",
        "url": f"https://{site}.example/a-{place}",
        "title": f"{' '.join(draw.choices(WORDS, k=5)).capitalize()} {place}",
        "published": NOW - 3600 * (place + 1),
        "body": body,
        "section": draw.choice(("News", "Craft", "Walks")),
        "language": "en",
        "image": f"https://{site}.example/a-{place}.jpg",
    }
    return Article(**{**values, **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def describe() -> Callable[..., Article]:
    """Make one article; what is not given is drawn from its site and place."""
    return article


@pytest.fixture(scope="session")
def articles() -> list[Article]:
    """Three sites, eight articles each, all different."""
    return [article(site, place) for site in SITES for place in range(8)]


@pytest.fixture
def visits(articles: list[Article], readers: int = 30) -> list[Event]:
    """Thirty readers, four clicks each."""
    draw = random.Random(5)
    return [
        Event(
            f"e{reader}-{step}",
            Kind.CLICK,
            read.id,
            NOW - 3000 + 10 * reader + step,
            f"reader-{reader}",
            f"s-{reader}",
        )
        for reader in range(readers)
        for step, read in enumerate(draw.sample(articles, 4))
    ]


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A directory of the database and bundles, empty but for the configuration of the sites."""
    return furnished(tmp_path)


def furnished(folder: Path) -> Path:
    lines = [f'[sites.{id}]\nname = "{s.name}"\nurl = "{s.url}"\n' for id, s in SITES.items()]
    lines.append("[policy]\nexploration = 0.0\n")
    (folder / "recsys.toml").write_text("\n".join(lines))
    return folder


@pytest.fixture
def settings(var: Path) -> Settings:
    return Settings(
        var / "bundles", f"sqlite:///{var / 'recsys.db'}", var / "keyring.json", SITES, STILL
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings.store_url) as opened:
        yield opened


@dataclass(frozen=True)
class Service:
    url: str
    process: subprocess.Popen[str]
    log: Path

    def get(self, path: str, **params: object) -> httpx.Response:
        return httpx.get(self.url + path, params=params or None, timeout=20)  # type: ignore[arg-type]

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def wait_for(self, path: str, **params: object) -> httpx.Response:
        """Ask until the service answers at all."""
        deadline = time.monotonic() + 40
        while True:
            try:
                return self.get(path, **params)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


@contextmanager
def serving(var: Path, *options: str) -> Iterator[Service]:
    """Run `recsys serve` as a person would, on a free port."""
    command = [RECSYS, "--var", str(var), "serve", "--port", "0", *options]
    log = var / "serve.log"
    (var / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(var / "tmp")}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[\d.]+:\d+", line)
            assert found, f"no address in {line!r}; log: {log.read_text()}"
            yield Service(found[0], process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def start(var: Path) -> Iterator[Callable[..., Service]]:
    """Start `recsys serve` on `var` with further options; it ends with the test."""
    with ExitStack() as running:
        yield lambda *options: running.enter_context(serving(var, *options))


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Service]]:
    """Start `recsys serve` on a store of the given articles; it ends with the tests of a file.

    ``config`` stands for the usual configuration.
    """
    with ExitStack() as running:

        def started(articles: list[Article], *options: str, config: str = "") -> Service:
            var = furnished(tmp_path_factory.mktemp("var"))
            if config:
                (var / "recsys.toml").write_text(config)
            with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
                store.put_articles(articles)
            service = running.enter_context(serving(var, *options))
            service.wait_for("/healthz")
            return service

        yield started


@dataclass
class Published:
    """A publisher's site."""

    url: str
    pages: dict[str, Any]
    """What lies at a path: (status, type, body), or a function that returns one."""
    policy: str = ""
    """Of the page at ``/``."""
    posted: list[str] = field(default_factory=list)


@pytest.fixture
def publish() -> Iterator[Callable[..., Published]]:
    """Serve a publisher's page with a tag in it, and further pages."""
    servers = []

    def published(
        tag: str, policy: str = "", pages: dict[str, Any] | None = None, head: str = ""
    ) -> Published:
        page = (
            f"<!DOCTYPE html><html lang=en><head><title>page</title>{head}</head>"
            f"<body><main><h1>Page</h1>{tag}<p id=end>end</p></main></body></html>"
        )
        site = Published(
            "",
            {
                "/": (200, "text/html", page),
                "/widget.js": (200, "text/javascript", WIDGET.read_text("utf-8")),
                "/favicon.ico": (204, "image/x-icon", ""),
                **(pages or {}),
            },
            policy,
        )

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                found = site.pages.get(path, (404, "text/plain", ""))
                status, kind, body = found() if callable(found) else found
                self.send_response(status)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                if site.policy and path == "/":
                    self.send_header("Content-Security-Policy", site.policy)
                self.end_headers()
                with suppress(BrokenPipeError):  # the reader is gone
                    self.wfile.write(body.encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                site.posted.append(body.decode())
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        site.url = f"http://127.0.0.1:{server.server_port}/"
        return site

    yield published
    for server in servers:
        server.shutdown()
        server.server_close()

import http.server
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import service as package
from data.store import Store
from recsys.types import Article, Event, Kind
from service.settings import Settings

sys.path.append(str(Path(__file__).parents[1]))
from served import NOW, SITES, STILL, Service, article, furnished, serving

WIDGET = Path(package.__file__).parent / "static" / "widget.js"


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


@pytest.fixture
def settings(var: Path) -> Settings:
    return Settings(
        var / "bundles", f"sqlite:///{var / 'recsys.db'}", var / "keyring.json", SITES, STILL
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings.store_url) as opened:
        yield opened


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

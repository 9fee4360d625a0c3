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
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

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

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDGET = Path(package.__file__).parent / "static" / "widget.js"
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.shifted += one.value;
}).observe({type: "layout-shift", buffered: true});
"""


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
    """Start `recsys serve` on a store of the given articles; it ends with the tests of a file."""
    with ExitStack() as running:

        def started(articles: list[Article], *options: str) -> Service:
            var = furnished(tmp_path_factory.mktemp("var"))
            with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
                store.put_articles(articles)
            service = running.enter_context(serving(var, *options))
            service.wait_for("/healthz")
            return service

        yield started


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("RECSYS_REQUIRE_BROWSER") == "1":
            pytest.fail(f"RECSYS_REQUIRE_BROWSER=1, but there is no {CHROMIUM}")
        pytest.skip(f"needs {CHROMIUM}; RECSYS_REQUIRE_BROWSER=1 makes this a failure")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Any]]:
    """Open an address as a person would.

    What the console or the policy says lands in `page.complaints`, what is asked of any server in
    `page.asked`, and how far things jumped in `window.shifted`.
    """
    contexts = []
    # A service that knows robots takes a headless browser for one.
    agent = f"Mozilla/5.0 (X11; Linux x86_64) Chrome/{chromium.version} Safari/537.36"

    def opened(url: str, **options: Any) -> Page:
        context = chromium.new_context(**{"user_agent": agent, **options})
        contexts.append(context)
        context.add_init_script(SHIFTS)
        page: Any = context.new_page()
        page.complaints, page.asked = [], []
        page.on("console", lambda line: page.complaints.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: page.complaints.append(f"thrown: {error}"))
        page.on("request", lambda request: page.asked.append(request))
        page.goto(url, wait_until="networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()


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


@pytest.fixture(scope="session")
def barriers() -> Callable[..., str]:
    """Return what axe finds on a page, as text: empty where nothing bars anybody."""

    def found(page: Page, *without: str) -> str:
        rules = {rule: {"enabled": False} for rule in without}
        results = Axe().run(page, options={"resultTypes": ["violations"], "rules": rules})
        return "\n".join(
            f"{violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in results.response["violations"]
            for node in violation["nodes"]
        )

    return found

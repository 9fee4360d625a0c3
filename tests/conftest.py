"""What tests share: the command line as typed, a browser as looked through, stores on a server."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Before anything that computes is loaded: of three tests at a time on two cores, threads that wait
# for one another only spin, a quarter of all the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import structlog
from axe_playwright_python.sync_playwright import Axe
from filelock import FileLock
from hypothesis import settings
from playwright.sync_api import Browser, Page, sync_playwright

from cli.main import run
from data import schema
from data.store import Store

sys.path.append(str(Path(__file__).parent))
import postgres

# How long an example takes is the machine's business, and machines are noisy.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking "
    "--disable-component-update --disable-sync"
)
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.shifted += one.value;
}).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture
def typed(capsys, monkeypatch, tmp_path):
    """Type ``recsys --var TMP ...``; returns its exit code and what it printed.

    It runs in this process, which saves the seconds that a new one costs.
    What is no known error is raised, as a test would otherwise have to look for tracebacks.
    """

    def type_(*words: object) -> SimpleNamespace:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["recsys", "--var", str(tmp_path), *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            run()
        except SystemExit as left:
            code = left.code or 0
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    logging = structlog.get_config()
    yield type_
    structlog.configure(**logging)  # what a command configured writes to this test's stderr


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


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> postgres.Server:
    """The PostgreSQL server of this test run, which its workers share: do not stop it.

    Tests that do run one of their own: ``postgres.server``.
    """
    shared, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared, owner = shared.parent, os.getppid()
    told = shared / "postgres"
    with FileLock(shared / "postgres.lock"):
        if told.exists():
            folder, port = told.read_text().split()
            return postgres.Server(Path(folder), int(port))
        server = postgres.launch(owner=owner)
        Store.open(server.create("migrated")).close()
        told.write_text(f"{server.folder} {server.port}")
        return server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: postgres.Server) -> Callable[..., str]:
    """Make a database with nothing in it and return its SQLAlchemy URL.

    It has the schema already; ``bare=True`` makes one without.
    """

    def made(*, bare: bool = False) -> str:
        template = "template0" if bare else "migrated"
        return postgres_server.create(f"t_{uuid.uuid4().hex}", template)

    return made


@pytest.fixture(scope="session")
def emptied(postgres_server: postgres.Server) -> Callable[[], str]:
    """Empty this worker's database and return its URL: ten times as fast as making another."""
    name = f"worker_{os.getpid()}"
    url = postgres_server.create(name, "migrated")
    tables = [*schema.metadata.tables.values(), *schema.parted.tables.values()]
    words = [f"DELETE FROM {table.name}" for table in tables if table is not schema.clocks]
    words.append("UPDATE clocks SET value = 0")

    def empty() -> str:
        postgres_server.sql(*words, database=name)
        return url

    return empty


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store, on each of the databases in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("emptied")())
    return f"sqlite:///{tmp_path / 'recsys.db'}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store that all tests of a file share, on each of the databases in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url")())
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'recsys.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, on each of the databases in turn."""
    with Store.open(store_url) as opened:
        yield opened

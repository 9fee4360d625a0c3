"""Prints how fast events and articles come in, beside bare writes of the same rows.

Imports: the whole command ``recsys import`` on a file of Parquet, CSV or JSON Lines, beside a
program that reads the same file and does nothing but INSERT (SQLite, executemany) or COPY
(PostgreSQL) into a table with the same columns and indexes: see bare.py. Either starts with an
empty table. API: the service under gunicorn with two workers, asked by wrk with a key in batches of
1, 10 and 500 events, beside a Flask view under the same server that parses the JSON and inserts it
in one transaction a request, equally careful about the disk. Where the click log of Globo.com is at
hand, its import as well: seconds, and the most memory that was held.

``ratio`` is the reference's time over ours, by turns in the same run: 0.5 is half as fast as bare.
"""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import measure
import numpy as np
from sqlalchemy import create_engine

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import postgres
from exports import FORMATS, NOW, happened, write, written
from running import command, free_port, serving, started

from data import access, schema
from data.scope import Scope
from data.store import Store
from recsys.types import Article

ROOT = Path(__file__).parents[1]
BATCHES = (1, 10, 500)
SERVER = ("--workers", "2", "--threads", "4", "--worker-class", "gthread")


@dataclass
class Place:
    """One database for ours and one for bare."""

    name: str
    store: str
    """URL of the store."""
    bare: str
    """File of SQLite, or what psycopg connects to."""
    clear: Callable[[], None]
    """Empties both."""


def main() -> None:
    """Measure what was asked for and print a table of each."""
    known = measure.parser(__doc__)
    known.add_argument("--events", type=int, default=500_000, help="rows of the file of events")
    known.add_argument("--repeats", type=int, default=3)
    known.add_argument("--seconds", type=int, default=5, help="of each load on the API")
    known.add_argument("--only", choices=("imports", "api", "globo"))
    known.add_argument("--database", choices=("SQLite", "PostgreSQL"))
    known.add_argument("--globo", type=Path, default=_shared() / "globo", metavar="DIR")
    given = known.parse_args()
    if given.only in (None, "api") and shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk, or say --only imports")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name, ExitStack() as stack:
        folder = Path(name)
        places = [
            stack.enter_context(where(folder))
            for title, where in (("SQLite", sqlite), ("PostgreSQL", server))
            if given.database in (None, title)
        ]
        for what, act in (("imports", imports), ("globo", globo), ("api", api)):
            if given.only in (None, what):
                act(folder, places, given)


@contextmanager
def sqlite(folder: Path) -> Iterator[Place]:
    """Make the tables in two files."""
    ready, plain = folder / "ready.db", folder / "bare.db"
    Store.open(f"sqlite:///{ready}").close()
    _create(f"sqlite:///{plain}")
    place = folder / "recsys.db", folder / "plain.db"

    def clear() -> None:
        for old in folder.glob("*.db-*"):
            old.unlink()
        for empty, full in zip((ready, plain), place, strict=True):
            shutil.copy(empty, full)

    clear()
    yield Place("SQLite", f"sqlite:///{place[0]}", str(place[1]), clear)


@contextmanager
def server(folder: Path) -> Iterator[Place]:
    """Make the tables in two databases of a server that waits for the disk."""
    with postgres.server(safe=True) as own:
        store, bare = own.create("store"), own.create("bare")
        Store.open(store).close()
        _create(bare)

        def clear() -> None:
            own.sql("TRUNCATE events, event_ids, articles", database="store")
            own.sql("TRUNCATE events, articles", database="bare")
            own.sql("CHECKPOINT")

        yield Place("PostgreSQL", store, bare.replace("+psycopg", ""), clear)


def _create(url: str) -> None:
    engine = create_engine(url)
    schema.metadata.create_all(engine, [schema.events, schema.articles])
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    engine.dispose()


def imports(folder: Path, places: list[Place], given: Namespace) -> None:
    """Compare imports of files."""
    made = {"events": happened(given.events), "articles": written(given.events // 10)}
    rows = []
    for place in places:
        for what, table in made.items():
            for format in FORMATS:
                file = folder / f"{what}.{format}"
                write(table, file)
                rows.append(_imported(folder, place, what, file, len(table), given.repeats))
                print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
                file.unlink()
    columns = ("", "rows", "ours, rows/s", "bare, rows/s", "ratio", "peak, MiB")
    text = measure.table(columns, rows)
    measure.tell("ingestion", "Import of files, beside a bare INSERT or COPY", text, given.record)


def _imported(
    folder: Path, place: Place, what: str, file: Path, count: int, repeats: int
) -> list[str]:
    peaks: list[float] = []

    def ours() -> None:
        place.clear()
        peaks.append(_run(*command(_configured(folder, place), "import", what, str(file))))

    def bare() -> None:
        place.clear()
        _run(sys.executable, str(ROOT / "benchmarks" / "bare.py"), place.bare, what, str(file))

    taken = measure.by_turns({"ours": ours, "bare": bare}, repeats)
    ratio = measure.spread(measure.ratios(taken["bare"], taken["ours"]))
    paces = [f"{count / np.median(taken[name]):,.0f}" for name in ("ours", "bare")]
    name = f"{place.name} {what} {file.suffix[1:]}"
    return [name, f"{count:,}", *paces, ratio, f"{max(peaks):,.0f}"]


def _run(*command: str) -> float:
    """Run a command and return the most memory that it held, in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {said.decode()}")
    return used.ru_maxrss / 2**10


def _configured(folder: Path, place: Place) -> Path:
    """Return the directory of an installation whose store is at a place."""
    var = folder / place.name
    var.mkdir(exist_ok=True)
    (var / "recsys.toml").write_text(
        f'[store]\nurl = "{place.store}"\n\n[sites.daily]\nname = "Daily"\n\n'
        "[limits]\nkey_events_per_minute = 1000000000\n"
    )
    return var


def globo(folder: Path, places: list[Place], given: Namespace) -> None:
    """Time the import of a whole public data set."""
    if not given.globo.is_dir():
        print(f"Globo's click log is left out: {given.globo} is not there.")
        return
    rows = []
    for place in places:
        seconds, peaks = [], []
        for _ in range(given.repeats):
            place.clear()
            began = time.perf_counter()
            words = ("import", "dataset", "globo", str(given.globo))
            peaks.append(_run(*command(_configured(folder, place), *words)))
            seconds.append(time.perf_counter() - began)
        rows.append([place.name, measure.spread(seconds, 1), f"{max(peaks):,.0f}"])
    text = measure.table(("", "seconds", "peak, MiB"), rows)
    title = "Import of Globo.com's whole click log (2,430,428 clicks)"
    measure.tell("ingestion of Globo", title, text, given.record)


def api(folder: Path, places: list[Place], given: Namespace) -> None:
    """Compare the service with a bare view."""
    rows = []
    for place in places:
        place.clear()
        with Store.open(place.store) as store:
            articles = written(2_000).to_pylist()
            store.put_articles(Article(**row) for row in articles)
            _, token = access.create(store, "bench", [Scope.EVENTS], [], NOW)
        with _ours(_configured(folder, place)) as ours, _bare(place) as bare:
            for size in BATCHES:
                for busy in (1, 16):
                    rows.append(_posted(place, ours, bare, size, busy, token, given))
                    print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    columns = (
        *("", "events a request", "at once", "ours, events/s", "bare, events/s", "ratio"),
        *("ours p50/p99, ms", "bare p50/p99, ms"),
    )
    title = "Events through the API, beside a bare view under the same server"
    measure.tell("ingestion by API", title, measure.table(columns, rows), given.record)


def _posted(
    place: Place, ours: str, bare: str, size: int, busy: int, token: str, given: Namespace
) -> list[str]:
    found: dict[str, list[tuple[float, float, float]]] = {"ours": [], "bare": []}
    for turn in range(given.repeats + 1):
        for name, url in measure.turned((("ours", ours), ("bare", bare)), turn):
            seconds = given.seconds if turn else 2
            told = _wrk(url, busy, seconds, str(size), str(next(_RUNS)), token)
            if turn:
                found[name].append(told)
    pace = {name: [one[0] * size for one in each] for name, each in found.items()}
    return [
        place.name,
        str(size),
        str(busy),
        *(f"{np.median(each):,.0f}" for each in pace.values()),
        measure.spread(measure.ratios(pace["ours"], pace["bare"])),
        *(
            "/".join(f"{np.median([o[n] for o in each]):.1f}" for n in (1, 2))
            for each in found.values()
        ),
    ]


_RUNS = itertools.count()
"""A number for each load, so that no two send the same ids."""


def _wrk(url: str, busy: int, seconds: int, *words: str) -> tuple[float, float, float]:
    """Return requests a second, and the median and the 99th percentile in milliseconds."""
    script = str(ROOT / "benchmarks" / "events.lua")
    # One thread: the other core is the service's.
    asking = ("wrk", "-t1", f"-c{busy}", f"-d{seconds}", "--timeout", "30s", "-s", script, url)
    done = subprocess.run([*asking, "--", *words], check=True, capture_output=True, text=True)
    requests, micros, middle, high, wrong = map(int, done.stdout.splitlines()[-1].split())
    if wrong or not requests:
        raise SystemExit(f"{wrong} of {requests} requests to {url} failed: {done.stdout}")
    return requests / (micros / 1e6), middle / 1e3, high / 1e3


@contextmanager
def _ours(var: Path) -> Iterator[str]:
    with serving(var, "--workers", "2") as service:
        _wait(f"{service.url}/readyz")
        yield service.url


@contextmanager
def _bare(place: Place) -> Iterator[str]:
    url = f"127.0.0.1:{free_port()}"
    words = ("--bind", url, "--pythonpath", str(ROOT / "benchmarks"))
    keep = ("--keep-alive", "15", "--no-control-socket", "--log-level", "warning")
    view = f'bare:app("{place.bare}")'
    with started([sys.executable, "-m", "gunicorn", *SERVER, *words, *keep, view]) as process:
        _wait(f"http://{url}/", process)
        yield f"http://{url}"


def _wait(url: str, process: "subprocess.Popen[str] | None" = None) -> None:
    for _ in range(300):
        if process and process.poll() is not None:
            raise SystemExit(f"the server of {url} ended with {process.returncode}")
        try:
            urlopen(url, timeout=5).close()
        except HTTPError as error:
            if error.code == 404:
                return
        except (URLError, OSError):
            pass
        else:
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def _shared() -> Path:
    return Path(os.environ.get("RECSYS_SHARED", ROOT.parent / "shared")) / "data"


if __name__ == "__main__":
    main()

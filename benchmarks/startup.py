"""Measures how soon `recsys serve` answers, and the memory that each of its workers takes.

Seconds are from starting the command until the first answer with cards of the bundle, and until
`/readyz` names the bundle in every worker. Memory is that of all processes together, where what
they share counts once (Pss of /proc/PID/smaps_rollup), once each worker has answered many pages;
the step from one worker to two, and from two to three, is what a further worker takes. Files are in
the page cache: of a machine that was switched on just now, the disk decides.

Reference, by turns in the same run: a bare Flask view under gunicorn with as many workers.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from measure import parser, spread, table, tell
from running import command, family, free_port, megabytes, started

from recsys import bundle as bundles

BARE = """
from flask import Flask

app = Flask(__name__)
ANSWER = b"x" * 2000


@app.get("/")
def view():
    return ANSWER
"""
TOTALS = (1, 2, 3)
"""Workers with which memory is measured."""


@dataclass(frozen=True, slots=True)
class Started:
    """One start."""

    first: float
    """Seconds until the first answer."""
    ready: float
    """Seconds until every worker was ready."""
    megabytes: float
    """Of all processes."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is started, and asked."""

    name: str
    words: Callable[[int, int], list[str]]
    """The command, for a port and a number of workers."""
    paths: list[str]
    """Pages to ask for."""
    answered: Callable[[int, bytes], bool]
    ready: str
    """Where a worker says that it is; empty where each is as soon as it answers."""


def main() -> None:
    """Start, ask, look, and tell."""
    known = parser(__doc__)
    known.add_argument(
        "--var",
        type=Path,
        nargs="+",
        required=True,
        help="what `recsys train` made, one for each size; see also enlarge.py",
    )
    known.add_argument("--repeats", type=int, default=5, help="starts of each, by turns")
    known.add_argument("--pages", type=int, default=400, help="answers before memory is looked at")
    options = known.parse_args()
    with tempfile.TemporaryDirectory(prefix="recsys-startup-") as folder:
        (Path(folder) / "bare.py").write_text(BARE)
        subjects = [_bare(Path(folder)), *map(_ours, options.var)]
        text = _measured(subjects, options)
    tell("startup", "Start and memory of the service", text, options.record)


def _measured(subjects: list[Subject], options: argparse.Namespace) -> str:
    found: dict[tuple[str, int], list[Started]] = {}
    for turn in range(options.repeats + 1):
        for subject in subjects:
            for workers in TOTALS if turn == options.repeats else (2,):
                started = _start(subject, workers, options.pages)
                print(f"{subject.name}, {workers} workers: {started}", file=sys.stderr)
                if turn:  # the first reads files that are in no cache yet
                    found.setdefault((subject.name, workers), []).append(started)
    rows = []
    plain = found[subjects[0].name, 2]
    for subject in subjects:
        starts = found[subject.name, 2]
        one, two, three = (float(found[subject.name, n][-1].megabytes) for n in TOTALS)
        ratio = np.median([s.first for s in starts]) / np.median([s.first for s in plain])
        rows.append(
            (
                subject.name,
                spread([s.first for s in starts]),
                spread([s.ready for s in starts]),
                f"{ratio:.1f}",
                f"{one:,.0f}",
                f"{two - one:,.0f}",
                f"{three - two:,.0f}",
            )
        )
    columns = (
        *("", "s to the first answer", "s until all are ready", "ratio"),
        *("MB with one worker", "a second one", "a third one"),
    )
    return (
        f"{table(columns, rows)}\n\nTwo workers start, {len(plain)} times by turns after one that"
        f" does not count; memory after {options.pages} answers."
    )


def _start(subject: Subject, workers: int, pages: int) -> Started:
    port = free_port()
    began = time.perf_counter()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with started(subject.words(port, workers), **silent) as process:
        first = _until(port, subject.paths[0], subject.answered, began)
        ready = first
        if subject.ready:
            ready = _all_ready(port, subject.ready, process.pid, workers, began)
        for path in itertools.islice(itertools.cycle(subject.paths), pages):
            _ask(port, path)
        return Started(first, ready, megabytes(family(process.pid)))


def _all_ready(port: int, path: str, pid: int, workers: int, began: float) -> float:
    """Return the seconds until ten new connections in a row for each worker find it ready."""
    agreed, since = 0, 0.0
    while agreed < 10 * workers:
        status, body = _ask(port, path)
        if status == 200 and json.loads(body)["bundle"]:
            since = since if agreed else time.perf_counter() - began
            agreed += 1
        else:
            agreed = 0
            time.sleep(0.01)
        if time.perf_counter() - began > 300:
            raise SystemExit(f"process {pid} did not get ready")
    return since


def _until(port: int, path: str, true: Callable[[int, bytes], bool], began: float) -> float:
    while time.perf_counter() - began < 300:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if true(*_ask(port, path)):
                return time.perf_counter() - began
        time.sleep(0.01)
    raise SystemExit(f"{path} was not answered within five minutes")


def _ask(port: int, path: str) -> tuple[int, bytes]:
    """Ask over a new connection, so that any worker may answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _bare(folder: Path) -> Subject:
    def words(port: int, workers: int) -> list[str]:
        options = ("--worker-class", "gthread", "--threads", "4", "--workers", str(workers))
        listen = ("--bind", f"127.0.0.1:{port}", "--chdir", str(folder))
        return [sys.executable, "-m", "gunicorn", *options, *listen, "bare:app"]

    return Subject("a bare Flask view", words, ["/"], lambda status, _: status == 200, "")


def _ours(var: Path) -> Subject:
    bundle = bundles.open_bundle(var / "bundles" / bundles.current(var / "bundles"))
    draw = random.Random(1)
    count = len(bundle.catalogue)
    pages = [bundle.catalogue.id(row) for row in draw.sample(range(count), min(500, count))]

    def words(port: int, workers: int) -> list[str]:
        return command(var, "serve", "--port", str(port), "--workers", str(workers))

    def answered(status: int, body: bytes) -> bool:
        answer = json.loads(body)
        return status == 200 and bool(answer["items"]) and answer["bundle"] == bundle.id

    paths = [f"/v1/recommendations?{urlencode({'site': p.site, 'key': p.key})}" for p in pages]
    return Subject(f"recsys, {count:,} articles", words, paths, answered, "/readyz")


if __name__ == "__main__":
    main()

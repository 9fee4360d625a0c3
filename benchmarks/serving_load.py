"""Asks a service for the pages of a network as its readers would, by wrk, and says what it took."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow.parquet as pq
from running import family, processor

PAGES = Path(__file__).with_name("serving_pages.lua")
ASKED = 100_000
"""Addresses in a file; wrk begins it again at its end."""
RECENT = 4
"""A reader who is not known has read fewer articles than this in the visit."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk found."""

    answers: int
    failed: int
    """Answers other than 200, and connections that broke or took longer than wrk waits."""
    rate: float
    """Answers a second."""
    p50: float
    """Milliseconds, as p99 and p999."""
    p99: float
    p999: float
    processor: float
    """Milliseconds of processor time of the service's processes for one answer."""


def write_pages(network: Path, file: Path, seed: int = 7) -> None:
    """Write the addresses that readers of a sample network ask for, one a line.

    Pages are drawn by Zipf's law, the most opened first. Every other reader is known and agrees to
    be; the others tell the session, and up to three articles that they read in it.
    """
    columns = ["kind", "site", "key", "visitor"]
    events = pq.read_table(network / "events.parquet", columns=columns).to_pydict()
    articles = pq.read_table(network / "articles.parquet", columns=["site", "key"]).to_pydict()
    opened = Counter(
        (site, key)
        for kind, site, key in zip(events["kind"], events["site"], events["key"], strict=True)
        if kind == "click"
    )
    readers = sorted(set(events["visitor"]) - {"", None})
    pages = sorted(
        zip(articles["site"], articles["key"], strict=True), key=lambda page: -opened[page]
    )
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(pages) + 1)
    drawn = rng.choice(len(pages), size=ASKED, p=weights / weights.sum())
    with file.open("w", encoding="utf-8") as out:
        for place, page in enumerate(drawn):
            site, key = pages[page]
            asked = {"site": site, "key": key}
            if place % 2:
                asked |= {"visitor": readers[rng.integers(len(readers))], "consent": "true"}
            else:
                read = rng.choice(drawn, size=rng.integers(RECENT))
                asked |= {"session": f"{rng.integers(2**40):x}"}
                asked |= {"history": ",".join("/".join(pages[one]) for one in read)}
            out.write(f"/v1/recommendations?{urlencode(asked)}\n")


def drive(
    url: str,
    pages: Path,
    connections: int,
    seconds: float,
    begin: int = 0,
    processes: Sequence[int] = (),
) -> Load:
    """Ask over so many connections that are kept, each one question after the other.

    ``begin`` is the line to begin with. ``processes`` are those that began what answers: their
    children's processor time counts too.
    """
    before = _taken(processes)
    words = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    words += ["-s", str(PAGES), url, "--", str(pages), str(begin)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = json.loads(told.strip().splitlines()[-1])
    answers = found["answers"]
    return Load(
        answers,
        found["failed"],
        answers / found["seconds"],
        found["p50"],
        found["p99"],
        found["p999"],
        1e3 * (_taken(processes) - before) / max(answers, 1),
    )


def check_wrk() -> None:
    """Raise ``SystemExit`` where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit("needs wrk, which asks for the pages: apt install wrk")


def _taken(processes: Sequence[int]) -> float:
    """Return the seconds of processor that processes and their children have taken so far."""
    return processor({one for process in processes for one in family(process)})

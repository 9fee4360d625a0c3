"""Lets a service live for a while under mixed traffic, and says whether its memory stays flat.

Usage: python benchmarks/soak.py [--minutes 30] [--rate 10] [--json]. A tiny sample network is
served by two workers. A simulated audience reads it; articles are published, corrected and taken
down, rules made and undone; feeds, trends, desk pages and metrics are asked for; a bundle is
trained every three minutes; every two minutes the store is locked or away for some seconds. At the
end every event that was acknowledged must be in the store, once.
"""

import argparse
import itertools
import json
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from measure import machine
from running import Service, command, family, key, listening, megabytes, serving
from scipy.stats import theilslopes

from data.records import digest_of

EVERY = 10.0
"""Seconds between two looks at the processes."""
TRAINED, AWAY = 180.0, 120.0
"""Seconds between two trainings, and between two outages of the store."""
FORCED = ("--json", "--force", "--reason", "a soak swaps bundles whatever they are worth")
OUTAGE = 15.0
"""Seconds that the store is away."""
FLAT = 0.02
"""Growth in an hour, as a share of the memory, that is no leak worth the name."""
WORDS = ("river", "lamp", "rice", "copper", "island")


@dataclass(frozen=True, slots=True)
class Look:
    """What the service's processes took at one moment."""

    seconds: float
    megabytes: float
    """Proportional set size of all processes: what they share counts once."""
    files: int
    threads: int


@dataclass(eq=False)
class Tally:
    """What happened; counted in from several threads."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, n: int = 1) -> None:
        """Count."""
        with self._lock:
            self.counts[name] += n

    def fail(self, what: str) -> None:
        """Count a failure, and keep the first ones."""
        self.add("failures")
        if len(self.failures) < 20:
            self.failures.append(what)


def main() -> None:
    """Run for as long as asked and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=10.0, help="visits a second")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recsys-soak-") as folder, _demo(folder) as service:
        place = Path(folder) / "demo" / "tiny-1"
        found = _soak(service, place, options.minutes * 60, options.rate, not options.json)
    print(json.dumps(found) if options.json else _told(found))


def _soak(service: Service, place: Path, seconds: float, rate: float, loud: bool) -> dict[str, Any]:
    url = service.url
    token = key(place, "articles", "events", "admin")
    time.sleep(3)
    words = ("--url", url, "--rate", str(rate), "--seconds", str(seconds), "--json")
    audience = subprocess.Popen(
        command(place.parents[1], "simulate", "traffic", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    tally, away, stop = Tally(), threading.Event(), threading.Event()
    sites = list(tomllib.loads((place / "network" / "recsys.toml").read_text())["sites"])
    desk = _Visitor(url, token, sites, tally, away)
    loops: list[tuple[Callable[[int], None], float]] = [
        (desk.read, 0.1),
        (desk.write, 0.5),
        (desk.report, 0.1),
        (lambda n: _train(place, tally), TRAINED),
        (lambda n: _outage(place, n, away, stop), AWAY),
    ]
    threads = [threading.Thread(target=_loop, args=(do, pause, stop)) for do, pause in loops]
    for thread in threads:
        thread.start()
    looks: list[Look] = []
    began = time.monotonic()
    try:
        while (spent := time.monotonic() - began) < seconds and audience.poll() is None:
            looks.append(_look(service.pid, spent))
            if loud and len(looks) % 6 == 1:
                look = looks[-1]
                print(
                    f"{spent / 60:6.1f} min  {look.megabytes:7.1f} MB  {look.files:4} files "
                    f" {look.threads:3} threads  {tally.counts['requests']:,} requests,"
                    f" {tally.counts['failures']} failed",
                    flush=True,
                )
            time.sleep(EVERY)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        try:
            read = json.loads(audience.communicate(timeout=60)[0] or "{}")
        finally:
            audience.kill()
    missing, twice = _kept(url, place, tally)
    return {
        "machine": machine(),
        "minutes": round(seconds / 60, 1),
        "looks": [
            [round(x, 1) for x in (k.seconds, k.megabytes, k.files, k.threads)] for k in looks
        ],
        **_slope(looks),
        "audience": read,
        "counts": dict(tally.counts),
        "failures": tally.failures,
        "acknowledged": len(tally.acknowledged),
        "missing": missing,
        "twice": twice,
    }


class _Visitor:
    """Does what pages, systems and editors do; 503 is right for a write while the store is away."""

    def __init__(
        self, url: str, token: str, sites: list[str], tally: Tally, away: threading.Event
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60)
        self._sites = sites
        self._tally = tally
        self._away = away
        self._draw = random.Random(7)

    def read(self, n: int) -> None:
        site = self._draw.choice(self._sites)
        paths = (
            *(f"/v1/recommendations?site={site}&n=8", f"/v1/widget.html?site={site}"),
            *(f"/v1/feeds/{site}.rss", f"/v1/feeds/{site}.json", "/v1/trending?window=rising"),
            *("/desk/", "/desk/now", f"/desk/box?site={site}", "/desk/rules", "/desk/bundles"),
            *("/desk/health", "/metrics", "/readyz", "/widget.js"),
        )
        self._ask("GET", paths[n % len(paths)])

    def write(self, n: int) -> None:
        key = f"soak-{n % 40}"
        match n % 6:
            case 5:
                self._ask("DELETE", f"/v1/articles/{self._sites[0]}/{key}")
            case 3:
                rule = {"action": "bury", "aim": "tag", "value": f"t{n}", "reason": "soak"}
                made = self._ask("POST", "/v1/rules", json={**rule, "factor": 0.5})
                if made is not None and made.status_code == 201:
                    self._ask("DELETE", f"/v1/rules/{made.json()['id']}?reason=over")
            case _:
                words = " ".join(self._draw.choices(WORDS, k=80))
                fields = {"site": self._sites[0], "key": key, "url": f"https://daily.example/{key}"}
                fields |= {"title": f"Soak {n}", "published": "2026-01-01T00:00:00Z", "body": words}
                self._ask("PUT", "/v1/articles", json={"articles": [fields]})

    def report(self, n: int) -> None:
        ids = [f"soak-{n}-{part}" for part in range(5)]
        rows = [
            {
                "kind": "read",
                "site": self._sites[0],
                "key": f"soak-{n % 40}",
                "id": id,
                "session": f"s{n}",
            }
            for id in ids
        ]
        answer = self._ask("POST", "/v1/events", json={"events": rows})
        if answer is not None and answer.status_code == 202:
            self._tally.acknowledged.extend(ids)
            self._tally.add("queued", answer.json()["queued"])

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        absent = self._away.is_set()
        self._tally.add("requests")
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            self._tally.fail(f"{method} {path}: {type(error).__name__}")
            return None
        if answer.status_code == 503 and (absent or self._away.is_set()):
            self._tally.add("asked to come again")
        elif answer.status_code >= 400 and (method, answer.status_code) != ("DELETE", 404):
            self._tally.fail(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer


def _loop(do: Callable[[int], None], pause: float, stop: threading.Event) -> None:
    for n in itertools.count():
        if stop.wait(pause):
            return
        do(n)


def _train(place: Path, tally: Tally) -> None:
    done = subprocess.run(command(place, "train", *FORCED), capture_output=True, text=True)
    tally.add("trained")
    if done.returncode:
        tally.fail(f"training: {done.returncode} {done.stderr[-300:]}")


def _outage(place: Path, n: int, away: threading.Event, stop: threading.Event) -> None:
    """Hold the store's lock, or take its table of events away, for some seconds."""
    raw = sqlite3.connect(place / "recsys.db", isolation_level=None, timeout=30)
    try:
        away.set()
        if n % 2:
            raw.execute("ALTER TABLE events RENAME TO elsewhere")
        else:
            raw.execute("BEGIN IMMEDIATE")
        stop.wait(OUTAGE)
        raw.execute("ALTER TABLE elsewhere RENAME TO events" if n % 2 else "ROLLBACK")
        time.sleep(3)
    finally:
        away.clear()
        raw.close()


def _look(pid: int, spent: float) -> Look:
    processes = family(pid)
    files = threads = 0
    for process in processes:
        try:
            files += len(list(Path(f"/proc/{process}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{process}/task").iterdir()))
        except (FileNotFoundError, ProcessLookupError):  # a worker that has just ended
            continue
    return Look(spent, megabytes(processes), files, threads)


def _slope(looks: list[Look]) -> dict[str, Any]:
    """Return MB an hour after the warm-up, the first third, with its interval (Sen, 1968)."""
    warm = looks[len(looks) // 3 :]
    if len(warm) < 12:
        return {"verdict": "too short to say whether memory stays flat"}
    hours = np.array([look.seconds / 3600 for look in warm])
    memory = np.array([look.megabytes for look in warm])
    slope, _, low, high = map(float, theilslopes(memory, hours))
    level = float(np.median(memory))
    growth = f"{slope:+.1f} MB an hour ({low:+.1f} to {high:+.1f}) of {level:.0f} MB"
    flat = low <= FLAT * level
    verdict = f"flat: {growth}" if flat else f"GROWING: {growth}; look for a leak"
    return {"megabytes_an_hour": [slope, low, high], "megabytes": level, "verdict": verdict}


def _kept(url: str, place: Path, tally: Tally) -> tuple[int, int]:
    """Return how many acknowledged events the store lacks, and how many it has twice."""
    deadline = time.monotonic() + 60
    while httpx.get(f"{url}/readyz").json()["queued"] and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(3)
    raw = sqlite3.connect(place / "recsys.db")
    found = Counter(id for (id,) in raw.execute("SELECT id FROM events"))
    raw.close()
    counts = [found[digest_of(id)] for id in tally.acknowledged]
    return counts.count(0), sum(count > 1 for count in counts)


def _told(found: dict[str, Any]) -> str:
    looks = found["looks"]
    first, last = looks[len(looks) // 3], looks[-1]
    lines = [
        "",
        f"{found['minutes']} minutes on {found['machine']}",
        f"memory     {found['verdict']}",
        f"files      {first[2]:.0f} after the warm-up, {last[2]:.0f} at the end",
        f"threads    {first[3]:.0f} after the warm-up, {last[3]:.0f} at the end",
        f"audience   {found['audience']}",
        f"the rest   {found['counts']}",
        f"events     {found['acknowledged']:,} acknowledged to the rest, {found['missing']} of them"
        f" missing, {found['twice']} counted twice",
        *(f"failed     {failure}" for failure in found["failures"]),
    ]
    return "\n".join(lines)


@contextmanager
def _demo(folder: str) -> Iterator[Service]:
    with listening(command(Path(folder), "demo", "--size", "tiny", "--port", "0")):
        pass  # it has made the network, and learned it
    place = Path(folder) / "demo" / "tiny-1"
    shutil.copy(place / "network" / "recsys.toml", place)
    # Another process, as in earnest: workers of one that has trained inherit its memory, and make
    # it their own page by page for an hour.
    with serving(place, "--demo") as service:
        yield service


if __name__ == "__main__":
    main()

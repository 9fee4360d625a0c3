"""Runs `recsys serve` for tests as a person would, on a small network of three sites."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from recsys.policy import Policy
from recsys.types import Article
from service.settings import Site

NOW = int(time.time())
RECSYS = str(Path(sys.executable).with_name("recsys"))
SITES = {
    "daily": Site("The Daily Archipelago", "https://daily.example/", "en"),
    "culture": Site("Hana & Hearth", "https://culture.example/", "en"),
    "travel": Site("Slow Islands", "https://travel.example/", "en"),
}
NONE: Mapping[str, str] = {}
STILL = Policy(exploration=0.0)
"""What is left to chance has its own tests."""
WORDS = """
river station paper morning lantern harbour kitchen temple ticket winter garden bridge letter
market island copper evening platform rice cedar window school craft silence festival wool
""".split()  # noqa: SIM905


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


def furnished(folder: Path) -> Path:
    lines = [f'[sites.{id}]\nname = "{s.name}"\nurl = "{s.url}"\n' for id, s in SITES.items()]
    lines.append("[policy]\nexploration = 0.0\n")
    (folder / "recsys.toml").write_text("\n".join(lines))
    return folder


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
def serving(
    var: Path, *options: str, beside: Path | None = None, environment: Mapping[str, str] = NONE
) -> Iterator[Service]:
    """Run `recsys serve` as a person would, on a free port.

    Its log and temporary files lie in the directory `beside`, which is `var` by default.
    """
    command = [RECSYS, "--var", str(var), "serve", "--port", "0", *options]
    beside = beside or var
    log = beside / "serve.log"
    (beside / "tmp").mkdir(exist_ok=True)
    own = {"PYTHONUNBUFFERED": "1", "TMPDIR": str(beside / "tmp"), **environment}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **own}
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

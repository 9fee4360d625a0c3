"""``recsys demo`` as a person lives through it: killed, started, stopped and started again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

RECSYS = str(Path(sys.executable).with_name("recsys"))
PATIENCE = 120
"""Seconds after which a machine, however busy, should have come so far."""


@dataclass(frozen=True)
class Demo:
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    def until(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.005)

    def address(self) -> str:
        """Wait for the address that it prints."""
        pattern = re.compile(r"Listening on (http://127\.0\.0\.1:[1-9]\d*/demo/) ")
        self.until(lambda: pattern.search(self.said()))
        found = pattern.search(self.said())
        assert found
        return found[1]

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*words: str) -> Demo:
        log = tmp_path / f"log-{len(started)}"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [RECSYS, "--var", str(tmp_path / "var"), "demo", "--size", "tiny", *words],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        started.append(Demo(process, log))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)


def test_it_survives_being_killed_shows_a_page_and_uses_its_network_again(demo, tmp_path):
    place = tmp_path / "var" / "demo" / "tiny-1"

    generating = demo("--port", "0")
    generating.until((place / "unfinished").exists)
    generating.stop(signal.SIGKILL)
    assert not (place / "network").exists()

    training = demo("--port", "0")
    training.until(lambda: "3/3" in training.said())
    training.stop(signal.SIGKILL)
    assert (place / "network").exists()
    assert not (place / "bundles" / "current").exists()
    made = (place / "network" / "articles.parquet").stat()

    first = demo("--port", "0")
    page = look(first.address())
    assert "1/3" not in first.said()  # the network was whole; what came after it is done again
    assert "3/3" in first.said()
    assert first.stop(signal.SIGINT) == 0
    assert "Traceback" not in first.said()

    again = demo("--port", "0")
    assert look(again.address()) == page
    assert "/3]" not in again.said().replace("1/3", "/3]").replace("3/3", "/3]")
    assert again.stop(signal.SIGTERM) == 0
    now = (place / "network" / "articles.parquet").stat()
    assert (now.st_ino, now.st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def look(address: str) -> str:
    """Follow the printed address to an article; return its path once its box has been filled."""
    front = httpx.get(address, timeout=PATIENCE, follow_redirects=True)
    assert front.status_code == 200
    root = address.removesuffix("/demo/")
    path = next(
        link
        for link in re.findall(r'href="(/demo/[^"?]+)', front.text)
        if len(link.strip("/").split("/")) == 3 and "/image/" not in link
    )
    article = httpx.get(root + path, timeout=PATIENCE)
    assert article.status_code == 200
    assert "widget.js" in article.text
    site, key = path.strip("/").split("/")[1:]
    asked = {"site": site, "key": key}
    answer = httpx.get(f"{root}/v1/recommendations", params=asked, timeout=PATIENCE).json()
    assert len(answer["items"]) == 6, answer
    assert answer["bundle"] != "none"
    assert f"{site}/{key}" not in {f"{item['site']}/{item['key']}" for item in answer["items"]}
    return path


def test_a_busy_port_is_named_before_any_work(demo, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = demo("--port", str(port))
        assert refused.process.wait(PATIENCE) == 2
    assert f"port {port} is busy" in refused.said()
    assert f"PORT={port + 1}" in refused.said()
    assert "Traceback" not in refused.said()
    assert not (tmp_path / "var").exists()

"""Prints how long it takes until what is published, read, ruled, taken down or retrained shows.

Usage: python benchmarks/freshness.py [ROUNDS]. A tiny sample network is served by two workers and
read by a simulated audience all the while; each time counts until ten answers in a row, each over
a new connection, agree. The last lines compare answers with and without bundles being swapped.
"""

import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np

RECSYS = str(Path(sys.executable).with_name("recsys"))
AGREE = 10
SITE = "daily"


def main(rounds: int) -> None:
    """Measure ``rounds`` articles, clicks, rules and takedowns, and four bundle swaps."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen(
            [RECSYS, "--var", folder, "demo", "--size", "tiny", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            url = _address(demo)
            audience = subprocess.Popen(
                [RECSYS, "--var", folder, "simulate", "traffic", "--url", url, "--rate", "5"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                _measure(url, Path(folder) / "demo" / "tiny-1", rounds)
            finally:
                audience.send_signal(signal.SIGINT)
                audience.wait()
        finally:
            demo.terminate()
            demo.wait()


def _measure(url: str, place: Path, rounds: int) -> None:
    token = subprocess.run(
        [
            *(RECSYS, "--var", str(place), "keys", "create", "x"),
            *("--scope=articles", "--scope=events", "--scope=editor"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    time.sleep(2)
    published, read, blocked, unblocked, withdrawn = [], [], [], [], []
    for number in range(rounds):
        key = f"fresh-{number}"
        row = {"site": SITE, "key": key, "url": f"/demo/{SITE}/{key}", "title": f"Fresh {number}"}
        row |= {"published": int(time.time()), "body": f"word{number} " * 30}
        httpx.put(f"{url}/v1/articles", json={"articles": [row]}, headers=headers)
        published.append(_until(lambda key=key: key in _shown(url)))
        reads = [
            {"kind": "read", "site": SITE, "key": key, "id": f"{key}-{n}", "session": f"{key}{n}"}
            for n in range(400 * (number + 1))
        ]
        httpx.post(f"{url}/v1/events", json={"events": reads}, headers=headers)
        read.append(_until(lambda key=key: key in _trending(url)))
        rule = {"action": "block", "aim": "article", "value": f"{SITE}/{key}", "reason": "timed"}
        made = httpx.post(f"{url}/v1/rules", json=rule, headers=headers).raise_for_status().json()
        blocked.append(_until(lambda key=key: key not in _trending(url)))
        httpx.delete(f"{url}/v1/rules/{made['id']}", headers=headers).raise_for_status()
        unblocked.append(_until(lambda key=key: key in _trending(url)))
        httpx.delete(f"{url}/v1/articles/{SITE}/{key}", headers=headers)
        withdrawn.append(_until(lambda key=key: key not in _shown(url)))
    print(f"{'seconds until':<28} {'p50':>6} {'p90':>6} {'max':>6}   ({rounds} rounds)")
    for name, times in (
        ("an article can be shown", published),
        ("its readers make it trend", read),
        ("an editor's block is obeyed", blocked),
        ("and forgotten when undone", unblocked),
        ("a takedown is gone", withdrawn),
    ):
        p50, p90, most = np.quantile(times, [0.5, 0.9, 1.0])
        print(f"{name:<28} {p50:>6.2f} {p90:>6.2f} {most:>6.2f}")
    _swaps(url, place)


def _swaps(url: str, place: Path) -> None:
    def retrain() -> None:
        for seed in range(4):
            config = place / f"seed-{seed}.toml"
            config.write_text(f"[train]\nseed = {seed + 1}\n")
            command = [RECSYS, "--var", str(place), "--config", str(config), "train"]
            subprocess.run(command, capture_output=True, check=True)

    training = threading.Thread(target=retrain)
    # The trainer takes a core of its own; the reference has one busy too.
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    deadline = time.monotonic() + 20
    still = _latencies(url, lambda: time.monotonic() < deadline)
    busy.kill()
    busy.wait()
    training.start()
    swapped = _latencies(url, training.is_alive)
    print(f"{'milliseconds an answer':<28} {'p50':>6} {'p99':>6} {'max':>6}   failed")
    for name, (times, failed) in (("a core busy", still), ("four bundles swapped", swapped)):
        p50, p99, most = 1000 * np.quantile(times, [0.5, 0.99, 1.0])
        print(f"{name:<28} {p50:>6.1f} {p99:>6.1f} {most:>6.1f}   {failed} of {len(times)}")
    ratio = np.quantile(swapped[0], 0.99) / np.quantile(still[0], 0.99)
    print(f"p99 with swaps over without: {ratio:.2f}x")


def _latencies(url: str, more: Callable[[], bool]) -> tuple[list[float], int]:
    times: list[float] = []
    failed = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while more():
            start = time.perf_counter()
            try:
                answer = client.get("/v1/recommendations", params={"site": SITE})
                failed += answer.status_code != 200 or not answer.json()["items"]
            except httpx.HTTPError:
                failed += 1
            times.append(time.perf_counter() - start)
    return times, failed


def _until(true: Callable[[], bool]) -> float:
    start = time.perf_counter()
    agreed, first = 0, 0.0
    while agreed < AGREE:
        now = time.perf_counter() - start
        if now > 60:
            raise SystemExit("an answer did not change within a minute")
        if true():
            first = first or now
            agreed += 1
        else:
            agreed, first = 0, 0.0
    return first


def _shown(url: str) -> set[str]:
    page = {"site": "engawa", "n": 50}
    return _keys(httpx.get(f"{url}/v1/recommendations", params=page))


def _trending(url: str) -> set[str]:
    return _keys(httpx.get(f"{url}/v1/trending", params={"n": 3}))


def _keys(answer: httpx.Response) -> set[str]:
    return {item["key"] for item in answer.json()["items"]}


def _address(demo: "subprocess.Popen[str]") -> str:
    assert demo.stdout is not None
    for line in demo.stdout:
        if found := re.search(r"http://[\d.]+:\d+", line):
            return found[0]
    raise SystemExit("the demo did not start")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)

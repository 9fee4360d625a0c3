"""A simulated audience reads a real demo, and the service learns from it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.store import Mark, Store
from recsys.types import Kind

RECSYS = str(Path(sys.executable).with_name("recsys"))


@pytest.fixture
def demo(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [RECSYS, "--var", str(tmp_path), "demo", "--size", "tiny", "--port", "0"],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    deadline = time.monotonic() + 120
    while not (found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield found[0]
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def test_readers_come_and_the_story_rises(demo, tmp_path):
    words = ["simulate", "traffic", "--url", demo, "--rate", "15", "--seconds", "8", "--json"]
    done = subprocess.run(
        [RECSYS, "--var", str(tmp_path), *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["views"] >= facts["visits"] * 0.9 > 0
    assert facts["impressions"] > facts["views"]
    assert facts["clicks"] > 0
    assert facts.get("errors", 0) == facts["refused"] == 0
    assert facts["rank"] in range(1, 4)
    assert facts["story_waited"] > 0
    place = tmp_path / "demo" / "tiny-1"
    with Store.open(f"sqlite:///{place / 'recsys.db'}") as store:
        mark = json.loads(next((place / "bundles").glob("2*/manifest.json")).read_text())["mark"]
        came = [event for _, event in store.changes(Mark(**mark)).events]
    kinds = {kind: sum(event.kind == kind for event in came) for kind in Kind}
    assert kinds[Kind.READ] == facts["views"]
    assert kinds[Kind.CLICK] == facts["clicks"]
    assert kinds[Kind.IMPRESSION] == facts["impressions"]
    assert {len(event.visitor) for event in came} == {0, 32}
    assert all(0 < event.propensity <= 1 for event in came)
    assert any(event.propensity < 0.5 for event in came), "something was tried out"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "there is no demo in"),
        (("--network", "nowhere"), "nowhere holds no sample network"),
        (("--rate", "0"), "0"),
    ],
)
def test_what_is_missing_is_one_sentence(typed, words, said):
    done = typed("simulate", "traffic", *words)
    assert (done.code, said in done.err) == (2, True)
    assert "Traceback" not in done.err


def test_a_service_that_is_away_is_one_sentence(typed, tmp_path):
    from data.sample.generate import generate
    from data.sample.sizes import SIZES

    network = tmp_path / "network"
    generate(network, SIZES["tiny"], 1, int(time.time()))
    words = ("--network", network, "--url", "http://127.0.0.1:9")
    done = typed("simulate", "traffic", *words)
    assert (done.code, "there is no service at http://127.0.0.1:9" in done.err) == (2, True)
    for story in ("daily", "daily/none"):
        assert typed("simulate", "traffic", "--story", story, *words).code == 2

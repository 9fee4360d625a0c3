"""The service as operators meet it: `recsys serve`, real gunicorn, real signals."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson
import pytest

PATH = "/v1/recommendations"


@pytest.fixture(scope="module")
def service(stocked, articles):
    """One service for all tests that leave it as it was."""
    return stocked(articles, "--workers", "2")


@pytest.fixture
def own(store, articles, start):
    """A service for one test, to be hurt."""
    store.put_articles(articles)
    started = start("--workers", "2")
    started.wait_for("/healthz")
    return started


def test_a_busy_port_is_one_sentence_and_exit_code_2(var):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        recsys = str(Path(sys.executable).with_name("recsys"))
        done = subprocess.run(
            [recsys, "--var", str(var), "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_answers_without_a_bundle_from_the_store(service):
    answer = service.get(PATH, site="daily", key="a-1").json()
    assert len(answer["items"]) == 6
    assert any("bundle" in note for note in answer["notes"])
    ready = service.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["bundle"] == ""
    assert ready.json()["store_reachable"] is True
    assert service.get("/healthz").json() == {"status": "ok"}


def test_a_killed_worker_is_replaced(own):
    before = own.workers()
    assert len(before) == 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert own.wait_for(PATH, site="daily").status_code == 200
    assert not set(own.workers()) & set(before)


def test_stops_when_told_and_leaves_nothing_behind(own, var):
    assert list((var / "tmp").glob("recsys-metrics-*"))
    own.process.send_signal(signal.SIGTERM)
    assert own.process.wait(20) == 0
    assert not list((var / "tmp").glob("recsys-metrics-*"))


def test_log_lines_are_json_and_hold_no_reader(service):
    service.get(PATH, site="daily", visitor="secret-reader", history="daily/secret-read")
    service.get("/nope", visitor="secret-reader")
    deadline = time.monotonic() + 10
    while '"status":404' not in service.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = [orjson.loads(line) for line in service.log.read_text().splitlines()]
    asked = [line for line in lines if line.get("route") == PATH]
    assert asked
    assert {"request_id", "status", "ms", "method"} <= set(asked[0])
    assert "secret" not in service.log.read_text()


@pytest.mark.parametrize(("given", "kept"), [("abc-123", True), ("a b<x>", False)])
def test_keeps_a_given_request_id_unless_it_is_odd(service, given, kept):
    answer = httpx.get(f"{service.url}/healthz", headers={"X-Request-ID": given}, timeout=20)
    assert (answer.headers["X-Request-ID"] == given) is kept

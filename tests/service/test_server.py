"""The service as operators meet it: `recsys serve`, real gunicorn, real signals."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

PATH = "/v1/recommendations"


@pytest.fixture
def service(store, articles, start):
    store.upsert_articles(articles)
    return start("--workers", "2")


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


def test_a_killed_worker_is_replaced(service):
    service.wait_for("/healthz")
    before = service.workers()
    assert len(before) == 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert service.wait_for(PATH, site="daily").status_code == 200
    assert not set(service.workers()) & set(before)


def test_metrics_are_summed_over_workers_and_outlive_them(service):
    for _ in range(20):
        service.get(PATH, site="daily", key="a-1")
    asked = 'recsys_requests_total{method="GET",route="/v1/recommendations",status="200"}'
    assert _metrics(service)[asked] == 20
    os.kill(service.workers()[0], signal.SIGKILL)
    service.wait_for("/healthz")
    values = _metrics(service)
    assert values[asked] == 20
    assert values["recsys_slate_fill_count"] == 20
    assert sum(v for name, v in values.items() if name.startswith("recsys_items_total")) == 120
    assert values['recsys_request_seconds_count{route="/v1/recommendations"}'] == 20


def test_stops_when_told_and_leaves_nothing_behind(service, tmp_path):
    service.wait_for("/healthz")
    environment = Path(f"/proc/{service.workers()[0]}/environ")
    assert environment.exists()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(20) == 0


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


def test_keeps_a_given_request_id_unless_it_is_odd(service):
    def id_for(given):
        return (
            service.get("/healthz").request
            and __import__("httpx")
            .get(service.url + "/healthz", headers={"X-Request-ID": given})
            .headers["X-Request-ID"]
        )

    assert id_for("abc-123") == "abc-123"
    assert id_for("a b\t<x>") != "a b\t<x>"


def _metrics(service):
    lines = service.get("/metrics").text.splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("recsys_")
    }

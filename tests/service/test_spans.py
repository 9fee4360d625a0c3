"""Spans as a collector gets them: a real service, a real receiver, the protocol as it is."""

import gzip
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from served import Service, furnished, serving

from data.store import Store
from recsys.candidates import SOURCES
from training.recipe import Recipe
from training.run import run

PATH = "/v1/recommendations"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
READER = "reader-geheim-17"


@dataclass
class Receiver:
    """An OTLP/HTTP collector on loopback that keeps what it gets."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def wait_for(self, name: str, trace: str = "") -> Span:
        deadline = time.monotonic() + 30
        while True:
            for span in self.named(name):
                if not trace or span.trace_id.hex() == trace:
                    return span
            assert time.monotonic() < deadline, sorted({span.name for span in self.spans})
            time.sleep(0.05)

    def below(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_span_id == parent.span_id]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    received = Receiver()

    class Takes(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            told = ExportTraceServiceRequest.FromString(body)
            received.bodies.append(body)
            for resource in told.resource_spans:
                for one in resource.resource.attributes:
                    if one.key == "service.name":
                        received.services.add(one.value.string_value)
                for scope in resource.scope_spans:
                    received.spans.extend(scope.spans)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    received.url = f"http://127.0.0.1:{server.server_port}"
    yield received
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory, articles, receiver) -> Iterator[Service]:
    var = furnished(tmp_path_factory.mktemp("var"))
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        store.put_articles(articles)
        run(store, var / "bundles", Recipe(), int(time.time()))
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with serving(var, "--workers", "1", environment=wanted) as started:
        started.wait_for("/healthz")
        yield started


def test_a_request_is_a_span_of_its_callers_trace_and_its_stages_lie_within(
    service, receiver
) -> None:
    answer = httpx.get(
        service.url + PATH,
        params={"site": "daily", "key": "a-1", "visitor": READER, "consent": "1"},
        headers={
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "baggage": f"who={READER}",
            "X-Request-ID": "request-1",
        },
        timeout=20,
    )
    assert answer.status_code == 200
    span = receiver.wait_for(f"GET {PATH}", TRACE)
    assert span.parent_span_id.hex() == PARENT
    assert span.kind == Span.SPAN_KIND_SERVER
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": PATH,
        "http.response.status_code": 200,
        "recsys.request_id": "request-1",
    }
    parts = {part.name: part for part in receiver.below(span)}
    assert {"parse", "resolve", "rank", "mix", "explore", "draw"} <= set(parts)
    assert {f"candidates/{source}" for source in SOURCES} <= set(parts)
    slack = 5_000_000  # nanoseconds between the clock of stages and that of spans
    assert span.start_time_unix_nano - slack <= parts["parse"].start_time_unix_nano
    assert parts["draw"].end_time_unix_nano <= span.end_time_unix_nano + slack
    assert parts["resolve"].end_time_unix_nano <= parts["rank"].start_time_unix_nano + slack
    assert receiver.services == {"recsys"}


def test_without_a_parent_a_request_begins_a_trace_and_the_log_names_it(service, receiver) -> None:
    httpx.get(f"{service.url}/v1/trending", headers={"X-Request-ID": "request-2"}, timeout=20)
    span = receiver.wait_for("GET /v1/trending")
    assert not span.parent_span_id
    lines = [orjson.loads(line) for line in service.log.read_text().splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "request-2"]
    assert line["trace_id"] == span.trace_id.hex()


def test_what_a_request_asks_of_the_store_is_a_span_without_its_values(service, receiver) -> None:
    event = {"kind": "click", "site": "daily", "key": "a-1", "id": READER, "visitor": READER}
    taken = httpx.post(
        f"{service.url}/v1/events",
        json={"events": [event | {"consent": True}]},
        headers={
            "Origin": "https://daily.example",
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
            "traceparent": f"00-{'7' * 32}-{PARENT}-01",
        },
        timeout=20,
    )
    assert taken.json()["accepted"] == 1
    span = receiver.wait_for("POST /v1/events", "7" * 32)
    (written,) = [part for part in receiver.below(span) if part.name == "INSERT events"]
    assert written.kind == Span.SPAN_KIND_CLIENT
    assert attributes(written) == {
        "db.system.name": "sqlite",
        "db.operation.name": "INSERT",
        "db.query.summary": "INSERT events",
    }


def test_a_failure_is_one_in_the_trace_and_nobody_watches_machines(service, receiver) -> None:
    httpx.get(f"{service.url}/healthz", timeout=20)
    httpx.get(f"{service.url}/nowhere/{READER}", params={"q": READER}, timeout=20)
    span = receiver.wait_for("GET unknown")
    assert attributes(span)["http.response.status_code"] == 404
    assert span.status.code != Status.STATUS_CODE_ERROR  # the caller's fault, not ours
    assert not receiver.named("GET /healthz")


def test_a_bundle_that_is_taken_up_is_a_span(service, receiver) -> None:
    span = receiver.wait_for("bundle swap")
    served = service.get("/readyz").json()["bundle"]
    assert attributes(span) == {"bundle": served}
    assert span.end_time_unix_nano > span.start_time_unix_nano


def test_no_span_holds_what_readers_brought_and_the_last_ones_are_sent(service, receiver) -> None:
    before = len(receiver.named(f"GET {PATH}"))
    os.kill(service.process.pid, signal.SIGSTOP)  # the worker answers by itself
    try:
        for _ in range(5):
            service.get(PATH, site="daily", visitor=READER, consent=1)
        os.kill(service.workers()[0], signal.SIGTERM)
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    deadline = time.monotonic() + 30
    while len(receiver.named(f"GET {PATH}")) < before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    held = b"".join(receiver.bodies)
    assert b"geheim" not in held
    assert b"a-1" not in held
    assert "geheim" not in service.log.read_text()


ABSENT = """
import os, sys
from pathlib import Path
from service import logs, spans
from service.app import create_app
from service.settings import Settings
logs.configure()
assert spans.start() is False
sys.modules["opentelemetry"] = None  # as where the extra is not installed
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
assert spans.start() is False
spans.past("bundle swap", 0)
app = create_app(Settings(Path("bundles"), "sqlite:///recsys.db", Path("keyring.json")))
assert app.test_client().get("/v1/recommendations?site=daily").status_code == 200
spans.stop()
assert not [name for name in sys.modules if name.startswith("opentelemetry.")]
"""


def test_where_spans_are_not_wanted_or_cannot_be_had_nothing_is_imported(tmp_path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ABSENT],
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stderr.splitlines()]
    (warned,) = [line for line in said if line["event"] == "no spans are sent"]
    assert warned["level"] == "warning"
    assert "recsys[otel]" in warned["reason"]


def test_a_receiver_that_is_away_holds_nobody_up(var, store, articles) -> None:
    store.put_articles(articles)
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with serving(var, "--workers", "1", environment=wanted) as own:
        assert own.wait_for(PATH, site="daily").status_code == 200
        for _ in range(20):
            assert own.get(PATH, site="daily").status_code == 200
        own.process.send_signal(signal.SIGTERM)
        assert own.process.wait(20) == 0
    lines = own.log.read_text().splitlines()
    assert all(line.startswith("{") for line in lines), lines


def attributes(span: Span) -> dict[str, object]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in span.attributes
    }

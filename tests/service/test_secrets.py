"""No log line holds what a request brought: keys, cookies, readers, bodies; whatever goes wrong."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import orjson
import pytest

from data import access
from data.scope import Scope
from data.store import Store

FAULTY = """
from service import server

load = server._Gunicorn.load


def faulty(self):
    app = load(self)
    inner = app.wsgi_app

    @app.route("/fault", methods=["GET", "POST"])
    def fault():
        from flask import request

        try:
            {}[request.get_data(as_text=True)]
        except KeyError as cause:
            raise ValueError(f"{dict(request.headers)} {request.args}") from cause

    def wsgi_app(environ, start_response):
        if environ["PATH_INFO"].startswith("/deep-fault"):
            raise RuntimeError(str(environ))
        return inner(environ, start_response)

    app.wsgi_app = wsgi_app
    return app


server._Gunicorn.load = faulty
from cli.main import run

run()
"""
"""The command line, with a view and a middleware that choke on their request and repeat it."""
WRONG = "rk_00000000_wrongkey-geheim-1"
IN_QUERY = "querykey-geheim-2"
COOKIE = "sessioncookie-geheim-3"
VISITOR = "visitor-geheim-4"
BODY = "bodytext-geheim-5"
BASIC = "d3Jvbmc6YmFzaWMtZ2VoZWlt"
READ = "read-geheim-6"
METRICS = "metrics-geheim-7"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def run(var, articles):
    """Run the faulty service while something is done to it; returns all that it wrote."""

    def ran(do) -> str:
        with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
            store.put_articles(articles)
            scopes = (Scope.ARTICLES, Scope.EVENTS, Scope.VISITORS, Scope.EDITOR)
            _, token = access.create(store, "cms", scopes, (), int(time.time()))
        command = [sys.executable, "-c", FAULTY, "--var", str(var), "serve", "--port", "0"]
        out, err = var / "out.log", var / "err.log"
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(var),
            "RECSYS_LOG": "debug",
            "RECSYS_METRICS_TOKEN": METRICS,
        }
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [*command, "--workers", "1"], stdout=stdout, stderr=stderr, env=environment
            )
            try:
                deadline = time.monotonic() + 40
                while not (found := re.search(r"http://[\d.]+:\d+", out.read_text())):
                    assert time.monotonic() < deadline, err.read_text()
                    time.sleep(0.05)
                do(found[0], token)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        return out.read_text() + err.read_text()

    return ran


def test_nothing_that_a_request_brings_is_logged(run):
    secret = ""
    sessions: list[str] = []
    answers: dict[str, list[int]] = {"asked": [], "raw": []}

    def do(url: str, token: str) -> None:
        nonlocal secret
        secret = token.split("_", 2)[2]
        bearer = {"Authorization": f"Bearer {token}"}
        cookies = {"Cookie": f"session={COOKIE}; desk={COOKIE}"}
        known = {"site": "daily", "visitor": VISITOR, "consent": "1"}
        query = known | {"token": IN_QUERY}
        asked = [
            ("GET", f"/v1/visitors/{VISITOR}", bearer | cookies, "", {}),
            ("DELETE", f"/v1/visitors/{VISITOR}", bearer | cookies, "", {}),
            ("GET", f"/v1/visitors/{VISITOR}", {"Authorization": f"Bearer {WRONG}"}, "", {}),
            ("GET", f"/v1/visitors/{VISITOR}", {"Authorization": f"Basic {BASIC}"}, "", {}),
            ("GET", f"/v1/nothing/{VISITOR}", {"Authorization": WRONG} | cookies, BODY, query),
            ("GET", "/v1/recommendations", cookies, "", query),
            ("GET", "/v1/recommendations", {"X-Request-ID": f"<{READ}>"}, "", query),
            ("GET", "/v1/recommendations", {"traceparent": READ, "baggage": READ}, "", query),
            ("GET", "/metrics", {"Authorization": f"Bearer {METRICS}"}, "", query),
            ("GET", "/metrics", {"Authorization": f"Bearer {WRONG}"}, "", query),
            ("GET", "/v1/recommendations", cookies, "", known | {"history": f"daily/{READ}"}),
            ("GET", "/v1/widget.html", cookies, "", {"site": "daily", "visitor": VISITOR}),
            ("POST", "/v1/events", bearer | cookies, f'{{"events": "{BODY}"}}', {}),
            ("POST", "/v1/events", bearer, f"{BODY} is no JSON", {"key": IN_QUERY}),
            ("POST", "/v1/events", {"Origin": "https://daily.example"}, _event(), {}),
            ("PUT", "/v1/articles", bearer, f'{{"articles": [{{"titel": "{BODY}"}}]}}', {}),
            ("PUT", "/v1/articles", {"Authorization": f"Bearer {WRONG}"}, BODY, {}),
            ("POST", "/fault", bearer | cookies, BODY, query),
            ("POST", "/deep-fault/" + VISITOR, bearer | cookies, BODY, query),
        ]
        own = {"Sec-Fetch-Site": "same-origin", "Content-Type": FORM}
        asked += [
            ("GET", "/desk/", cookies, "", query),
            ("GET", "/desk/", bearer | cookies, "", query),
            ("POST", "/desk/login", own | cookies, f"key={WRONG}&next=/desk/{IN_QUERY}", query),
            ("POST", "/desk/login", own | cookies, f"key={token}&next=/desk/{IN_QUERY}", query),
            ("POST", "/desk/login", cookies, f"key={token}", query),
            ("POST", "/desk/logout", own | cookies, f"csrf={BODY}", query),
        ]
        with httpx.Client(base_url=url, timeout=20) as client:
            for method, path, headers, body, params in asked:
                kind = {"Content-Type": "application/json"}
                answer = client.request(
                    method, path, headers=kind | headers, content=body, params=params or None
                )
                answers["asked"].append(answer.status_code)
                session = answer.headers.get("Set-Cookie", "").partition(";")[0].partition("=")[2]
                if session:
                    sessions.append(session)
                client.cookies.clear()
        home = "GET /v1/recommendations?site=daily HTTP/1.1\r\nHost: x\r\n"
        raw = [
            f"GET /v1/recommendations?token={IN_QUERY} and more HTTP/1.1\r\n\r\n",
            f"GET /v1/visitors/{VISITOR}?token={IN_QUERY} HTTP/9\r\n\r\n",
            f"{IN_QUERY}\x01 / HTTP/1.1\r\n\r\n",
            f"{home}Authorization Bearer {secret}\r\n\r\n",
            f"{home}Authorization Bearer {secret}: x\r\n\r\n",
            f"{home}Cookie: session={COOKIE}\r\n {COOKIE}\r\n\r\n",
            f"{home}Cookie: session=\x00{COOKIE}\r\n\r\n",
            f"{home}Expect: {COOKIE}\r\n\r\n",
            f"{home}Transfer-Encoding: {COOKIE}\r\n\r\n",
            f"{home}Cookie: {COOKIE}{'x' * 10_000}\r\n\r\n",
            f"GET /?token={IN_QUERY}{'x' * 10_000} HTTP/1.1\r\n\r\n",
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}\r\n{BODY}",
        ]
        port = int(url.rpartition(":")[2])
        answers["raw"] = [_sent(port, text) for text in raw]

    written = run(do)
    assert answers["asked"].count(500) == 2, answers
    assert answers["asked"].count(401) == 4, answers
    assert {200, 202, 303, 403, 404, 422} <= set(answers["asked"]), answers
    assert sessions, answers
    assert all(status >= 400 for status in answers["raw"]), answers

    secrets = [
        secret,
        WRONG,
        IN_QUERY,
        COOKIE,
        VISITOR,
        BODY,
        BASIC,
        READ,
        METRICS,
        "geheim",
        *sessions,
    ]
    held = [line for line in written.splitlines() for one in secrets if one in line]
    assert held == []

    lines = [orjson.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert len(lines) == len(written.splitlines()) - 1, "all is JSON but the address"
    said = [line["event"] for line in lines]
    assert {"debug", "info", "warning", "error"} <= {line["level"] for line in lines}
    refused = [event for event in said if event.startswith("Invalid request")]
    assert len(refused) >= 8
    assert "127.0.0.1" not in " ".join(refused)
    assert "Error handling request" in said

    # What an operator needs stays: which kind of error, and where.
    shallow = next(line for line in lines if line["event"] == "request failed")
    assert "ValueError" in shallow["exception"]
    assert "KeyError" in shallow["exception"]
    assert "in fault" in shallow["exception"]
    assert shallow["request_id"]
    deep = next(line for line in lines if line["event"] == "Error handling request")
    assert "RuntimeError" in deep["exception"]


def _event() -> str:
    one = {"kind": "click", "site": "daily", "key": READ, "visitor": VISITOR, "slate": BODY}
    return orjson.dumps({"events": [one], "consent": True}).decode()


def _sent(port: int, text: str) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        status = connection.makefile("rb").readline().split()
    return int(status[1]) if len(status) > 1 else 0

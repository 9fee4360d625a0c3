"""The doctor asks running services, and finds what is wrong with them and before them."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from data import keyring
from data.store import Store
from recsys import shelf
from recsys.types import Article
from training.recipe import Recipe
from training.run import run

NOW = int(time.time())
RECSYS = str(Path(sys.executable).with_name("recsys"))
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SITES = '[sites.daily]\nurl = "https://daily.example/"\n'


def furnish(var: Path) -> None:
    var.mkdir()
    (var / "recsys.toml").write_text(SITES)
    keyring.load(var / "keyring.json", NOW)
    articles = [
        Article("daily", f"a-{n}", f"https://daily.example/{n}", f"Ferry {n}", NOW - 999, "tide")
        for n in range(9)
    ]
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        store.put_articles(articles)
        run(store, var / "bundles", Recipe(dims=4, factors=4), NOW - 60)
        run(store, var / "bundles", Recipe(dims=4, factors=4), NOW)


@contextmanager
def serving(var: Path):
    """Run a service and return its port once it is ready."""
    words = [RECSYS, "--var", str(var), "serve", "--port", "0", "--workers", "1"]
    words += ["--host", "0.0.0.0"]  # so that 127.0.0.2 reaches it, too
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (var / "log").open("w") as log:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    try:
        line = process.stdout.readline()
        assert "Listening on" in line, (var / "log").read_text()
        url = line.split()[2].removesuffix("/openapi/swagger")
        deadline = time.monotonic() + 60
        while httpx.get(f"{url}/healthz", timeout=60).status_code != 200:
            assert time.monotonic() < deadline
        yield int(url.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextmanager
def proxying(folder: Path, port: int):
    """Run nginx before a service, an hour ahead: one plain, one that hides what it should not."""
    folder.mkdir()
    plain, hiding = free(), free()
    to = f"proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $http_host;"
    hidden = "proxy_hide_header Content-Security-Policy;"
    (folder / "nginx.conf").write_text(f"""
daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{plain}; location / {{ {to} }} location = /metrics {{ return 404; }} }}
  server {{ listen 127.0.0.1:{hiding};
    location / {{ {to} {hidden} }} location = /widget.js {{ return 404; }}
    location = /v1/recommendations {{ return 500; }} }}
}}
""")
    words = [
        "faketime",
        "-f",
        "+1h",
        NGINX,
        "-e",
        str(folder / "log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    process = subprocess.Popen(words)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{plain}/healthz", timeout=30)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{plain}", f"http://127.0.0.1:{hiding}"
    finally:
        process.terminate()
        process.wait(30)


def free() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A sound service, one whose store is away, and nginx where it is there."""
    folder = tmp_path_factory.mktemp("network")
    furnish(folder / "sound")
    (folder / "sick").mkdir()
    away = f'[store]\nurl = "postgresql+psycopg://u@127.0.0.1:{free()}/x"\nconnect_timeout = 1\n'
    (folder / "sick" / "recsys.toml").write_text(SITES + away)
    with ExitStack() as stack:
        sound = stack.enter_context(serving(folder / "sound"))
        sick = stack.enter_context(serving(folder / "sick"))
        proxies = ("", "")
        if NGINX and shutil.which("faketime"):
            proxies = stack.enter_context(proxying(folder / "nginx", sound))
        yield SimpleNamespace(
            var=folder / "sound",
            sound=f"http://127.0.0.1:{sound}",
            seen=f"http://127.0.0.2:{sound}",
            sick=f"http://127.0.0.1:{sick}",
            plain=proxies[0],
            hiding=proxies[1],
        )


@pytest.fixture
def var(network, tmp_path):
    for name in ("recsys.toml", "keyring.json"):
        shutil.copy(network.var / name, tmp_path)
    shutil.copytree(network.var / "bundles", tmp_path / "bundles")
    return tmp_path


@pytest.fixture
def asked(typed, var):
    """Ask services only; returns what is amiss by name of the check: (level, what was said)."""

    def ask(*urls: str) -> dict[str, tuple[str, str]]:
        done = typed("doctor", "--remote", "--json", *(w for url in urls for w in ("--url", url)))
        told = json.loads(done.out)["findings"]
        assert done.code == {"ok": 0, "warn": 1, "fault": 2}[json.loads(done.out)["worst"]]
        assert all(one["step"] for one in told if one["level"] != "ok")
        return {one["name"]: (one["level"], one["said"]) for one in told if one["level"] != "ok"}

    return ask


def need_proxy(network):
    if not network.plain:
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail("RECSYS_REQUIRE_SYSTEM=1, but there is no nginx, or no faketime")
        pytest.skip("needs nginx and faketime; RECSYS_REQUIRE_SYSTEM=1 makes this a failure")


def test_a_sound_service_is_found_sound(asked, network, typed):
    assert asked(network.sound) == {}
    out = typed("doctor", "--remote", "--url", network.sound).out
    for name in ("service", "transport", "answers", "signature", "widget", "metrics"):
        assert f" {name} " in out


def test_nobody_answers_at_an_address(asked):
    assert "does not answer" in asked(f"http://127.0.0.1:{free()}")["service"][1]
    assert "does not answer" in asked("http://[")["service"][1]


def test_a_service_without_its_store_and_without_a_bundle(asked, network):
    found = asked(network.sick)
    assert found["answers"][0] == "warn"
    assert "is empty" in found["answers"][1]
    assert found["signature"][0] == "fault"  # it has a keyring of its own
    assert found["service"][0] in ("warn", "fault")


def test_a_service_that_cannot_reach_its_store(typed, network):
    told = json.loads(typed("doctor", "--remote", "--json", "--url", network.sick).out)["findings"]
    said = [one["said"] for one in told if one["name"] == "service"]
    assert any("cannot reach the store" in one for one in said)
    assert any("has no bundle" in one for one in said)


def test_two_replicas_with_two_keyrings(asked, var, network):
    (var / "keyring.json").unlink()
    keyring.load(var / "keyring.json", NOW)
    level, said = asked(network.sound)["signature"]
    assert (level, "they are different ones" in said) == ("fault", True)


def test_a_service_with_another_bundle(asked, var, network):
    shelf.rollback(var / "bundles")
    level, said = asked(network.sound)["service"]
    assert (level, "is current" in said) == ("warn", True)


def test_a_service_that_refuses_a_bundle(asked, network):
    bundles = network.var / "bundles"
    id = shelf.current(bundles)
    copy = shutil.copytree(bundles / id, network.var / "kept")
    try:
        shelf.rollback(bundles)
        until(network, lambda told: told["bundle"] != id)
        (bundles / id / "vectors.npy").write_bytes(b"")
        shelf.publish(bundles, id)
        until(network, lambda told: told["refused"] == id)
        level, said = asked(network.sound)["service"]
        assert (level, f"refuses bundle {id}" in said) == ("fault", True)
    finally:
        shelf.rollback(bundles)
        shutil.rmtree(bundles / id)
        copy.rename(bundles / id)
        until(network, lambda told: told["refused"] == "")


def until(network, true):
    deadline = time.monotonic() + 60
    while not true(httpx.get(f"{network.sound}/readyz", timeout=30).json()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_metrics_and_pages_that_go_over_the_open_network(asked, network):
    """127.0.0.2 is this machine, too; for the doctor it is any other."""
    found = asked(network.seen)
    assert found["metrics"][0] == "warn"
    assert "is not encrypted" in found["transport"][1]


def test_a_proxy_that_nobody_trusts_and_a_clock_that_is_ahead(asked, network, var):
    need_proxy(network)
    found = asked(network.plain)
    assert "none is trusted" in found["proxies"][1]
    level, said = found["clock"]
    assert (level, "differs by +3,6" in said) == ("fault", True)
    assert set(found) == {"proxies", "clock"}
    with (var / "recsys.toml").open("a") as file:
        file.write("[limits]\ntrusted_proxies = 1\n")
    assert set(asked(network.plain)) == {"clock"}


def test_a_proxy_that_hides_what_it_should_hand_on(asked, network):
    need_proxy(network)
    found = asked(network.hiding)
    assert found["headers"][0] == "fault"
    assert "answers 404" in found["widget"][1]
    assert "answers 500" in found["answers"][1]


class Starting(http.server.BaseHTTPRequestHandler):
    """Answers as a service does that has not found its first bundle yet."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Type", "application/problem+json")
        self.end_headers()
        self.wfile.write(b'{"status": 503, "detail": "Still looking for the first bundle."}')

    def log_message(self, *_: object) -> None: ...


def test_a_service_that_is_not_ready(asked):
    with http.server.HTTPServer(("127.0.0.1", 0), Starting) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        level, said = asked(f"http://127.0.0.1:{one.server_port}")["service"]
        one.shutdown()
    assert (level, "Still looking for the first bundle" in said) == ("fault", True)


def test_another_program_at_the_address(asked, network, tmp_path):
    port = free()
    command = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={port})"
    with subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        try:
            deadline = time.monotonic() + 30
            while not reachable_at(port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert "not as this service does" in asked(f"http://127.0.0.1:{port}")["service"][1]
        finally:
            other.kill()


def reachable_at(port):
    with closing(socket.socket()) as one:
        return one.connect_ex(("127.0.0.1", port)) == 0

"""nginx understands its configuration, shows strangers no metrics, and bounds what they send."""

import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket

import httpx
import pytest
import yaml

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
BODY = 20 * 1024 * 1024


@contextmanager
def proxy(folder, behind):
    """Run the proxy in front of one service; its address."""
    if NGINX is None:
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail("RECSYS_REQUIRE_SYSTEM=1, but there is no nginx")
        pytest.skip("needs nginx; RECSYS_REQUIRE_SYSTEM=1 makes this a failure")
    with socket(AF_INET, SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    text = re.sub(r"service-\d:8000", behind, CONFIG.read_text())
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}").replace("/tmp/", f"{folder}/")
    (folder / "nginx.conf").write_text(text)
    words = [NGINX, "-e", "stderr", "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
    process = subprocess.Popen([*words, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10)
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The proxy with nobody behind it."""
    with proxy(tmp_path_factory.mktemp("nginx"), "127.0.0.1:9") as address:
        yield address


@pytest.fixture(scope="module")
def packing(tmp_path_factory):
    """The proxy before a service that answers everything with the same JSON."""

    class Says(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"items": ["again and again"]}' * 100)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("packing")
    with proxy(folder, f"127.0.0.1:{server.server_port}") as address:
        yield address
    server.shutdown()
    server.server_close()


def test_what_nobody_behind_it_answers_is_a_bad_gateway(url):
    assert httpx.get(f"{url}/v1/recommendations").status_code == 502


@pytest.mark.parametrize(
    ("path", "packed"),
    [
        ("/v1/recommendations", True),
        ("/static/fragment.css", True),
        ("/desk/", False),
        ("/", False),
    ],
)
def test_answers_are_packed_and_pages_with_secrets_are_not(packing, path, packed):
    answer = httpx.get(packing + path, headers={"Accept-Encoding": "gzip"})
    assert (answer.headers.get("Content-Encoding") == "gzip") is packed
    assert len(answer.text) == 3000


@pytest.mark.parametrize("path", ["/metrics", "/metrics?x=1", "//metrics", "/v1/../metrics"])
def test_the_metrics_are_not_to_be_seen(url, path):
    """Nobody is behind it, so that 404 is its own word."""
    assert httpx.get(url + path).status_code == 404


def test_what_is_too_large_is_refused_before_it_is_read(url):
    with closing(HTTPConnection(url.removeprefix("http://"), timeout=10)) as connection:
        connection.putrequest("POST", "/v1/events")
        connection.putheader("Content-Length", str(BODY + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_the_ports_and_names_are_those_of_the_compose_file():
    services = yaml.safe_load((CONFIG.parents[1] / "compose.yaml").read_text())["services"]
    behind = re.findall(r"^\s+server ([\w-]+):(\d+)", CONFIG.read_text(), re.M)
    assert {name for name, _ in behind} == {name for name in services if "service-" in name}
    for name, port in behind:
        assert port in services[name]["command"]
    (listens,) = re.findall(r"^\s+listen (\d+);", CONFIG.read_text(), re.M)
    assert services["nginx"]["ports"][0].endswith(f":{listens}")

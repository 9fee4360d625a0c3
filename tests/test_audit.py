"""``make audit`` on lock files with a vulnerability, and without anybody to ask."""

import json
import os
import runpy
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-audit" / "bin" / "python"
AUDIT = ROOT / ".ci" / "audit.py"
HASHES = f" --hash=sha256:{64 * 'a'}\n"
NOWHERE = "http://127.0.0.1:1/"


class Known(BaseHTTPRequestHandler):
    """Answers as OSV does, and knows of one vulnerability."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        affected = {
            "package": {"name": name, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "2.10.1"}]}],
        }
        one = {"id": "CVE-2019-10906", "summary": "Sandbox escape", "affected": [affected]}
        answer = {"vulns": [one]} if (name, asked["version"]) == ("jinja2", "2.10") else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Known) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def audit(tmp_path):
    if not PYTHON.exists():
        pytest.skip(f"needs {PYTHON}: make audit")

    def audited(lock: str, url: str, **environment: str) -> subprocess.CompletedProcess:
        (tmp_path / "some.lock").write_text(lock)
        asked = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
        return subprocess.run(
            [PYTHON, AUDIT, tmp_path / "some.lock"],
            env={**os.environ, "RECSYS_REQUIRE_AUDIT": "0", **asked, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return audited


def test_a_known_vulnerability_fails_and_says_which_version_is_free_of_it(audit, service):
    done = audit("markupsafe==3.0.2" + HASHES + "jinja2==2.10" + HASHES, service)
    assert done.returncode == 1
    assert done.stdout.startswith("VULNERABLE: jinja2 2.10: CVE-2019-10906")
    assert done.stdout.endswith("fixed in 2.10.1\n")


def test_packages_without_one_pass(audit, service):
    done = audit("jinja2==3.1.6" + HASHES, service, RECSYS_REQUIRE_AUDIT="1")
    assert done.returncode == 0
    assert done.stdout == "1 packages, none with a known vulnerability\n"


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
def test_a_service_that_is_away_is_one_line_and_no_praise(audit, required, code):
    done = audit("jinja2==3.1.6" + HASHES, NOWHERE, RECSYS_REQUIRE_AUDIT=required)
    assert done.returncode == code
    (line,) = done.stdout.splitlines()
    assert line.startswith("NOT AUDITED: the vulnerability service does not answer")


def test_a_lock_file_without_hashes_fails_whoever_is_away(audit):
    done = audit("jinja2==3.1.6\n", NOWHERE)
    assert done.returncode == 1
    assert "does not contain a hash" in done.stdout


def test_packages_that_the_service_does_not_know_are_not_praised():
    report = [{"name": "jinja2", "skip_reason": "Dependency not found"}, {"name": "a", "vulns": []}]
    audit = runpy.run_path(str(AUDIT))
    said = audit["unknown"](report)
    assert said == "the vulnerability service does not know 1 of 2 packages: jinja2"

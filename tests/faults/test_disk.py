"""A disk that is full, or may not be written, costs no answer and loses nothing acknowledged."""

import subprocess
from pathlib import Path

import httpx
from served import RECSYS, serving

from data.store import Store
from recsys import shelf

from .conftest import UNBOUNDED, Traffic, lacking, trained, until


def fill(disk: Path) -> Path:
    """Take all the room that is left on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while file.write(b"\x00" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_a_full_disk_costs_no_answer_and_nothing_that_was_acknowledged(tmpfs, tmp_path):
    beside = tmp_path / "beside"
    beside.mkdir()
    disk = tmpfs(12)
    var = trained(disk)  # store, queue and bundles: all of it
    with (var / "recsys.toml").open("a") as config:
        config.write(UNBOUNDED)
    with serving(var, "--workers", "2", beside=beside) as service:
        ready = service.wait_for("/readyz").json()
        assert ready["bundle"], ready
        served = ready["bundle"]
        traffic = Traffic(service)
        with httpx.Client(base_url=service.url, timeout=60) as client:
            traffic.report(client, "before")
            ballast = fill(disk)
            for n in range(300):
                answer = traffic.report(client, f"full-{n}")
                traffic.ask(client)
                if traffic.reports[-3:] == [503] * 3:
                    break
            assert answer is not None
            assert answer.headers["Retry-After"] == "5"
            assert answer.headers["Content-Type"] == "application/problem+json"
            words = (RECSYS, "--var", str(var), "train")
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 2
            assert "Traceback" not in done.stderr
            assert "nothing has changed" in done.stderr or "free some space" in done.stderr
            assert shelf.current(var / "bundles") == served
            assert len(shelf.list_bundles(var / "bundles")) == 1
            for n in range(5):
                traffic.report(client, f"fuller-{n}")
                traffic.ask(client)
            assert set(traffic.reports) <= {202, 503}
            assert set(traffic.answers) == {200}
            ballast.unlink()
            assert until(lambda: traffic.report(client, "after").status_code == 202)
        with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
            assert traffic.settled(store)
        assert until(lambda: service.get("/readyz").json()["queued"] == 0)
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode in (0, 3), done.stderr
        assert set(traffic.answers) == {200}


def test_a_service_starts_and_answers_on_a_disk_that_may_only_be_read(tmpfs, tmp_path):
    beside = tmp_path / "beside"
    beside.mkdir()
    disk = tmpfs(12)
    var = trained(disk)
    with (var / "recsys.toml").open("a") as config:
        config.write(UNBOUNDED)

    def remount(how: str) -> None:
        done = subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], capture_output=True)
        if done.returncode:
            lacking(f"a disk cannot be remounted here ({done.stderr.decode().strip()})")

    remount("ro")
    with serving(var, "--workers", "2", beside=beside) as service:
        ready = service.wait_for("/readyz").json()
        assert "writable" in ready["error"], ready
        assert ready["bundle"] == shelf.current(var / "bundles")
        traffic = Traffic(service)
        with httpx.Client(base_url=service.url, timeout=60) as client:
            for n in range(10):
                traffic.ask(client)
                traffic.report(client, f"read-only-{n}")
            assert set(traffic.answers) == {200}
            assert set(traffic.reports) <= {503}
            assert service.get("/v1/trending").status_code == 200
            remount("rw")
            assert until(lambda: traffic.report(client, "after").status_code == 202)
            assert until(lambda: service.get("/readyz").json()["store_reachable"])
        with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
            assert traffic.settled(store)

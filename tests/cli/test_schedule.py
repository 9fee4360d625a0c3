"""A schedule runs jobs in processes of their own, makes up for what it missed, outlives them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from waiting import awaited
from webhooks import Hook, listening

from data import leases, runs
from data.store import Store
from training.timetable import JOBS

HOUR = 3600
RECSYS = [sys.executable, "-P", "-c", "from cli.main import run; run()"]
LATER = int(time.time()) // 60 * 60 + 1_800
"""When what is due each hour is due next: not while a test looks on."""

until = partial(awaited, seconds=120.0)


def config(**crons: str) -> str:
    """Return a configuration in which nothing else is ever due."""
    lines = []
    for job in JOBS:
        lines += [f"[jobs.{job}]", f'cron = "{crons.get(job, "")}"', "stale_after = 3", ""]
    return "\n".join(lines)


HOURLY = config(retention=f"{time.gmtime(LATER).tm_min} * * * *")
SECONDLY = config(retention="* * * * * *").replace("stale_after = 3", "stale_after = 0")
BACKUPS = config(backup="* * * * * *").replace("stale_after = 3", "timeout = 8\nstale_after = 0")


class Running:
    """A schedule at work, as systemd would run it."""

    def __init__(self, var: Path, config: str, environment: dict[str, str]) -> None:
        (var / "recsys.toml").write_text(config)
        self.log = (var / "schedule.log").open("a+")
        command = [*RECSYS, "--var", str(var), "schedule"]
        self.process = subprocess.Popen(command, stderr=self.log, env=os.environ | environment)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(90)

    def lines(self) -> list[dict[str, str]]:
        """What it and its jobs have logged."""
        self.log.seek(0)
        return [json.loads(line) for line in self.log if line.startswith("{")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as opened:
        yield opened


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(config: str, **environment: object) -> Running:
        told = {name: str(value) for name, value in environment.items()}
        started.append(Running(tmp_path, config, told))
        return started[-1]

    yield begin
    for one in started:
        one.stop(signal.SIGKILL)
        one.log.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as opened:
        yield opened


def alive(place: str) -> bool:
    return Path(f"/proc/{place.rpartition('/')[2]}/cmdline").exists()


def test_jobs_run_when_they_are_due_each_in_a_process_of_its_own(start, store) -> None:
    schedule = start(SECONDLY)
    until(lambda: len([run for run in runs.recent(store) if run.ended]) >= 2)
    assert schedule.stop() == 0
    found = runs.recent(store)
    assert {run.job for run in found} == {"retention"}
    places = [run.place for run in found]
    assert len(set(places)) == len(places)
    assert leases.place(schedule.process.pid) not in places
    assert not any(map(alive, places))
    assert {run.status for run in found} <= {"done", "stopped"}


def test_what_was_missed_while_nobody_kept_the_schedule_is_made_up_for_once(start, store) -> None:
    now = int(time.time())
    old = runs.end(store, runs.begin(store, "retention", now - 5 * HOUR), now - 5 * HOUR, "done")
    both = [start(HOURLY), start(HOURLY)]  # on two machines, as it were
    until(lambda: runs.recent(store)[0].status == "done" and len(runs.recent(store)) > 1)

    def planned() -> list[str]:
        return [line["due"] for line in both[0].lines() if line["event"] == "job planned"]

    ahead = f"{datetime.fromtimestamp(LATER, UTC):%Y-%m-%dT%H:%M:%SZ}"
    until(lambda: planned().count(ahead) >= 2)
    assert [one.stop(signal.SIGINT) for one in both] == [0, 0]
    assert [run.id for run in runs.recent(store)][1:] == [old.id]


def test_a_job_that_dies_hangs_or_is_stopped_is_recorded_and_the_schedule_goes_on(
    start, store, tmp_path, hook
) -> None:
    os.mkfifo(tmp_path / "pipe")  # a keyring that nobody writes: each backup waits for it
    schedule = start(BACKUPS, RECSYS_KEYRING=tmp_path / "pipe", RECSYS_WEBHOOK=hook.url)

    def under_way(seen: set[str]) -> runs.Run | None:
        found = runs.recent(store, "backup", 1)
        new = found and found[0].status == "running" and found[0].id not in seen
        return found[0] if new else None

    first = until(lambda: under_way(set()))
    os.kill(int(first.place.rpartition("/")[2]), signal.SIGKILL)
    second = until(lambda: under_way({first.id}))
    third = until(lambda: under_way({first.id, second.id}))
    until(lambda: {"job.killed", "job.timed_out"} <= set(hook.events))
    os.kill(int(third.place.rpartition("/")[2]), signal.SIGSTOP)  # it will not even hear it
    assert schedule.stop() == 0
    told = {run.id: run for run in runs.recent(store)}
    assert (told[first.id].status, told[first.id].summary) == ("killed", "SIGKILL ended it")
    assert (told[second.id].status, told[second.id].detail["timeout"]) == ("killed", 8)
    assert told[second.id].summary == "it took longer than 8 seconds and was ended"
    assert (told[third.id].status, told[third.id].summary) == (
        "stopped",
        "it was told to stop, and did not",
    )
    events = [event for event in hook.events if event.startswith("job.")]
    assert events == ["job.killed", "job.timed_out"]
    assert not any(alive(run.place) for run in told.values())
    assert leases.holders(store) == {}

    # What was told to stop is made up for when the schedule is back.
    (tmp_path / "pipe").unlink()
    start(BACKUPS.replace("* * * * * *", "0 0 1 1 *"), RECSYS_WEBHOOK=hook.url)
    until(lambda: runs.recent(store)[0].status == "done")
    until(lambda: hook.events[-1] == "job.well")


def test_what_has_not_succeeded_for_long_is_told(start, store, hook) -> None:
    long_ago = int(time.time()) - 9 * HOUR
    runs.end(store, runs.begin(store, "retention", long_ago), long_ago, "done", "well")
    start("[jobs]\nmisfire_grace = 0\n" + HOURLY, RECSYS_WEBHOOK=hook.url)
    until(lambda: hook.bodies)
    assert hook.events == ["job.stale"]
    assert "retention has not succeeded since" in hook.bodies[0]["text"]


def test_trouble_that_no_run_can_record_is_told_and_so_is_its_end(start, tmp_path, hook) -> None:
    (tmp_path / "recsys.db").mkdir()
    schedule = start(SECONDLY, RECSYS_WEBHOOK=hook.url)
    until(lambda: hook.bodies)
    (tmp_path / "recsys.db").rmdir()
    until(lambda: len(hook.bodies) == 2)
    (tmp_path / "recsys.toml").write_text("[typo]\n")  # read by each job when it begins
    until(lambda: len(hook.bodies) == 3)
    assert schedule.stop() == 0
    assert [(body["event"], body["subject"]) for body in hook.bodies] == [
        ("schedule.failed", "store"),
        ("schedule.well", "store"),
        ("schedule.failed", "retention"),
    ]
    assert hook.url not in (tmp_path / "schedule.log").read_text()

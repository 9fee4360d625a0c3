"""systemd understands the units, and finds them well shut in."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.timetable import USUAL, due, trigger

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
TIMERS = sorted(path.name for path in UNITS.glob("*.timer"))
BASE = int(datetime(2026, 11, 25, 2, tzinfo=UTC).timestamp())
EXPOSED_AT_MOST = 20
"""Tenths, of 100: systemd calls below 30 fine, and the usual unit has 96."""


@pytest.fixture(scope="module", autouse=True)
def systemd():
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail("RECSYS_REQUIRE_SYSTEM=1, but there is no systemd-analyze")
        pytest.skip("needs systemd-analyze; RECSYS_REQUIRE_SYSTEM=1 makes this a failure")


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path):
    """A root with systemd's own units, the program, and ours."""
    system = tmp_path / "etc/systemd/system"
    system.mkdir(parents=True)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for name in ("opt/recsys/bin/recsys", "bin/kill"):
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for path in UNITS.glob("recsys*"):
        shutil.copy(path, system)
    for name in SERVICES:
        (system / f"{name}.d").mkdir()
        shutil.copy(UNITS / "postgresql.conf", system / f"{name}.d")
    return tmp_path


def verify(machine: Path, unit: str) -> str:
    done = analyze("verify", f"--root={machine}", "--man=no", unit)
    ours = [line for line in done.stderr.splitlines() if "recsys" in line]
    return "\n".join(ours) or ("" if done.returncode == 0 else done.stderr)


def named(unit: str) -> str:
    return unit.replace("@.", "@retrain.")


@pytest.mark.parametrize("unit", [*SERVICES, *TIMERS])
def test_systemd_understands_it(machine, unit):
    assert verify(machine, named(unit)) == ""


def test_what_it_does_not_understand_is_found(machine):
    unit = machine / "etc/systemd/system/recsys.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=everything"))
    assert "Failed to parse protect system value" in verify(machine, "recsys.service")


@pytest.mark.parametrize("unit", SERVICES)
def test_it_is_well_shut_in(unit):
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSED_AT_MOST}", UNITS / unit)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_timers_start_each_job_when_the_schedule_would_run_it():
    found = {}
    for name in TIMERS:
        told = (UNITS / name).read_text()
        (job,) = re.findall(r"^Unit=recsys-job@(.+)\.service$", told, re.M)
        (when,) = re.findall(r"^OnCalendar=(.+)$", told, re.M)
        found[job] = analyze("calendar", "--base-time=2026-11-25 02:00:00 UTC", when).stdout
    assert set(found) == set(USUAL)
    for job, cron in USUAL.items():
        first = due(trigger(cron, "UTC"), BASE)
        assert f"{datetime.fromtimestamp(first, UTC):%Y-%m-%d %H:%M:%S} UTC" in found[job]


def test_all_units_know_the_same_installation():
    told = {
        tuple(re.findall(r"^(?:Environment|User)=.+$", (UNITS / u).read_text(), re.M))
        for u in SERVICES
    }
    assert len(told) == 1

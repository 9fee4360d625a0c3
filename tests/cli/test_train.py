"""``recsys train`` as a person types it, on a real store."""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.setup import parse_time
from recsys.bundle import current, verify
from recsys.errors import DataError


def recsys(var: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from cli.main import run; run()", "--var", str(var), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )


def test_an_empty_store_gives_a_sound_bundle(tmp_path):
    pytest.importorskip("data.store")
    done = recsys(tmp_path, "train", "--now", "2017-10-11T03:00", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["id"] == current(tmp_path / "bundles")
    assert answer["shapes"]["articles"] == 0
    assert answer["stages"][0]["name"] == "snapshot"
    assert verify(tmp_path / "bundles" / answer["id"]).created == 1_507_690_800


def test_a_person_sees_stages_and_the_new_bundle(tmp_path):
    pytest.importorskip("data.store")
    shown = recsys(tmp_path, "train").stdout
    assert "nearest articles" in shown
    assert f"bundle {current(tmp_path / 'bundles')} is current" in shown


def test_a_time_that_is_none_is_one_sentence(tmp_path):
    done = recsys(tmp_path, "train", "--now", "yesterday")
    assert done.returncode == 2
    assert "--now 'yesterday' is not a time" in done.stderr
    assert "Traceback" not in done.stderr


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)))
def test_a_time_without_a_zone_is_utc(moment):
    expected = int(moment.replace(tzinfo=datetime.UTC).timestamp())
    assert parse_time(moment.isoformat(), "--now") == expected
    assert parse_time(f"{moment.isoformat()}Z", "--now") == expected


def test_a_zone_is_heeded():
    assert parse_time("2017-10-11T12:00+09:00", "--now") == parse_time("2017-10-11T03:00", "--now")
    with pytest.raises(DataError, match="ISO 8601"):
        parse_time("11.10.2017", "--now")

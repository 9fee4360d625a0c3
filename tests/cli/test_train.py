"""``recsys train`` as a person types it, on a real store."""

import datetime
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.setup import parse_time
from data.leases import held
from data.store import Store
from recsys.bundle import current, verify
from recsys.errors import DataError
from recsys.types import Article, ArticleId, Event, Kind


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


OLD = 1_507_690_800
WHEN = "2017-10-11T03:00"


@pytest.fixture
def stocked(tmp_path):
    """A store with a handful of articles and openings up to the hour before 2017-10-11T03:00."""
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles(
            Article("daily", f"a-{n}", f"https://daily.example/{n}", f"Title {n}", OLD - 7200 + n)
            for n in range(8)
        )
        store.put_events(
            Event(
                f"e-{n}", Kind.CLICK, ArticleId("daily", f"a-{n % 8}"), OLD - 3600 + n, f"r-{n % 3}"
            )
            for n in range(40)
        )
        yield store


def test_what_the_gate_found_is_told_for_people_and_for_scripts(stocked, typed, tmp_path):
    first = json.loads(typed("train", "--now", WHEN, "--json").out)
    assert first["held"] is False
    assert first["verdict"]["champion"] == ""
    second = json.loads(typed("train", "--now", "2017-10-11T04:00", "--json").out)
    assert second["verdict"]["passed"]
    assert second["verdict"]["champion"] == first["id"]
    assert [stage["name"] for stage in second["stages"]][:2] == ["snapshot", "gate: data"]
    shown = typed("train", "--now", "2017-10-11T05:00")
    assert shown.code == 0
    assert "newest event" in shown.out
    assert "Quality was not measured" in shown.out
    assert f"bundle {current(tmp_path / 'bundles')} is current" in shown.out


def test_what_is_held_leaves_with_3_and_one_sentence(stocked, typed, tmp_path):
    served = json.loads(typed("train", "--now", WHEN, "--json").out)["id"]
    done = typed("train", "--now", "2017-10-20")
    assert done.code == 3
    sentence = "held: The newest event is 8.9 days old; at most 12 hours are expected"
    assert done.err.startswith(sentence)
    assert f"bundle {served} stays in service" in done.err
    assert "Traceback" not in done.err
    script = typed("train", "--now", "2017-10-20", "--json")
    assert script.code == 3
    answer = json.loads(script.out)
    assert (answer["id"], answer["held"], answer["verdict"]["passed"]) == ("", True, False)
    assert current(tmp_path / "bundles") == served


def test_what_is_forced_is_recorded_and_so_is_the_way_back(stocked, typed, tmp_path):
    served = json.loads(typed("train", "--now", WHEN, "--json").out)["id"]
    why = "the [import] of old news is wanted"
    made = json.loads(
        typed("train", "--now", "2017-10-20", "--force", "--reason", why, "--json").out
    )
    assert current(tmp_path / "bundles") == made["id"]
    assert (made["verdict"]["forced"], made["verdict"]["why"]) == (True, why)
    told = json.loads(typed("audit", "--json").out)[0]
    assert (told["action"], told["subject"]) == ("bundle.force", made["id"])
    assert told["actor"] == made["verdict"]["by"]
    assert told["detail"] == {"why": why, "reasons": made["verdict"]["reasons"]}
    table = typed("bundles", "list").out
    assert re.search(rf"{made['id']}.*forced", table)
    assert re.search(rf"{served}.*first", table)
    shown = typed("bundles", "show").out
    assert "newest event" in shown
    assert f"was forced by {told['actor']}: {why}." in shown
    assert "rolled back" not in shown
    typed("bundles", "rollback", "--reason", "[old] news")
    shown = typed("bundles", "show", made["id"]).out
    assert re.search(rf"rolled back .* by command line .* to {served}: why \[old\] news", shown)
    answer = json.loads(typed("bundles", "show", made["id"], "--json").out)
    assert answer["gate"] == "forced"
    assert answer["verdict"] == made["verdict"]
    assert answer["recipe"]["dims"] == 64
    assert answer["rollbacks"][0]["to"] == served
    assert answer["rollbacks"][0]["why"] == "[old] news"


def test_a_reason_without_force_is_a_mistake(typed):
    done = typed("train", "--reason", "x")
    assert done.code == 2
    assert "expected --force beside it" in done.err


def test_while_a_job_trains_nobody_else_does(stocked, typed):
    with held(stocked, "job.retrain"):
        done = typed("train", "--now", WHEN)
    assert done.code == 2
    assert "job.retrain" in done.err


def test_the_gate_is_set_in_the_configuration(stocked, typed, tmp_path):
    (tmp_path / "recsys.toml").write_text("[gate]\nevent_age = 864000\narticle_age = 1e6\n")
    assert typed("train", "--now", WHEN).code == 0
    assert typed("train", "--now", "2017-10-20").code == 0
    assert typed("train", "--now", "2017-10-23").code == 3
    (tmp_path / "recsys.toml").write_text("[gate]\nworse = 2\n")
    assert "worse = 2.0: expected between 0 and 1" in typed("train").err

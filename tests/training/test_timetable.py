"""When jobs are due is read as crontab(5) reads it, and told wrong with its line."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cli.setup import load
from recsys.errors import ConfigError
from training.timetable import Jobs, JobSettings


def at(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def first(cron: str, after: str, count: int = 1, timezone: str = "UTC") -> list[str]:
    jobs = Jobs(timezone=timezone, retrain=JobSettings(cron=cron))
    moment, found = at(after), []
    for _ in range(count):
        moment = jobs.due("retrain", moment)
        found.append(f"{datetime.fromtimestamp(moment, UTC):%a %Y-%m-%d %H:%M:%S}")
    return found


def test_a_job_is_due_after_a_moment_never_at_it() -> None:
    assert first("15 * * * *", "2026-11-25T03:14:59") == ["Wed 2026-11-25 03:15:00"]
    assert first("15 * * * *", "2026-11-25T03:15:00") == ["Wed 2026-11-25 04:15:00"]


def test_a_field_in_front_of_five_counts_seconds() -> None:
    told = first("*/20 * * * * *", "2026-11-25T03:15:01", 2)
    assert told == ["Wed 2026-11-25 03:15:20", "Wed 2026-11-25 03:15:40"]


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", ["Sun"]),
        ("7", ["Sun"]),
        ("1", ["Mon"]),
        ("1-5", ["Wed", "Thu", "Fri", "Mon", "Tue"]),
        ("5-7", ["Fri", "Sat", "Sun"]),
        ("fri-mon", ["Fri", "Sat", "Sun", "Mon"]),
        ("*/3", ["Wed", "Sat", "Sun"]),
        ("SUN,3", ["Wed", "Sun"]),
    ],
)
def test_days_of_the_week_are_counted_from_sunday(weekday: str, days: list[str]) -> None:
    told = first(f"0 4 * * {weekday}", "2026-11-24T05:00", len(days))
    assert [day[:3] for day in told] == days


def test_where_both_days_are_named_either_will_do() -> None:
    told = first("0 4 1 * mon", "2026-11-24T05:00", 3)
    assert told == [
        "Mon 2026-11-30 04:00:00",
        "Tue 2026-12-01 04:00:00",
        "Mon 2026-12-07 04:00:00",
    ]


def test_clocks_are_read_where_the_publisher_is() -> None:
    assert first("0 4 * * *", "2026-11-25T00:00", timezone="Asia/Tokyo") == [
        "Wed 2026-11-25 19:00:00"
    ]


def test_a_night_without_the_hour_skips_no_other_day() -> None:
    night = at("2026-03-28T12:00")  # clocks in Vienna go from 02:00 to 03:00 on the 29th
    jobs = Jobs(timezone="Europe/Vienna", backup=JobSettings(cron="30 2 * * *"))
    times = []
    for _ in range(3):
        night = jobs.due("backup", night)
        times.append(night)
    assert all(b - a <= timedelta(hours=49).total_seconds() for a, b in pairwise(times))
    assert datetime.fromtimestamp(times[-1], UTC).hour == 0  # half past two in summer


def test_every_job_has_a_time_of_its_own_and_none_where_it_is_taken_away() -> None:
    assert Jobs().scheduled() == ("retrain", "retention", "backup", "report")
    assert Jobs(backup=JobSettings(cron="")).scheduled() == ("retrain", "retention", "report")
    assert Jobs(backup=JobSettings(cron="")).due("backup", 0) is None


def test_other_settings_of_a_job_leave_its_time_alone() -> None:
    assert Jobs(retrain=JobSettings(timeout=60)).of("retrain").cron == "15 * * * *"


def test_a_job_is_stale_when_so_many_runs_had_their_interval() -> None:
    succeeded = at("2026-11-25T03:20")
    jobs = Jobs(retrain=JobSettings(stale_after=3))
    assert jobs.stale("retrain", succeeded) == at("2026-11-25T07:15")
    assert Jobs(retrain=JobSettings(stale_after=0)).stale("retrain", succeeded) is None


@pytest.mark.parametrize(
    ("began", "grace", "begins"),
    [
        ("2026-11-25T03:15:01", 86_400, "2026-11-25T04:15"),  # nothing was missed
        ("2026-11-25T03:14:59", 86_400, "2026-11-25T03:15"),  # one was
        ("2026-11-24T23:00:00", 86_400, "2026-11-24T23:15"),  # many were: the past is one moment
        ("2026-11-24T23:00:00", 1_800, "2026-11-25T03:15"),  # the last of them counts
        ("2026-11-24T23:00:00", 600, "2026-11-25T04:15"),  # too long ago to be made up for
        ("2026-11-25T09:00:00", 86_400, "2026-11-25T04:15"),  # the clock was set back meanwhile
    ],
)
def test_what_was_missed_is_made_up_for_once_unless_it_is_long_ago(
    began: str, grace: float, begins: str
) -> None:
    jobs = Jobs(misfire_grace=grace)
    assert jobs.upcoming("retrain", at(began), at("2026-11-25T03:40")) == at(begins)


def test_a_job_that_has_never_run_is_due_at_once_but_not_one_without_a_time() -> None:
    jobs = Jobs(backup=JobSettings(cron=""))
    assert jobs.upcoming("retrain", None, 1_000) == 1_000
    assert jobs.upcoming("backup", None, 1_000) is None


def test_a_timetable_may_be_written_line_by_line_as_the_help_shows(tmp_path: Path) -> None:
    config = tmp_path / "recsys.toml"
    config.write_text('jobs.timezone = "Asia/Tokyo"\njobs.retrain.cron = "*/30 * * * *"\n')
    jobs = load(config, tmp_path).jobs
    assert (jobs.timezone, jobs.retrain.cron) == ("Asia/Tokyo", "*/30 * * * *")
    config.write_text('jobs.timezone = "UTC"\njobs.retrain.cron = "often"\n')
    with pytest.raises(ConfigError, match=r"line 2 \[jobs\.retrain\]: cron = 'often'"):
        load(config, tmp_path)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("[jobs.retain]\ncron = '* * * * *'", r"line 1 .*unknown key 'retain'; did you mean 're"),
        ("[jobs.retrain]\ncron = 'hourly'", r"line 2 \[jobs.retrain\]: cron = 'hourly': found 1 f"),
        ("[jobs.backup]\ncron = '0 4 * * 8'", r"line 2 .*'8' is no day of the week"),
        ("[jobs.backup]\ncron = '61 4 * * *'", r"line 2 .*cron = '61 4 \* \* \*'"),
        ("[jobs.report]\ntimeout = 0", r"line 2 .*timeout = 0.0: expected between"),
        ("[jobs]\ntimezone = 'Mars/Base'", r"line 2 \[jobs\]: timezone = 'Mars/Base': is unknown"),
    ],
)
def test_what_is_wrong_in_a_timetable_is_told_with_its_line(
    tmp_path: Path, lines: str, sentence: str
) -> None:
    config = tmp_path / "recsys.toml"
    config.write_text(lines)
    with pytest.raises(ConfigError, match=sentence):
        load(config, tmp_path)

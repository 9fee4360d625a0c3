"""A job runs alone, is recorded however it ends, and after what an earlier one left undone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from data import leases, runs, schema
from data.leases import Lease
from data.store import Store
from recsys.errors import Busy, DataError, Held
from training.jobs import Done, Stopped, perform

NOW = 1_764_040_500


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as opened:
        yield opened


def well(_: Lease) -> Done:
    return "all is well", {"figure": 1}


def test_what_was_done_is_recorded_and_the_lease_given_up(store: Store) -> None:
    run, killed, error = perform(store, "backup", well, NOW)
    assert (run.status, run.summary, run.detail) == ("done", "all is well", {"figure": 1})
    assert (killed, error) == ([], None)
    assert runs.last(store) == {"backup": run}
    assert leases.holders(store) == {}


@pytest.mark.parametrize(
    ("raised", "status", "summary"),
    [
        (DataError("no room"), "failed", "no room"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (Held("held: half the events", {"passed": False}), "held", "held: half the events"),
        (Busy("somebody trains by hand"), "skipped", "somebody trains by hand"),
    ],
)
def test_what_went_wrong_is_recorded_and_handed_on(
    store: Store, raised: Exception, status: str, summary: str
) -> None:
    def work(_: Lease) -> Done:
        raise raised

    run, _, error = perform(store, "retrain", work, NOW)
    assert (run.status, run.summary) == (status, summary)
    assert error is raised
    assert runs.last(store) == {"retrain": run}
    if status == "held":
        assert run.detail == {"verdict": {"passed": False}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_stop_cleans_up_and_records_it(store: Store, number: signal.Signals) -> None:
    cleaned = []

    def work(_: Lease) -> Done:
        try:
            os.kill(os.getpid(), number)
            while True:  # until the signal arrives
                pass
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # who insists does not break the cleaning
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    run, _, error = perform(store, "retrain", work, NOW)
    assert (run.status, cleaned) == ("stopped", [True])
    assert f"({number.name})" in run.summary
    assert isinstance(error, Stopped)
    assert error.number == number
    assert signal.getsignal(signal.SIGTERM) is before


def test_while_one_is_at_it_the_next_one_does_nothing(store: Store) -> None:
    def work(_: Lease) -> Done:
        with pytest.raises(Busy, match=r"holds the lease 'job\.backup'"):
            perform(store, "backup", well, NOW)
        perform(store, "retention", well, NOW)
        return well(_)

    perform(store, "backup", work, NOW)
    assert sorted(run.job for run in runs.recent(store)) == ["backup", "retention"]


def test_of_two_that_saw_the_same_moment_come_the_second_does_nothing(store: Store) -> None:
    first, _, _ = perform(store, "backup", well, NOW, after="")
    with pytest.raises(Busy, match="another process has run backup"):
        perform(store, "backup", well, NOW, after="")
    second, _, _ = perform(store, "backup", well, NOW, after=first.id)
    assert runs.recent(store) == [second, first]


def test_what_a_killed_run_left_is_recorded_by_the_next(store: Store) -> None:
    left = runs.begin(store, "backup", NOW - 60)
    run, killed, _ = perform(store, "backup", well, NOW)
    assert [one.id for one in killed] == [left.id]
    assert [one.status for one in runs.recent(store)] == ["done", "killed"]
    assert run.status == "done"


def test_whoever_lost_the_lease_on_the_way_publishes_nothing(store: Store) -> None:
    def work(lease: Lease) -> Done:
        with store.writing() as connection:
            connection.execute(update(schema.leases).values(until=0))
        assert leases.acquire(store, "job.retrain")
        lease.check()
        raise AssertionError("published")

    run, _, error = perform(store, "retrain", work, NOW)
    assert (run.status, type(error)) == ("failed", Busy)
    assert "nothing was published" in run.summary

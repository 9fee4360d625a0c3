"""Whoever watches over the service sees how unattended work goes."""

import re

import pytest
from prometheus_client import REGISTRY

from data import leases, runs
from data.store import Store
from recsys.errors import DataError
from service.holder import Holder
from service.jobs import EVERY, Jobs

T = 1_764_040_500


def told(name: str, job: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"job": job})


@pytest.fixture
def job(request: pytest.FixtureRequest) -> str:
    """A name of its own: gauges are the process's, not the test's."""
    return re.sub(r"\W", "_", request.node.name)[:32]


def test_the_gauges_tell_what_the_records_say(store: Store, job: str) -> None:
    run = runs.begin(store, job, T)
    runs.end(store, run, T + 7, "done", "well")
    Jobs().follow(store, T + 10)
    assert told("recsys_job_last_success_timestamp_seconds", job) == T + 7
    assert told("recsys_job_last_duration_seconds", job) == 7
    assert told("recsys_job_last_run_failed", job) == 0
    assert told("recsys_job_running", job) == 0


@pytest.mark.parametrize(("status", "failed"), [("failed", 1), ("killed", 1), ("held", 0)])
def test_a_run_that_went_wrong_moves_no_success(
    store: Store, job: str, status: runs.Status, failed: int
) -> None:
    runs.end(store, runs.begin(store, job, T), T + 7, "done")
    runs.end(store, runs.begin(store, job, T + 60), T + 90, status)
    Jobs().follow(store, T + 100)
    assert told("recsys_job_last_success_timestamp_seconds", job) == T + 7
    assert told("recsys_job_last_run_failed", job) == failed


def test_a_job_that_never_succeeded_did_so_at_the_beginning_of_time(store: Store, job: str) -> None:
    runs.end(store, runs.begin(store, job, T), T + 7, "failed")
    Jobs().follow(store, T + 10)
    assert told("recsys_job_last_success_timestamp_seconds", job) == 0


def test_a_run_under_way_leaves_the_failure_before_it_standing(store: Store, job: str) -> None:
    jobs = Jobs()
    runs.end(store, runs.begin(store, job, T), T + 7, "failed")
    jobs.follow(store, T + 10)
    assert leases.acquire(store, runs.lease_name(job))
    runs.begin(store, job, T + 60)
    jobs.follow(store, T + 70)
    assert told("recsys_job_running", job) == 1
    assert told("recsys_job_last_run_failed", job) == 1


def test_the_store_is_asked_now_and_then_and_again_when_the_clock_went_back(
    store: Store, job: str
) -> None:
    jobs = Jobs()
    jobs.follow(store, T)
    runs.end(store, runs.begin(store, job, T), T + 1, "done")
    jobs.follow(store, T + EVERY - 1)
    assert told("recsys_job_running", job) is None
    jobs.follow(store, T - 3600)
    assert told("recsys_job_running", job) == 0


def test_a_store_that_is_away_is_told_and_breaks_nothing(
    settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = Holder(settings)

    def away(*_: object) -> dict[str, runs.Run]:
        raise DataError("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(runs, "last", away)
        holder.refresh(T)
    assert holder.state.refreshed == T
    assert "jobs: the store is away" in holder.state.error
    holder.refresh(T + EVERY)
    assert holder.state.error == ""

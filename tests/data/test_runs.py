"""What became of each run of a job is kept, and what nobody saw end was killed."""

from data import runs
from data.leases import acquire
from data.runs import Run
from data.store import Store

NOW = 1_764_040_500


def finished(store: Store, job: str, at: int, status: runs.Status = "done") -> Run:
    return runs.end(store, runs.begin(store, job, at), at + 10, status, f"{status} at {at}")


def test_a_run_is_told_as_it_began_and_as_it_ended(store: Store) -> None:
    assert acquire(store, "job.retrain")
    run = runs.begin(store, "retrain", NOW)
    assert runs.last(store) == {"retrain": run}
    assert (run.status, run.ended) == ("running", 0)
    detail = {"verdict": {"passed": False, "reasons": ["too few events"]}}
    ended = runs.end(store, run, NOW + 60, "held", "too few events", detail)
    assert runs.last(store) == {"retrain": ended}
    assert ended.detail == detail


def test_the_last_run_of_each_job_is_told_and_the_last_success(store: Store) -> None:
    done = finished(store, "retrain", NOW)
    failed = finished(store, "retrain", NOW + 3600, "failed")
    backup = finished(store, "backup", NOW - 3600)
    assert runs.last(store) == {"retrain": failed, "backup": backup}
    assert runs.last(store, "done") == {"retrain": done, "backup": backup}


def test_of_runs_that_began_in_one_second_the_later_is_the_last(store: Store) -> None:
    made = [finished(store, "backup", NOW) for _ in range(5)]
    assert runs.recent(store) == made[::-1]
    assert runs.last(store) == {"backup": made[-1]}


def test_recent_runs_are_told_newest_first_for_one_job_or_all(store: Store) -> None:
    for step in range(4):
        finished(store, ("retrain", "backup")[step % 2], NOW + step)
    assert [run.started - NOW for run in runs.recent(store)] == [3, 2, 1, 0]
    assert [run.started - NOW for run in runs.recent(store, "backup", most=1)] == [3]


def test_a_run_whose_lease_has_lapsed_was_killed_though_nobody_wrote_it_down(store: Store) -> None:
    lease = acquire(store, "job.backup")
    assert lease
    runs.begin(store, "backup", NOW)
    assert runs.last(store)["backup"].status == "running"
    lease.release()
    killed = runs.last(store)["backup"]
    assert (killed.status, killed.ended) == ("killed", 0)
    assert "killed" in killed.summary


def test_the_next_holder_writes_down_what_was_killed_and_leaves_other_jobs_alone(
    store: Store,
) -> None:
    left = runs.begin(store, "backup", NOW)
    other = runs.begin(store, "retrain", NOW)
    done = finished(store, "backup", NOW - 60)
    assert acquire(store, "job.backup")
    assert acquire(store, "job.retrain")
    assert [run.id for run in runs.reap(store, "backup")] == [left.id]
    assert runs.reap(store, "backup") == []
    told = {run.id: run.status for run in runs.recent(store)}
    assert told == {left.id: "killed", other.id: "running", done.id: "done"}


def test_old_records_go_but_for_the_last_success(store: Store) -> None:
    success = finished(store, "retrain", NOW)
    finished(store, "retrain", NOW + 1, "failed")
    new = finished(store, "retrain", NOW + 100, "failed")
    assert runs.prune(store, NOW + 50) == 1
    assert runs.recent(store) == [new, success]

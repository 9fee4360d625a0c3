"""Unattended work as a schedule runs it: one at a time, recorded however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from waiting import awaited as until
from webhooks import listening

from data import leases, runs, schema
from data.store import Store
from recsys import shelf
from recsys.types import Article, ArticleId, Event, Kind

DAY = 86_400
RECSYS = [sys.executable, "-P", "-c", "from cli.main import run; run()"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        now = int(time.time())
        store.put_events(
            Event(str(age), Kind.CLICK, ArticleId("daily", "a"), now - age * DAY)
            for age in (1, 20, 40, 400, 500)
        )
        yield store


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `recsys job ...` as cron does, with more in its environment."""
    started = []

    def begin(*words: str, **environment: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*RECSYS, "--var", str(tmp_path), "job", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A keyring that nobody writes: whoever backs it up waits, in the midst of it, until killed."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def half(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "backups").glob(f"{shelf.ASIDE}*/bundles"))


def lapse(store: Store) -> None:
    """Have the minute pass after which a holder that shows no life has lost its lease."""
    with store.writing() as connection:
        connection.execute(update(schema.leases).values(until=0))


# One run


def test_old_events_go_and_the_rest_stays(typed, store):
    assert "deleted 2 events older than 395 days" in typed("job", "retention").out
    told = json.loads(typed("job", "retention", "--json").out)
    assert (told["status"], told["detail"]["deleted"]) == ("done", 0)


def test_the_age_is_a_setting(typed, store, tmp_path):
    (tmp_path / "recsys.toml").write_text("[retention]\ndays = 30\n")
    assert json.loads(typed("job", "retention", "--json").out)["detail"]["deleted"] == 3
    (tmp_path / "recsys.toml").write_text("[retention]\ndays = 0\n")
    done = typed("job", "retention")
    assert (done.code, "days = 0" in done.err) == (2, True)


def test_a_bundle_is_learned_and_its_run_tells_which(typed, store, tmp_path):
    told = json.loads(typed("job", "retrain", "--json").out)
    assert told["detail"]["bundle"] == shelf.current(tmp_path / "bundles")
    assert told["summary"] == f"bundle {told['detail']['bundle']} is current"
    assert runs.last(store)["retrain"].id == told["id"]


def test_backups_are_made_where_the_configuration_says_and_the_oldest_go(typed, store, tmp_path):
    (tmp_path / "recsys.toml").write_text(
        f"[backup]\ndirectory = '{tmp_path / 'elsewhere'}'\nkeep = 1\nkeyring = false\n"
    )
    first = json.loads(typed("job", "backup", "--json").out)["detail"]["backup"]
    until(lambda: int(time.time()) > runs.last(store)["backup"].started)
    second = json.loads(typed("job", "backup", "--json").out)["detail"]["backup"]
    (made,) = (tmp_path / "elsewhere").glob("2*")
    assert str(made) == second != first
    assert not (made / "keyring.json").exists()


def test_a_report_of_nothing_is_no_failure(typed, store):
    told = json.loads(typed("job", "report", "--json").out)
    assert (told["status"], told["summary"]) == ("done", "there is nothing to replay yet")


# How it may end


def test_what_the_disk_refuses_is_recorded_and_told_by_exit_code_and_webhook(
    typed, store, tmp_path, monkeypatch
):
    (tmp_path / "backups").touch()
    with listening() as hook:
        monkeypatch.setenv("RECSYS_WEBHOOK", hook.url)
        done = typed("job", "backup")
        assert done.code == 2
        assert "backup failed: cannot write backups to" in done.err
        assert typed("job", "backup").code == 2
        (tmp_path / "backups").unlink()
        assert typed("job", "backup").code == 0
    assert [run.status for run in runs.recent(store)] == ["done", "failed", "failed"]
    assert hook.events == ["job.failed", "job.well"]
    assert hook.url not in done.err + done.out


def test_what_nobody_foresaw_is_a_failure_with_its_traceback_in_the_log(typed, store, tmp_path):
    (tmp_path / "bundles").touch()
    done = typed("job", "retrain")
    assert done.code == 1
    assert "retrain failed:" in done.err
    assert "training/run.py" in done.err
    assert runs.last(store)["retrain"].status == "failed"


def test_a_store_that_cannot_be_opened_is_said_in_a_sentence(typed, tmp_path):
    (tmp_path / "recsys.db").write_text("this is no database, but long enough to be looked at" * 9)
    done = typed("job", "retention")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: the store ")


def test_while_another_holds_the_lease_nothing_is_done_or_recorded(typed, store):
    with leases.held(store, "job.retrain"):
        done = typed("job", "retrain")
    assert done.code == 4
    assert "holds the lease 'job.retrain'" in done.err
    assert runs.recent(store) == []


def test_a_bundle_that_the_gate_holds_is_recorded_with_the_verdict_and_told(
    typed, store, tmp_path, monkeypatch
):
    assert typed("job", "retrain").code == 0
    served = shelf.current(tmp_path / "bundles")
    with listening() as hook:
        monkeypatch.setenv("RECSYS_WEBHOOK", hook.url)
        done = typed("job", "retrain", "--json")  # no event has come for a day
    assert done.code == 3
    told = json.loads(done.out)
    assert told["status"] == "held"
    assert told["detail"]["verdict"]["champion"] == served == shelf.current(tmp_path / "bundles")
    (body,) = hook.bodies
    assert body["event"] == "job.held"
    assert body["detail"]["reasons"] == told["detail"]["verdict"]["reasons"] != []


# What there is to see


def test_every_job_is_listed_with_when_it_is_due_and_how_it_went(typed, store):
    before = {row["job"]: row for row in json.loads(typed("job", "list", "--json").out)}
    assert list(before) == ["retrain", "retention", "backup", "report"]
    assert before["retrain"]["status"] is None
    now = int(time.time())
    assert now < before["retrain"]["due"] <= now + 3600
    runs.end(store, runs.begin(store, "retrain", now - 9 * 3600), now - 9 * 3600 + 5, "done", "[b]")
    runs.end(store, runs.begin(store, "retrain", now - 120), now - 60, "held", "held: too few")
    row = json.loads(typed("job", "list", "--json").out)[0]
    assert (row["status"], row["succeeded"]) == ("held", now - 9 * 3600 + 5)
    assert row["stale"]
    assert 120 <= row["age"] <= 180
    shown = typed("job", "list").out
    assert "15 * * * *" in shown
    assert "held stale" in shown
    assert "never" in shown


def test_the_runs_of_a_job_are_told_newest_first(typed, store):
    now = int(time.time())
    for step, job in enumerate(("backup", "retrain", "backup")):
        run = runs.begin(store, job, now + step)
        runs.end(store, run, now + step + 90, "done", f"[red]word {step}")
    shown = typed("job", "log").out
    assert shown.index("word 2") < shown.index("word 1") < shown.index("word 0")
    assert "[red]word" in shown
    assert "90 s" in shown
    told = json.loads(typed("job", "log", "backup", "--most", 1, "--json").out)
    assert [run["summary"] for run in told] == ["[red]word 2"]
    wrong = typed("job", "log", "retrian")
    assert wrong.code == 2
    assert "'retrian' is unknown; known: retrain" in wrong.err


# Several, killed and stopped


def test_of_two_trainings_that_begin_together_one_is_done(start, store):
    both = [start("retrain", "--after", "") for _ in range(2)]
    for process in both:
        process.communicate()
    assert sorted(process.returncode for process in both) == [0, 4]
    assert [run.status for run in runs.recent(store)] == ["done"]


def test_a_run_killed_on_the_spot_leaves_nothing_that_counts_and_the_next_cleans_up(
    start, typed, store, tmp_path, pipe
):
    process = start("backup", RECSYS_KEYRING=pipe)
    until(lambda: half(tmp_path))
    assert typed("job", "backup").code == 4
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert half(tmp_path)
    lapse(store)
    assert [run.status for run in runs.recent(store)] == ["killed"]
    told = json.loads(typed("job", "backup", "--json").out)
    (killed,) = told["killed"]
    assert [(run.id, run.status) for run in runs.recent(store)] == [
        (told["id"], "done"),
        (killed, "killed"),
    ]
    assert half(tmp_path) == []
    assert [str(path) for path in (tmp_path / "backups").glob("2*")] == [told["detail"]["backup"]]


def test_a_trainer_killed_on_the_spot_leaves_the_bundle_in_service(start, typed, store, tmp_path):
    now = int(time.time())
    store.put_articles([Article("daily", "a", "https://daily.example/a", "News", now - 60)])
    store.put_events([Event("new", Kind.CLICK, ArticleId("daily", "a"), now - 30)])
    assert typed("job", "retrain").code == 0
    served = shelf.current(tmp_path / "bundles")
    process = start("retrain")
    until(lambda: runs.last(store)["retrain"].status == "running")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert shelf.current(tmp_path / "bundles") == served
    lapse(store)
    assert typed("job", "retrain").code == 0
    statuses = [run.status for run in runs.recent(store, "retrain")]
    assert statuses == ["done", "killed", "done"]
    assert shelf.current(tmp_path / "bundles") != served
    assert list((tmp_path / "bundles").glob(f"{shelf.ASIDE}*")) == []


def test_who_is_told_to_stop_leaves_nothing_and_says_so(start, store, tmp_path, pipe):
    process = start("backup", RECSYS_KEYRING=pipe)
    until(lambda: half(tmp_path))
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, err
    assert half(tmp_path) == []
    run = runs.last(store)["backup"]
    assert run.status == "stopped"
    assert "SIGTERM" in run.summary
    assert leases.holders(store) == {}

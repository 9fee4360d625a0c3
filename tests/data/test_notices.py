"""People are told of a job's trouble once, and once more when it is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from webhooks import Hook, listening

from data import alerts as module
from data import notices, runs
from data.alerts import Alerts
from data.store import Store

NOW = 1_764_040_500
HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as opened:
        yield opened


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    with listening() as opened:
        yield opened


def ran(store: Store, hook: Hook, status: runs.Status, at: int, **detail: object) -> runs.Run:
    """Run a job to its end, and tell people what there is to tell."""
    run = runs.end(store, runs.begin(store, "retrain", at), at + 9, status, f"{status}!", detail)
    notices.tell(store, Alerts(hook.url), run, at + 10)
    return run


def test_trouble_is_told_once_and_its_end_too(store: Store, hook: Hook) -> None:
    for step, status in enumerate(("done", "failed", "failed", "failed", "done", "done")):
        ran(store, hook, status, NOW + step * HOUR)
    assert hook.events == ["job.failed", "job.well"]
    failed, well = hook.bodies
    assert failed["text"].endswith(": retrain failed: failed!")
    assert (failed["state"], failed["subject"]) == ("firing", "retrain")
    assert well["text"].endswith(": retrain is well again: done!")
    assert well["state"] == "resolved"


def test_other_trouble_is_news(store: Store, hook: Hook) -> None:
    for step, status in enumerate(("failed", "held", "failed", "held", "killed")):
        ran(store, hook, status, NOW + step * HOUR)
    ran(store, hook, "killed", NOW + 6 * HOUR, timeout=60.0)
    assert hook.events == ["job.failed", "job.held", "job.killed", "job.timed_out"]


def test_trouble_that_lasts_is_told_again_after_a_day(store: Store, hook: Hook) -> None:
    for hour in (0, 10, 20, 25, 30, 50):
        ran(store, hook, "failed", NOW + hour * HOUR)
    assert [body["at"][8:13] for body in hook.bodies] == ["25T03", "26T04", "27T05"]


def test_a_bundle_that_was_held_is_told_with_the_reasons(store: Store, hook: Hook) -> None:
    run = ran(store, hook, "held", NOW, verdict={"passed": False, "reasons": ["half the events"]})
    (body,) = hook.bodies
    assert body["detail"]["reasons"] == ["half the events"]
    assert body["detail"]["run"] == run.id


def test_who_was_told_to_stop_or_stepped_aside_needs_nobody(store: Store, hook: Hook) -> None:
    ran(store, hook, "stopped", NOW)
    ran(store, hook, "skipped", NOW + HOUR)
    assert hook.bodies == []


def test_what_nobody_heard_is_told_by_the_next_run(store: Store) -> None:
    run = runs.end(store, runs.begin(store, "backup", NOW), NOW + 9, "failed", "no room")
    notices.tell(store, Alerts("http://127.0.0.1:9/", timeout=0.2), run, NOW)
    assert notices.pending(store, "backup") == {}
    run = runs.end(store, runs.begin(store, "backup", NOW + 60), NOW + 69, "failed", "no room")
    with listening() as hook:
        notices.tell(store, Alerts(hook.url), run, NOW + 70)
        assert hook.events == ["job.failed"]
    assert notices.pending(store, "backup") == {"job.failed": NOW + 70}


def test_a_job_that_has_not_succeeded_for_long_is_told_until_it_does(
    store: Store, hook: Hook
) -> None:
    run = ran(store, hook, "stopped", NOW)
    for step in range(3):
        notices.tell_stale(store, Alerts(hook.url), run, NOW - HOUR, NOW + step * 60)
    ran(store, hook, "done", NOW + HOUR)
    assert hook.events == ["job.stale", "job.well"]
    assert "retrain has not succeeded since 2025-11-25 02:15 UTC" in hook.bodies[0]["text"]


def test_without_a_webhook_nothing_is_noted(store: Store) -> None:
    run = runs.end(store, runs.begin(store, "retrain", NOW), NOW + 9, "failed", "why")
    notices.tell(store, Alerts(), run, NOW)
    notices.tell_stale(store, Alerts(), run, 0, NOW)
    assert runs.recent(store) == [run]


def test_a_store_that_fails_then_changes_nothing_of_what_was_done(store: Store, hook: Hook) -> None:
    run = runs.end(store, runs.begin(store, "retrain", NOW), NOW + 9, "failed", "why")
    with store.writing() as connection:
        connection.execute(text("DROP TABLE runs"))
    notices.tell(store, Alerts(hook.url), run, NOW)
    assert hook.bodies == []

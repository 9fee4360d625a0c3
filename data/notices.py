"""Tells people of a job's trouble once, and once more when it is over."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog

from data import runs
from data.alerts import Alerts, alert
from data.runs import Run, Status
from data.store import Store
from recsys.errors import DataError

WELL, STALE = "job.well", "job.stale"
TROUBLE: Mapping[Status, tuple[str, str]] = {
    "failed": ("job.failed", "failed: "),
    "held": ("job.held", ""),  # its summary says so
    "killed": ("job.killed", "was killed: "),
}
"""Which runs need somebody: what happened, for programs and for people."""
HOUR = 3600
REACH = 1_000
"""Runs that are looked through for what people were told of."""
log = structlog.get_logger(__name__)


def tell(store: Store, alerts: Alerts, run: Run, now: int) -> None:
    """Alert people of how a run ended, where that is news, and note it with the run.

    The same trouble is told again only after ``alerts.remind``, and being well only after trouble.
    What nobody received is not noted, so the next run tells it. A store that fails is only
    logged: the run is what it was.
    """
    event, words = TROUBLE.get(run.status, (WELL, "is well again: "))
    if run.status == "killed" and "timeout" in (run.detail or {}):
        event = "job.timed_out"
    if not alerts.webhook or run.status not in (*TROUBLE, "done"):
        return
    with _forgiving():
        told = pending(store, run.job)
        if _is_news(told, event, alerts, now):
            _send(store, alerts, event, run, f"{run.job} {words}{run.summary}", now)


def tell_stale(store: Store, alerts: Alerts, run: Run, succeeded: int, now: int) -> None:
    """Alert people that a job has not succeeded for too long, and note it with its last run.

    ``succeeded`` is when it did last, UTC seconds; 0 for never.
    """
    if not alerts.webhook:
        return
    since = f"{datetime.fromtimestamp(succeeded, UTC):%Y-%m-%d %H:%M} UTC" if succeeded else ""
    sentence = f"{run.job} has not succeeded {f'since {since}' if since else 'yet'}"
    last = f"; its last run: {run.status}: {run.summary}" if run.summary else ""
    with _forgiving():
        if _is_news(pending(store, run.job), STALE, alerts, now):
            _send(store, alerts, STALE, run, sentence + last, now)


def pending(store: Store, job: str) -> dict[str, int]:
    """Return what people were told of a job since it was last well, and when (UTC seconds)."""
    told: dict[str, int] = {}
    for run in runs.recent(store, job, REACH):
        for note in reversed((run.detail or {}).get("alerts", [])):
            if note["event"] == WELL:
                return told
            told.setdefault(note["event"], note["at"])
    return told


@contextmanager
def _forgiving() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        log.error("nobody was told", reason=str(error))


def _is_news(told: Mapping[str, int], event: str, alerts: Alerts, now: int) -> bool:
    if event == WELL:
        return bool(told)
    return now >= told.get(event, -math.inf) + alerts.remind * HOUR


def _send(store: Store, alerts: Alerts, event: str, run: Run, sentence: str, now: int) -> None:
    detail = {"run": run.id, "status": run.status, "place": run.place, "summary": run.summary}
    if verdict := (run.detail or {}).get("verdict"):
        detail["reasons"] = verdict.get("reasons", [])
    resolved = event == WELL
    if alert(alerts, event, run.job, sentence, at=now, resolved=resolved, detail=detail):
        runs.note_alert(store, run, event, now)

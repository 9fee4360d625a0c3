"""Keeps what became of each run of a job: begun, ended, and how."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from data import leases
from data.schema import runs as table
from data.store import Store

Status = Literal["running", "done", "held", "failed", "killed", "stopped", "skipped"]
"""How a run stands: ``held`` by the gate; ``killed`` from outside or for taking too long;
``stopped`` when it was told to; ``skipped`` where somebody was at the same work by hand."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job; times in UTC seconds."""

    id: str
    job: str
    place: str
    """Host and process, to find its log."""
    started: int
    ended: int = 0
    """0 while it runs, and where nobody saw it end."""
    status: Status = "running"
    summary: str = ""
    """One sentence for people: what was done, or why not."""
    detail: Mapping[str, Any] | None = None
    """Figures for programs, such as a verdict."""


def lease_name(job: str) -> str:
    """Return the name of the lease that a run of a job holds."""
    return f"job.{job}"


def begin(store: Store, job: str, now: int) -> Run:
    """Record that a run begins here; only for the holder of the job's lease."""
    # Ids sort as runs began: some begin in the same second.
    id = f"{time.time_ns():016x}-{secrets.token_hex(4)}"
    run = Run(id, job, leases.place(), now, detail={})
    with store.writing() as connection:
        connection.execute(insert(table).values(**_values(run)))
    return run


def end(
    store: Store,
    run: Run,
    now: int,
    status: Status,
    summary: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Run:
    """Record how a run ended and return it so; what was recorded of it before is written over."""
    ended = replace(run, ended=now, status=status, summary=summary, detail=detail or {})
    with store.writing() as connection:
        connection.execute(update(table).where(table.c.id == run.id).values(**_values(ended)))
    return ended


def reap(store: Store, job: str) -> list[Run]:
    """Record as killed what an earlier holder of the job's lease left running; returns those runs.

    Only for the holder of the lease: whoever else ran the job is dead, or will find out before it
    publishes anything.
    """
    left = select(table).where(table.c.job == job, table.c.status == "running")
    with store.writing() as connection:
        rows = connection.execute(left.order_by(table.c.started, table.c.id)).all()
        for row in rows:
            told = _run(row, frozenset())
            values = {"status": told.status, "summary": told.summary}
            connection.execute(update(table).where(table.c.id == row.id).values(**values))
    return [_run(row, frozenset()) for row in rows]


def last(store: Store, status: Status | None = None) -> dict[str, Run]:
    """Return the last run of each job that has had one; of those with ``status`` where given."""
    order = table.c.started.desc(), table.c.id.desc()
    found = {}
    with store.reading() as connection:
        alive = _alive(connection)
        # One by one, along the index: a year of hourly runs is not to be sorted each time.
        for job in connection.execute(select(table.c.job).distinct()).scalars().all():
            of_job = select(table).where(table.c.job == job).order_by(*order).limit(1)
            if status:
                of_job = of_job.where(table.c.status == status)
            if row := connection.execute(of_job).first():
                found[job] = _run(row, alive)
    return found


def last_id(store: Store, job: str) -> str:
    """Return the id of the last run of a job, empty where it has had none."""
    newest = select(table.c.id).where(table.c.job == job)
    order = table.c.started.desc(), table.c.id.desc()
    with store.reading() as connection:
        return connection.execute(newest.order_by(*order).limit(1)).scalar() or ""


def recent(store: Store, job: str = "", most: int = 50) -> list[Run]:
    """Return up to ``most`` runs, of one job where it is given, the newest first.

    A run whose lease has lapsed was killed, even before anybody has recorded that.
    """
    newest = select(table).order_by(table.c.started.desc(), table.c.id.desc()).limit(most)
    with store.reading() as connection:
        alive = _alive(connection)
        rows = connection.execute(newest.where(table.c.job == job) if job else newest)
        return [_run(row, alive) for row in rows]


def first(store: Store, job: str) -> int | None:
    """Return when the earliest run of a job began that is recorded, UTC seconds; None for none."""
    earliest = select(func.min(table.c.started)).where(table.c.job == job)
    with store.reading() as connection:
        return connection.execute(earliest).scalar_one()


def prune(store: Store, before: int) -> int:
    """Delete the records of runs that began before a moment (UTC seconds); returns how many.

    The last success of each job stays, however long ago it was.
    """
    kept = [run.id for run in last(store, "done").values()]
    old = delete(table).where(table.c.started < before, table.c.id.not_in(kept))
    with store.writing() as connection:
        return int(connection.execute(old).rowcount)


def note_alert(store: Store, run: Run, event: str, at: int) -> None:
    """Write down with a run that people were told of ``event`` at ``at`` (UTC seconds)."""
    own = table.c.id == run.id
    with store.writing() as connection:
        kept = select(table.c.detail).where(own).with_for_update()
        detail = connection.execute(kept).scalar_one()
        told = [*detail.get("alerts", ()), {"event": event, "at": at}]
        connection.execute(update(table).where(own).values(detail=detail | {"alerts": told}))


def plain(run: Run) -> dict[str, Any]:
    """Return a run for JSON."""
    return _values(run)


def _alive(connection: Connection) -> frozenset[str]:
    """Return the leases that are held, as of the moment of a transaction.

    A run begins after its lease and ends before it: as of one moment, none is alive without.
    """
    return frozenset(leases.standing(connection))


def _run(row: Row[Any], alive: frozenset[str]) -> Run:
    run = Run(**{name: getattr(row, name) for name in Run.__slots__})
    if run.status == "running" and lease_name(run.job) not in alive:
        summary = run.summary or "it was killed, or its machine was; nobody saw it end"
        return replace(run, status="killed", summary=summary)
    return run


def _values(run: Run) -> dict[str, Any]:
    values = {name: getattr(run, name) for name in Run.__slots__}
    return values | {"detail": dict(run.detail or {})}

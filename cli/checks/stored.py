"""Looks at the store: whether it answers, its schema and clock, what it says of jobs and keys."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, extract, func, select
from sqlalchemy.engine import make_url

from cli import times
from cli.checks.finding import Finding, fault, ok, warn
from cli.setup import Setup
from data import access, database, leases, runs, schema
from data.store import Store
from recsys import shelf
from recsys.errors import BundleError, RecsysError

DRIFT = 2.0
"""Seconds by which the clocks of store and machine may differ."""
SOON = 14 * 86_400
"""Seconds before the end of a key in which somebody should make another."""


def store(setup: Setup, now: int) -> Iterator[Finding]:
    """Everything that is known only to the store; where it is away, nothing else is said."""
    try:
        url = setup.store_url
        file = make_url(url).database if url.startswith("sqlite") else None
        if file and not Path(file).exists():
            step = "recsys import articles FILE; or recsys demo, to try things on"
            yield warn("store", f"there is no {file} yet", step)
            return
        # As it is: to look at a store must not change its schema.
        opened = Store(database.connect(url, migrating=False))
    except RecsysError as error:
        yield fault("store", str(error), "correct [store] url in the configuration")
        return
    with opened:
        try:
            with opened.reading() as connection:
                current = yield from _schema(connection)
                if current:
                    yield from _clock(connection)
            if current:
                yield from _content(opened, setup)
                yield from _keys(opened, now)
                yield from _jobs(opened, setup, now)
                yield from _leases(opened)
        except RecsysError as error:
            step = "see that the database runs, that this machine reaches it, and its password"
            yield fault("store", str(error), step)


def _schema(connection: Connection) -> Iterator[Finding]:
    found, head = database.revision_of(connection), database.head()
    if found == head:
        yield ok("schema", f"{head}, which is this version's")
        return True
    if not found or found in database.known():
        said = f"{found} is older than {head}" if found else "there are no tables yet"
        yield warn("schema", said, "recsys backup, and then: recsys db migrate")
    else:
        step = "update the program, or go back to a backup of before: recsys restore"
        yield fault("schema", f"{found} is of a newer version, this one knows {head}", step)
    return False


def _clock(connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name == "sqlite":
        return  # a file has no clock
    before = time.time()
    told = connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one()
    drift = float(told) - (before + time.time()) / 2
    if abs(drift) > DRIFT:
        step = "let NTP set the clocks of both machines (timedatectl set-ntp true)"
        yield fault("clock", f"the store's clock differs by {drift:+,.0f} s from this one's", step)
    else:
        yield ok("clock", "the store's and this machine's agree")


def _content(store: Store, setup: Setup) -> Iterator[Finding]:
    counts = store.counts()
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    if not counts["articles"]:
        step = "recsys import articles FILE, or PUT /v1/articles"
        yield warn("store", f"it answers and is empty: {said}", step)
    else:
        yield ok("store", f"it answers: {said}")
    silent = [id for id in setup.sites if counts["articles"] and not store.latest(id, 1)]
    if silent:
        step = "recsys import articles; or put right the id in [sites.ID]"
        yield warn("articles", f"sites without articles: {', '.join(silent)}", step)
    yield from _marks(store, setup)


def _marks(store: Store, setup: Setup) -> Iterator[Finding]:
    from recsys import manifest

    try:
        stated = manifest.read(shelf.folder(setup.bundles, shelf.current(setup.bundles)))
    except BundleError:
        return  # told elsewhere
    with store.reading() as connection:
        told = {row.name: row.value for row in connection.execute(select(schema.clocks))}
    ahead = {name for name, value in stated.mark.items() if value > told.get(name, 0)}
    if ahead:
        yield fault(
            "marks",
            f"bundle {stated.id} has read further than the store goes: {', '.join(sorted(ahead))}",
            "is it another store's? train anew: recsys train",
        )


def _keys(store: Store, now: int) -> Iterator[Finding]:
    kept = [key for key in access.keys(store) if key.revoked is None]
    if not kept:
        step = "recsys keys create NAME --scope editor, or --scope articles for a CMS"
        yield warn("keys", "nobody can publish over HTTP or sit at the desk", step)
        return
    amiss = False
    for key in kept:
        if key.expires is not None and key.expires < now + SOON:
            amiss = True
            ended = key.expires <= now
            said = (
                f"{key.id} ({key.name}) {'ended' if ended else 'ends'} {times.shown(key.expires)}"
            )
            step = f"make another: recsys keys create; then: recsys keys revoke {key.id}"
            yield warn("keys", said, step)
    if not amiss:
        yield ok("keys", f"{len(kept)} in use, none about to end")


def _jobs(store: Store, setup: Setup, now: int) -> Iterator[Finding]:
    last, good = runs.last(store), runs.last(store, "done")
    for job in setup.jobs.scheduled():
        run = last.get(job)
        again = f"recsys job {job}"
        if run is None:
            step = "recsys schedule, or a timer for: " + again
            yield warn("jobs", f"{job} has never run", step)
        elif run.status in ("failed", "killed"):
            said = f"{job} {run.status} {times.shown(run.started)} at {run.place}: {run.summary}"
            yield fault("jobs", said, again)
        elif run.status == "held":
            said = f"{job} was held by the gate {times.shown(run.started)}: {run.summary}"
            yield warn(
                "jobs", said, "recsys job log; where the gate is wrong: recsys train --force"
            )
        elif job in good and (stale := setup.jobs.stale(job, good[job].started)) and now > stale:
            said = f"{job} last succeeded {times.shown(good[job].started)}, and should have since"
            yield fault("jobs", said, f"does recsys schedule run? {again}")
        else:
            yield ok("jobs", f"{job} {run.status} {times.shown(run.started)}")


def _leases(store: Store) -> Iterator[Finding]:
    alive = leases.holders(store)
    with store.reading() as connection:
        rows = connection.execute(select(schema.leases)).all()
    for row in rows:
        ends = datetime.fromtimestamp(row.until / 1000, UTC)
        if row.name not in alive:
            step = "nothing: the next run takes it over; look why it was killed if it comes again"
            yield warn(
                "leases", f"{row.holder} was killed with {row.name}, which ended {ends:%F %T}", step
            )
        elif row.until / 1000 > time.time() + 10 * leases.TTL:
            step = "was a clock set back? The next run that asks for it puts it right"
            yield warn("leases", f"{row.name} lasts until {ends:%F %T}, longer than any may", step)
    if alive:
        yield ok("leases", ", ".join(f"{name} by {holder}" for name, holder in alive.items()))

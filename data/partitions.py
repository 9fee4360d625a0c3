"""Keeps the events of PostgreSQL in parts by time, so that old ones go as whole tables.

A part is a month. Years long ago or far ahead have one part each, and what lies outside of this
century goes into two parts of its own: rows of odd years cannot make thousands of tables. There is
no default part: it would have to be locked and searched whenever another one is made.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, text
from sqlalchemy.exc import ProgrammingError

from data.schema import event_ids

FIRST, LAST = 2000, 2099
"""Years that have parts of their own."""
BEHIND, AHEAD = 36, 2
"""Months before and after now that have parts of their own; other years are one part each."""
BOTTOM, TOP = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """The events of ``[begin, end)`` (UTC seconds), and the name of their table."""

    name: str
    begin: int
    end: int

    @classmethod
    def named(cls, name: str) -> "Part":
        """Return the part of a table: ``events_2026_11``, ``events_2017``, ``events_early``."""
        _, _, when = name.partition("_")
        if when == "early":
            return cls(name, BOTTOM, _month(FIRST, 1))
        if when == "late":
            return cls(name, _month(LAST + 1, 1), TOP)
        year, _, month = when.partition("_")
        if month:
            return cls(name, _month(int(year), int(month)), _month(int(year), int(month) + 1))
        return cls(name, _month(int(year), 1), _month(int(year) + 1, 1))

    @property
    def bounds(self) -> str:
        """Its bounds in SQL."""
        low = "MINVALUE" if self.begin == BOTTOM else str(self.begin)
        high = "MAXVALUE" if self.end == TOP else str(self.end)
        return f"FOR VALUES FROM ({low}) TO ({high})"


def ensure(connection: Connection, moments: Sequence[int], now: int) -> None:
    """See to it that there is a part for each of some moments (UTC seconds).

    Whoever calls this holds the clock of events, so no two make parts at a time. Nobody who reads
    or writes other parts has to wait: a table of its own is attached.
    """
    import numpy as np  # whoever reads only need not wait for it

    at = np.array(moments, np.int64)
    standing = parts(connection)
    for part in standing:
        at = at[(at < part.begin) | (at >= part.end)]
    while len(at):
        part = _part(int(at[0]), now, standing)
        connection.execute(
            text(f"CREATE TABLE IF NOT EXISTS {part.name} (LIKE events INCLUDING ALL)")
        )
        connection.execute(text(f"ALTER TABLE events ATTACH PARTITION {part.name} {part.bounds}"))
        standing.append(part)
        at = at[(at < part.begin) | (at >= part.end)]


def parts(connection: Connection) -> list[Part]:
    """Return the parts that there are, the oldest first."""
    found = connection.execute(
        text(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = 'events'::regclass AND NOT inhdetachpending"
        )
    ).scalars()
    return sorted(map(Part.named, found), key=lambda part: part.begin)


def strays(connection: Connection) -> list[Part]:
    """Return the parts that were taken out of ``events`` and not deleted yet."""
    found = connection.execute(
        text(
            "SELECT c.relname FROM pg_class c JOIN pg_class e ON e.oid = 'events'::regclass"
            " AND c.relnamespace = e.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
            " WHERE c.relkind = 'r' AND (i.inhrelid IS NULL OR i.inhdetachpending)"
            r" AND c.relname ~ '^events_(early|late|\d{4}(_\d{2})?)$'"
        )
    ).scalars()
    return sorted(map(Part.named, found), key=lambda part: part.begin)


def drop(engine: Engine, before: int) -> int:
    """Delete the parts whose events all happened before a moment (UTC seconds), as whole tables.

    Returns how many events went. Whoever reads or writes other events does not wait; this waits
    for those who read these. Where it is stopped, the next time goes on.
    """
    with _unhurried(engine) as connection:
        for part in strays(connection):
            with suppress(ProgrammingError):  # it is out already
                connection.execute(
                    text(f"ALTER TABLE events DETACH PARTITION {part.name} FINALIZE")
                )
        for part in parts(connection):
            if part.end <= before:
                words = f"ALTER TABLE events DETACH PARTITION {part.name} CONCURRENTLY"
                connection.execute(text(words))
        gone = 0
        for part in strays(connection):
            within = event_ids.c.at >= part.begin, event_ids.c.at < part.end
            connection.execute(text("BEGIN"))
            gone += connection.execute(delete(event_ids).where(*within)).rowcount
            connection.execute(text(f"DROP TABLE {part.name}"))
            connection.execute(text("COMMIT"))
    return gone


@contextmanager
def _unhurried(engine: Engine) -> Iterator[Connection]:
    """Open a connection outside of any transaction that waits for as long as it takes."""
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        for limit in ("statement_timeout", "lock_timeout"):
            connection.execute(text(f"SET {limit} = 0"))
        try:
            yield connection
        finally:
            # Others get it next, as it was.
            connection.invalidate()


def _part(at: int, now: int, standing: Sequence[Part]) -> Part:
    """Return the part that a moment should have where there is none for it yet."""
    if at < _month(FIRST, 1):
        return Part.named("events_early")
    if at >= _month(LAST + 1, 1):
        return Part.named("events_late")
    when, today = (datetime.fromtimestamp(moment, UTC) for moment in (at, now))
    month = Part.named(f"events_{when:%Y_%m}")
    ahead = 12 * (when.year - today.year) + when.month - today.month
    year = Part.named(f"events_{when:%Y}")
    begun = any(part.begin < year.end and year.begin < part.end for part in standing)
    return month if -BEHIND <= ahead <= AHEAD or begun else year


def _month(year: int, month: int) -> int:
    """Return the first second (UTC) of a month; the thirteenth is the next January."""
    moment = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
    return int(moment.timestamp())

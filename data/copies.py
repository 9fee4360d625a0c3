"""Copies a store into an empty one, on whichever database: all of it, or nothing."""

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Table, delete, func, select

from data import database, loading
from data.schema import clocks, metadata
from data.store import Store
from recsys.errors import DataError

ROWS = 20_000
"""Rows that are held in memory at a time."""
Report = Callable[[str, int, int], None]
"""Told a table, how many of its rows are done, and how many it has."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one table."""

    table: str
    rows: int
    digest: str
    """Of all its rows, the same on both sides: the sum of their BLAKE2b, in hexadecimal."""


def silent(table: str, done: int, all: int) -> None:
    """Tell nobody."""


def copy(source: Store, target: Store, report: Report = silent) -> list[Copied]:
    """Copy a store as of one moment into one that is empty, and return what was copied.

    Seqs, revisions and clocks stay as they are, so the marks of bundles hold. What is written to
    the source meanwhile is not copied. In the end every row of the target is read again and
    compared. Raises ``DataError`` where the target holds anything, what it has read differs, or
    either fails: nothing is in the target then.
    """
    with source.reading() as from_, target.writing() as to:
        for connection in (from_, to):
            database.lift(connection, *database.LEISURE)
        if full := [name for name, count in _counts(to).items() if count]:
            raise DataError(
                f"the target holds rows already (in {', '.join(full)}); name an empty database"
            )
        to.execute(delete(clocks))
        return [_copy(from_, to, table, report) for table in metadata.sorted_tables]


def _counts(connection: Connection) -> dict[str, int]:
    """Return the rows of each table; clocks that have not moved are none."""
    found = {}
    for table in metadata.sorted_tables:
        query = select(func.count()).select_from(table)
        query = query.where(clocks.c.value > 0) if table is clocks else query
        found[table.name] = connection.execute(query).scalar_one()
    return found


def _copy(from_: Connection, to: Connection, table: Table, report: Report) -> Copied:
    count = from_.execute(select(func.count()).select_from(table)).scalar_one()
    sent, done = 0, 0
    with closing(_rows(from_, table)) as pages:
        for rows in pages:
            sent += _digest(rows)
            loading.fill(to, table, [row._asdict() for row in rows])
            done += len(rows)
            report(table.name, done, count)
    with closing(_rows(to, table)) as pages:
        came = sum(map(_digest, pages))
    if came != sent or done != count:
        raise DataError(
            f"the copy of {table.name} differs from the original; nothing was kept, try again, and"
            " look at the disks of both"
        )
    return Copied(table.name, done, f"{sent % 2**128:032x}")


def _rows(connection: Connection, table: Table) -> Generator[Sequence[Row[Any]], None, None]:
    # Numbers of arrival in their order: neighbours stay neighbours.
    query = select(table).order_by(*table.primary_key.columns)
    with connection.execute(query.execution_options(yield_per=ROWS)) as result:
        yield from result.partitions()


def _digest(rows: Sequence[Row[Any]]) -> int:
    """Return the sum of the digests of some rows: databases sort texts differently."""
    total = 0
    for row in rows:
        plain = orjson.dumps(tuple(row), default=bytes.hex)
        total += int.from_bytes(hashlib.blake2b(plain, digest_size=16).digest(), "big")
    return total

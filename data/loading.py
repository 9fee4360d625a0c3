"""Writes and removes many rows at the pace of the database: PostgreSQL takes them by COPY.

An id of an event counts once over all parts of PostgreSQL's ``events``, and a unique index there
reaches over one part only. To look ids up in each part would cost a page of every index, the more
the longer events are kept. So ``event_ids`` holds all of them: whoever gets an id in there adds the
event, and no two can.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Float,
    LargeBinary,
    SmallInteger,
    Table,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql

from data import partitions
from data.records import Columns, picked
from data.schema import articles, event_ids, events

Rows = Sequence[Mapping[str, Any]]
"""Columns of each row by name, all of them."""
KEY = ("site", "key")
LISTS = [column.name for column in articles.c if isinstance(column.type, JSON)]


def _insert(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(table.c))})"  # noqa: S608


ONCE = f"{_insert(events)} ON CONFLICT (id) DO NOTHING"
"""How SQLite takes an event; composed once, as that costs more than a small batch."""
CAME = "SELECT seq FROM events WHERE seq BETWEEN ? AND ?"
_NEW = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in articles.c if c.name not in KEY)
UPSERT = f'{_insert(articles)} ON CONFLICT (site, "key") DO UPDATE SET {_NEW}'
"""How it takes an article."""
FEW = 100
"""Articles up to which a table to copy them into costs more than it saves."""


def add_events(connection: Connection, columns: Columns) -> list[bool]:
    """Add events but for those whose id is known; of several with one id the first counts.

    Returns which were added. The transaction holds the clock of events: see ``store.advance``.
    """
    ids, moments = columns["id"], columns["at"]
    if not ids:
        return []
    if connection.dialect.name == "sqlite":
        # Handed to the driver as it is: translating each row costs as much as writing it.
        values = list(zip(*(columns[column.name] for column in events.c), strict=True))
        if connection.exec_driver_sql(ONCE, values).rowcount == len(values):
            return [True] * len(values)
        numbers = columns["seq"]
        came = connection.exec_driver_sql(CAME, (numbers[0], numbers[-1])).scalars()
        added = set(came)
        return [seq in added for seq in numbers]
    # In the order of ids: neighbours in the index are written one after the other.
    first = dict(zip(reversed(ids), reversed(moments), strict=True))
    ordered = sorted(first.items())
    # As one text each: the driver writes arrays element by element, which takes as long as COPY.
    told = b"".join(id for id, _ in ordered), ",".join(str(at) for _, at in ordered)
    with _cursor(connection) as cursor:
        came = cursor.execute(
            "INSERT INTO event_ids SELECT substr(%b::bytea, (16 * n - 15)::int, 16), at"
            " FROM unnest(string_to_array(%s, ',')::bigint[]) WITH ORDINALITY AS told(at, n)"
            " ON CONFLICT DO NOTHING RETURNING id",
            told,
            binary=True,
        )
        wanted = {id for (id,) in came.fetchall()}
    fresh = [True] * len(ids)
    if len(wanted) < len(ids):
        # Each once, as an id leaves the set with its first row.
        fresh = [id in wanted and not wanted.remove(id) for id in ids]  # type: ignore[func-returns-value]
        columns = picked(columns, fresh)
    if columns["id"]:
        partitions.ensure(connection, columns["at"], int(time.time()))
        _copy(connection, events, zip(*(columns[c.name] for c in events.c), strict=True))
    return fresh


def remove_events(connection: Connection, which: ColumnElement[bool]) -> int:
    """Remove the events that fulfil a condition, and return how many did."""
    gone = delete(events).where(which)
    if connection.dialect.name == "sqlite":
        return connection.execute(gone).rowcount
    old = gone.returning(events.c.id).cte("old")
    return connection.execute(delete(event_ids).where(event_ids.c.id == old.c.id)).rowcount


def upsert_articles(connection: Connection, rows: Rows) -> None:
    """Add articles, and replace what is known of the same site and key."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        # Handed over as they are, like events.
        plain = [{**row, **{name: _json(row[name]) for name in LISTS}} for row in rows]
        connection.exec_driver_sql(UPSERT, list(_values(articles, plain)))
        return
    put: Any = postgresql.insert(articles)
    new = {c.name: c for c in put.excluded if c.name not in KEY}
    if len(rows) <= FEW:
        connection.execute(put.on_conflict_do_update(index_elements=KEY, set_=new), rows)
        return
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE IF NOT EXISTS incoming (LIKE articles) ON COMMIT DELETE ROWS"
    )
    incoming = articles.to_metadata(type(articles.metadata)(), name="incoming")
    _copy(connection, incoming, _values(incoming, rows))
    put = put.from_select([column.name for column in articles.c], select(incoming))
    connection.execute(put.on_conflict_do_update(index_elements=KEY, set_=new))


def fill(connection: Connection, table: Table, rows: Rows) -> None:
    """Put rows as they are into a table that has none of them, as a copy of a store does."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(insert(table), rows)
        return
    if table is events:
        partitions.ensure(connection, [row["at"] for row in rows], int(time.time()))
        _copy(connection, event_ids, _values(event_ids, rows))
    _copy(connection, table, _values(table, rows))


TYPES = {
    JSON: "json",
    Boolean: "bool",
    SmallInteger: "int2",
    BigInteger: "int8",
    Float: "float8",
    LargeBinary: "bytea",
}
"""What PostgreSQL calls the types of columns; the others are texts."""


def _values(table: Table, rows: Rows) -> Iterator[tuple[Any, ...]]:
    return map(itemgetter(*(column.name for column in table.c)), rows)


def _copy(connection: Connection, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    """Copy rows of values, in the order of the table's columns."""
    quoted = connection.dialect.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in table.c)
    types = [TYPES.get(type(column.type), "text") for column in table.c]
    into = f"COPY {quoted(table.name)} ({names}) FROM STDIN (FORMAT BINARY)"
    with _cursor(connection) as cursor, cursor.copy(into) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _cursor(connection: Connection) -> Any:
    """Return a cursor of the driver, in the transaction of the connection."""
    return connection.connection.cursor()

"""What ingestion is measured against: the same rows, written without any promise.

No row is checked, none counts once, none has a number of its own, no reader is hidden, and nobody
who was erased is kept out. ``python benchmarks/bare.py URL TABLE FILE`` puts a file into a table
that is there, and ``app`` is a web application that puts what it is sent. Both write as the store
does: 50,000 rows in a transaction, with the same caution about the disk.
"""

import csv
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

BATCH = 50_000
ROOM = 128 * 1024
"""KiB of pages that SQLite may keep, as many as the store takes for a load."""
CONSTANT = {
    "events": {
        **{"visitor": "", "session": "", "seen_on": "", "dwell": 0.0, "slate": "", "position": -1},
        **{"context": "", "propensity": 1.0, "arm": "", "source": "", "bundle": ""},
        "placement": "",
    },
    "articles": {
        **{"section": "", "tags": "[]", "authors": "[]", "language": "", "image": ""},
        **{"sponsored": False, "tone": "", "expires": 2**62, "digest": bytes(16), "revision": 0},
        "withdrawn": None,
    },
}
"""What stands where a file has no column."""
KINDS = {"impression": 0, "click": 1, "read": 2}
SQLITE = ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 30000")
Row = Sequence[Any]


def main(url: str, table: str, file: str) -> None:
    """Put the rows of a file into a table."""
    rows = read(Path(file))
    names = next(rows)
    constant = [name for name in ("seq", *CONSTANT[table]) if name not in names]
    columns = [*names, *(name for name in constant if (table, name) != ("articles", "seq"))]
    put, close = (_sqlite if url.startswith("/") else _postgres)(url, table, columns)
    rest = tuple(CONSTANT[table][name] for name in columns[len(names) :] if name != "seq")
    seq = 0
    while batch := list(islice(rows, BATCH)):
        if table == "events":
            made = [_event(row, names, seq + n, rest) for n, row in enumerate(batch)]
        else:
            made = [(*row, *rest) for row in batch]
        seq += len(batch)
        put(made)
    close()


def _event(row: Row, names: Sequence[str], seq: int, rest: Row) -> Row:
    # The store keeps 16 bytes of an id and a number for the kind: so do these.
    id, kind, *others = row
    return (bytes.fromhex(id), KINDS[kind], *others, seq, *rest)


def read(path: Path) -> Iterator[Row]:
    """Yield the names of the columns, then the rows; the first two of events are id and kind."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            yield file.schema_arrow.names
            for batch in file.iter_batches(BATCH):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    elif path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as text:
            yield from csv.reader(text)
    else:
        with path.open("rb") as lines:
            first = orjson.loads(next(lines))
            yield list(first)
            yield tuple(first.values())
            for line in lines:
                yield tuple(orjson.loads(line).values())


Put = Callable[[list[Row]], None]


def _sqlite(file: str, table: str, names: Sequence[str]) -> tuple[Put, Callable[[], None]]:
    connection = sqlite3.connect(file, isolation_level=None)
    for setting in (*SQLITE, f"cache_size = -{ROOM}"):
        connection.execute(f"PRAGMA {setting}")
    insert = _insert(table, names, "?")

    def put(rows: list[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, rows)
        connection.execute("COMMIT")

    return put, connection.close


def _postgres(url: str, table: str, names: Sequence[str]) -> tuple[Put, Callable[[], None]]:
    import psycopg

    connection = psycopg.connect(url)
    quoted = ", ".join(f'"{name}"' for name in names)

    def put(rows: list[Row]) -> None:
        copying = f"COPY {table} ({quoted}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()

    return put, connection.close


def _insert(table: str, names: Sequence[str], place: str) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table} ({quoted}) VALUES ({', '.join([place] * len(names))})"


def app(url: str) -> Any:
    """Return an application that inserts the events it is sent, in one transaction a request."""
    import flask
    import psycopg

    made = flask.Flask("bare")
    own = threading.local()
    sent_columns = ("site", "key", "at", "session", "dwell")
    constant = {n: v for n, v in CONSTANT["events"].items() if n not in sent_columns}
    columns = ["id", "kind", *sent_columns, *constant]
    rest = tuple(constant.values())
    lite = url.startswith("/")
    # The database numbers them.
    insert = _insert("events", columns, "?" if lite else "%s")

    def connection() -> Any:
        if not hasattr(own, "connection"):
            if lite:
                own.connection = sqlite3.connect(url, isolation_level=None)
                for setting in SQLITE:
                    own.connection.execute(f"PRAGMA {setting}")
            else:
                own.connection = psycopg.connect(url)
        return own.connection

    @made.post("/v1/events")
    def events() -> flask.Response:
        sent = orjson.loads(flask.request.get_data())["events"]
        rows = [
            (bytes.fromhex(e["id"]), KINDS[e["kind"]], *map(e.__getitem__, sent_columns), *rest)
            for e in sent
        ]
        if lite:
            connection().execute("BEGIN IMMEDIATE")
            connection().executemany(insert, rows)
            connection().execute("COMMIT")
        else:
            with closing(connection().cursor()) as cursor:
                cursor.executemany(insert, rows)
            connection().commit()
        body = orjson.dumps({"accepted": len(rows)})
        return flask.Response(body, 202, content_type="application/json")

    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

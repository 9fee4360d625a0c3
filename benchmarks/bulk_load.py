"""Prints how fast the store takes events and articles, beside a bare load of the same rows.

Usage: python benchmarks/bulk_load.py [ROWS [ROUNDS]]. Bare is COPY on PostgreSQL and executemany on
SQLite, of rows that are ready, into a table with the same columns and indexes and without any other
promise: no row counts once, none is refused, none has a number. The store begins with its own
values, as an import does. Both take turns, each round adds to what is there.
"""

import hashlib
import os
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from statistics import median

import psycopg

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import postgres

from data import database, records, schema
from data.store import Store
from recsys.types import Article, ArticleId, Event, Kind

NOW = 1_763_000_000
WORDS = ("river", "station", "paper", "morning", "lantern", "harbour", "kitchen", "temple")


def main(rows: int, rounds: int) -> None:
    """Load ``rows`` events and a tenth as many articles, ``rounds`` times."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{rows:,} events, {rows // 10:,} articles, {rounds} rounds\n")
    print(f"{'':22}{'store':>12}{'bare':>12}   ratio (spread)")
    with tempfile.TemporaryDirectory() as folder, postgres.server(safe=True) as server:
        lite = Path(folder) / "recsys.db"
        with Store.open(f"sqlite:///{lite}") as store, sqlite3.connect(lite) as raw:
            for setting in ("synchronous = NORMAL", f"cache_size = -{database.ROOM}"):
                raw.execute(f"PRAGMA {setting}")
            prepare(raw.execute)
            compare("SQLite", store, lambda *given: _executemany(raw, *given), rows, rounds)
        with (
            Store.open(server.url()) as store,
            psycopg.connect(server.url().replace("+psycopg", "")) as connection,
        ):
            prepare(connection.execute)
            connection.commit()
            compare("PostgreSQL", store, lambda *given: _copy(connection, *given), rows, rounds)


def prepare(execute: Callable[[str], object]) -> None:
    """Make tables as the store's, with an index for each of its indexes."""
    for table in (schema.articles, schema.events):
        execute(f"CREATE TABLE bare_{table.name} AS SELECT * FROM {table.name} WHERE 1 = 0")
        key = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        execute(f"CREATE UNIQUE INDEX bare_{table.name}_key ON bare_{table.name} ({key})")
        for index in table.indexes:
            names = ", ".join(column.name for column in index.columns)
            where = index.dialect_options["sqlite"].get("where")
            execute(
                f"CREATE {'UNIQUE ' if index.unique else ''}INDEX bare_{index.name}"
                f" ON bare_{table.name} ({names}){'' if where is None else f' WHERE {where}'}"
            )


def compare(name: str, store: Store, bare: Callable, rows: int, rounds: int) -> None:
    """Print one line for events and one for articles."""
    for what, table, make, row, put, count in (
        ("events", schema.events, happened, records.event_row, store.put_events, rows),
        ("articles", schema.articles, written, _article_row, store.put_articles, rows // 10),
    ):
        names = [column.name for column in table.columns]
        values = itemgetter(*names)
        times: list[tuple[float, float]] = []
        for turn in range(rounds + 1):
            made = [make(n) for n in range(turn * count, (turn + 1) * count)]
            ready = [values(row(one, turn * count + n)) for n, one in enumerate(made)]
            times.append((_timed(put, made), _timed(bare, table, names, ready)))
        ours, theirs = zip(*times[1:], strict=True)  # the first warms up
        ratios = sorted(b / a for a, b in times[1:])
        pace = "".join(f"{count / median(taken):10,.0f}/s" for taken in (ours, theirs))
        spread = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{name + ' ' + what:22}{pace}   {spread}", flush=True)


def happened(n: int) -> Event:
    """Return one event of a row in which each is a second after the last."""
    draw = random.Random(n)
    boxed = n % 3 == 0
    return Event(
        f"event-{n}",
        Kind.IMPRESSION if boxed else Kind.CLICK,
        ArticleId("daily", f"2026/{draw.randrange(5_000)}"),
        NOW + n,
        visitor=hashlib.sha1(str(draw.randrange(20_000)).encode()).hexdigest() if n % 2 else "",
        session=f"{draw.getrandbits(64):016x}",
        slate=f"{n // 18:032x}" if boxed else "",
        position=n % 6 if boxed else -1,
    )


def written(n: int) -> Article:
    """Return one article of some 3,000 characters."""
    draw = random.Random(n)
    body = " ".join(draw.choices(WORDS, k=450))
    return Article("daily", f"2026/{n}", f"https://daily.example/{n}", body[:60], NOW + n, body)


def _article_row(article: Article, place: int) -> dict[str, object]:
    return records.article_row(article) | {"revision": place, "tags": "[]", "authors": "[]"}


def _executemany(raw: sqlite3.Connection, table: object, names: list[str], rows: list) -> None:
    places = ", ".join("?" * len(names))
    with raw:
        raw.executemany(f"INSERT INTO bare_{table} VALUES ({places})", rows)


def _copy(raw: psycopg.Connection, table: object, names: list[str], rows: list) -> None:
    with raw.cursor() as cursor, cursor.copy(f"COPY bare_{table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    raw.commit()


def _timed(act: Callable[..., object], *given: object) -> float:
    began = time.perf_counter()
    act(*given)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["100000", "5"][len(sys.argv) - 1 :])))

"""Compares the schema of a store with the one that this version expects, and clocks with rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, Index, Table, func, inspect, select

from data import database, partitions
from data.schema import (
    articles,
    audit,
    clocks,
    erasures,
    event_ids,
    events,
    metadata,
    parted,
    rules,
)

REBUILD = "restore a backup, or copy the store into an empty one: recsys db copy"
CLOCKS = {
    "article_revision": articles.c.revision,
    "event_seq": events.c.seq,
    "erasure_seq": erasures.c.seq,
    "rule_revision": rules.c.id,
    "audit_seq": audit.c.seq,
}
"""The numbers that each clock has given out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    about: str
    """What it is about: a table, ``table.column``, an index, a clock."""
    problem: str
    step: str
    """What to do next."""

    def __str__(self) -> str:
        return f"{self.about} {self.problem}; {self.step}"


def check(engine: Engine) -> list[Finding]:
    """Return all that is wrong with a store; nothing is changed.

    Raises ``DataError`` where the database cannot be asked.
    """
    found, wanted = database.revision(engine), database.head()
    if found != wanted:
        step = "update the program" if found > wanted else "run recsys db migrate"
        return [Finding("the schema", f"is {found or 'not there'}; {wanted} is wanted", step)]
    with database.readable_errors(engine), engine.connect() as connection, connection.begin():
        server = connection.dialect.name == "postgresql"
        database.lift(connection, "statement_timeout")  # counting takes as long as there are rows
        if wrong := [*_schema(connection)] or [*_keys(connection)]:
            return wrong
        return [*_clocks(connection), *(_parts(connection) if server else ())]


def differences(connection: Connection) -> list[Any]:
    """Return how the schema differs from the expected one, in the words of Alembic."""
    dialect = connection.dialect.name

    def ours(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        if isinstance(item, Table):
            # A database may hold other people's tables, and the parts of ours.
            return not reflected and (item.metadata is metadata or dialect == "postgresql")
        return bool(item.info.get("only", dialect) == dialect)

    options = {"compare_type": True, "include_object": ours}
    context = MigrationContext.configure(connection, opts=options)
    wanted: Any = [metadata, parted]
    found: list[Any] = compare_metadata(context, wanted)
    # What has changed of a column comes as a list of its own.
    return [one for each in found for one in (each if isinstance(each, list) else [each])]


def _schema(connection: Connection) -> Iterator[Finding]:
    missing = set()
    for kind, *told in differences(connection):
        thing = told[-1]
        match kind:
            case "add_index" if thing.table.name in missing:
                pass  # it comes with its table
            case "add_table":
                missing.add(thing.name)
                yield Finding(thing.name, "is a table that is missing", REBUILD)
            case "add_column":
                yield Finding(f"{told[1]}.{thing.name}", "is a column that is missing", REBUILD)
            case "remove_column":
                step = "drop it, if nothing of yours needs it"
                yield Finding(f"{told[1]}.{thing.name}", "is a column that nothing knows", step)
            case "add_index":
                yield Finding(f"{thing.name}", "is an index that is missing", _make(thing))
            case "remove_index":
                step = f"drop it: DROP INDEX {thing.name}"
                yield Finding(f"{thing.name}", "is an index that nothing knows", step)
            case "modify_type":
                problem = f"has the type {told[-2]}, not {thing}"
                yield Finding(f"{told[1]}.{told[2]}", problem, REBUILD)
            case "modify_nullable":
                problem = f"may {'' if told[-2] else 'not '}be empty, and must "
                problem += "not be" if told[-2] else "be allowed to"
                yield Finding(f"{told[1]}.{told[2]}", problem, REBUILD)
            case _:
                yield Finding(str(kind), f"differs: {told}", REBUILD)


def _make(index: Index) -> str:
    unique = "UNIQUE " if index.unique else ""
    names = ", ".join(column.name for column in index.columns)
    where = index.dialect_options["postgresql"].get("where")
    given = "" if where is None else f" WHERE {where}"
    assert index.table is not None
    return f"make it: CREATE {unique}INDEX {index.name} ON {index.table.name} ({names}){given}"


def _keys(connection: Connection) -> Iterator[Finding]:
    server = connection.dialect.name == "postgresql"
    inspector = inspect(connection)
    for table in (*metadata.sorted_tables, *(parted.sorted_tables if server else ())):
        wanted = [column.name for column in table.primary_key.columns]
        if server and table is events:
            wanted.append("at")
        found = inspector.get_pk_constraint(table.name)["constrained_columns"]
        if found != wanted:
            names = ", ".join(wanted)
            problem = f"has the primary key ({', '.join(found)}), not ({names})"
            step = f"set it: ALTER TABLE {table.name} ADD PRIMARY KEY ({names})"
            yield Finding(table.name, problem, step if server else REBUILD)


def _clocks(connection: Connection) -> Iterator[Finding]:
    told = {row.name: row.value for row in connection.execute(select(clocks))}
    for name, numbers in CLOCKS.items():
        last = connection.execute(select(func.max(numbers))).scalar_one() or 0
        if told.get(name, -1) < last:
            stands = f"stands at {told[name]:,}" if name in told else "is missing"
            problem = f"{stands}, though {last:,} has been given out: followers would miss rows"
            step = f"while nothing writes, set {name} to {last} in the table clocks"
            yield Finding(f"the clock {name}", problem, step)


def _parts(connection: Connection) -> Iterator[Finding]:
    for part in partitions.strays(connection):
        step = "run recsys job retention, which deletes it"
        yield Finding(part.name, "is a part of events that was taken out", step)
    rows = connection.execute(select(func.count()).select_from(events)).scalar_one()
    ids = connection.execute(select(func.count()).select_from(event_ids)).scalar_one()
    if rows != ids:
        problem = f"has {ids:,} ids for {rows:,} events"
        step = "run while nothing writes: TRUNCATE event_ids; INSERT INTO event_ids SELECT id, at"
        step += " FROM events"
        yield Finding("event_ids", problem, step)

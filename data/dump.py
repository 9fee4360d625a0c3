"""Writes the tables of a store as Parquet files and reads them back, into either database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    delete,
    select,
)

from data import database, loading
from data.schema import clocks, leases, metadata, sessions

ROWS = 10_000
"""Rows that are held in memory at a time."""
MOMENTARY = frozenset({leases.name, sessions.name})
"""Tables that mean nothing elsewhere: who holds a lease, and who sits at the desk."""


def write(connection: Connection, folder: Path, tables: MetaData = metadata) -> dict[str, int]:
    """Write each table into ``folder`` as NAME.parquet; returns how many rows each has.

    The connection is in a transaction that sees the store as of one moment. Rows keep their seqs
    and revisions, so that whoever has followed the store so far can go on.
    """
    database.lift(connection, *database.LEISURE)
    return {
        table.name: _write(connection, table, folder / f"{table.name}.parquet")
        for table in tables.sorted_tables
        if table.name not in MOMENTARY
    }


def read(connection: Connection, folder: Path, tables: MetaData = metadata) -> dict[str, int]:
    """Put the rows of ``folder`` into the empty tables of a store of the same schema.

    Returns how many rows each table has got.
    """
    database.lift(connection, *database.LEISURE)
    found = {table: folder / f"{table.name}.parquet" for table in tables.sorted_tables}
    return {t.name: _read(connection, t, path) for t, path in found.items() if path.exists()}


def is_empty(connection: Connection) -> bool:
    """Return whether a store holds nothing yet; counters that stand at zero are nothing."""
    kept = [t for t in metadata.sorted_tables if t is not clocks and t.name not in MOMENTARY]
    return all(connection.execute(select(t).limit(1)).first() is None for t in kept)


def _write(connection: Connection, table: Table, path: Path) -> int:
    fields = [pa.field(column.name, arrow_type(column)) for column in table.columns]
    order = list(table.primary_key.columns)
    query = select(table).order_by(*order)
    count = 0
    with pq.ParquetWriter(path, pa.schema(fields), compression="zstd") as writer:
        result = connection.execution_options(yield_per=ROWS).execute(query)
        for batch in result.partitions():
            columns = zip(table.columns, zip(*batch, strict=True), strict=True)
            arrays = [
                pa.array(_plain(column, values), arrow_type(column)) for column, values in columns
            ]
            writer.write_batch(pa.record_batch(arrays, names=[field.name for field in fields]))
            count += len(batch)
    return count


def _read(connection: Connection, table: Table, path: Path) -> int:
    connection.execute(delete(table))  # counters begin with a row each
    count = 0
    for rows in _batches(table, path):
        loading.fill(connection, table, rows)
        count += len(rows)
    return count


def _batches(table: Table, path: Path) -> Iterator[list[dict[str, Any]]]:
    documents = [c.name for c in table.columns if isinstance(c.type, JSON)]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            rows = batch.to_pylist()
            for row in rows if documents else ():
                row.update({name: orjson.loads(row[name]) for name in documents})
            if rows:
                yield rows


def _plain(column: Column[Any], values: tuple[Any, ...]) -> Any:
    return [orjson.dumps(v).decode() for v in values] if isinstance(column.type, JSON) else values


def arrow_type(column: Column[Any]) -> pa.DataType:
    """Return what a column of a store is in Parquet; documents are texts."""
    kinds = {
        Boolean: pa.bool_(),
        Float: pa.float64(),
        LargeBinary: pa.binary(),
        Integer: pa.int64(),
    }
    return next((t for kind, t in kinds.items() if isinstance(column.type, kind)), pa.string())

"""Reads rows from JSON Lines, CSV and Parquet, a batch at a time, whatever their size."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.importers.formats import STDIN, Format, format_of
from data.importers.table import Table
from recsys.errors import DataError

BATCH = 5_000
"""Rows handed on at once."""
LONGEST_LINE = 16 * 2**20
"""Bytes of one line of JSON, or characters of one field of CSV."""


@dataclass(slots=True)
class Batch:
    """Rows, the line or row number of each, counted from 1."""

    rows: Sequence[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: list[tuple[int, str, str]] = field(default_factory=list)
    """Line, reason and text of what is no row at all."""
    source: str = ""
    """Name of the file, where it is one of several."""
    done: float = 0.0
    """Share of the whole that has been read with this batch, 0 to 1; 0 where unknown."""

    def __len__(self) -> int:
        return len(self.rows) + len(self.broken)


def expand(names: Sequence[str]) -> list[str]:
    """Return the files that names and globs stand for, in order; ``-`` is standard input.

    Raises ``DataError`` for a name that stands for no file.
    """
    found: list[str] = []
    for name in names:
        if name == STDIN or Path(name).is_file():
            found.append(name)
        elif matches := _matches(name):
            found += matches
        else:
            what = "no file matches it" if has_magic(name) else "there is no such file"
            raise DataError(f"cannot read {name}: {what}")
    return list(dict.fromkeys(found))


def _matches(pattern: str) -> list[str]:
    # ``Path.glob`` takes no absolute pattern.
    return sorted(m for m in glob(pattern, recursive=True) if Path(m).is_file())  # noqa: PTH207


def read(name: str, format: Format | None = None) -> Iterator[Batch]:
    """Yield the rows of a file in batches of at most ``BATCH``; memory does not grow with the file.

    Raises ``DataError`` where the file cannot be read.
    """
    reader = _READERS[format_of(name, format)]
    try:
        if name == STDIN:
            yield from reader(name, sys.stdin.buffer, 0)
        else:
            with Path(name).open("rb") as file:
                yield from reader(name, file, Path(name).stat().st_size)
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror or error}") from error


def _read_jsonl(name: str, file: BinaryIO, size: int) -> Iterator[Batch]:
    batch, rows, done = Batch(), list[dict[str, Any]](), 0
    for number, text in enumerate(_lines_of(file), 1):
        done += len(text)
        if number == 1:
            text = text.removeprefix(b"\xef\xbb\xbf")
        if not text.strip():
            continue
        row, reason = _parsed(text)
        if reason:
            batch.broken.append((number, reason, text[:500].decode("utf-8", "replace").strip()))
        else:
            rows.append(row)
            batch.lines.append(number)
        if len(rows) + len(batch.broken) == BATCH:
            yield from _full(batch, Table.of(rows), done / size if size else 0.0)
            batch, rows = Batch(), []
    yield from _full(batch, Table.of(rows), 1.0)


def _full(batch: Batch, rows: Table, done: float) -> Iterator[Batch]:
    """Yield a batch with its rows, unless there is nothing in it."""
    batch.rows, batch.done = rows, done
    if batch:
        yield batch


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, which is no JSON."""
    while text := file.readline(LONGEST_LINE):
        yield text
        while len(text) == LONGEST_LINE and not text.endswith(b"\n"):
            text = file.readline(LONGEST_LINE)


def _parsed(text: bytes) -> tuple[dict[str, Any], str]:
    if len(text) == LONGEST_LINE:
        return {}, f"the line is longer than {LONGEST_LINE // 2**20} MiB"
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return {}, f"no JSON: {error}"
    if not isinstance(row, dict):
        return {}, f"expected an object, not {type(row).__name__}"
    return row, ""


def _read_csv(name: str, file: BinaryIO, size: int) -> Iterator[Batch]:
    # What is not UTF-8 becomes a surrogate, which no column accepts: a fault of its row only.
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    limit = csv.field_size_limit(LONGEST_LINE)
    try:
        rows = csv.reader(text, strict=True)
        header = [column.strip() for column in next(rows, [])]
        twice = {column for column in header if header.count(column) > 1}
        if twice:
            raise DataError(f"cannot read {name}: its header names {min(twice)!r} twice")
        yield from _csv_batches(rows, header, file, size)
    except csv.Error as error:
        raise DataError(f"cannot read {name}: line {rows.line_num} is no CSV: {error}") from error
    finally:
        csv.field_size_limit(limit)
        text.detach()


def _csv_batches(rows: Any, header: list[str], file: BinaryIO, size: int) -> Iterator[Batch]:
    batch, found, width = Batch(), list[list[str]](), len(header)
    for cells in rows:
        count = len(cells)
        if not count:
            continue
        if count > width:
            reason = f"has {count} cells under {width} columns"
            batch.broken.append((rows.line_num, reason, ",".join(cells)[:500]))
        else:
            found.append(cells if count == width else cells + [""] * (width - count))
            batch.lines.append(rows.line_num)
        if len(found) + len(batch.broken) == BATCH:
            yield from _full(batch, _cells(found, header), file.tell() / size if size else 0.0)
            batch, found = Batch(), []
    yield from _full(batch, _cells(found, header), 1.0)


def _cells(found: list[list[str]], header: list[str]) -> Table:
    """Return the table of rows of cells; an empty cell is absent."""
    columns = zip(header, zip(*found, strict=True), strict=False)
    return Table(
        {
            name: [cell or None for cell in cells] if "" in cells else list(cells)
            for name, cells in columns
        },
        len(found),
    )


def _read_parquet(name: str, file: BinaryIO, size: int) -> Iterator[Batch]:
    if name == STDIN:
        raise DataError("cannot read Parquet from standard input: name a file instead")
    if size == 0:
        return
    number = 1
    for table, done in parquet_batches(Path(name)):
        columns = [_python(column, name) for column in table.columns]
        rows = Table(dict(zip(table.schema.names, columns, strict=True)), len(table))
        yield Batch(rows, list(range(number, number + len(rows))), done=done)
        number += len(rows)


def parquet_batches(
    path: Path, columns: list[str] | None = None, size: int = BATCH
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield the batches of a Parquet file, each with the share of rows read by then.

    Raises ``DataError`` for a file that is truncated, damaged or lacks one of ``columns``.
    """
    try:
        with pq.ParquetFile(path) as file:
            missing = [c for c in columns or () if c not in file.schema_arrow.names]
            if missing:
                raise DataError(f"{path}: column {missing[0]!r} is missing")
            total, seen = file.metadata.num_rows, 0
            for batch in file.iter_batches(size, columns=columns, use_threads=False):
                seen += len(batch)
                yield batch, seen / total
    except FileNotFoundError as error:
        raise DataError(f"cannot read {path}: there is no such file") from error
    except (pa.ArrowException, OSError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"cannot read {path}: it is no whole Parquet file ({said}); copy or export it again"
        ) from error


def _python(column: pa.Array, name: str) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        column = pc.floor_temporal(column, unit="second").cast(pa.timestamp("s")).cast(pa.int64())
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError as error:
        raise DataError(f"cannot read {name}: a text in it is not UTF-8") from error
    return values


_READERS: dict[Format, Callable[[str, BinaryIO, int], Iterator[Batch]]] = {
    Format.JSONL: _read_jsonl,
    Format.CSV: _read_csv,
    Format.PARQUET: _read_parquet,
}

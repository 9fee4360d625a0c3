"""Lands articles and events in partitioned Parquet, for engines that read files and no database.

A lake is a folder. Files lie in it by the day of events and the month of articles, and what counts
is what its list names: ``_lake.json`` is written last, at once. So whoever reads it sees what the
store held at one moment, a killed export has changed nothing, and the next one goes on from there.

Articles are kept by revision, as the store numbers them: the highest of each tells what it is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector
from sqlalchemy import JSON, Column, Connection, Select, SmallInteger, Table, func, select

from data import dump
from data.places import Place, readable
from data.schema import articles, erasures, events, metadata
from data.store import Mark, Store
from recsys.errors import DataError

LIST = "_lake.json"
"""Engines leave out what begins with an underscore."""
FORMAT = 1
CHUNK = 1_000_000
"""Rows that are landed at once: a file for each day among them."""
FETCHED = 50_000
"""Rows read at once."""
LEFT_OUT = ("digest",)
"""Columns that only the store needs."""
PARTS = {"articles": ("published", "month", "%Y-%m"), "events": ("at", "day", "%Y-%m-%d")}
"""Of each table the time by which it is parted, how long a part is, and how one is written."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a lake."""

    table: str
    """``articles`` or ``events``."""
    path: str
    """Relative to the lake."""
    part: str
    """The day of events, ``2017-10-11``, or the month of articles, ``2017-10``."""
    rows: int


@dataclass(frozen=True, slots=True)
class Lake:
    """What has been landed, and how far the store had been read for it."""

    mark: Mark = field(default_factory=Mark)
    files: tuple[File, ...] = ()
    turn: int = 0
    """Exports so far: files of each turn have names of their own."""

    def of(self, table: str) -> tuple[File, ...]:
        """Return the files of a table."""
        return tuple(file for file in self.files if file.table == table)

    def rows(self, table: str) -> int:
        """Return how many rows a table has; those of articles are revisions."""
        return sum(file.rows for file in self.of(table))


@dataclass(frozen=True, slots=True)
class Landed:
    """What an export did."""

    lake: Lake
    articles: int
    """Revisions of articles that were added."""
    events: int
    """Events that were added."""
    removed: int
    """Events that were removed: of visitors who are to be forgotten, and of days gone by."""


Progress = Callable[[int, int], None]
"""Takes how many rows have been landed, and of how many."""


def read(url: str, setting: str = "the lake") -> Lake:
    """Return what a lake holds; raises ``DataError`` where there is none or it cannot be read."""
    place = Place(url, setting)
    with readable(place, "lake", DataError):
        lake = _read(place)
    if lake is None:
        raise DataError(f"there is no lake in {place}; make one: recsys export parquet {place}")
    return lake


def export(
    store: Store,
    url: str,
    *,
    anew: bool = False,
    progress: Progress = lambda done, total: None,
) -> Landed:
    """Land what has come into ``store`` since the last export; doing it twice changes nothing.

    Visitors whom the store was told to forget are removed from the files that hold them, and so are
    the days before the store's first event. With ``anew`` everything is landed again and takes the
    place of what was there: what articles were before they were changed or withdrawn goes for good,
    and many small files become few. Only for one process at a time. Raises ``DataError`` where the
    folder cannot be written or holds what another store has exported; what is there then stays.
    """
    place = Place(url, "DIR")
    with readable(place, "lake", DataError), store.reading() as connection:
        found = _read(place)
        there = found or Lake()
        known = Lake(turn=there.turn) if anew else there
        mark = Mark.of(connection)
        if any(getattr(known.mark, name) > getattr(mark, name) for name in Mark.__slots__):
            raise DataError(
                f"{place} holds more than this store does, so another one has been exported there;"
                " choose another folder, or --anew to put this store in its place"
            )
        writer = _Writer(place, known.turn + 1)
        kept, removed = _kept(known, connection, writer)
        fresh = (
            (articles, articles.c.revision, known.mark.article_revision, mark.article_revision),
            (events, events.c.seq, known.mark.event_seq, mark.event_seq),
        )
        wanted = [
            (
                table.name,
                select(*_columns(table)).where(clock > after, clock <= until).order_by(clock),
            )
            for table, clock, after, until in fresh
        ]
        total = sum(
            connection.execute(select(func.count()).select_from(q.subquery())).scalar_one()
            for _, q in wanted
        )
        added: dict[str, int] = {}
        for name, query in wanted:
            added[name] = 0
            for chunk in _chunks(connection, name, query):
                kept += writer.land(name, chunk)
                added[name] += len(chunk)
                progress(sum(added.values()), total)
        lake = Lake(mark, tuple(kept), known.turn + 1)
        if found and (lake.mark, lake.files) == (found.mark, found.files):
            lake = found
        else:
            place.write(LIST, _dumped(lake))
        _sweep(place, lake)
    return Landed(lake, added["articles"], added["events"], removed)


def _read(place: Place) -> Lake | None:
    try:
        told = orjson.loads(place.read(LIST))
        if told["format"] > FORMAT:
            raise DataError(
                f"the lake {place} has format {told['format']}; this version reads {FORMAT}"
            )
        files = tuple(File(**file) for file in told["files"])
        return Lake(Mark(**told["mark"]), files, told["turn"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the list {place}/{LIST} is damaged: {error}; make the lake again: recsys export"
            f" parquet {place} --anew, after removing that file"
        ) from error


def _dumped(lake: Lake) -> bytes:
    told = {"format": FORMAT, "mark": lake.mark, "turn": lake.turn, "files": lake.files}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)


def _kept(known: Lake, connection: Connection, writer: "_Writer") -> tuple[list[File], int]:
    """Return the files that stay, without what must not be kept, and how many events went."""
    gone = select(erasures.c.visitor).where(erasures.c.seq > known.mark.erasure_seq)
    erased = set(connection.execute(gone).scalars())
    oldest = connection.execute(select(func.min(events.c.at))).scalar_one()
    first = part_of("events", oldest) if oldest is not None else None
    kept, removed = list(known.of("articles")), 0
    for file in known.of("events"):
        if first is None or file.part < first:
            removed += file.rows
            continue
        left = writer.without(file, erased) if erased else file
        removed += file.rows - (left.rows if left else 0)
        if left:
            kept.append(left)
    return kept, removed


def part_of(table: str, at: int) -> str:
    """Return in which part a row of a time (UTC seconds) lies."""
    _, _, form = PARTS[table]
    return datetime.fromtimestamp(max(at, 0), UTC).strftime(form)


class _Writer:
    """Writes the files of one turn."""

    def __init__(self, place: Place, turn: int) -> None:
        self._place, self._turn, self._count = place, turn, 0

    def land(self, table: str, rows: pa.Table) -> list[File]:
        """Write rows into one file for each part; they stay in their order."""
        time, unit, _ = PARTS[table]
        # Before 1970 there are no parts: a time without a date is no article's.
        start = pc.floor_temporal(
            pc.max_element_wise(rows[time], 0).cast("timestamp[s]"), unit=unit
        ).cast("int64")
        return [
            self._written(table, part_of(table, value), rows.filter(pc.equal(start, value)))
            for value in sorted(pc.unique(start).to_pylist())
        ]

    def without(self, file: File, erased: set[str]) -> File | None:
        """Return a file of the rows that are not of ``erased`` visitors; None where none are left.

        A file without them stays as it is.
        """
        path, system = self._place.at(file.path), self._place.fs
        gone = pa.array(sorted(erased), pa.string())
        visitors = pq.read_table(path, columns=["visitor"], filesystem=system, partitioning=None)
        if not pc.any(pc.is_in(visitors["visitor"], gone)).as_py():
            return file
        rows = pq.read_table(path, filesystem=system, partitioning=None)
        rows = rows.filter(pc.invert(pc.is_in(rows["visitor"], gone)))
        return self._written(file.table, file.part, rows) if len(rows) else None

    def _written(self, table: str, part: str, rows: pa.Table) -> File:
        self._count += 1
        _, unit, _ = PARTS[table]
        name = f"{table}/{unit}={part}/{self._turn:06d}-{self._count:06d}.parquet"
        self._place.make_folder(name)
        pq.write_table(rows, self._place.at(name), filesystem=self._place.fs, compression="zstd")
        return File(table, name, part, len(rows))


def _chunks(connection: Connection, table: str, query: Select[Any]) -> Iterator[pa.Table]:
    """Yield the rows of a table in chunks of ``CHUNK``."""
    shape = schema(table)
    result = connection.execution_options(yield_per=FETCHED).execute(query)
    batches: list[pa.Table] = []
    for rows in result.partitions():
        columns = zip(zip(*rows, strict=True), shape.types, strict=True)
        arrays = [pa.array(values, kind) for values, kind in columns]
        batches.append(pa.Table.from_arrays(arrays, schema=shape))
        if sum(map(len, batches)) >= CHUNK:
            yield pa.concat_tables(batches)
            batches = []
    if batches:
        yield pa.concat_tables(batches)


def schema(table: str) -> pa.Schema:
    """Return the columns of a table's files: the store's, but for ``LEFT_OUT``."""
    columns = _columns(metadata.tables[table])
    return pa.schema([pa.field(c.name, _type(c), bool(c.nullable)) for c in columns])


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name not in LEFT_OUT]


def _type(column: Column[Any]) -> pa.DataType:
    if isinstance(column.type, JSON):
        return pa.list_(pa.string())
    return pa.int16() if isinstance(column.type, SmallInteger) else dump.arrow_type(column)


def _sweep(place: Place, lake: Lake) -> None:
    """Remove the files that the lake does not name: of turns before, and of killed ones."""
    named = {place.at(file.path) for file in lake.files}
    for table in PARTS:
        for found in _files(place, FileSelector(place.at(table), True, True)):
            if found not in named:
                place.fs.delete_file(found)


def _files(place: Place, selector: Any) -> Iterable[str]:
    found = place.fs.get_file_info(selector)
    return [file.path for file in found if file.is_file and file.path.endswith(".parquet")]

"""Puts a backup up in an empty place, all of it or nothing, and erases again who was erased."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from alembic import command
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, MetaData, and_, create_engine, insert, select, update

from data import backup, database, dump, loading
from data.audit import Actor, record
from data.backup import BUNDLES, CONFIG, KEYRING, SPOOL, STORE, Backup, Report, silent
from data.schema import clocks, erasures, events
from data.store import Store, advance
from recsys import manifest, shelf
from recsys.errors import DataError

LEAP = 1 << 32
"""By how much numbers of arrival go on. Followers and bundles from after the backup know numbers
that the backup does not; given out again, those would never be read."""
LEAPING = ("article_revision", "event_seq", "erasure_seq")


@dataclass(frozen=True, slots=True)
class Erasure:
    """A reader (a pseudonym) of whom nothing up to a moment (UTC seconds) may be kept."""

    visitor: str
    at: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put up."""

    backup: Backup
    erased: int
    """Readers who were erased anew, because they had been so after the backup."""
    events: int
    """Events of theirs that were deleted."""
    keyring: bool
    configuration: bool
    """Whether the backup's file was put up; not where one was there, or the backup has none."""


def restore(
    source: Path,
    store: Store,
    var: Path,
    keyring: Path,
    now: int,
    actor: Actor,
    *,
    erased: Iterable[Erasure] = (),
    configured: bool = False,
    report: Report = silent,
) -> Restored:
    """Put the backup ``source`` up in an empty store and an empty ``var``; nothing runs meanwhile.

    Every byte is checked first. The store comes last and in one transaction, so that what is
    interrupted can be done again: files that are there already, and the same, are no hindrance.
    ``erased`` are the readers who are forgotten in that transaction; ``configured`` says that there
    is a configuration, so that the backup's is not wanted. Raises ``DataError`` where the backup is
    damaged, the place is not empty, or the disk or the store fails: nothing is changed then.
    """
    stated = backup.verify(source, report)
    _require_readable(stated)
    targets = dict(_targets(source, var, keyring, configured))
    with store.reading() as connection:
        if not dump.is_empty(connection):
            raise DataError(
                "the store is not empty; restore into a new one, or drop this one first"
            )
    missing = [path for path, origin in targets.items() if not _there(path, origin)]
    report("files")
    with _undone_on_failure() as made:
        for path in missing:
            _put(path, targets[path], made)
        report("store")
        with (
            _current(source / STORE, stated.schema, var) as tables,
            store.writing() as connection,
        ):
            dump.read(connection, tables)
            _leap(connection)
            again, gone = _erase(connection, erased)
            record(connection, actor, "store.restore", source.name, now, erased=again)
    return Restored(
        stated, again, gone, keyring in missing, any(path.name == CONFIG for path in missing)
    )


def erasures_in(source: Path) -> list[Erasure]:
    """Return the erasures that a file of `recsys visitors erased --json`, or a backup, tells.

    Raises ``DataError`` where it is neither.
    """
    if source.is_dir():
        folder = backup.find(source)
        backup.verify(folder)
        table = pq.read_table(
            folder / STORE / f"{erasures.name}.parquet", columns=["visitor", "at"]
        )
        return [Erasure(**row) for row in table.to_pylist()]
    try:
        return _ERASURES.validate_json(source.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read the erasures {source}: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(
            f"{source} holds no erasures; expected what recsys visitors erased --json prints"
        ) from error


_ERASURES = TypeAdapter(list[Erasure])


def erased_in(store: Store, since: int = 0) -> list[Erasure]:
    """Return who was erased at ``since`` (UTC seconds) or later, in that order."""
    query = select(erasures.c.visitor, erasures.c.at).where(erasures.c.at >= since)
    with store.reading() as connection:
        return [Erasure(*row) for row in connection.execute(query.order_by(erasures.c.seq))]


def erase(store: Store, erased: Iterable[Erasure], actor: Actor, now: int) -> tuple[int, int]:
    """Erase readers anew whom the store does not know to be erased.

    Returns how many those were, and how many events of theirs were deleted.
    """
    with store.writing() as connection:
        again, gone = _erase(connection, erased)
        if again:
            record(connection, actor, "visitor.erase_again", "", now, readers=again)
    return again, gone


def _erase(connection: Connection, erased: Iterable[Erasure]) -> tuple[int, int]:
    known = {tuple(row) for row in connection.execute(select(erasures.c.visitor, erasures.c.at))}
    again, gone = 0, 0
    for one in erased:
        if (one.visitor, one.at) in known or not one.visitor:
            continue
        # Only what came before: a reader may have come back and agreed again.
        own = and_(events.c.visitor == one.visitor, events.c.at <= one.at)
        gone += loading.remove_events(connection, own)
        seq = advance(connection, "erasure_seq", 1)
        connection.execute(insert(erasures).values(seq=seq, visitor=one.visitor, at=one.at))
        again += 1
    return again, gone


def _leap(connection: Connection) -> None:
    further = update(clocks).where(clocks.c.name.in_(LEAPING))
    connection.execute(further.values(value=clocks.c.value + LEAP))


def _targets(
    source: Path, var: Path, keyring: Path, configured: bool
) -> Iterator[tuple[Path, Path]]:
    """Yield where each file of a backup goes, and the file; the pointer after the bundles."""
    for part in (SPOOL, BUNDLES):
        found = [path for path in (source / part).rglob("*") if path.is_file()]
        for path in sorted(found, key=lambda path: (path.name == "current", path)):
            yield var / path.relative_to(source), path
    if (source / KEYRING).exists():
        yield keyring, source / KEYRING
    if (source / CONFIG).exists() and not configured:
        yield var / CONFIG, source / CONFIG


def _there(path: Path, origin: Path) -> bool:
    """Return whether a file is there already; raises ``DataError`` where it is another one."""
    if not path.exists():
        return False
    if manifest.describe(path) != manifest.describe(origin):
        raise DataError(f"{path} is there already; restore into an empty place, or move it away")
    return True


def _put(path: Path, origin: Path, made: list[Path]) -> None:
    """Copy a file whole and onto the disk; only those may read it who may read its origin."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir()
            made.append(folder)
    aside, mode = path.with_name(f".{secrets.token_hex(4)}"), origin.stat().st_mode & 0o777
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file, origin.open("rb") as content:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    made.append(path)
    shelf.sync(path.parent)


@contextmanager
def _undone_on_failure() -> Iterator[list[Path]]:
    made: list[Path] = []
    try:
        yield made
    except BaseException as error:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise DataError(
                f"the restore failed and left nothing: {error.strerror or error}"
            ) from error
        raise


@contextmanager
def _current(folder: Path, schema: str, room: Path) -> Iterator[Path]:
    """Give the tables of a dump as they are in this version's schema."""
    if schema == database.head():
        yield folder
        return
    # What a version of before has written goes through its own schema, and is migrated as it was.
    room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=room) as aside:
        url = f"sqlite:///{aside}/old.db"
        engine = create_engine(url)
        config = database.alembic()
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, schema)
        old = MetaData()
        old.reflect(engine)
        with engine.begin() as connection:
            dump.read(connection, folder, old)
        engine.dispose()
        fresh = Path(aside) / STORE
        fresh.mkdir()
        with closing(Store.open(url)) as store, store.reading() as connection:
            dump.write(connection, fresh)
        yield fresh


def _require_readable(stated: Backup) -> None:
    if stated.schema not in database.known():
        raise DataError(
            f"the backup has schema {stated.schema}, which this version does not know;"
            " update the program"
        )

"""Copies everything that an installation is, so that it can be put up again elsewhere."""

import dataclasses
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from data import database, dump
from data.depot import pull
from data.schema import clocks
from data.store import Store
from recsys import manifest, shelf
from recsys.errors import BundleError, BundleMissing, Busy, DataError
from recsys.manifest import File

FORMAT = 1
"""Rises when an older version could not read a newer backup."""
NAME = manifest.NAME
STORE, BUNDLES, SPOOL, KEYRING, CONFIG = "store", "bundles", "spool", "keyring.json", "recsys.toml"
Report = Callable[[str], None]


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    created: int
    """UTC seconds of the moment that its store is of; all else is of shortly before."""
    schema: str
    """Revision of the store's schema."""
    rows: dict[str, int]
    """By table."""
    clocks: dict[str, int]
    """The numbers of arrival that had been given out."""
    bundle: str = ""
    """The bundle that was current; empty where there was none, or it was damaged."""
    bundles: tuple[str, ...] = ()
    """All that were copied, in the order of the pointer."""
    damaged: tuple[str, ...] = ()
    """Those that differed from their checksums and were left out."""
    files: dict[str, File] = field(default_factory=dict, repr=False)
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


_STORED = TypeAdapter(Backup)


def backup(
    store: Store,
    var: Path,
    keyring: Path | None,
    target: Path,
    now: int,
    *,
    config: Path | None = None,
    depot: str = "",
    spare: Collection[str] = (),
    keep: int = 0,
    report: Report = silent,
) -> Path:
    """Write a backup into the directory ``target`` and return its own directory there.

    Holds the store as of one moment, whatever is written meanwhile; the current bundle, those that
    the pointer names before it and those in ``spare``; events that wait in the spool; the keyring
    and the configuration where they are given. Where bundles are kept in a ``depot`` (its address),
    what is current there is fetched first. Bundles are linked where they lie on the same disk.
    It has its name only when it is whole and on the disk. With ``keep`` the oldest go until so many
    are left. Raises ``Busy`` where another backup is being written there, ``BundleError`` where the
    depot is away, ``DataError`` where the store or the disk fails: nothing is left of it then.
    """
    with _alone(target):
        aside = target / f"{shelf.ASIDE}{secrets.token_hex(4)}"
        try:
            aside.mkdir(mode=0o700)
            # Earlier than the store: what leaves the spool meanwhile is in both, and counts once.
            _copy_spool(var / SPOOL, aside / SPOOL)
            # Earlier than the store, too: no bundle may have read further than the store goes.
            report("bundles")
            if depot:
                with suppress(BundleMissing):
                    pull(depot, var / BUNDLES, spare)
            kept, damaged = _copy_bundles(var / BUNDLES, aside / BUNDLES, spare)
            for source, name in ((keyring, KEYRING), (config, CONFIG)):
                if source is not None and source.exists():
                    _write(aside / name, source.read_bytes())
            report("store")
            (aside / STORE).mkdir()
            with store.reading() as connection:
                told = connection.execute(select(clocks.c.name, clocks.c.value)).all()
                counters = {row.name: row.value for row in told}
                rows = dump.write(connection, aside / STORE)
                schema = database.revision_of(connection)
            report("checksums")
            files = {name: manifest.describe(path) for name, path in _walk(aside).items()}
            current = [id for id in shelf.history(aside / BUNDLES)[:1] if id in kept]
            made = Backup(now, schema, rows, counters, *current or [""], kept, damaged, files)
            _write(aside / NAME, _STORED.dump_json(made, indent=1))
            for path in [*aside.rglob("*"), aside]:
                shelf.sync(path)
            whole = target / f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
            if whole.exists():
                raise Busy(f"there is a backup {whole} of the same second; try again")
            aside.rename(whole)
            shelf.sync(target)
        except (OSError, sqlite3.Error, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"the backup to {target} failed, nothing is left: {reason}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        if keep:
            for old in backups(target)[keep:]:
                # Renamed first: half a backup must not look like one.
                shutil.rmtree(old.rename(target / f"{shelf.ASIDE}{old.name}"), ignore_errors=True)
    return whole


def backups(target: Path) -> list[Path]:
    """Return the backups in a directory, the newest first."""
    return sorted((path.parent for path in target.glob(f"[0-9]*Z/{NAME}")), reverse=True)


def find(source: Path) -> Path:
    """Return ``source`` where it is a backup, else the newest backup in it.

    Raises ``DataError`` where there is none.
    """
    if (source / NAME).is_file():
        return source
    found = backups(source)
    if not found:
        raise DataError(f"there is no backup in {source}; make one: recsys backup")
    return found[0]


def verify(folder: Path, report: Report = silent) -> Backup:
    """Check every byte of a backup and return what it holds.

    Raises ``DataError`` naming the file that differs, is missing, or does not belong to it.
    """
    try:
        made = _STORED.validate_json((folder / NAME).read_bytes())
    except OSError as error:
        raise DataError(f"there is no backup in {folder}: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(f"the backup {folder} is damaged: {NAME} cannot be read") from error
    if made.format != FORMAT:
        raise DataError(
            f"the backup {folder} has format {made.format}, this version reads {FORMAT};"
            " restore it with the version that made it"
        )
    report("checksums")
    found = _walk(folder)
    for name in sorted({*made.files, *found}):
        if name not in made.files:
            raise DataError(f"the backup {folder} is damaged: {name} does not belong to it")
        if name not in found:
            raise DataError(f"the backup {folder} is damaged: {name} is missing")
        if manifest.describe(found[name]) != made.files[name]:
            raise DataError(f"the backup {folder} is damaged: {name} differs from its checksum")
    return made


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    try:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / ".lock", timeout=0):
            shelf.clean(target)
            yield
    except Timeout as error:
        raise Busy(f"another process is writing a backup to {target}; try again later") from error
    except OSError as error:
        raise DataError(f"cannot write backups to {target}: {error.strerror or error}") from error


def _copy_bundles(
    root: Path, target: Path, spare: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy what the pointer names; returns ids of sound bundles and of damaged ones."""
    target.mkdir()
    named = [*dict.fromkeys([*shelf.history(root), *spare])]
    kept, damaged = [], []
    for id in named:
        if not shelf.holds(root, id):
            continue  # pruned long ago
        try:
            stated = manifest.verify(root / id)
            for name in (*stated.files, NAME):
                (target / id / name).parent.mkdir(parents=True, exist_ok=True)
                _link(root / id / name, target / id / name)
            kept.append(id)
        except (BundleError, FileNotFoundError):
            shutil.rmtree(target / id, ignore_errors=True)
            if shelf.holds(root, id):  # and was not pruned at this moment
                damaged.append(id)
    pointer = shelf.pointer(root)
    if ids := tuple(id for id in pointer.ids if id in kept):
        _write(target / "current", dataclasses.replace(pointer, ids=ids).dump().encode())
    return tuple(kept), tuple(damaged)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _copy_spool(source: Path, target: Path) -> None:
    """Copy the queue of events, each of its databases as of one moment."""
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        target.mkdir(exist_ok=True)
        if path.suffix == ".db":
            # ``with`` would end a transaction and leave the connection open.
            with closing(sqlite3.connect(path)) as queue, closing(_fresh(target / path.name)) as to:
                queue.backup(to)
        elif path.suffix == ".jsonl":
            shutil.copyfile(path, target / path.name)


def _fresh(path: Path) -> sqlite3.Connection:
    _write(path, b"")
    return sqlite3.connect(path)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _walk(folder: Path) -> dict[str, Path]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {n: path for n, path in files.items() if n != NAME and not path.is_dir()}

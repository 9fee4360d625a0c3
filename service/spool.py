"""Keeps events on the disk while their store is slow or away: a bounded durable queue."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from filelock import FileLock, Timeout

from data.records import digest_of
from data.store import Store
from recsys.errors import DataError, RecsysError
from recsys.types import ArticleId, Event, Kind

BATCH = 2_000
"""Events handed over in one transaction of the store."""
MOST_REJECTS = 10_000_000
"""Bytes of the file of refused events, after which they are counted and logged only."""
PATIENCE = 5_000
"""Milliseconds to wait for another worker that is writing into the queue."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    visitor TEXT NOT NULL,
    event BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_visitor ON queue (visitor) WHERE visitor <> '';
"""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of events that waited."""

    rows: int = 0
    """Handed over to the store; those it knew already count too."""
    refused: int = 0
    """Which the store will never take; they were set aside."""


class Spool:
    """A queue in the directory ``folder`` that all workers of this machine share.

    It is an SQLite file, synced at each commit and bounded by its number of pages. The id of an
    event decides whether the store counts it, so an event that is handed over twice, because a
    worker was killed in between, counts once.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def put(self, events: Sequence[Event]) -> int:
        """Queue events, all or none; they are on the disk when it returns.

        Returns how many were not queued already. Raises ``DataError`` where the queue is full or
        cannot be written: then none is kept.
        """
        rows = [(digest_of(event.id), event.visitor, _text(event)) for event in events]
        with self._writing() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO queue (id, visitor, event) VALUES (?, ?, ?)", rows
            )
            return connection.total_changes - before

    def drain(self, store: Store) -> Delivered:
        """Hand the oldest batch over to the store, in order; what it has taken is deleted.

        One worker of the machine does so at a time, the others return at once. An event that the
        store refuses for good is set aside, so that it holds up none behind it. Raises
        ``DataError`` where the store or the queue fails; what was not handed over stays.
        """
        if not self.depth().rows:
            return Delivered()
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                batch = self._oldest()
                refused = self._hand_over(store, batch) if batch else 0
                with self._writing() as connection:
                    gone = [(seq,) for seq, _ in batch]
                    connection.executemany("DELETE FROM queue WHERE seq = ?", gone)
        except Timeout:
            return Delivered()
        except OSError as error:
            raise DataError(f"the queue {self.folder} failed: {error.strerror}") from error
        return Delivered(len(batch) - refused, refused)

    def depth(self) -> Depth:
        """Return how much waits; raises ``DataError`` where that cannot be read."""
        if self._connection is None and not self._path.exists():
            return Depth()
        with self._using() as connection:
            (rows,) = connection.execute("SELECT count(*) FROM queue").fetchone()
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return Depth(rows, (pages - free) * size if rows else 0)

    def held(self, visitor: str) -> list[Event]:
        """Return what waits of a visitor, oldest first."""
        if not self.depth().rows:
            return []
        query = "SELECT event FROM queue WHERE visitor = ? AND visitor <> '' ORDER BY seq"
        with self._using() as connection:
            return [_event(text) for (text,) in connection.execute(query, (visitor,))]

    def forget(self, visitor: str) -> int:
        """Delete what waits of a visitor; returns how many events that were."""
        if not self.depth().rows:
            return 0
        with self._writing() as connection:
            return connection.execute(
                "DELETE FROM queue WHERE visitor = ? AND visitor <> ''", (visitor,)
            ).rowcount

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @property
    def _path(self) -> Path:
        return self.folder / "events.db"

    def _oldest(self) -> list[tuple[int, bytes]]:
        with self._using() as connection:
            query = "SELECT seq, event FROM queue ORDER BY seq LIMIT ?"
            return connection.execute(query, (BATCH,)).fetchall()

    def _hand_over(self, store: Store, batch: Sequence[tuple[int, bytes]]) -> int:
        """Write a batch to the store; returns how many of it were refused for good."""
        try:
            store.put_events([_event(text) for _, text in batch])
        except Exception as error:
            if not for_good(error):
                raise
            if len(batch) == 1:
                self._set_aside(batch[0][1], error)
                return 1
            half = len(batch) // 2
            return self._hand_over(store, batch[:half]) + self._hand_over(store, batch[half:])
        return 0

    def _set_aside(self, text: bytes, error: Exception) -> None:
        """Write down an event that will never be delivered, but for who did it."""
        try:
            known = {k: v for k, v in json.loads(text).items() if k not in PERSONAL}
        except ValueError:
            known = {}
        reason = _reason(error)
        log.error("event refused by the store", reason=reason, article=known.get("article"))
        rejects = self.folder / "rejects.jsonl"
        if not rejects.exists() or rejects.stat().st_size < MOST_REJECTS:
            with rejects.open("ab") as file:
                file.write(orjson.dumps({"reason": reason, **known}) + b"\n")

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, opened on first use: it must not be older than the fork."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opened()
                yield self._connection
            except sqlite3.Error as error:
                step = next((s for sign, s in NEXT_STEPS.items() if sign in str(error)), "")
                raise DataError(f"the queue {self.folder} failed: {error}{step}") from error
            except OSError as error:
                raise DataError(f"the queue {self.folder} failed: {error.strerror}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it already
                    connection.execute("ROLLBACK")
                raise

    def _opened(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=PATIENCE / 1000
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Whoever got an answer relies on it: no power cut may take it back.
            connection.execute("PRAGMA synchronous = FULL")
            # What was handed over, or a reader who was erased, leaves nothing in free pages.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_size_limit = 4000000")
            connection.executescript(SCHEMA)
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {max(self._most_bytes // size, 8)}")
        except BaseException:
            connection.close()
            raise
        return connection


PERSONAL = ("visitor", "session", "context")
NEXT_STEPS = {
    "full": "; it is full, or its disk is: see [spool] megabytes, and whether the store is there",
    "readonly": "; check that its directory is writable",
    "unable to open": "; check that its directory exists and is writable",
    "malformed": "; move its directory away, a new one is made",
    "not a database": "; move its directory away, a new one is made",
}


def for_good(error: Exception) -> bool:
    """Return whether a store would refuse the same events again, however well it is."""
    kinds = {kind.__name__ for kind in type(_origin(error)).__mro__}
    return not kinds.isdisjoint(REFUSALS)


REFUSALS = {"DataError", "IntegrityError", "ValueError", "TypeError", "OverflowError"}
"""What drivers raise for values they cannot keep; the names are the same in all (PEP 249)."""


def _origin(error: BaseException) -> BaseException:
    """Return what a driver said, where it is behind an error of ours."""
    if isinstance(error, RecsysError):
        return _origin(error.__cause__) if error.__cause__ else RuntimeError()
    return getattr(error, "orig", None) or error


def _text(event: Event) -> bytes:
    return orjson.dumps(asdict(event) | {"article": list(event.article)})


def _event(text: bytes) -> Event:
    told: dict[str, Any] = orjson.loads(text)
    told |= {
        "kind": Kind(told["kind"]),
        "article": ArticleId(*told["article"]),
        "context": tuple(told["context"]),
    }
    return Event(**told)


def _reason(error: Exception) -> str:
    """Return what a database said, without the details below, which may hold a reader."""
    return str(_origin(error)).partition("\n")[0] or type(error).__name__

"""Keeps articles and events, and hands them out whole to training or piecemeal to a service."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)

from data import database, loading, partitions
from data.records import Columns, article_of, article_row, event_columns, event_of, picked
from data.schema import articles, clocks, erasures, events
from recsys.errors import DataError
from recsys.types import Article, ArticleId, Event

if TYPE_CHECKING:  # numbers, which few commands read and all would wait for
    from recsys.ids import Vocabulary
    from recsys.tables import Interactions

BATCH = 10_000
"""Articles written in one transaction, and rows fetched at once."""
EVENT_BATCH = 50_000
"""Events written in one transaction: the larger, the fewer pages of the id index are rewritten."""


Also = Callable[[Connection], None]
"""What else belongs to a change: who made it is written down with it, or it is not made."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the store has been read."""

    article_revision: int = 0
    event_seq: int = 0
    erasure_seq: int = 0

    @classmethod
    def of(cls, connection: Connection) -> "Mark":
        """Return the mark of whoever has read all that a transaction sees."""
        told = select(clocks).where(clocks.c.name.in_(cls.__slots__))
        return cls(**{row.name: row.value for row in connection.execute(told)})


@dataclass(frozen=True, slots=True)
class Counts:
    """What a write did."""

    new: int = 0
    changed: int = 0
    same: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.new + other.new, self.changed + other.changed, self.same + other.same)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything that was known before ``until`` (UTC seconds), as training wants it."""

    articles: list[Article]
    """In order of publication, then of site and key; neither withdrawn nor scheduled ones."""
    visitors: "Vocabulary"
    interactions: "Interactions"
    """Their rows refer to ``articles`` and ``visitors``."""
    strays: int
    """Events left out because their article is unknown, withdrawn or scheduled."""
    mark: Mark
    until: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What has come into the store after a mark, and the mark to ask with next time."""

    articles: list[Article]
    withdrawn: list[ArticleId]
    events: list[tuple[int, Event]]
    """With their seq: a follower notes each one before it counts it."""
    erased: list[str]
    """Visitors to be forgotten."""
    mark: Mark


class Store:
    """Articles and events in one SQL database; safe to share between threads.

    Every method raises ``DataError`` where the database fails. Writes are all or nothing by batches
    of ``BATCH`` articles or ``EVENT_BATCH`` events, and doing one twice changes nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open the store at an SQLAlchemy URL, creating or migrating it where needed."""
        return cls(database.connect(url))

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def put_articles(self, rows: Iterable[Article], *, revive: bool = False) -> Counts:
        """Add articles and update known ones; an identical description changes nothing.

        Of several with one id the last counts. An article that was withdrawn stays so unless its
        description has changed, or ``revive`` says that whoever puts it means it: importing the
        same file again must not undo a takedown.
        """
        counts = Counts()
        for batch in _batches(rows, BATCH):
            described = {article.id: article_row(article) for article in batch}
            with self.writing() as connection:
                # First: what others write meanwhile would not be among what is known.
                advance(connection, "article_revision", 0)
                known = _digests(connection, list(described), up_only=revive)
                fresh = [r for id, r in described.items() if known.get(id) != r["digest"]]
                first = advance(connection, "article_revision", len(fresh))
                for revision, row in enumerate(fresh, first):
                    row["revision"] = revision
                loading.upsert_articles(connection, fresh)
            added = sum(id not in known for id in described)
            counts += Counts(added, len(fresh) - added, len(batch) - len(fresh))
        return counts

    def put_events(self, rows: Iterable[Event]) -> Counts:
        """Add events in the order given; one whose id is known already changes nothing.

        Nor does one that an erased visitor left before the erasure: no import of an old file and no
        late beacon brings a reader back.
        """
        return self.put_columns(map(event_columns, _batches(rows, EVENT_BATCH)))

    def put_columns(self, batches: Iterable[Columns]) -> Counts:
        """Do the same with events that come by columns, as ``records.event_columns`` has them."""
        counts = Counts()
        for batch in _gathered(batches, EVENT_BATCH):
            counts += _counted(self._put(batch))
        return counts

    def put_together(self, batches: Sequence[Sequence[Event]]) -> list[Counts]:
        """Add several batches of events in one transaction; returns what became of each."""
        fresh = iter(self._put(event_columns([event for batch in batches for event in batch])))
        return [_counted(list(islice(fresh, len(batch)))) for batch in batches]

    def _put(self, batch: Columns) -> list[bool]:
        """Add events and return which of them are new."""
        size = len(batch["id"])
        with self.writing() as connection:
            if size > BATCH:
                database.make_room(connection)
            # First: an erasure that is under way is waited for, or waits for this.
            first = advance(connection, "event_seq", size)
            kept = _not_erased(connection, batch)
            batch = batch if all(kept) else picked(batch, kept)
            seq = range(first, first + len(batch["id"]))
            fresh = iter(loading.add_events(connection, {**batch, "seq": seq}))
            return [one and next(fresh) for one in kept]

    def erase(self, visitor: str, at: int, also: Also | None = None) -> int:
        """Delete all events of a visitor and see to it that they are forgotten everywhere.

        Returns how many events there were. ``at`` (UTC seconds) is the moment up to which nothing
        of the visitor may come back. Whoever follows the store is told, and ``also`` is done in the
        same transaction. Raises ``DataError`` for the empty id, under which everybody without
        consent is kept.
        """
        if not visitor:
            raise DataError("an empty visitor id names nobody; nothing was erased")
        with self.writing() as connection:
            advance(connection, "event_seq", 0)
            gone = loading.remove_events(connection, _of(visitor))
            seq = advance(connection, "erasure_seq", 1)
            connection.execute(insert(erasures).values(seq=seq, visitor=visitor, at=at))
            if also:
                also(connection)
        return gone

    def held(self, visitor: str) -> list[Event]:
        """Return every event that is kept of a visitor, oldest first."""
        own = select(events).where(_of(visitor))
        with self.reading() as connection:
            rows = connection.execute(own.order_by(events.c.at, events.c.seq)).all()
        return [event_of(row) for row in rows]

    def prune_events(self, before: int) -> int:
        """Delete the events that happened before a moment (UTC seconds); returns how many.

        It goes by whole parts where the database has them, and by batches where not, so that
        writers never wait for long.
        """
        gone = 0
        if not self._sqlite:
            with database.readable_errors(self._engine):
                gone = partitions.drop(self._engine, before)
        old = events.c.at < before
        batch = and_(old, events.c.seq.in_(select(events.c.seq).where(old).limit(BATCH)))
        while True:
            with self.writing() as connection:
                # An erasure may want some of the same rows: one after the other.
                advance(connection, "event_seq", 0)
                deleted = loading.remove_events(connection, batch)
            gone += deleted
            if deleted < BATCH:
                return gone

    def withdraw(self, ids: Iterable[ArticleId], at: int, also: Also | None = None) -> int:
        """Take articles down at ``at`` (UTC seconds); returns how many were up until now.

        Where any was, ``also`` is done in the same transaction.
        """
        down = 0
        with self.writing() as connection:
            for id in ids:
                down += connection.execute(
                    update(articles)
                    .where(articles.c.site == id.site, articles.c.key == id.key)
                    .where(articles.c.withdrawn.is_(None))
                    .values(withdrawn=at, revision=advance(connection, "article_revision", 1))
                ).rowcount
            if down and also:
                also(connection)
        return down

    def article(self, id: ArticleId) -> Article | None:
        """Return an article that is up, None where there is none."""
        with self.reading() as connection:
            row = connection.execute(
                _shown().where(articles.c.site == id.site, articles.c.key == id.key)
            ).first()
        return article_of(row) if row else None

    def knows(self, id: ArticleId) -> bool:
        """Return whether there is an article, be it withdrawn."""
        named = select(articles.c.site).where(articles.c.site == id.site, articles.c.key == id.key)
        with self.reading() as connection:
            return connection.execute(named).first() is not None

    def latest(self, site: str, most: int) -> list[Article]:
        """Return the articles of a site that are up, newest first."""
        newest = articles.c.published.desc(), articles.c.key
        with self.reading() as connection:
            rows = connection.execute(
                _shown().where(articles.c.site == site).order_by(*newest).limit(most)
            ).all()
        return [article_of(row) for row in rows]

    def scheduled(self, since: int) -> list[Article]:
        """Return the articles that are up and published at ``since`` (UTC seconds) or later."""
        later = _shown().where(articles.c.published >= since)
        with self.reading() as connection:
            rows = connection.execute(later.order_by(articles.c.published, articles.c.key)).all()
        return [article_of(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many articles and events there are."""
        with self.reading() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (articles, events)
            }

    def snapshot(self, until: int) -> Snapshot:
        """Return everything known before ``until`` (UTC seconds), as of one moment.

        Events are read as columns of numbers: memory is a few bytes an event.
        """
        from data import interactions

        with self.reading() as connection:
            mark = Mark.of(connection)
            up = _shown().where(articles.c.published < until)
            order = articles.c.published, articles.c.site, articles.c.key
            known = [article_of(row) for row in _stream(connection, up.order_by(*order))]
            visitors, found, strays = interactions.read(connection, known, until)
        return Snapshot(known, visitors, found, strays, mark, until)

    def changes(self, after: Mark, most: int = BATCH) -> Changes:
        """Return up to ``most`` articles and events that came after a mark, oldest first."""
        revision, seq = articles.c.revision, events.c.seq
        later = select(articles).where(revision > after.article_revision).order_by(revision)
        came = select(events).where(seq > after.event_seq).order_by(seq)
        erased = erasures.c.seq > after.erasure_seq
        gone = select(erasures).where(erased).order_by(erasures.c.seq)
        with self.reading() as connection:
            changed = connection.execute(later.limit(most)).all()
            happened = connection.execute(came.limit(most)).all()
            forgotten = connection.execute(gone.limit(most)).all()
        return Changes(
            articles=[article_of(row) for row in changed if row.withdrawn is None],
            withdrawn=[ArticleId(r.site, r.key) for r in changed if r.withdrawn is not None],
            events=[(row[0], event_of(row)) for row in happened],
            erased=[row.visitor for row in forgotten],
            mark=Mark(
                changed[-1].revision if changed else after.article_revision,
                happened[-1][0] if happened else after.event_seq,
                forgotten[-1].seq if forgotten else after.erasure_seq,
            ),
        )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees the store as of one moment."""
        level = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        with (
            database.readable_errors(self._engine),
            self._engine.connect().execution_options(**level) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes: all of it is kept, or nothing."""
        # Immediate: a transaction that reads first and writes later could otherwise be refused.
        with (
            database.readable_errors(self._engine),
            self._engine.connect().execution_options(begin="BEGIN IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection


def _batches(rows: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    iterator = iter(rows)
    while batch := tuple(islice(iterator, size)):
        yield batch


def _gathered(batches: Iterable[Columns], size: int) -> Iterator[Columns]:
    """Yield the same rows in batches of ``size``, or of more where one has more."""
    held: dict[str, list[Any]] = {}
    count = 0
    for batch in batches:
        for name, values in batch.items():
            held.setdefault(name, []).extend(values)
        count += len(batch["id"])
        if count >= size:
            yield held
            held, count = {}, 0
    if count:
        yield held


def advance(connection: Connection, clock: str, by: int) -> int:
    """Take ``by`` numbers from a clock and return the first; others wait until the commit."""
    # In the words of the driver: composing them takes longer than what they do.
    place = "?" if connection.dialect.name == "sqlite" else "%s"
    words = f"UPDATE clocks SET value = value + {place} WHERE name = {place} RETURNING value"  # noqa: S608
    last = connection.exec_driver_sql(words, (by, clock)).scalar_one()
    return int(last) - by + 1


def _counted(fresh: Sequence[bool]) -> Counts:
    new = sum(fresh)
    return Counts(new=new, same=len(fresh) - new)


def _not_erased(connection: Connection, batch: Columns) -> list[bool]:
    """Return which events their visitor did not want erased."""
    visitors = set(batch["visitor"]) - {""}
    until: dict[str, int] = {}
    if 0 < len(visitors) < FEW:
        until = dict(connection.execute(_ERASED_OF, {"visitors": list(visitors)}).all())
    elif visitors:
        until = dict(connection.execute(_ERASED).all())
    if until.keys().isdisjoint(visitors):
        return [True] * len(batch["at"])
    told = zip(batch["at"], batch["visitor"], strict=True)
    return [at > until.get(visitor, -math.inf) for at, visitor in told]


# Composed once: that takes longer than what they do.
_ERASED = select(erasures.c.visitor, func.max(erasures.c.at)).group_by(erasures.c.visitor)
_ERASED_OF = _ERASED.where(erasures.c.visitor.in_(bindparam("visitors", expanding=True)))


FEW = 1_000
"""Visitors up to which their erasures are looked up one by one."""


def _digests(
    connection: Connection, ids: list[ArticleId], *, up_only: bool
) -> dict[ArticleId, bytes]:
    found: dict[ArticleId, bytes] = {}
    by_site: dict[str, list[str]] = {}
    for id in ids:
        by_site.setdefault(id.site, []).append(id.key)
    for site, keys in by_site.items():
        # SQLite takes some 32,000 parameters in a statement; a batch stays below.
        query = select(articles.c.key, articles.c.digest, articles.c.withdrawn).where(
            articles.c.site == site, articles.c.key.in_(keys)
        )
        for row in connection.execute(query):
            down = up_only and row.withdrawn is not None
            found[ArticleId(site, row.key)] = b"" if down else row.digest
    return found


def _of(visitor: str) -> ColumnElement[bool]:
    # Said twice: the index is partial, and serves only who says that there is a visitor.
    own = events.c.visitor == visitor
    return and_(own, events.c.visitor != literal_column("''")) if visitor else own


def _shown() -> Select[Any]:
    return select(articles).where(articles.c.withdrawn.is_(None))


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    return iter(connection.execution_options(yield_per=BATCH).execute(query))

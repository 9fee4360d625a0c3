"""Keeps articles and events, and hands them out whole to training or piecemeal to a service."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, Engine, Row, Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from data import database
from data.schema import articles, clocks, events
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article, ArticleId, Event, Kind, Tone

BATCH = 10_000
"""Articles written in one transaction, and rows fetched at once."""
EVENT_BATCH = 50_000
"""Events written in one transaction: the larger, the fewer pages of the id index are rewritten."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the store has been read."""

    article_revision: int = 0
    event_seq: int = 0


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
    visitors: Vocabulary
    interactions: Interactions
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
    events: list[Event]
    mark: Mark


class Store:
    """Articles and events in one SQL database; safe to share between threads.

    Every method raises ``DataError`` where the database fails. Writes are all or nothing by batches
    of ``BATCH`` articles or ``EVENT_BATCH`` events, and doing one twice changes nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[engine.dialect.name]
        self._insert = dialect.insert
        self._sqlite = dialect is sqlite

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

    def put_articles(self, rows: Iterable[Article]) -> Counts:
        """Add articles and update known ones; an identical description changes nothing.

        Of several with one id the last counts. An article that was withdrawn stays so unless its
        description has changed: importing the same file again must not undo a takedown.
        """
        counts = Counts()
        for batch in _batches(rows, BATCH):
            described = {article.id: _article_row(article) for article in batch}
            with self._writing() as connection:
                known = _digests(connection, list(described))
                fresh = [r for id, r in described.items() if known.get(id) != r["digest"]]
                first = _advance(connection, "article_revision", len(fresh))
                for revision, row in enumerate(fresh, first):
                    row["revision"] = revision
                if fresh:
                    insert = self._insert(articles)
                    kept = ("site", "key")
                    new = {c.name: c for c in insert.excluded if c.name not in kept}
                    upsert = insert.on_conflict_do_update(index_elements=kept, set_=new)
                    connection.execute(upsert, fresh)
            added = sum(id not in known for id in described)
            counts += Counts(added, len(fresh) - added, len(batch) - len(fresh))
        return counts

    def put_events(self, rows: Iterable[Event]) -> Counts:
        """Add events in the order given; one whose id is known already changes nothing."""
        counts = Counts()
        insert = self._insert(events).on_conflict_do_nothing(index_elements=["id"])
        for batch in _batches(rows, EVENT_BATCH):
            with self._writing() as connection:
                first = _advance(connection, "event_seq", len(batch))
                values = [_event_row(event, seq) for seq, event in enumerate(batch, first)]
                new = connection.execute(insert, values).rowcount
            counts += Counts(new=new, same=len(batch) - new)
        return counts

    def withdraw(self, ids: Iterable[ArticleId], at: int) -> int:
        """Take articles down at ``at`` (UTC seconds); returns how many were up until now."""
        down = 0
        with self._writing() as connection:
            for id in ids:
                down += connection.execute(
                    update(articles)
                    .where(articles.c.site == id.site, articles.c.key == id.key)
                    .where(articles.c.withdrawn.is_(None))
                    .values(withdrawn=at, revision=_advance(connection, "article_revision", 1))
                ).rowcount
        return down

    def article(self, id: ArticleId) -> Article | None:
        """Return an article that is up, None where there is none."""
        with self._reading() as connection:
            row = connection.execute(
                _shown().where(articles.c.site == id.site, articles.c.key == id.key)
            ).first()
        return _article(row) if row else None

    def latest(self, site: str, most: int) -> list[Article]:
        """Return the articles of a site that are up, newest first."""
        newest = articles.c.published.desc(), articles.c.key
        with self._reading() as connection:
            rows = connection.execute(
                _shown().where(articles.c.site == site).order_by(*newest).limit(most)
            ).all()
        return [_article(row) for row in rows]

    def scheduled(self, since: int) -> list[Article]:
        """Return the articles that are up and published at ``since`` (UTC seconds) or later."""
        later = _shown().where(articles.c.published >= since)
        with self._reading() as connection:
            rows = connection.execute(later.order_by(articles.c.published, articles.c.key)).all()
        return [_article(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many articles and events there are."""
        with self._reading() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (articles, events)
            }

    def snapshot(self, until: int) -> Snapshot:
        """Return everything known before ``until`` (UTC seconds), as of one moment.

        Events are read as columns of numbers: memory is a few bytes an event.
        """
        with self._reading() as connection:
            mark = Mark(**{row.name: row.value for row in connection.execute(select(clocks))})
            up = _shown().where(articles.c.published < until)
            order = articles.c.published, articles.c.site, articles.c.key
            known = [_article(row) for row in _stream(connection, up.order_by(*order))]
            visitors, interactions, strays = _interactions(connection, known, until)
        return Snapshot(known, visitors, interactions, strays, mark, until)

    def changes(self, after: Mark, most: int = BATCH) -> Changes:
        """Return up to ``most`` articles and events that came after a mark, oldest first."""
        revision, seq = articles.c.revision, events.c.seq
        later = select(articles).where(revision > after.article_revision).order_by(revision)
        came = select(events).where(seq > after.event_seq).order_by(seq)
        with self._reading() as connection:
            changed = connection.execute(later.limit(most)).all()
            happened = connection.execute(came.limit(most)).all()
        return Changes(
            articles=[_article(row) for row in changed if row.withdrawn is None],
            withdrawn=[ArticleId(r.site, r.key) for r in changed if r.withdrawn is not None],
            events=[_event(row) for row in happened],
            mark=Mark(
                changed[-1].revision if changed else after.article_revision,
                happened[-1].seq if happened else after.event_seq,
            ),
        )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Open a transaction that sees the store as of one moment."""
        level = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        with (
            database.readable_errors(self._engine),
            self._engine.connect().execution_options(**level) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
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


def _advance(connection: Connection, clock: str, by: int) -> int:
    """Take ``by`` numbers from a clock and return the first; others wait until the commit."""
    last = connection.execute(
        update(clocks)
        .where(clocks.c.name == clock)
        .values(value=clocks.c.value + by)
        .returning(clocks.c.value)
    ).scalar_one()
    return int(last) - by + 1


def _digests(connection: Connection, ids: list[ArticleId]) -> dict[ArticleId, bytes]:
    found: dict[ArticleId, bytes] = {}
    by_site: dict[str, list[str]] = {}
    for id in ids:
        by_site.setdefault(id.site, []).append(id.key)
    for site, keys in by_site.items():
        # SQLite takes some 32,000 parameters in a statement; a batch stays below.
        query = select(articles.c.key, articles.c.digest).where(
            articles.c.site == site, articles.c.key.in_(keys)
        )
        found.update((ArticleId(site, row.key), row.digest) for row in connection.execute(query))
    return found


def _shown() -> Select[Any]:
    return select(articles).where(articles.c.withdrawn.is_(None))


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    return iter(connection.execution_options(yield_per=BATCH).execute(query))


def _article_row(article: Article) -> dict[str, Any]:
    row = {name: getattr(article, name) for name in Article.__slots__}
    row |= {"tags": list(article.tags), "authors": list(article.authors), "tone": str(article.tone)}
    digest = hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16)
    return {**row, "digest": digest.digest(), "withdrawn": None}


def _article(row: Row[Any]) -> Article:
    values = {name: getattr(row, name) for name in Article.__slots__}
    values |= {"tags": tuple(row.tags), "authors": tuple(row.authors), "tone": Tone(row.tone)}
    return Article(**values)


def _event_row(event: Event, seq: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "id": hashlib.blake2b(event.id.encode(), digest_size=16).digest(),
        "kind": int(event.kind),
        "site": event.article.site,
        "key": event.article.key,
        "at": event.at,
        "visitor": event.visitor,
        "session": event.session,
        "seen_on": event.seen_on,
        "dwell": event.dwell,
        "slate": event.slate,
        "position": event.position,
        "context": "|".join(event.context),
    }


def _event(row: Row[Any]) -> Event:
    return Event(
        id=row.id.hex(),
        kind=Kind(row.kind),
        article=ArticleId(row.site, row.key),
        at=row.at,
        visitor=row.visitor,
        session=row.session,
        seen_on=row.seen_on,
        dwell=row.dwell,
        slate=row.slate,
        position=row.position,
        context=tuple(filter(None, row.context.split("|"))),
    )


def _interactions(
    connection: Connection, known: Sequence[Article], until: int
) -> tuple[Vocabulary, Interactions, int]:
    rows = {(article.site, article.key): row for row, article in enumerate(known)}
    visitors: dict[str, int] = {}
    sessions: dict[str, int] = {}
    slates: dict[str, int] = {}
    parts: list[Interactions] = []
    strays = 0
    names = "visitor", "session", "site", "key", "kind", "at", "dwell", "slate"
    query = select(*(events.c[name] for name in names)).where(events.c.at < until)
    result = connection.execution_options(yield_per=50_000).execute(query.order_by(events.c.seq))
    for batch in result.partitions():
        visitor, session, site, key, kind, at, dwell, slate = zip(*batch, strict=True)
        article = np.array([rows.get(id, -1) for id in zip(site, key, strict=True)], np.int32)
        found = article >= 0
        strays += int(np.count_nonzero(~found))
        order = np.argsort(np.array(at, np.int64)[found], kind="stable")
        columns: tuple[Any, ...] = (
            _codes(visitor, visitors),
            _codes(session, sessions),
            article,
            np.array(kind, np.int8),
            np.array(at, np.int64),
            np.array(dwell, np.float32),
            _codes(slate, slates),
        )
        parts.append(Interactions(*(column[found][order] for column in columns)))
    return Vocabulary(visitors), Interactions.merged(parts), strays


def _codes(names: Sequence[str], seen: dict[str, int]) -> np.ndarray:
    """Return int32[m]: the code of each name, in order of first sight; -1 for the empty one."""
    return np.array([seen.setdefault(n, len(seen)) if n else -1 for n in names], np.int32)

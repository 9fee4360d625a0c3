"""Counts who opened what lately, and finds the articles that no box has shown."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
    tuple_,
)

from data.records import article_of
from data.schema import articles, events
from data.store import Store
from recsys.arrays import Int64
from recsys.types import Article, ArticleId, Kind

HOUR = 3_600
MANY = 10_000
"""Articles that one statement may name: SQLite takes some 32,000 parameters."""


def hourly(
    store: Store, wanted: Collection[ArticleId], until: int, hours: int = 24
) -> dict[ArticleId, Int64]:
    """Return int64[hours] for each of some articles: readers who opened it, oldest hour first.

    The last hour ends at ``until`` (UTC seconds). A reader is the visitor, without consent the
    session; an event with neither is one of its own. It is one statement for ``MANY`` articles.
    Raises ``DataError`` where the store fails.
    """
    since = until - hours * HOUR
    found = {id: np.zeros(hours, np.int64) for id in wanted}
    names = list(found)
    # Written out: PostgreSQL takes two parameters of one value for two expressions to group by.
    begin, step = literal_column(str(since), BigInteger), literal_column(str(HOUR), BigInteger)
    hour = (events.c.at - begin) // step
    for first in range(0, len(names), MANY):
        some = tuple_(events.c.site, events.c.key).in_(names[first : first + MANY])
        query = (
            select(events.c.site, events.c.key, hour, func.count(_reader().distinct()))
            .where(_opened(since, until), some)
            .group_by(events.c.site, events.c.key, hour)
        )
        with store.reading() as connection:
            for site, key, place, readers in connection.execute(query):
                found[ArticleId(site, key)][place] = readers
    return found


def readers(store: Store, since: int, until: int) -> dict[str, int]:
    """Return by site how many readers opened an article of it in ``[since, until)`` (UTC seconds).

    Readers are told apart as in ``hourly``. Raises ``DataError`` where the store fails.
    """
    query = (
        select(events.c.site, func.count(_reader().distinct()))
        .where(_opened(since, until))
        .group_by(events.c.site)
    )
    with store.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Unseen:
    """What of one site came out in a time, and no box has shown since."""

    site: str
    published: int
    """Articles of that time that are up."""
    unseen: int
    latest: tuple[Article, ...]
    """The newest of the unseen ones."""

    @property
    def share(self) -> float:
        """Of what was published; 0 where nothing was."""
        return self.unseen / self.published if self.published else 0.0


def unseen(store: Store, since: int, now: int, most: int = 50) -> list[Unseen]:
    """Return by site what was published in ``[since, now]`` and shown by no box, up to ``most``.

    A click tells of a card as well as an impression does; what was only drawn beyond a reader's
    screen was not shown. Raises ``DataError`` where the store fails.
    """
    # The index on times is partial: it serves only who says so, in just these words.
    boxed = and_(events.c.slate != literal_column("''"), events.c.at >= since)
    kinds = events.c.kind.in_([int(Kind.IMPRESSION), int(Kind.CLICK)])
    shown = select(events.c.site, events.c.key).where(boxed, kinds).distinct().subquery("shown")
    same = and_(shown.c.site == articles.c.site, shown.c.key == articles.c.key)
    up = and_(articles.c.withdrawn.is_(None), articles.c.published.between(since, now))
    never = shown.c.key.is_(None)
    out = articles.outerjoin(shown, same)
    place = func.row_number().over(
        partition_by=articles.c.site,
        order_by=(articles.c.published.desc(), articles.c.key),
    )
    counted = (
        select(
            articles.c.site,
            func.count(),
            func.sum(case((never, 1), else_=0)),
        )
        .select_from(out)
        .where(up)
        .group_by(articles.c.site)
    )
    ranked = select(articles, place.label("place")).select_from(out).where(up, never).subquery()
    newest = select(ranked).where(ranked.c.place <= most).order_by(ranked.c.site, ranked.c.place)
    with store.reading() as connection:
        counts = connection.execute(counted.order_by(articles.c.site)).all()
        latest: dict[str, list[Article]] = {}
        for row in connection.execute(newest):
            latest.setdefault(row.site, []).append(article_of(row))
    return [
        Unseen(site, published, int(without), tuple(latest.get(site, ())))
        for site, published, without in counts
    ]


def _opened(since: int, until: int) -> ColumnElement[bool]:
    opened = events.c.kind != int(Kind.IMPRESSION)
    return and_(events.c.at >= since, events.c.at < until, opened)


def _reader() -> ColumnElement[str]:
    known = func.nullif(events.c.visitor, ""), func.nullif(events.c.session, "")
    return func.coalesce(*known, cast(events.c.seq, String))

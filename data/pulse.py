"""Tells when the store last heard of anything, for whoever watches over it."""

from dataclasses import dataclass

from sqlalchemy import func, select

from data.schema import articles, events
from data.store import Store

NEWEST = select(func.max(events.c.at))


@dataclass(frozen=True, slots=True)
class Pulse:
    """What there is, and the newest of it; times in UTC seconds, 0 where there is none."""

    articles: int
    """Those that are up."""
    withdrawn: int
    events: int
    published: int
    """When the newest article was published, of those up and out."""
    happened: int
    """When the newest event happened."""


def pulse(store: Store, now: int) -> Pulse:
    """Return what the store holds at ``now``. Raises ``DataError`` where it fails."""
    up = articles.c.withdrawn.is_(None)
    of_articles = select(
        func.count().filter(up),
        func.count().filter(~up),
        func.max(articles.c.published).filter(up, articles.c.published <= now),
    )
    with store.reading() as connection:
        told, withdrawn, published = connection.execute(of_articles).one()
        many = connection.execute(select(func.count()).select_from(events)).scalar_one()
        happened = connection.execute(NEWEST).scalar_one()
    return Pulse(told, withdrawn, many, published or 0, happened or 0)


def newest_event(store: Store) -> int:
    """Return when the newest event happened, 0 without one. Raises ``DataError``."""
    with store.reading() as connection:
        return connection.execute(NEWEST).scalar_one() or 0

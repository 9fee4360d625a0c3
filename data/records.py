"""Translates between the values of the engine and the rows of the store."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Row

from recsys.types import Article, ArticleId, Event, Kind, Tone

Columns = Mapping[str, Sequence[Any]]
"""The values of rows by name of the column, each in the order of the rows."""


def article_row(article: Article) -> dict[str, Any]:
    """Return the columns of an article that is up."""
    row: dict[str, Any] = dict(zip(Article.__slots__, article_values(article), strict=True))
    row |= {"tags": list(article.tags), "authors": list(article.authors), "tone": str(article.tone)}
    digest = hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16)
    return {**row, "digest": digest.digest(), "withdrawn": None}


article_values = attrgetter(*Article.__slots__)
"""Returns what an article is made of, in the order in which it takes it."""


def article_of(row: Row[Any]) -> Article:
    """Return the article of a row."""
    values = {name: getattr(row, name) for name in Article.__slots__}
    values |= {"tags": tuple(row.tags), "authors": tuple(row.authors), "tone": Tone(row.tone)}
    return Article(**values)


def digest_of(id: str) -> bytes:
    """Return what is kept of an event's id, 16 bytes: the same id again is the same event."""
    return hashlib.blake2b(id.encode(), digest_size=16).digest()


def event_columns(events: Sequence[Event]) -> Columns:
    """Return the columns of events, all but their numbers of arrival."""
    return {
        "id": [digest_of(event.id) for event in events],
        "kind": [int(event.kind) for event in events],
        "site": [event.article.site for event in events],
        "key": [event.article.key for event in events],
        "at": [event.at for event in events],
        "visitor": [event.visitor for event in events],
        "session": [event.session for event in events],
        "seen_on": [event.seen_on for event in events],
        "dwell": [event.dwell for event in events],
        "slate": [event.slate for event in events],
        "position": [event.position for event in events],
        "context": ["|".join(event.context) for event in events],
        "propensity": [event.propensity for event in events],
        "arm": [event.arm for event in events],
        "source": [event.source for event in events],
        "bundle": [event.bundle for event in events],
        "placement": [event.placement for event in events],
    }


def picked(columns: Columns, which: Sequence[object]) -> Columns:
    """Return the rows of which something true is said."""
    return {name: list(compress(values, which)) for name, values in columns.items()}


def event_of(row: Sequence[Any]) -> Event:
    """Return the event of a whole row; its id is the digest that is kept of the sender's."""
    # In the order of the table, as names cost more than the values: a service follows them all.
    (_, id, kind, site, key, at, visitor, session, seen_on, dwell, slate, position, *rest) = row
    context, propensity, arm, source, bundle, placement = rest
    return Event(
        id.hex(),
        _KINDS[kind],
        ArticleId(site, key),
        at,
        visitor,
        session,
        seen_on,
        dwell,
        slate,
        position,
        propensity,
        tuple(filter(None, context.split("|"))) if context else (),
        arm,
        source,
        bundle,
        placement,
    )


_KINDS = {int(kind): kind for kind in Kind}

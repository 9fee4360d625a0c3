"""Translates between the values of the engine and the rows of the store."""

import hashlib
from typing import Any

import orjson
from sqlalchemy import Row

from recsys.types import Article, ArticleId, Event, Kind, Tone


def article_row(article: Article) -> dict[str, Any]:
    """Return the columns of an article that is up."""
    row = {name: getattr(article, name) for name in Article.__slots__}
    row |= {"tags": list(article.tags), "authors": list(article.authors), "tone": str(article.tone)}
    digest = hashlib.blake2b(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), digest_size=16)
    return {**row, "digest": digest.digest(), "withdrawn": None}


def article_of(row: Row[Any]) -> Article:
    """Return the article of a row."""
    values = {name: getattr(row, name) for name in Article.__slots__}
    values |= {"tags": tuple(row.tags), "authors": tuple(row.authors), "tone": Tone(row.tone)}
    return Article(**values)


def digest_of(id: str) -> bytes:
    """Return what is kept of an event's id, 16 bytes: the same id again is the same event."""
    return hashlib.blake2b(id.encode(), digest_size=16).digest()


def event_row(event: Event, seq: int) -> dict[str, Any]:
    """Return the columns of an event with its number of arrival."""
    return {
        "seq": seq,
        "id": digest_of(event.id),
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
        "propensity": event.propensity,
        "arm": event.arm,
        "source": event.source,
        "bundle": event.bundle,
        "placement": event.placement,
    }


def event_of(row: Row[Any]) -> Event:
    """Return the event of a row; its id is the digest that is kept of the sender's."""
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
        propensity=row.propensity,
        arm=row.arm,
        source=row.source,
        bundle=row.bundle,
        placement=row.placement,
    )

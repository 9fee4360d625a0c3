"""Finds articles by words of their title or a part of their address, as people look for one."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from data.records import article_of
from data.schema import articles
from data.store import Store
from recsys.types import Article, ArticleId

WORDS = 8
"""How many words count; nobody looks for one article with more."""


def find(store: Store, text: str, most: int = 20, site: str = "") -> list[Article]:
    """Return up to ``most`` articles that are up and hold every word of ``text``, newest first.

    A word counts wherever it stands in title, address, key or site, in any case. Without a word
    these are the latest articles. Raises ``DataError`` where the store fails.
    """
    wanted = select(articles).where(articles.c.withdrawn.is_(None))
    if site:
        wanted = wanted.where(articles.c.site == site)
    # A surrogate is no text, and no database takes it for any.
    words = text.encode("utf-8", "ignore").decode().replace("\x00", " ").split()[:WORDS]
    wanted = wanted.where(and_(True, *map(_holds, words)))
    newest = articles.c.published.desc(), articles.c.site, articles.c.key
    with store.reading() as connection:
        rows = connection.execute(wanted.order_by(*newest).limit(most)).all()
    return [article_of(row) for row in rows]


def _holds(word: str) -> ColumnElement[Any]:
    named = [articles.c[name].icontains(word, autoescape=True) for name in ("title", "url", "key")]
    try:
        id = ArticleId.parse(word)
    except ValueError:
        return or_(*named)
    return or_(*named, and_(articles.c.site == id.site, articles.c.key == id.key))

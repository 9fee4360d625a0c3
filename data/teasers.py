"""Tells the first words of articles to those who show more than a title."""

import re
from collections.abc import Sequence

from sqlalchemy import func, select, tuple_

from data.schema import articles
from data.store import Store
from recsys.types import ArticleId

MOST = 220
"""Characters of a teaser."""
_END = re.compile(r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？][」』）]*")


def teasers(store: Store, ids: Sequence[ArticleId], most: int = MOST) -> dict[ArticleId, str]:
    """Return the first words of articles that have any text, asked for in one query.

    Raises ``DataError`` where the store fails.
    """
    # Not whole texts: of a long read the beginning is enough.
    start = func.substr(articles.c.body, 1, 2 * most).label("start")
    wanted = tuple_(articles.c.site, articles.c.key).in_([tuple(id) for id in ids])
    with store.reading() as connection:
        rows = connection.execute(select(articles.c.site, articles.c.key, start).where(wanted))
        found = {ArticleId(row.site, row.key): shorten(row.start, most) for row in rows}
    return {id: text for id, text in found.items() if text}


def shorten(text: str, most: int = MOST) -> str:
    """Return the beginning of ``text`` on one line, in at most ``most`` characters.

    It ends with a sentence where one ends late enough, else with a word and an ellipsis; a
    language that parts no words is cut anywhere.
    """
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    ends = [end.end() for end in _END.finditer(text, 0, most + 1) if end.end() <= most]
    if ends and ends[-1] >= most // 2:
        return text[: ends[-1]]
    head = text[: most - 1]
    space = text.rfind(" ", 0, most)
    if space >= most // 2:
        head = head[:space]
    return head.rstrip(" ,;:.–—-") + "…"

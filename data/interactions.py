"""Reads events as columns of numbers, as training wants them: a few bytes an event."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from data.schema import events
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article

FETCHED = 50_000
"""Rows read at once."""


def read(
    connection: Connection, known: Sequence[Article], until: int
) -> tuple[Vocabulary, Interactions, int]:
    """Return the visitors and what they did before ``until`` (UTC seconds), oldest first.

    Rows of ``Interactions`` refer to the visitors and to ``known``. The third is how many events
    were left out because their article is not among these.
    """
    rows = {(article.site, article.key): row for row, article in enumerate(known)}
    visitors: dict[str, int] = {}
    sessions: dict[str, int] = {}
    slates: dict[str, int] = {}
    parts: list[Interactions] = []
    strays = 0
    names = (
        *("visitor", "session", "site", "key", "kind", "at", "dwell", "slate"),
        *("position", "propensity"),
    )
    query = select(*(events.c[name] for name in names)).where(events.c.at < until)
    result = connection.execution_options(yield_per=FETCHED).execute(query.order_by(events.c.seq))
    for batch in result.partitions():
        visitor, session, site, key, kind, at, dwell, slate, *box = zip(*batch, strict=True)
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
            np.array(box[0], np.int16),
            np.array(box[1], np.float32),
        )
        parts.append(Interactions(*(column[found][order] for column in columns)))
    return Vocabulary(visitors), Interactions.merged(parts), strays


def _codes(names: Sequence[str], seen: dict[str, int]) -> np.ndarray:
    """Return int32[m]: the code of each name, in order of first sight; -1 for the empty one."""
    return np.array([seen.setdefault(n, len(seen)) if n else -1 for n in names], np.int32)

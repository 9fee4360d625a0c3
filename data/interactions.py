"""Reads events as columns of numbers, as training wants them: a few bytes an event."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, select

from data.schema import events
from recsys.arrays import Int32
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article

FETCHED = 100_000
"""Rows read at once."""
NAMED = ("visitor", "session", "slate", "site", "key")
"""Columns of names, of which each is kept once."""
COUNTED: dict[str, type[np.generic]] = {
    "kind": np.int8,
    "at": np.int64,
    "dwell": np.float32,
    "position": np.int16,
    "propensity": np.float32,
}


def read(
    connection: Connection, known: Sequence[Article], until: int
) -> tuple[Vocabulary, Interactions, int]:
    """Return the visitors and what they did before ``until`` (UTC seconds), oldest first.

    Rows of ``Interactions`` refer to the visitors and to ``known``. The third is how many events
    were left out because their article is not among these.
    """
    names: dict[str, list[Any]] = {name: [] for name in NAMED}
    counts: dict[str, list[np.ndarray]] = {name: [] for name in COUNTED}
    for batch in _batches(connection, until):
        values = zip((*NAMED, *COUNTED), zip(*batch, strict=True), strict=True)
        for name, column in values:
            if name in names:
                names[name].append(pa.array(column, pa.string()).dictionary_encode())
            else:
                counts[name].append(np.array(column, COUNTED[name]))
    (visitor, visitors), (session, _), (slate, _) = map(_coded, map(names.pop, NAMED[:3]))
    article = _articles(_coded(names.pop("site")), _coded(names.pop("key")), known)
    # An event is by its time, and of equal times by its arrival, which is the order of rows.
    at = _joined(counts.pop("at"), np.int64)
    order = np.flatnonzero(article >= 0)
    strays = len(at) - len(order)
    if np.any(np.diff(at) < 0):
        order = order[np.argsort(at[order], kind="stable")]
    columns: dict[str, Any] = {name: _joined(counts.pop(name), COUNTED[name]) for name in [*counts]}
    columns |= {"visitor": visitor, "session": session, "article": article, "slate": slate}
    columns |= {"at": at, "value": columns.pop("dwell")}
    del at, visitor, session, article, slate  # each column goes as soon as it is in order
    found = Interactions(*(columns.pop(name)[order] for name in Interactions.__slots__))
    return Vocabulary(visitors), found, strays


def _batches(connection: Connection, until: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield rows of the columns ``NAMED`` and ``COUNTED`` in order of arrival.

    They come from the driver as they are: to make a row of SQLAlchemy's of each takes as long as
    to read it.
    """
    chosen = select(*(events.c[name] for name in (*NAMED, *COUNTED))).where(events.c.at < until)
    query = chosen.order_by(events.c.seq).compile(
        connection, compile_kwargs={"literal_binds": True}
    )
    # PostgreSQL's driver would bring all rows at once, were its cursor not one of the server.
    on_server = () if connection.dialect.name == "sqlite" else ("events_in_order",)
    with closing(connection.connection.cursor(*on_server)) as cursor:
        cursor.execute(str(query))
        while batch := cursor.fetchmany(FETCHED):
            yield batch


def _coded(chunks: list[Any]) -> tuple[Int32, list[str]]:
    """Return int32[m], the code of each name, -1 for the empty one; and the names.

    They are in order of first sight.
    """
    if not chunks:
        return np.empty(0, np.int32), []
    whole = pa.chunked_array(chunks).unify_dictionaries()
    names = whole.chunk(whole.num_chunks - 1).dictionary.to_pylist()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in whole.chunks])
    if "" in names:
        empty = names.index("")
        del names[empty]
        shift = np.arange(len(names) + 1, dtype=np.int32)
        shift[empty:] -= 1
        shift[empty] = -1
        codes = shift[codes]
    return codes.astype(np.int32, copy=False), names


def _articles(
    site: tuple[Int32, list[str]], key: tuple[Int32, list[str]], known: Sequence[Article]
) -> Int32:
    """Return int32[m]: rows of ``known`` by coded sites and keys, -1 where there is none."""
    (site_code, sites), (key_code, keys) = site, key
    of_site, of_key = ({name: code for code, name in enumerate(n)} for n in (sites, keys))
    pairs = np.fromiter(
        (
            of_site.get(a.site, -1) * len(keys) + of_key[a.key]
            if a.key in of_key and a.site in of_site
            else -1
            for a in known
        ),
        np.int64,
        len(known),
    )
    there = np.flatnonzero(pairs >= 0)
    there = there[np.argsort(pairs[there])]
    if not len(there):
        return np.full(len(site_code), -1, np.int32)
    wanted = site_code.astype(np.int64) * len(keys) + key_code
    place = np.minimum(np.searchsorted(pairs[there], wanted), len(there) - 1)
    return np.where(pairs[there[place]] == wanted, there[place], -1).astype(np.int32)


def _joined(parts: list[np.ndarray], dtype: type[np.generic]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)

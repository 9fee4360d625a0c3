"""Reads the clicks of Globo.com, the yardstick for the next click (Moreira et al., 2018-2019)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.importers.files import BATCH, Batch, parquet_batches
from recsys.arrays import Int32, Int64
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article, Kind

SITE = "globo"
FILE = "clicks.parquet"
CONTEXT = {
    "referrer": "click_referrer_type",
    "region": "click_region",
    "os": "click_os",
}
COLUMNS = ["user_id", "session_id", "click_article_id", "click_timestamp", *CONTEXT.values()]
"""All that may be read: ``session_size`` counts the whole session, so it knows the future."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The clicks before a moment, as a snapshot of the store would hold them."""

    articles: list[Article]
    """In order of publication, then of key."""
    visitors: Vocabulary
    interactions: Interactions
    """Their rows refer to ``articles`` and ``visitors``."""
    contexts: list[tuple[str, ...]]
    context: Int32
    """Of each interaction the row in ``contexts``, int32[E]."""


def read(directory: Path) -> tuple[Iterator[Batch], Iterator[Batch]]:
    """Return the articles and the clicks in ``directory/clicks.parquet``, each read when used.

    Raises ``DataError``, while it is read, where the file is damaged or lacks a column.
    """
    return _articles(directory), _clicks(directory)


def load_globo(directory: Path, until: int) -> Facts:
    """Return the clicks before ``until`` (UTC seconds) in time order, ties in the file's order.

    Reads ``directory/clicks.parquet`` and nothing else. Raises ``DataError`` as ``read`` does.
    """
    batches = [batch for batch, _ in parquet_batches(directory / FILE, COLUMNS, 2**17)]
    schema = pa.schema([(name, pa.int64()) for name in COLUMNS])
    table = pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()
    column = {name: table[name].to_numpy() for name in COLUMNS}
    at = column["click_timestamp"] // 1000
    order = np.argsort(at, kind="stable")
    order = order[at[order] < until]
    at = at[order]
    column = {name: values[order] for name, values in column.items()}

    ids, first, article = np.unique(
        column["click_article_id"], return_index=True, return_inverse=True
    )
    unordered = [_article(int(id), int(at[row])) for id, row in zip(ids, first, strict=True)]
    ranking = sorted(range(len(ids)), key=lambda i: (unordered[i].published, unordered[i].key))
    rank = np.empty(len(ids), np.int32)
    rank[ranking] = np.arange(len(ids), dtype=np.int32)
    users, visitor = np.unique(column["user_id"], return_inverse=True)
    contexts, context = _contexts([column[name] for name in CONTEXT.values()])
    return Facts(
        articles=[unordered[i] for i in ranking],
        visitors=Vocabulary(map(str, users.tolist())),
        interactions=Interactions(
            visitor=visitor.astype(np.int32),
            session=np.unique(column["session_id"], return_inverse=True)[1].astype(np.int32),
            article=rank[article],
            kind=np.full(len(at), Kind.CLICK, np.int8),
            at=at,
            value=np.zeros(len(at), np.float32),
            slate=np.full(len(at), -1, np.int32),
        ),
        contexts=contexts,
        context=context,
    )


def _contexts(columns: list[Int64]) -> tuple[list[tuple[str, ...]], Int32]:
    # One number for the three int8 values of a click: sorting rows takes far longer.
    code = sum((column + 128) << shift for column, shift in zip(columns, (16, 8, 0), strict=True))
    _, first, context = np.unique(code, return_index=True, return_inverse=True)
    values = zip(*(column[first].tolist() for column in columns), strict=True)
    return [_named(row) for row in values], context.astype(np.int32)


def _named(values: Iterable[int | str]) -> tuple[str, ...]:
    return tuple(f"{name}:{value}" for name, value in zip(CONTEXT, values, strict=True))


def _article(id: int, first: int) -> Article:
    """Describe an article of which only the clicks are known.

    It counts as published a second after its first click (UTC seconds), so that nobody can have
    known it before that.
    """
    return Article(**_described(id, first))


def _described(id: int, first: int) -> dict[str, Any]:
    return {
        "site": SITE,
        "key": str(id),
        "url": f"/{SITE}/{id}",
        "title": f"Article {id}",
        "published": first + 1,
    }


def _articles(directory: Path) -> Iterator[Batch]:
    first: dict[int, int] = {}
    for batch, done in parquet_batches(
        directory / FILE, ["click_article_id", "click_timestamp"], 2**17
    ):
        grouped = pa.Table.from_batches([batch]).group_by("click_article_id")
        for row in grouped.aggregate([("click_timestamp", "min")]).to_pylist():
            id, at = row["click_article_id"], row["click_timestamp_min"] // 1000
            first[id] = min(at, first.get(id, at))
        # An empty batch, to show that something happens.
        yield Batch(done=done)
    described = [_described(id, at) for id, at in sorted(first.items(), key=lambda i: i[::-1])]
    for start in range(0, len(described), BATCH):
        rows = described[start : start + BATCH]
        yield Batch(rows, list(range(start + 1, start + 1 + len(rows))), done=1.0)


def _clicks(directory: Path) -> Iterator[Batch]:
    number = 1
    for batch, done in parquet_batches(directory / FILE, COLUMNS):
        text = {name: batch[name].cast(pa.string()).to_pylist() for name in COLUMNS}
        times = pc.cast(batch["click_timestamp"], pa.int64()).to_numpy() // 1000
        context = zip(*(text[name] for name in CONTEXT.values()), strict=True)
        rows = [
            {
                "kind": "click",
                "site": SITE,
                "key": key,
                "at": at,
                "visitor": visitor,
                "session": session,
                "context": list(_named(values)),
            }
            for key, at, visitor, session, values in zip(
                text["click_article_id"],
                times.tolist(),
                text["user_id"],
                text["session_id"],
                context,
                strict=True,
            )
        ]
        yield Batch(rows, list(range(number, number + len(rows))), done=done)
        number += len(rows)

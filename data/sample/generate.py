"""Writes the sample network into a directory, in bounded memory whatever its size."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.sample import truth
from data.sample.plan import DAYS, Plan, plan
from data.sample.readers import Readers, readers
from data.sample.sites import SITE_IDS, configuration
from data.sample.sizes import Size
from data.sample.traffic import Events, simulate
from data.sample.writing import articles
from recsys.types import Kind

ARTICLES = pa.schema(
    [
        ("site", pa.string()),
        ("key", pa.string()),
        ("url", pa.string()),
        ("title", pa.string()),
        ("body", pa.string()),
        ("section", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("authors", pa.list_(pa.string())),
        ("language", pa.string()),
        ("published", pa.int64()),
        ("image", pa.string()),
        ("sponsored", pa.bool_()),
        ("tone", pa.string()),
        ("expires", pa.int64()),
    ]
)
EVENTS = pa.schema(
    [
        ("id", pa.string()),
        ("kind", pa.string()),
        ("site", pa.string()),
        ("key", pa.string()),
        ("at", pa.int64()),
        ("visitor", pa.string()),
        ("session", pa.string()),
        ("seen_on", pa.string()),
        ("dwell", pa.float32()),
        ("slate", pa.string()),
        ("position", pa.int8()),
        ("propensity", pa.float32()),
    ]
)
CHUNK = 4_000
"""Articles in a row group."""
GROUP = 100_000
"""Events in a row group, at least."""
KINDS = pa.array([kind.name.lower() for kind in Kind])


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    articles: int
    readers: int
    events: int
    sessions: int
    slates: int
    start: int
    """Of publishing, UTC seconds."""
    end: int


Progress = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and the whole."""


def generate(
    directory: Path,
    size: Size,
    seed: int,
    end: int,
    progress: Progress = lambda stage, done, total: None,
) -> Summary:
    """Write articles, events, ``recsys.toml`` and the truth of a network into ``directory``.

    ``end`` (UTC seconds) is when the history stops; it begins 60 days earlier. The same size, seed
    and end give the same rows. Raises ``ValueError`` for a size without articles or readers, or an
    ``end`` before 1 March 1970.
    """
    _check(size, seed, end)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "recsys.toml").write_text(configuration(), encoding="utf-8")
    planned = plan(size.articles, seed, end)
    keys = _write_articles(directory / "articles.parquet", planned, seed, progress)
    people = readers(size.readers, seed, planned.start, end)
    truth.write(directory / "truth", planned, people, keys)
    mark = hashlib.blake2b(repr((size, seed, end)).encode(), digest_size=3).hexdigest()
    events, sessions, slates = _write_events(
        directory, planned, people, size, seed, keys, mark, progress
    )
    return Summary(len(planned), len(people), events, sessions, slates, planned.start, end)


def _check(size: Size, seed: int, end: int) -> None:
    for name in ("articles", "readers"):
        if getattr(size, name) < 20:
            raise ValueError(f"{name} = {getattr(size, name)}; expected at least 20")
    if size.events < 0:
        raise ValueError(f"events = {size.events}; expected 0 or more")
    if seed < 0:
        raise ValueError(f"seed = {seed}; expected 0 or more")
    if end < DAYS * 86_400:
        raise ValueError(f"end = {end}; expected at least {DAYS} days after 1970-01-01")


def _write_articles(path: Path, planned: Plan, seed: int, progress: Progress) -> pa.Array:
    """Write the article rows and return their keys."""
    keys: list[pa.Array] = []
    total, done = len(planned), 0
    with pq.ParquetWriter(path, ARTICLES, compression="zstd") as writer:
        for rows in _chunks(articles(planned, seed), CHUNK):
            table = pa.Table.from_pylist(rows, ARTICLES)
            writer.write_table(table)
            keys.append(table["key"].combine_chunks())
            done += len(rows)
            progress("articles", done, total)
    return pa.concat_arrays(keys)


def _write_events(
    directory: Path,
    planned: Plan,
    people: Readers,
    size: Size,
    seed: int,
    keys: pa.Array,
    mark: str,
    progress: Progress,
) -> tuple[int, int, int]:
    """Write the events and whom each slate was for; return how many events, sessions, slates."""
    done, sessions, slates = 0, 0, 0
    held: list[pa.Table] = []
    shown: list[pa.Table] = []
    path, boxes = directory / "events.parquet", directory / "truth/slates.parquet"
    with (
        pq.ParquetWriter(path, EVENTS, compression="zstd") as writer,
        pq.ParquetWriter(boxes, truth.SLATES, compression="zstd") as truth_writer,
    ):
        for block in simulate(planned, people, size.events, seed):
            held.append(_table(block, done, planned, people, keys, mark))
            shown.append(_slates(block, mark))
            done += len(block)
            sessions = max(sessions, int(block.session.max(initial=-1)) + 1)
            slates = max(slates, int(block.slate.max(initial=-1)) + 1)
            if sum(map(len, held)) >= GROUP:
                writer.write_table(pa.concat_tables(held))
                truth_writer.write_table(pa.concat_tables(shown))
                held, shown = [], []
            progress("events", min(done, size.events), size.events)
        if held:
            writer.write_table(pa.concat_tables(held))
            truth_writer.write_table(pa.concat_tables(shown))
    progress("events", size.events, size.events)
    return done, sessions, slates


def _table(
    block: Events, first: int, planned: Plan, people: Readers, keys: pa.Array, mark: str
) -> pa.Table:
    sites = pa.array(SITE_IDS)
    known = people.consent[block.reader]
    seen_on = planned.site[block.page]
    columns = {
        "id": _named(f"{mark}-", np.arange(first, first + len(block))),
        "kind": KINDS.take(pa.array(block.kind)),
        "site": sites.take(pa.array(planned.site[block.article])),
        "key": keys.take(pa.array(block.article)),
        "at": pa.array(block.at),
        "visitor": _named("reader-", block.reader, known),
        "session": _named(f"{mark}-s", block.session),
        "seen_on": pc.fill_null(sites.take(pa.array(seen_on, mask=block.page < 0)), ""),
        "dwell": pa.array(block.dwell, pa.float32()),
        "slate": _named(f"{mark}-b", block.slate, block.slate >= 0),
        "position": pa.array(block.position),
        "propensity": pa.array(block.propensity),
    }
    return pa.Table.from_pydict(columns, EVENTS)


def _slates(block: Events, mark: str) -> pa.Table:
    """Return whom each slate that was shown in a block was for, and on what page."""
    cards = np.flatnonzero(block.kind == Kind.IMPRESSION)
    number, first = np.unique(block.slate[cards], return_index=True)
    first = cards[first]
    columns = {
        "slate": _named(f"{mark}-b", number),
        "reader": pa.array(block.reader[first]),
        "page": pa.array(block.page[first]),
    }
    return pa.Table.from_pydict(columns, truth.SLATES)


def _named(prefix: str, numbers: np.ndarray, where: np.ndarray | None = None) -> pa.Array:
    """Return ``prefix`` and number as strings, empty except ``where``."""
    mask = None if where is None else ~where
    texts = pc.cast(pa.array(numbers, mask=mask), pa.string())
    return pc.fill_null(pc.binary_join_element_wise(prefix, texts, ""), "")


def _chunks(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    source = iter(rows)
    while chunk := list(islice(source, size)):
        yield chunk

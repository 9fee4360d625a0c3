"""Carries facts from batches of rows into the store, and says what became of them."""

import difflib
import marshal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any

from data.importers import columns, rows
from data.importers.files import Batch
from data.importers.rejects import Rejects
from data.importers.rows import Fault
from data.importers.table import Table, names_of
from data.keyring import Keyring
from data.records import Columns, article_values
from data.store import Counts, Store
from recsys.errors import DataError
from recsys.types import Article, Tone

Progress = Callable[[int, float], None]
"""Called with the rows read so far and the share of the whole that they are."""


def silent(read: int, done: float) -> None:
    """Show no progress."""


@dataclass(slots=True)
class Summary:
    """What one import did; grows while it runs."""

    source: str
    read: int = 0
    articles: Counts = field(default_factory=Counts)
    events: Counts = field(default_factory=Counts)
    rejected: int = 0
    repeated: int = 0
    """Rows passed over because a later one in the same file describes the same article."""
    rejects: Path | None = None
    unknown: dict[str, str] = field(default_factory=dict)
    """Columns that no rule knows, each with the nearest known one or nothing."""
    notes: list[str] = field(default_factory=list)


def import_articles(
    store: Store,
    batches: Iterable[Batch],
    name: str,
    var: Path,
    now: int,
    progress: Progress = silent,
) -> Summary:
    """Put the articles of ``batches`` into the store; bad rows go to ``var``/rejects.

    Raises ``DataError`` where no row can be used, and whatever ``batches`` raise.
    """
    summary = Summary(name)
    with Rejects(var / "rejects", name, now) as rejects:
        watched = _watched(batches, rows.ARTICLE_COLUMNS, summary, rejects, progress)
        good = _articles(watched, rejects)
        summary.articles = store.put_articles(last_of_each(good, summary, var))
    return _finished(summary, rejects)


def import_events(
    store: Store,
    batches: Iterable[Batch],
    name: str,
    var: Path,
    now: int,
    progress: Progress = silent,
    *,
    keyring: Keyring | None = None,
) -> Summary:
    """Put the events of ``batches`` into the store; bad rows go to ``var``/rejects.

    ``now`` is in UTC seconds. The keyring gives events their pseudonyms; without one their ids are
    some already. Raises ``DataError`` where no row can be used, and whatever ``batches`` raise.
    """
    summary = Summary(name)
    with Rejects(var / "rejects", name, now) as rejects:
        watched = _watched(batches, rows.EVENT_COLUMNS, summary, rejects, progress)
        good = _events(watched, rejects, now)
        summary.events = store.put_columns(hidden(good, keyring) if keyring else good)
    return _finished(summary, rejects)


def _watched(
    batches: Iterable[Batch],
    known: Sequence[str],
    summary: Summary,
    rejects: Rejects,
    progress: Progress,
) -> Iterator[Batch]:
    for batch in batches:
        summary.read += len(batch)
        for line, reason, text in batch.broken:
            rejects.add(line, "", reason, text, batch.source)
        summary.unknown |= unknown_columns(names_of(batch.rows), known, summary.unknown)
        yield batch
        progress(summary.read, batch.done)


def unknown_columns(
    found: Iterable[str], known: Sequence[str], named: Mapping[str, str] = {}
) -> dict[str, str]:
    """Return the columns that are neither known nor named yet, with the nearest known."""
    strange = set(found).difference(known, named)
    return {
        name: next(iter(difflib.get_close_matches(name.lower(), known, 1)), "")
        for name in sorted(strange)
    }


def _articles(batches: Iterable[Batch], rejects: Rejects) -> Iterator[Article]:
    for batch in batches:
        for line, row in zip(batch.lines, batch.rows, strict=True):
            made = rows.article(row)
            if isinstance(made, Fault):
                rejects.add(line, made.field, made.reason, row, batch.source)
            else:
                yield made


def _events(batches: Iterable[Batch], rejects: Rejects, now: int) -> Iterator[Columns]:
    for batch in batches:
        found, faults = columns.events(Table.of(batch.rows), now)
        for place, fault in faults:
            line, row = batch.lines[place], batch.rows[place]
            rejects.add(line, fault.field, fault.reason, row, batch.source)
        yield found


def hidden(batches: Iterable[Columns], keyring: Keyring) -> Iterator[Columns]:
    """Yield events with pseudonyms for their visitors and sessions."""
    visitor, session = lru_cache(HIDDEN)(keyring.visitor), lru_cache(HIDDEN)(keyring.session)
    for batch in batches:
        yield {
            **batch,
            "visitor": list(map(visitor, batch["visitor"])),
            "session": list(map(session, batch["session"])),
        }


HIDDEN = 250_000
"""Pseudonyms that are held: most ids come again soon."""


def last_of_each(articles: Iterable[Article], summary: Summary, var: Path) -> Iterator[Article]:
    """Yield of the articles with one id only the last, and count the others as repeated.

    The store would end up the same, but would see two changes whenever the file comes again.
    They wait in a temporary file: memory is a few dozen bytes an article.
    """
    with _spool(var) as spool:
        last: dict[int, int] = {}
        count, blocks, rest = 0, 0, iter(articles)
        while block := list(islice(rest, BLOCK)):
            last |= {hash((a.site, a.key)): n for n, a in enumerate(block, count)}
            marshal.dump([_values(article) for article in block], spool)
            count, blocks = count + len(block), blocks + 1
        summary.repeated += count - len(last)
        spool.seek(0)
        for block in range(blocks):
            held = marshal.load(spool)  # noqa: S302 (nobody else's)
            for place, values in enumerate(held, block * BLOCK):
                if last[hash(values[:2])] == place:
                    *own, tone, expires = values
                    yield Article(*own, Tone(tone), expires)


BLOCK = 500
"""Articles that wait as one."""


def _values(article: Article) -> tuple[Any, ...]:
    *own, tone, expires = article_values(article)
    return (*own, str(tone), expires)


def _spool(var: Path) -> IO[bytes]:
    try:
        var.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=var)
    except OSError as error:
        raise DataError(f"cannot write in {var}: {error.strerror}") from error


def _finished(summary: Summary, rejects: Rejects) -> Summary:
    summary.rejected, summary.rejects = rejects.count, rejects.path
    if summary.read and summary.rejected == summary.read:
        raise DataError(
            f"nothing in {summary.source} can be used: all {summary.read:,} rows were rejected;"
            f" see {rejects.path}"
        )
    return summary

"""Reads the news and impressions of MSN as Microsoft published them (MIND, Wu et al., 2020)."""

import calendar
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from data.importers.files import BATCH, Batch
from recsys.errors import DataError

SITE = "mind"
NEWS, BEHAVIORS = "news.tsv", "behaviors.tsv"
TIME = "%m/%d/%Y %I:%M:%S %p"


def read(directory: Path) -> tuple[Iterator[Batch], Iterator[Batch]]:
    """Return the articles of ``news.tsv`` and the events of ``behaviors.tsv``, read when used.

    Neither file dates an article: it counts as published when it is first seen, in an impression
    or a history, or with the first of all events if it never is. A reader's history has no dates
    either, and is the same in all the reader's rows: it becomes clicks once, one a second, the
    last a second before the reader's first impression. Times are taken as UTC. Memory grows with
    the readers, not with the impressions. Raises ``DataError``, while it is read, for a missing
    file.
    """
    for name in NEWS, BEHAVIORS:
        if not (directory / name).is_file():
            raise DataError(f"cannot read {directory / name}: there is no such file")
    return _articles(directory), _events(directory)


@dataclass(slots=True)
class _First:
    """When each reader and each article first appears, UTC seconds."""

    reader: dict[str, int] = field(default_factory=dict)
    article: dict[str, int] = field(default_factory=dict)


def _first(path: Path) -> _First:
    first = _First()
    for _, cells, _ in _rows(path, 5):
        _, reader, at, _, shown = _behavior(cells)
        if at is not None:
            first.reader[reader] = min(at, first.reader.get(reader, at))
            for key, _ in shown:
                first.article[key] = min(at, first.article.get(key, at))
    for _, cells, _ in _rows(path, 5):
        _, reader, _, history, _ = _behavior(cells)
        for key, at in _dated(history, first.reader.get(reader, 0)):
            first.article[key] = min(at, first.article.get(key, at))
    return first


def _articles(directory: Path) -> Iterator[Batch]:
    first = _first(directory / BEHAVIORS).article
    start = min(first.values(), default=0)
    batch, rows = Batch(source=NEWS), list[dict[str, Any]]()
    for number, cells, done in _rows(directory / NEWS, 8):
        if not cells[0]:
            batch.broken.append((number, "expected 8 columns parted by tabs", cells[1]))
            continue
        key, section, subsection, title, abstract, url, *_ = cells
        batch.lines.append(number)
        rows.append(
            {
                "site": SITE,
                "key": key,
                "url": url or f"/{SITE}/{key}",
                "title": title,
                "body": abstract,
                "section": section,
                "tags": [subsection],
                "language": "en",
                "published": first.get(key, start),
            }
        )
        if len(rows) + len(batch.broken) >= BATCH:
            batch.rows, batch.done = rows, done
            yield batch
            batch, rows = Batch(source=NEWS), []
    batch.rows, batch.done = rows, 1.0
    yield batch


def _events(directory: Path) -> Iterator[Batch]:
    path = directory / BEHAVIORS
    first = _first(path).reader
    batch, rows = Batch(source=BEHAVIORS), list[dict[str, Any]]()
    for number, cells, done in _rows(path, 5):
        impression, reader, at, history, shown = _behavior(cells)
        if at is None:
            reason = "expected 5 columns parted by tabs, with a time as 11/15/2019 8:55:22 AM"
            batch.broken.append((number, reason, "\t".join(cells)))
            continue
        whole: dict[str, Any] = {"site": SITE, "visitor": reader}
        # The history comes with the first row of the reader in the file, and only with that.
        for key, before in _dated(history, first.pop(reader, None)):
            rows.append(whole | {"kind": "click", "key": key, "at": before})
            batch.lines.append(number)
        whole |= {"at": at, "seen_on": SITE, "slate": impression}
        for position, (key, clicked) in enumerate(shown):
            for kind in ("impression", "click")[: 1 + clicked]:
                rows.append(whole | {"kind": kind, "key": key, "position": position})
                batch.lines.append(number)
        if len(rows) + len(batch.broken) >= BATCH:
            batch.rows, batch.done = rows, done
            yield batch
            batch, rows = Batch(source=BEHAVIORS), []
    batch.rows, batch.done = rows, 1.0
    yield batch


def _dated(history: list[str], until: int | None) -> list[tuple[str, int]]:
    if until is None:
        return []
    return list(zip(history, count(until - len(history)), strict=False))


def _behavior(
    cells: list[str],
) -> tuple[str, str, int | None, list[str], list[tuple[str, bool]]]:
    """Return impression id, reader, UTC seconds (None where wrong), history and what was shown."""
    impression, reader, text, history, shown = cells
    try:
        at = calendar.timegm(time.strptime(text, TIME))
    except ValueError:
        at = None
    parts = (part.rpartition("-") for part in shown.split())
    return impression, reader, at, history.split(), [(key, mark == "1") for key, _, mark in parts]


def _rows(path: Path, columns: int) -> Iterator[tuple[int, list[str], float]]:
    """Yield line number, cells and the share read; cells other than ``columns`` come as text."""
    size, done = path.stat().st_size or 1, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            done += len(line)
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            cells = text.split("\t")
            if len(cells) != columns:
                cells = ["", text, *[""] * (columns - 2)]
            yield number, cells, done / size

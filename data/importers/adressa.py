"""Reads the log of Adresseavisen's readers as it was published (Adressa, Gulla et al., 2017)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.importers.files import Batch
from data.importers.files import read as read_file
from data.importers.formats import Format
from data.importers.rows import moment
from recsys.errors import DataError

SITE = "adressa"
PAUSE = 1_800
"""Seconds without an event after which a session is over, whether or not its end was logged."""
CONTEXT = {"device": "deviceType", "os": "os", "region": "region"}


def read(directory: Path) -> tuple[Iterator[Batch], Iterator[Batch]]:
    """Return the articles and the reads in the files of ``directory``, one JSON object a line.

    Events without an article ``id`` are visits of a front page: they count for the session only.
    The log names the beginning of a session but no session, so one is told by its reader and the
    time of its first event. An article counts as published at its ``publishtime``, or with its
    first event where that is earlier. Memory grows with articles and readers, not with events.
    Raises ``DataError``, while it is read, where there is no file.
    """
    return _articles(directory), _reads(directory)


def _articles(directory: Path) -> Iterator[Batch]:
    known: dict[str, dict[str, Any]] = {}
    where: dict[str, tuple[str, int]] = {}
    for batch in _logged(directory):
        for line, event in zip(batch.lines, batch.rows, strict=True):
            if key := event.get("id"):
                described = _described(event)
                if key not in known:
                    known[key], where[key] = described, (batch.source, line)
                kept = known[key]
                published = _earlier(kept.get("published"), described.get("published"))
                known[key] = {**described, **kept, "published": published}
        yield Batch(source=batch.source, done=batch.done)
    for key, row in known.items():
        source, line = where[key]
        yield Batch([row], [line], source=source, done=1.0)


def _described(event: dict[str, Any]) -> dict[str, Any]:
    listed = {name: event.get(name) or "" for name in ("keywords", "author")}
    section = event.get("category1") or ""
    row = {
        "site": SITE,
        "key": event["id"],
        "url": event.get("canonicalUrl") or event.get("url"),
        "title": event.get("title"),
        "section": section.partition("|")[0] if isinstance(section, str) else "",
        "tags": _parts(listed["keywords"]),
        "authors": _parts(listed["author"]),
        "language": "no",
        "published": _earlier(event.get("publishtime"), event.get("time")),
    }
    return {name: value for name, value in row.items() if value}


def _earlier(*times: Any) -> int | None:
    moments = []
    for value in times:
        try:
            moments.append(moment(value))
        except ValueError:
            continue
    return min(moments, default=None)


def _parts(value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    return [part.strip() for part in parts if isinstance(part, str) and part.strip()]


def _reads(directory: Path) -> Iterator[Batch]:
    sessions = _Sessions()
    for batch in _logged(directory):
        rows, lines = list[dict[str, Any]](), list[int]()
        for line, event in zip(batch.lines, batch.rows, strict=True):
            session = sessions.of(event)
            if "id" in event:
                lines.append(line)
                rows.append(_read(event, session))
        yield Batch(rows, lines, batch.broken, batch.source, batch.done)


def _read(event: dict[str, Any], session: str) -> dict[str, Any]:
    found = {name: event.get(column) for name, column in CONTEXT.items()}
    row = {
        "id": f"adressa:{event['eventId']}" if "eventId" in event else None,
        "kind": "read",
        "site": SITE,
        "key": event["id"],
        "at": event.get("time"),
        "visitor": event.get("userId"),
        "session": session,
        "dwell": event.get("activeTime"),
        "context": [
            f"{name}:{value.lower().replace('|', ' ')[:80]}"
            for name, value in found.items()
            if isinstance(value, str) and value
        ],
    }
    return {name: value for name, value in row.items() if value is not None}


class _Sessions:
    """The running session of each reader: its name and its last moment."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[str, int]] = {}

    def of(self, event: dict[str, Any]) -> str:
        """Return the name of the session that an event belongs to, empty where nobody knows."""
        reader, at = str(event.get("userId") or ""), _earlier(event.get("time"))
        if not reader or at is None:
            return ""
        name, last = self._running.get(reader, ("", 0))
        if not name or event.get("sessionStart") is True or at - last > PAUSE:
            name = f"{reader}/{at}"
        self._running[reader] = name, at
        if event.get("sessionStop") is True:
            del self._running[reader]
        return name


def _logged(directory: Path) -> Iterator[Batch]:
    """Yield the lines of all files, which are named by their day, in the order of the names."""
    if not directory.is_dir():
        raise DataError(f"cannot read {directory}: there is no such directory")
    paths = sorted(p for p in directory.iterdir() if p.is_file() and not p.name.startswith("."))
    if not paths:
        raise DataError(f"cannot read {directory}: there is no file in it")
    total, before = sum(p.stat().st_size for p in paths) or 1, 0
    for path in paths:
        size = path.stat().st_size
        for batch in read_file(str(path), Format.JSONL):
            batch.source, batch.done = path.name, (before + batch.done * size) / total
            yield batch
        before += size

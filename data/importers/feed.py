"""Reads the articles of an RSS or Atom feed, from the web or a file."""

import calendar
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser

from data.importers.fetch import fetch
from data.importers.files import Batch
from data.importers.formats import STDIN
from recsys.errors import DataError

LARGEST = 10 * 2**20
"""Bytes of a feed."""


def read(
    source: str,
    site: str,
    now: int,
    published: Callable[[str], int | None],
    private: bool = False,
) -> tuple[Batch, list[str]]:
    """Return the entries of a feed as rows of articles of ``site``, and notes on what is broken.

    ``source`` is an http(s) address or a file. An entry without a date counts as published
    when it was first seen: the time that ``published`` knows for its key, or ``now`` (UTC seconds).
    ``private`` lets it come from the own network, see ``fetch``.
    Raises ``DataError`` where there is no feed.
    """
    address = source if urlsplit(source).scheme in ("http", "https") else ""
    body = fetch(source, LARGEST, private) if address else _read_file(source)
    # A stream: what is no stream feedparser may take for the name of another file or address.
    parsed = feedparser.parse(BytesIO(body), sanitize_html=False)
    notes = []
    if parsed.bozo:
        notes.append(f"the feed is not well-formed ({_said(parsed.bozo_exception)})")
    if not parsed.entries and not parsed.get("version"):
        raise DataError(f"cannot read {source}: it is no RSS or Atom feed")
    rows = [_row(entry, parsed.feed, site, address) for entry in parsed.entries]
    undated = [row for row in rows if "published" not in row]
    for row in undated:
        before = published(row["key"]) if "key" in row else None
        row["published"] = now if before is None else before
    if undated:
        notes.append(
            f"{len(undated)} of {len(rows)} entries have no date and count as published when they"
            " were first seen"
        )
    return Batch(rows, list(range(1, len(rows) + 1)), done=1.0), notes


def _read_file(name: str) -> bytes:
    if "://" in name:
        raise DataError(f"cannot read {name}: expected an http or https address, or a file")
    try:
        with Path("/dev/stdin" if name == STDIN else name).open("rb") as file:
            body = file.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror}") from error
    if len(body) > LARGEST:
        raise DataError(f"cannot read {name}: it is larger than {LARGEST // 2**20} MiB")
    return body


def _row(entry: Mapping[str, Any], feed: Mapping[str, Any], site: str, base: str) -> dict[str, Any]:
    tags = [tag.get("term") or "" for tag in entry.get("tags", ())]
    row = {
        "site": site,
        "key": entry.get("id") or entry.get("link"),
        "url": _absolute(base, entry.get("link")),
        "title": entry.get("title"),
        "body": _body(entry),
        "section": tags[0] if tags else "",
        "tags": [tag for tag in tags if tag],
        "authors": _authors(entry),
        "language": entry.get("language") or feed.get("language") or "",
        "published": _published(entry),
        "image": _image(entry, base),
    }
    return {name: value for name, value in row.items() if value not in (None, "")}


def _published(entry: Mapping[str, Any]) -> int | None:
    parsed = entry.get("published_parsed")
    # Asked for an absent "updated", feedparser gives "published" and a warning.
    if not parsed and "updated_parsed" in entry:
        parsed = entry["updated_parsed"]
    return calendar.timegm(parsed) if parsed else None


def _body(entry: Mapping[str, Any]) -> str:
    whole = [part.get("value", "") for part in entry.get("content", ())]
    return str(max([*whole, entry.get("summary", "")], key=len))


def _authors(entry: Mapping[str, Any]) -> list[str]:
    named = [author.get("name", "") for author in entry.get("authors", ())]
    return [name for name in named if name] or [n for n in [entry.get("author", "")] if n]


def _image(entry: Mapping[str, Any], base: str) -> str:
    """Return the first picture among media:content, enclosures and media:thumbnail."""
    for media in entry.get("media_content", ()):
        kind = media.get("medium") or media.get("type", "image")
        if kind.startswith("image") and media.get("url"):
            return _absolute(base, media["url"])
    for enclosure in entry.get("enclosures", ()):
        if enclosure.get("type", "").startswith("image/") and enclosure.get("href"):
            return _absolute(base, enclosure["href"])
    for thumbnail in entry.get("media_thumbnail", ()):
        if thumbnail.get("url"):
            return _absolute(base, thumbnail["url"])
    return ""


def _absolute(base: str, address: Any) -> str:
    resolved: str = urljoin(base, str(address)) if address else ""
    return resolved


def _said(error: Exception) -> str:
    return str(error).strip() or type(error).__name__

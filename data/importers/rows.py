"""The one place that says what a row of somebody else's file must hold to become a fact."""

import datetime
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypedDict

from data.addresses import KEPT, safe
from data.importers.text import line, prose
from recsys.types import NEVER, Article, ArticleId, Event, Kind, Tone

DAY = 86_400
MILLISECONDS_FROM = 10**11
"""Epoch numbers from here on are milliseconds: as seconds they would lie beyond the year 5138."""
LAST = 253_402_300_799
"""The last second of the year 9999."""
LONGEST_TITLE = 1_000
KINDS = {kind.name.lower(): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be used."""

    field: str
    reason: str


def moment(value: object) -> int:
    """Return a time as UTC seconds: ISO 8601 (UTC where it names no zone), or an epoch number.

    Raises ``ValueError`` for anything else.
    """
    match value:
        case bool():
            raise ValueError(f"{value} is not a time")
        case int():
            return value // 1000 if abs(value) >= MILLISECONDS_FROM else value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a time")
            return math.floor(value / 1000 if abs(value) >= MILLISECONDS_FROM else value)
        case datetime.datetime():
            zoned = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
            return math.floor(zoned.timestamp())
        case datetime.date():
            return moment(datetime.datetime(value.year, value.month, value.day))
        case str():
            return _parsed(value.strip())
    raise ValueError(f"{type(value).__name__} is not a time")


def _parsed(text: str) -> int:
    # A year alone would be read as seconds, and 20171001 is a date to ``fromisoformat``.
    if len(text) not in (4, 8):
        try:
            return moment(int(text) if text.lstrip("-").isdecimal() else float(text))
        except (ValueError, OverflowError):
            pass
    try:
        return moment(datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text[:40]!r} is not a time; expected ISO 8601, as 2026-11-23T18:00:00Z, or epoch"
            " seconds or milliseconds"
        ) from None


def _within(value: object) -> int:
    at = moment(value)
    if not 0 <= at <= LAST:
        raise ValueError(f"{str(value)[:40]} lies outside the years 1970 to 9999")
    return at


def _listed(value: object) -> object:
    """CSV has no lists, so a text stands for the parts between its bars."""
    if isinstance(value, str):
        return [part for part in (p.strip() for p in value.split("|")) if part]
    return value


def _lines(values: list[str]) -> list[str]:
    return [cleaned for cleaned in map(line, values) if cleaned]


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _titled(value: str) -> str:
    title = line(value)
    if not title:
        raise ValueError("is empty; expected a text")
    if len(title) > LONGEST_TITLE:
        raise ValueError(f"has {len(title):,} characters; expected at most {LONGEST_TITLE:,}")
    return title


def _safe(value: str) -> str:
    if not safe(value):
        raise ValueError(f"{value[:40]!r} is no address that can be taken apart")
    return value


# Rust's regex engine reads ``$`` as the very end, a final newline included.
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"

# A pattern, be it empty, lets no surrogate pass: what was not UTF-8 in the file.
Text = Annotated[str, StringConstraints(pattern="")]
Site = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Key = Annotated[str, StringConstraints(pattern=_PLAIN, min_length=1, max_length=512)]
Id = Annotated[str, StringConstraints(pattern=_PLAIN, max_length=128)]
Name = Annotated[str, StringConstraints(pattern=_PLAIN, max_length=64)]
Url = Annotated[str, StringConstraints(pattern=KEPT, max_length=4096), AfterValidator(_safe)]
Lines = Annotated[
    list[Text], Field(max_length=200), BeforeValidator(_listed), AfterValidator(_lines)
]
Context = Annotated[
    list[
        Annotated[str, StringConstraints(pattern=r"^[^|:\s\x00-\x1f]{1,40}:[^|\x00-\x1f]{0,80}$")]
    ],
    Field(max_length=20),
    BeforeValidator(_listed),
]
At = Annotated[int, PlainValidator(_within)]


class ArticleRow(TypedDict):
    """The columns of an article."""

    __pydantic_config__ = ConfigDict(coerce_numbers_to_str=True)  # type: ignore[misc]

    site: Site
    key: Key
    url: Url
    title: Annotated[Text, AfterValidator(_titled)]
    published: At
    body: NotRequired[Annotated[Text, AfterValidator(prose)]]
    section: NotRequired[Annotated[Text, AfterValidator(line)]]
    tags: NotRequired[Lines]
    authors: NotRequired[Lines]
    language: NotRequired[
        Annotated[str, StringConstraints(pattern=r"^([A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8}){0,3})?$")]
    ]
    image: NotRequired[Literal[""] | Url]
    sponsored: NotRequired[bool]
    tone: NotRequired[Annotated[Tone, BeforeValidator(_lower)]]
    expires: NotRequired[Literal[4611686018427387904] | At]


class EventRow(TypedDict):
    """The columns of an event."""

    __pydantic_config__ = ConfigDict(coerce_numbers_to_str=True)  # type: ignore[misc]

    kind: Literal["impression", "click", "read", "comment", "like", "share"]
    site: Site
    key: Key
    at: At
    id: NotRequired[Id]
    visitor: NotRequired[Id]
    session: NotRequired[Id]
    seen_on: NotRequired[Literal[""] | Site]
    dwell: NotRequired[Annotated[float, Field(ge=0, le=1e9)]]
    slate: NotRequired[Id]
    position: NotRequired[Annotated[int, Field(ge=-1, le=32_767)]]
    context: NotRequired[Context]
    propensity: NotRequired[Annotated[float, Field(gt=0, le=1)]]
    arm: NotRequired[Id]
    source: NotRequired[Name]
    bundle: NotRequired[Id]
    placement: NotRequired[Name]


ARTICLE_COLUMNS = tuple(ArticleRow.__annotations__)
EVENT_COLUMNS = tuple(EventRow.__annotations__)
_articles = TypeAdapter(ArticleRow)
_event = TypeAdapter(EventRow)
_events = TypeAdapter(list[EventRow])


def article(row: Mapping[str, Any]) -> Article | Fault:
    """Return the article that a row describes, or what is wrong with it."""
    try:
        return _article(_articles.validate_python(row))
    except ValidationError as error:
        return _fault(error)


def events(rows: Sequence[Mapping[str, Any]], now: int) -> list[Event | Fault]:
    """Return for each row the event that it describes, or what is wrong with it.

    ``now`` is in UTC seconds: what is said to happen more than a day later has not happened.
    """
    try:
        # Thrice as fast as row by row, and most batches hold no fault.
        good = cast(list[dict[str, Any]], _events.validate_python(rows))
    except ValidationError:
        return [_event_or_fault(row, now) for row in rows]
    return [_dated(row, now) for row in good]


def event_id(
    kind: Kind,
    visitor: str,
    session: str,
    article: ArticleId,
    at: int,
    slate: str = "",
    position: int = -1,
) -> str:
    """Return the id of an event that came without one: the same event twice has the same id."""
    name = kind.name.lower()
    return identity(name, visitor, session, article.site, article.key, at, slate, position)


def identity(*parts: object) -> str:
    """Return the id that parts make, 32 hex digits; ``event_id`` says which parts."""
    # No part holds a control character, so the separator keeps the parts apart.
    joined = "\x1f".join(map(str, parts))
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()


def _article(row: ArticleRow) -> Article:
    values = cast(dict[str, Any], row)
    for name in "tags", "authors":
        if name in values:
            values[name] = tuple(dict.fromkeys(values[name]))
    values["language"] = values.get("language", "").replace("_", "-")
    return Article(**values)


def _event_or_fault(row: Mapping[str, Any], now: int) -> Event | Fault:
    try:
        return _dated(cast(dict[str, Any], _event.validate_python(row)), now)
    except ValidationError as error:
        return _fault(error)


def _dated(row: dict[str, Any], now: int) -> Event | Fault:
    at = row["at"]
    if at > now + DAY:
        when = datetime.datetime.fromtimestamp(at, datetime.UTC)
        return Fault("at", f"{when:%Y-%m-%dT%H:%M:%SZ} is in the future; expected the past")
    get = row.get
    kind, site, key = row["kind"], row["site"], row["key"]
    visitor, session = get("visitor", ""), get("session", "")
    slate, position = get("slate", ""), get("position", -1)
    return Event(
        get("id") or identity(kind, visitor, session, site, key, at, slate, position),
        KINDS[kind],
        ArticleId(site, key),
        at,
        visitor,
        session,
        get("seen_on", ""),
        get("dwell", 0.0),
        slate,
        position,
        get("propensity", 1.0),
        tuple(get("context", ())),
        get("arm", ""),
        get("source", ""),
        get("bundle", ""),
        get("placement", ""),
    )


_EXPECTED = {
    "site": "1 to 64 letters, digits, dots, dashes and underscores",
    "seen_on": "a site: 1 to 64 letters, digits, dots, dashes and underscores",
    "key": "1 to 512 characters without control characters",
    "url": "an http(s) address, or a path that starts with one /",
    "image": "an http(s) address, or a path that starts with one /, or nothing",
    "language": "a language tag, as en or pt-BR",
    "context": "parts of the form name:value",
    **dict.fromkeys(
        ("id", "visitor", "session", "slate", "arm", "bundle"),
        "at most 128 characters, no control characters",
    ),
    **dict.fromkeys(("source", "placement"), "at most 64 characters, no control characters"),
    "expires": "a time from 1970 to 9999",
}


def _fault(error: ValidationError) -> Fault:
    """Say what is wrong first; the value itself stands in the rejects file beside it."""
    first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return Fault(name, "is missing")
    if first["type"] == "value_error":
        return Fault(name, first["msg"].removeprefix("Value error, "))
    if first["type"] == "string_unicode":
        return Fault(name, "is not UTF-8")
    value = repr(first["input"])
    shown = value if len(value) <= 60 else value[:57] + "..."
    said = first["msg"].removeprefix("Input should be ")
    return Fault(name, f"{shown}: expected {_EXPECTED.get(name) or said}")


assert NEVER == 4611686018427387904, "the literal in ArticleRow.expires is NEVER"

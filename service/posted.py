"""Turns what somebody posted into an event, or says why it is not believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from data.access import ApiKey
from data.importers.rows import KINDS, Context, Id, Key, Site, moment
from data.keyring import Keyring
from data.scope import Scope
from recsys.types import ArticleId, Event
from service import slates

LATE = 3600
"""Seconds that a browser may lag behind: what it says of earlier is taken for this long ago."""


class Row(BaseModel):
    """One event as it is posted."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["impression", "click", "read", "comment", "like", "share"]
    site: Site
    key: Key
    id: Id = ""
    at: Annotated[int | None, BeforeValidator(lambda v: None if v is None else moment(v))] = None
    consent: bool = False
    visitor: Id = ""
    session: Id = ""
    dwell: float = Field(0.0, ge=0, le=86_400)
    slate: str = Field("", max_length=slates.LONGEST)
    position: int = Field(-1, ge=-1, le=1_000)
    context: Context = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault(Exception):
    """Why a row cannot be taken."""

    field: str
    message: str
    reason: str
    """Its label in the metrics."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posts, and what is believed of them."""

    key: ApiKey | None
    sites: set[str] | None
    """Sites whose pages a browser may be on; None for any."""


def events(rows: Sequence[Any], sender: Sender, keyring: Keyring, now: int) -> list[Event | Fault]:
    """Return for each row the event that it posts, or why it is not to be believed.

    An event about a card takes everything from the signed slate: where it was shown, in which slot,
    with what probability, from which source, by which bundle and arm of an experiment. Its id
    follows from these, so that a card is seen once and clicked once however often that is posted.
    """
    # A page has one session and few readers: each is hashed once.
    visitor, session = cache(keyring.visitor), cache(keyring.session)
    made: list[Event | Fault] = []
    for posted in _parsed(rows):
        if isinstance(posted, Fault):
            made.append(posted)
            continue
        try:
            id, page, card = _told(posted, sender, keyring, now)
        except Fault as fault:
            made.append(fault)
            continue
        made.append(
            Event(
                id,
                KINDS[posted.kind],
                ArticleId(posted.site, posted.key),
                _clamped(posted.at, sender, now),
                visitor(posted.visitor) if posted.consent else "",
                session(posted.session),
                page,
                posted.dwell,
                context=tuple(posted.context),
                **card,
            )
        )
    return made


def _told(
    posted: Row, sender: Sender, keyring: Keyring, now: int
) -> tuple[str, str, dict[str, Any]]:
    """Return the id of an event, the page it happened on and what its slate proves."""
    if posted.slate:
        shown = _shown(posted.slate, keyring, now)
        propensity = shown.propensity(ArticleId(posted.site, posted.key), posted.position)
        if propensity is None:
            raise Fault("position", "the slate did not show this article there", "slate")
        _refuse_stranger(sender, "slate", shown.site)
        return (
            f"{shown.id}:{posted.kind}:{posted.position}",
            shown.site,
            {
                "slate": shown.id,
                "position": posted.position,
                "propensity": propensity,
                "arm": shown.arm,
                "source": shown.source(posted.position),
                "bundle": shown.bundle,
                "placement": shown.placement,
            },
        )
    if posted.id:
        _refuse_stranger(sender, "site", posted.site)
        return posted.id, "", {}
    raise Fault("id", "is missing; only an event about a slate has one without saying", "row")


def _parsed(rows: Sequence[Any]) -> Sequence[Row | Fault]:
    try:
        return _rows.validate_python(rows)
    except ValidationError:
        return [_row_or_fault(row) for row in rows]


def _row_or_fault(row: Any) -> Row | Fault:
    try:
        return Row.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input ").strip()
        return Fault(field, message, "row")


_rows = TypeAdapter(list[Row])


def _shown(token: str, keyring: Keyring, now: int) -> slates.Shown:
    try:
        return slates.read(token, keyring, now)
    except slates.Forged as error:
        raise Fault("slate", str(error), "slate") from error


def _refuse_stranger(sender: Sender, field: str, page: str) -> None:
    """Refuse what happened on a page that the sender has nothing to do with."""
    if not page:  # a slate for a page that did not say where it is
        return
    if sender.key is not None:
        if not sender.key.may(Scope.EVENTS, page):
            raise Fault(field, f"the key may not write for the site {page!r}", "site")
    elif sender.sites is not None and page not in sender.sites:
        raise Fault(field, f"the page's origin is none of the site {page!r}", "origin")


def _clamped(at: int | None, sender: Sender, now: int) -> int:
    """Return the time of an event: never later than now, and of a browser never much earlier."""
    if at is None:
        return now
    return min(max(at, now - LATE) if sender.key is None else max(at, 0), now)

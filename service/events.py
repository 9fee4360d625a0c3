"""Takes what readers did: from browsers, whom nobody need believe, and from publishers' systems."""

import time
from typing import Any

import orjson
from flask import Response, request
from flask_openapi3 import APIBlueprint, RawModel, Tag
from pydantic import BaseModel, Field

from data.scope import Scope
from recsys.errors import RecsysError
from recsys.types import Event, Kind
from service import access, metrics, posted
from service.holder import Holder
from service.limits import Gate, is_bot
from service.posted import Fault, Sender
from service.problems import DESCRIBED, answer, away
from service.settings import Settings
from service.wire import respond

TAG = Tag(name="events", description="What readers see, open and read.")
BROWSER_ROWS, BROWSER_BYTES = 100, 64_000
KEY_ROWS, KEY_BYTES = 5_000, 5_000_000
DESCRIPTION = """\
The body is `{"events": [...]}`, as `application/json` or, from `sendBeacon`, as `text/plain`. Each
event holds `kind` (impression, click, read, comment, like, share), `site` and `key` of the article,
and as known `id`, `at`, `session`, `dwell` (seconds), `context` (a list of `name:value`), and
`visitor`, which counts only with `"consent": true`.

An event about a card in a box brings back `slate` as the answer gave it, and `position`; it is
checked against what was shown there. Others need an `id` of their own: the same id again counts
nothing.

Browsers need no key; the page's `Origin` must be one of its site. With a key (scope `events`)
servers send for many readers, up to 5,000 events at once.

Whatever is accepted or queued is on the disk before the answer. While the store is slow or away,
events are queued, and counted when it is back. Rows that are refused are named, and the rest is
kept; only where none can be used, the answer is 422.
"""


class Refused(BaseModel):
    """Why a row was not taken."""

    row: int = Field(description="Its place in the batch, from 0.")
    field: str
    message: str


class Taken(BaseModel):
    """What became of a batch."""

    accepted: int
    repeated: int = Field(description="Known already; they count once.")
    queued: int = Field(description="Kept until the store is back; they are counted then.")
    refused: list[Refused]


class Body(RawModel):
    """The batch, read by hand: beacons call it text."""

    mimetypes = ["application/json", "text/plain"]  # noqa: RUF012 (theirs)


def blueprint(holder: Holder, settings: Settings, gate: Gate) -> APIBlueprint:
    """Return the route ``POST /v1/events``."""
    api = APIBlueprint("events", __name__, abp_tags=[TAG], url_prefix="/v1")

    @api.post(
        "/events",
        summary="What readers did",
        description=DESCRIPTION,
        responses={202: Taken, **dict.fromkeys((401, 403, 413, 415, 422, 429, 503), DESCRIBED)},
    )
    def events(raw: Body) -> Response:
        sender = _sender(holder, settings)
        if isinstance(sender, Response):
            return sender
        rows = _rows(sender)
        if isinstance(rows, Response):
            return rows
        if not gate.admits(sender.key.id if sender.key else "", len(rows)):
            response = answer(429, "Too many events within a minute; send the rest later.")
            response.headers["Retry-After"] = "60"
            return response
        return _take(rows, sender, holder, gate)

    @api.after_request
    def share(response: Response) -> Response:
        response.headers.add("Vary", "Origin")
        given = request.headers.get("Origin", "")
        sites = access.sites_of_origin(settings)
        if sites is None or sites:
            response.headers["Access-Control-Allow-Origin"] = given
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Access-Control-Max-Age"] = "86400"
        return response

    return api


def _sender(holder: Holder, settings: Settings) -> Sender | Response:
    if request.headers.get("Authorization"):
        return Sender(access.require(holder, Scope.EVENTS), None)
    sites = access.sites_of_origin(settings)
    if sites is not None and not sites:
        return answer(
            403,
            "Events without a key are taken from the pages of known sites only: name the page's"
            " origin as [sites.ID] url or origins, or send a key.",
        )
    return Sender(None, sites)


def _rows(sender: Sender) -> list[Any] | Response:
    most, most_bytes = (KEY_ROWS, KEY_BYTES) if sender.key else (BROWSER_ROWS, BROWSER_BYTES)
    request.max_content_length = most_bytes
    if request.mimetype not in Body.mimetypes:
        return answer(415, f"The body is {request.mimetype or 'of no type'}; expected JSON.")
    try:
        body = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError as error:
        return answer(422, f"The body is not JSON: {error}")
    rows = body.get("events") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        return answer(422, 'The body holds no events; expected {"events": [...]}.')
    if len(rows) > most:
        return answer(413, f"The body holds {len(rows)} events; at most {most} are taken at once.")
    return rows


def _take(rows: list[Any], sender: Sender, holder: Holder, gate: Gate) -> Response:
    now = int(time.time())
    bot = sender.key is None and is_bot(request.user_agent.string)
    crawled = Fault("", "crawlers are not counted", "bot")
    told: list[Event | Fault] = [crawled] * len(rows)
    if not bot:
        told = posted.events(rows, sender, holder.keyring, now)
    sites = set(holder.sites())
    events: list[Event] = []
    refused: list[dict[str, Any]] = []
    for place, made in enumerate(told):
        one = made if isinstance(made, Fault) else _known(made, sender, sites, holder, gate)
        if isinstance(one, Event):
            events.append(one)
        else:
            metrics.EVENTS.labels(one.reason).inc()
            refused.append({"row": place, "field": one.field, "message": one.message})
    try:
        taken = holder.intake.take(events)
    except RecsysError:
        return away("The store cannot be written now; nothing was kept, send it again.")
    metrics.EVENTS.labels("accepted").inc(taken.new)
    metrics.EVENTS.labels("repeated").inc(taken.same)
    metrics.EVENTS.labels("queued").inc(taken.queued)
    metrics.count_feedback(events)
    body = {
        "accepted": taken.new,
        "repeated": taken.same,
        "queued": taken.queued,
        "refused": refused,
    }
    if events or bot:
        return respond(body, 202)
    errors = [
        {"field": f"events.{r['row']}.{r['field']}".rstrip("."), "message": r["message"]}
        for r in refused
    ]
    return answer(
        422, f"None of {len(rows)} events can be used: {errors[0]['message']}", errors=errors
    )


def _known(
    made: Event, sender: Sender, sites: set[str], holder: Holder, gate: Gate
) -> Event | Fault:
    """Return the event, or why nothing is known here that it could be about."""
    site = made.article.site
    if site not in sites:
        return Fault("site", f"{site!r} is not a site of this network", "site")
    if sender.key is not None:
        # Systems may be ahead of their articles; a browser stands on one.
        return made
    if not holder.knows(made.article):
        return Fault("key", f"article {str(made.article)!r} is unknown", "article")
    if made.kind != Kind.IMPRESSION and not gate.opens(str(made.article)):
        return Fault("", "this address has opened the article several times already", "repeat")
    return made

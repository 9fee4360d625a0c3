"""Shows a reader what is held of them, and forgets them."""

import dataclasses
import time
from typing import Any

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from data.audit import record
from data.scope import Scope
from recsys.errors import RecsysError
from recsys.types import Event
from service import access
from service.holder import Holder
from service.problems import DESCRIBED, answer
from service.wire import respond

TAG = Tag(name="visitors", description="What is held of one reader.")


class Name(BaseModel):
    """Which reader."""

    id: str = Field(max_length=128, description="The id under which the publisher knows them.")


class Held(BaseModel):
    """All that is held of a reader."""

    visitor: str = Field(description="The pseudonym under which it is held.")
    events: list[dict[str, Any]]


class Erased(BaseModel):
    """What an erasure did."""

    events: int = Field(description="How many were deleted.")


def blueprint(holder: Holder) -> APIBlueprint:
    """Return the routes ``GET`` and ``DELETE /v1/visitors/{id}``."""
    api = APIBlueprint(
        "visitors", __name__, abp_tags=[TAG], url_prefix="/v1", abp_security=access.SECURITY
    )
    refusals = dict.fromkeys((401, 403, 422, 503), DESCRIBED)

    @api.before_request
    def guard() -> None:
        g.key = access.require(holder, Scope.VISITORS)

    @api.get("/visitors/<id>", responses={200: Held, **refusals})
    def show(path: Name) -> Response:
        """Everything that is held of a reader

        Needs a key with the scope `visitors`. Of a reader who is unknown nothing is held.
        """
        visitor = holder.keyring.visitor(path.id)
        try:
            events = holder.store.held(visitor) + holder.intake.held(visitor)
        except RecsysError:
            return answer(503, "The store cannot be read now; ask again.")
        return respond({"visitor": visitor, "events": [_plain(event) for event in events]})

    @api.delete("/visitors/<id>", responses={200: Erased, **refusals})
    def erase(path: Name) -> Response:
        """Forget a reader

        Needs a key with the scope `visitors`. Events are deleted at once; within two seconds every
        worker has forgotten the reader, whatever its bundle knows; no later bundle knows of them,
        and no late event or old file brings them back.
        """
        try:
            # Who was erased is not written down: that would keep them.
            now, who = int(time.time()), access.actor(g.key)
            gone = holder.store.erase(
                holder.keyring.visitor(path.id),
                now,
                lambda connection: record(connection, who, "visitor.erase", "", now),
            )
        except RecsysError:
            return answer(503, "The store cannot be written now; nothing was erased, ask again.")
        gone += holder.intake.forget(holder.keyring.visitor(path.id))
        holder.nudge()
        return respond({"events": gone})

    return api


def _plain(event: Event) -> dict[str, Any]:
    plain = dataclasses.asdict(event)
    plain["site"], plain["key"] = plain.pop("article")
    return plain | {"kind": event.kind.name.lower()}

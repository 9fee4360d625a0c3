"""Tells who changed what by hand, and when."""

import dataclasses
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from data import audit
from data.scope import Scope
from recsys.errors import RecsysError
from service import access
from service.holder import Holder
from service.problems import DESCRIBED, away
from service.wire import Parameters, respond

TAG = Tag(name="audit", description="Who changed what by hand.")


class Pages(Parameters):
    """Which entries are asked for."""

    most: int = Field(200, ge=1, le=1_000, description="How many.")
    before: int | None = Field(None, ge=1, le=2**62, description="Only those numbered below this.")
    since: int = Field(0, ge=0, le=2**62, description="Only from then on, UTC seconds.")


class EntryOut(BaseModel):
    """One thing that somebody did."""

    seq: int
    at: int = Field(description="UTC seconds.")
    actor: str
    key: str = Field(description="Id of the key; empty on the command line.")
    action: str = Field(description="As rule.add, rule.undo, key.create, key.rotate, key.revoke.")
    subject: str = Field(description="Id of the rule, key or bundle.")
    detail: dict[str, Any]
    request: str = Field(description="The id under which the log knows the request.")


class Log(BaseModel):
    """Entries, the newest first."""

    entries: list[EntryOut]


def blueprint(holder: Holder) -> APIBlueprint:
    """Return the route ``GET /v1/audit``."""
    api = APIBlueprint(
        "audit", __name__, abp_tags=[TAG], url_prefix="/v1", abp_security=access.SECURITY
    )

    @api.before_request
    def guard() -> None:
        access.require(holder, Scope.ADMIN)

    @api.get("/audit", responses={200: Log, **dict.fromkeys((401, 403, 422, 503), DESCRIBED)})
    def log(query: Pages) -> Response:
        """Who changed what, the newest first

        Needs a key with the scope `admin`. The next page is `before` the last number of this one.
        """
        try:
            found = audit.entries(holder.store, query.most, query.before, query.since)
        except RecsysError:
            return away("The store cannot be read now; ask again.")
        return respond({"entries": [dataclasses.asdict(entry) for entry in found]})

    return api

"""Takes what editors decide, so that it counts within two seconds."""

import time
from typing import Annotated, Literal

from flask import Response, g, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from data import rules
from data.access import ApiKey
from data.importers.rows import LAST, Text, moment
from data.scope import Scope
from recsys.errors import DataError, RecsysError
from recsys.rules import SLOTS, Action, Aim, Rule
from recsys.types import NEVER, Tone
from service import access
from service.holder import Holder
from service.problems import DESCRIBED, answer, away
from service.settings import Settings
from service.wire import Parameters, respond

TAG = Tag(name="rules", description="What editors decide by hand.")
At = Annotated[int, BeforeValidator(moment), Field(ge=0, le=LAST)]
Reason = Annotated[
    Text, Field(max_length=rules.LONGEST["reason"], description="Why; it stays in the history.")
]


class New(BaseModel):
    """A rule to make; its author is the key's name."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    aim: Aim
    value: Text = Field(
        max_length=rules.LONGEST["value"],
        description="`site/key` of an article, a name, or a pattern as `*casino*` on title or url.",
    )
    site: Text = Field(
        "", max_length=64, description="Counts on pages of this site; empty for all."
    )
    slot: int = Field(0, description=f"Of a pin: 1 to {SLOTS}.")
    factor: float = Field(
        1.0,
        allow_inf_nan=False,
        description="Of a boost (above 1, up to 10) or a bury (0 to 0.99).",
    )
    tone: Tone = Field(Tone.UNKNOWN, description="Of a tone.")
    start: At = Field(0, description="UTC seconds or ISO 8601; now where it is 0.")
    end: At | None = Field(None, description="Likewise; null for never.")
    reason: Annotated[Reason, Field(min_length=1)]


class RuleOut(BaseModel):
    """One rule."""

    id: str
    state: Literal["active", "planned", "ended", "undone"]
    action: Action
    aim: Aim
    value: str
    site: str
    slot: int
    factor: float
    tone: Tone
    start: int = Field(description="UTC seconds.")
    end: int | None = Field(description="UTC seconds; null for never.")
    author: str
    reason: str
    created: int = Field(description="UTC seconds.")
    undone: int = Field(description="When it was taken back, UTC seconds; 0 while it stands.")
    undone_by: str


class Listed(BaseModel):
    """Rules, the newest first."""

    rules: list[RuleOut]


class Which(Parameters):
    """Which rules are asked for."""

    active: bool = Field(False, description="Only those that count now or will later.")


class Name(BaseModel):
    """Which rule."""

    id: str = Field(max_length=32)


class Why(Parameters):
    """Why a rule is taken back."""

    reason: Reason = ""


def blueprint(holder: Holder, settings: Settings) -> APIBlueprint:
    """Return the routes ``GET`` and ``POST /v1/rules`` and ``DELETE /v1/rules/{id}``."""
    api = APIBlueprint(
        "rules", __name__, abp_tags=[TAG], url_prefix="/v1", abp_security=access.SECURITY
    )
    refusals = dict.fromkeys((401, 403, 422, 503), DESCRIBED)

    @api.before_request
    def guard() -> None:
        g.key = access.require(holder, Scope.VIEWER if request.method == "GET" else Scope.EDITOR)

    @api.get("/rules", responses={200: Listed, **refusals})
    def list_(query: Which) -> Response:
        """All rules of editors, the newest first

        Needs a key with the scope `viewer`. What ended or was undone stays in the list.
        """
        now = int(time.time())
        try:
            store = holder.store
            found = rules.active(store, now) if query.active else rules.rules(store)
        except RecsysError:
            return away("The store cannot be used now; send it again.")
        return respond({"rules": [rules.plain(rule, now) for rule in found]})

    @api.post("/rules", responses={201: RuleOut, **refusals})
    def add(body: New) -> Response:
        """Make a rule

        Needs a key with the scope `editor`. It counts within two seconds. A key for some sites
        makes rules for the pages of these, one at a time.
        """
        key: ApiKey = g.key
        if not access.decides(key, body.site):
            return _forbidden(key)
        now = int(time.time())
        try:
            rule = _rule(body, key, now)
        except DataError as error:
            return _unusable(error)
        try:
            rules.check(holder.store, rule, settings.sites, now)
            made = rules.add(holder.store, rule, access.actor(key))
        except rules.Unfit as error:
            return _unusable(error)
        except RecsysError:
            return away("The store cannot be used now; send it again.")
        holder.nudge()
        return respond(rules.plain(made, now), 201)

    @api.delete("/rules/<id>", responses={200: RuleOut, 404: DESCRIBED, 409: DESCRIBED, **refusals})
    def undo(path: Name, query: Why) -> Response:
        """Take a rule back

        Needs a key with the scope `editor`. It counts no more within two seconds, and stays in the
        list.
        """
        key: ApiKey = g.key
        now = int(time.time())
        try:
            rule = rules.rule(holder.store, path.id)
            if rule is None:
                return answer(404, f"There is no rule {path.id!r}.")
            if not access.decides(key, rule.site):
                return _forbidden(key)
            done = rules.undo(holder.store, path.id, access.actor(key), now, query.reason)
            rule = rules.rule(holder.store, path.id)
        except rules.Unfit as error:
            return _unusable(error)
        except RecsysError:
            return away("The store cannot be used now; send it again.")
        assert rule is not None
        if not done:
            state = rules.state(rule, now)
            return answer(409, f"Rule {path.id} counts no more: it is {state} already.")
        holder.nudge()
        return respond(rules.plain(rule, now))

    return api


def _rule(body: New, key: ApiKey, now: int) -> Rule:
    end = NEVER if body.end is None else body.end
    fields = body.model_dump(exclude={"end"})
    return Rule("", **fields, end=end, author=key.name, created=now)


def _forbidden(key: ApiKey) -> Response:
    sites = ", ".join(key.sites)
    return answer(403, f"The key {key.name!r} makes and undoes rules for pages of {sites} only.")


def _unusable(error: DataError) -> Response:
    field, _, _ = str(error).partition(" ")
    said = str(error).removeprefix(field).removeprefix(" =").strip()
    return answer(422, str(error), errors=[{"field": field, "message": said}])

"""Answers article pages: the request this whole project exists for."""

import secrets
import time
from collections.abc import Callable
from typing import Any

import structlog
from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from data.scope import Scope
from recsys.engine import Engine
from recsys.trace import plain
from recsys.types import ArticleId, Card, Query, Slate
from service import access, demo, metrics, slates, spans
from service.holder import Holder
from service.parameters import checked
from service.problems import DESCRIBED
from service.settings import Settings
from service.stages import Stages
from service.wire import Answer, Ask, dump_slate, parse_query, respond

log = structlog.get_logger()
TAG = Tag(name="recommendations", description="Links for article pages.")


def blueprint(holder: Holder, settings: Settings) -> APIBlueprint:
    """Return the route ``GET /v1/recommendations``."""
    api = APIBlueprint("recommendations", __name__, abp_tags=[TAG], url_prefix="/v1")

    refusals = dict.fromkeys((401, 403, 422), DESCRIBED)

    @api.get("/recommendations", responses={200: Answer, **refusals})
    @checked
    def recommendations(query: Ask) -> Response:
        """Links for one article page

        The page names its article by `site` and `key`, by `article` or by `url`; the front page
        of a site names only its `site`. Whatever nobody knows is said in `notes`, never an error.
        No key is needed but with `explain`.
        """
        if query.explain:
            key = access.require(holder, Scope.VIEWER)
            # What a reader has opened shows in what was taken out.
            if query.visitor and query.consent and not key.may(Scope.VISITORS):
                access.require(holder, Scope.VISITORS)
            return respond(explained(query, holder, settings))
        return respond(answer(query, holder, settings))

    @api.after_request
    def share(response: Response) -> Response:
        # Any page may ask: answers hold public links only, and cookies are never read.
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return api


def answer(ask: Ask, holder: Holder, settings: Settings) -> dict[str, Any]:
    """Return the answer to a page; an empty one where the engine fails, for the page must not."""
    try:
        return _answer(ask, holder, settings)
    except Exception:
        log.exception("engine failed")
        metrics.ENGINE_FAILURES.inc()
        return _nothing(f"the engine failed on request {g.request_id}")


def _answer(ask: Ask, holder: Holder, settings: Settings) -> dict[str, Any]:
    lap = Stages()
    engine, arm, query, notes = _asked(ask, secrets.randbits(63), holder, settings)
    lap("parse")
    slate = engine.recommend(query, lap)
    body = _drawn(ask, slate, engine, arm, query, notes, holder, settings)
    lap("draw")
    metrics.count_answer(body["items"], query.n, lap.seconds(), settings.sites)
    known = query.site if query.site in settings.sites else ""
    share = len(body["items"]) / query.n
    holder.fills.count(engine.bundle.id, known, query.place, arm, share)
    spans.stages(lap)
    return body


def explained(ask: Ask, holder: Holder, settings: Settings) -> dict[str, Any]:
    """Return the answer to a page together with its trace; nothing is counted."""
    seed = secrets.randbits(53) if ask.seed is None else ask.seed
    engine, arm, query, notes = _asked(ask, seed, holder, settings)
    trace = engine.explain(query)
    body = _drawn(ask, trace.slate, engine, arm, query, notes, holder, settings)
    return body | {"trace": {"seed": seed, **plain(trace)}}


def _asked(
    ask: Ask, seed: int, holder: Holder, settings: Settings
) -> tuple[Engine, str, Query, list[str]]:
    """Return the engine to ask, the label of its arm, the query, and notes on it."""
    keyring, now = holder.keyring, int(time.time())
    reader = keyring.visitor(ask.visitor) if ask.consent else ""
    engine, arm = holder.engine_for(reader or keyring.session(ask.session), now)
    query, notes = parse_query(ask, now, seed, engine.find_url, keyring.visitor)
    if query.site and settings.sites and query.site not in settings.sites:
        notes.append(f"site {query.site!r} is not in the configuration")
    if not engine.bundle.manifest.files:  # the one in memory, before the first training
        notes.append("there is no bundle yet; the store's articles are shown as they come")
    return engine, arm, query, notes


def _drawn(
    ask: Ask,
    slate: Slate,
    engine: Engine,
    arm: str,
    query: Query,
    notes: list[str],
    holder: Holder,
    settings: Settings,
) -> dict[str, Any]:
    def sign(drawn: Slate) -> str:
        # A slate for a site that nobody knows proves no page.
        site = query.site if query.site in holder.sites() else ""
        return slates.sign(drawn, site, query.now, holder.keyring, arm, query.place)

    card = cards(engine.card, settings, ask.visitor)
    known = query.article is not None and holder.knows(query.article)
    article = str(query.article) if known else ""
    return dump_slate(slate, article, card, settings, notes, sign) | {"arm": arm}


def cards(
    card: Callable[[ArticleId], Card], settings: Settings, visitor: str = ""
) -> Callable[[ArticleId], Card]:
    """Return what draws an article; the demo leads to its page here, for the same reader."""
    return (lambda article: demo.card(card(article), visitor)) if settings.demo else card


def _nothing(note: str) -> dict[str, Any]:
    names = dict.fromkeys(("slate", "article", "bundle", "policy", "arm"), "")
    return {**names, "notes": [note], "items": []}

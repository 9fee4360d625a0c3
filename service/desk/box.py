"""Shows what the box would show under an article, and everything that decided it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, request

from data import audit, search
from data.scope import Scope
from recsys.errors import UnknownArticle
from recsys.policy import PLACEMENTS
from recsys.trace import Removed, Trace
from recsys.types import ArticleId, Card, Query
from service.desk import session
from service.desk.charts import percent
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings
from service.wire import MAX_HISTORY, MAX_ITEMS

USUAL = 6
"""Cards of a box."""
SEED = 1
"""Whoever opens the page again sees the same draw of exploration."""
FIRST = 20
"""Candidates that are shown at once; the others are folded away."""
FILTERS = {
    "unpublished": "Not published yet",
    "expired": "Expired",
    "withdrawn": "Taken down",
    "editors": "Kept out by an editors' rule",
    "age": "Older than the policy lets it be",
    "language": "In a language that the policy leaves out",
    "read": "Read already, or the same story as one that was",
    "tone": "Does not go with the tone of the page",
}
"""What filters are called here; another one goes by its own name."""
QUOTAS = {
    "other_sites_min": "least share from other sites",
    "max_per_site": "largest share of one site",
    "sites": "least shares of sites",
    "sections": "shares of sections",
    "tone": "tone of the slate",
    "sponsored": "sponsored slots",
    "story": "the same story stands above",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see."""

    query: Query
    history: tuple[ArticleId, ...]
    notes: tuple[str, ...]
    """What of it nobody knows."""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/box``."""

    @desk.get("/box")
    def box() -> Response:
        return shown(request.args)

    # Ids of readers go by post: an address is kept in histories and logs.
    @desk.post("/box")
    def box_reader() -> Response:
        person = session.person()
        if person is None or not person.may(Scope.VISITORS):
            abort(403, "To ask as one reader, a key also needs the scope visitors.")
        given = request.form.get("visitor", "").strip()[:128]
        if not given:
            return shown(request.form, errors={"visitor": "Give the reader's id."})
        article = request.form.get("article", "")[:577]
        with holder.store.writing() as connection:
            now = int(time.time())
            audit.record(connection, session.actor(), "box.reader", article, now)
        return shown(request.form, holder.keyring.visitor(given))

    def shown(
        given: Mapping[str, str], visitor: str = "", errors: dict[str, str] | None = None
    ) -> Response:
        engine, wanted = holder.engine, given.get("article", "").strip()
        article = resolve(wanted)
        found = [] if article or not wanted else search.find(holder.store, wanted[:200])
        errors = dict(errors or {})
        asked = None
        if (article or not wanted) and (given.get("site") or article):
            asked = read(given, article, visitor, errors)
        trace = engine.explain(asked.query) if asked and not errors else None
        return page(
            "box.html",
            422 if errors else 200,
            errors=errors,
            given=given,
            wanted=wanted,
            article=card(article) if article else None,
            article_id=article,
            found=found,
            asked=asked,
            trace=trace,
            items=[] if trace is None else cards(trace),
            removed=removed(trace, private=bool(visitor)) if trace else {},
            hidden=bool(visitor),
            sites={site: settings.site_name(site) for site in holder.sites()},
            placements=sorted({*settings.policy.placements, *PLACEMENTS}),
            site_name=settings.site_name,
            sources=sources(trace),
            first=FIRST,
            filters=FILTERS,
            quotas=QUOTAS,
            percent=percent,
            most=MAX_ITEMS,
            usual=USUAL,
            seed=SEED,
        )

    def resolve(text: str) -> ArticleId | None:
        """Return the article that is named as ``site/key`` or by its address."""
        if text.startswith(("http://", "https://", "/")):
            return holder.engine.find_url(text[:2048])
        try:
            id = ArticleId.parse(text)
        except ValueError:
            return None
        return id if holder.knows(id) else None

    def read(
        given: Mapping[str, str], article: ArticleId | None, visitor: str, errors: dict[str, str]
    ) -> Asked:
        notes, history = [], []
        for line in given.get("history", "").split()[:MAX_HISTORY] if not visitor else ():
            read = resolve(line)
            if read:
                history.append(read)
            else:
                notes.append(f"{line[:80]!r} in the history is no article that is known here")
        context = tuple(part for part in given.get("context", "")[:512].split(",") if part.strip())
        query = Query(
            site=given.get("site", "")[:64] or (article.site if article else ""),
            now=int(time.time()),
            article=article,
            visitor=visitor,
            history=tuple(history),
            n=number(given, "n", USUAL, 1, MAX_ITEMS, errors),
            context=tuple(part.strip() for part in context[:8]),
            seed=number(given, "seed", SEED, 0, 2**63 - 1, errors),
            placement=given.get("placement", "")[:64],
        )
        return Asked(query, tuple(history), tuple(notes))

    def card(id: ArticleId) -> Card | None:
        try:
            return holder.engine.card(id)
        except UnknownArticle:
            return None

    def cards(trace: Trace) -> list[dict[str, Any]]:
        return [{"item": item, "card": card(item.article)} for item in trace.slate.items]


def number(
    given: Mapping[str, str], name: str, usual: int, low: int, high: int, errors: dict[str, str]
) -> int:
    """Return a whole number of a form; where it is none ``errors`` says so and it is ``usual``."""
    text = given.get(name, "").strip()
    try:
        value = int(text) if text else usual
    except ValueError:
        value = low - 1
    if low <= value <= high:
        return value
    errors[name] = f"{text[:40]!r} is no number from {low} to {high}."
    return usual


def removed(trace: Trace, *, private: bool) -> dict[str, list[Removed]]:
    """Return what filters took out, by filter.

    What a reader has read is nobody's business, not even where it shows by what is missing: with
    ``private`` those are left out.
    """
    by: dict[str, list[Removed]] = {}
    for one in trace.removed:
        if not (private and one.filter == "read"):
            by.setdefault(one.filter, []).append(one)
    return by


def sources(trace: Trace | None) -> list[str]:
    """Return the sources that anything of a trace came from, in order of their weight in it."""
    sums: dict[str, float] = {}
    for candidate in trace.candidates if trace else ():
        for source, part in candidate.parts.items():
            sums[source] = sums.get(source, 0.0) + part
    return sorted(sums, key=lambda source: -sums[source])

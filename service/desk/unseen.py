"""Shows what came out lately and no box has shown, with what is known of why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Blueprint, Response, request

from data import openings
from data.openings import Unseen
from recsys.engine import Engine
from recsys.rules import Action
from recsys.rulings import BLOCKS
from recsys.situation import Situation, resolve
from recsys.tables import TONES
from recsys.types import Article, Query, Tone
from service.desk.charts import percent
from service.desk.kept import SECONDS, kept
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings

DAY = 86_400
CHOICES = (1, 3, 7, 14)
"""Days that may be looked back."""
USUAL = 3
SHOWN = 50
"""Articles of each site."""
ALWAYS = {
    "unpublished": "is not published yet",
    "expired": "has expired",
    "withdrawn": "was taken down",
    "age": "is older than the policy lets it be",
    "language": "is in a language that the policy leaves out",
}
"""Filters that do not ask on which page."""


@dataclass(frozen=True, slots=True)
class Why:
    """Something that keeps an article out of boxes, and the rule where it is one."""

    said: str
    rule: str = ""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/unseen``."""

    @kept
    def found(days: int, until: int) -> list[Unseen]:
        return openings.unseen(holder.store, until - days * DAY, until, SHOWN)

    @desk.get("/unseen")
    def unseen() -> Response:
        given = request.args.get("days", "")
        days = int(given) if given in map(str, CHOICES) else USUAL
        engine, now = holder.engine, int(time.time())
        sites = found(days, now // SECONDS * SECONDS)
        known = list(settings.sites)
        sites.sort(key=lambda one: known.index(one.site) if one.site in known else len(known))
        return page(
            "unseen.html",
            days=days,
            choices=CHOICES,
            sites=[
                {
                    "name": settings.site_name(one.site),
                    "counts": one,
                    "articles": _shown(engine, one.latest, now, settings),
                }
                for one in sites
            ],
            percent=percent,
        )


def _shown(
    engine: Engine, articles: Sequence[Article], now: int, settings: Settings
) -> list[dict[str, Any]]:
    found = whys(engine, articles, now, settings)
    return [{"article": a, "whys": why} for a, why in zip(articles, found, strict=True)]


def whys(
    engine: Engine, articles: Sequence[Article], now: int, settings: Settings
) -> list[list[Why]]:
    """Return for each article what keeps it out of boxes under articles, as far as it is known.

    Nothing is guessed: where the list is empty no filter and no rule keeps it out everywhere.
    """
    query = Query("", now, placement="article")
    situation = resolve(query, engine.live, engine.policy.at(query.place), [])
    rows = situation.view.catalogue.ids.rows(str(article.id) for article in articles)
    known = rows[rows >= 0]
    places = {row: place for place, row in enumerate(known.tolist())}
    filters, tones = situation.filters(known), situation.tone(known)

    def passes(name: str, place: int) -> bool:
        # What no policy asks for is no filter.
        return name not in filters or bool(filters[name][place])

    found = []
    for row in rows.tolist():
        if row < 0:
            found.append([Why("has not reached the engine yet")])
            continue
        place = places[row]
        found.append(
            [
                *(Why(said) for name, said in ALWAYS.items() if not passes(name, place)),
                *_ruled(situation, row, settings),
                *_kind(situation, row, TONES[tones[place]]),
            ]
        )
    return found


def _ruled(situation: Situation, row: int, settings: Settings) -> list[Why]:
    """Return which editors' rules take an article out, or nearly so."""
    rulings = situation.view.rulings
    found = []
    for rule, rows in rulings.matches:
        if row not in rows:
            continue
        where = f"on pages of {settings.site_name(rule.site)}" if rule.site else "everywhere"
        if rule.action in BLOCKS:
            word = "stopped" if rule.action == Action.STOP else "blocked"
            found.append(Why(f"is {word} {where}", rule.id))
        elif rule.action == Action.BURY:
            found.append(Why(f"is buried {where}, its score × {rule.factor:g}", rule.id))
    return found


def _kind(situation: Situation, row: int, tone: Tone) -> list[Why]:
    """Return what an article is that keeps it out of some boxes."""
    policy, catalogue = situation.policy, situation.view.catalogue
    found = []
    if catalogue.sponsored[row] and not policy.sponsored.most:
        found.append(Why("is sponsored, and the policy shows nothing sponsored"))
    if tone == Tone.GRAVE and (policy.tone.page or policy.tone.slate):
        found.append(Why("is grave, so it is kept from what is light or sponsored"))
    told = catalogue.tellings(row)
    up = situation.view.shown(told[told != row], situation.now)
    others = int(np.count_nonzero(up))
    if others:
        found.append(
            Why(
                f"tells the story of {others} other {'article' if others == 1 else 'articles'},"
                " and a box shows one of them"
            )
        )
    return found

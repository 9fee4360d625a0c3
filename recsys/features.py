"""Describes candidates to the ranker: the same numbers in training and in service."""

import math
from collections.abc import Sequence

import numpy as np

from recsys.arrays import Float32, Float64, Int32, Int64
from recsys.candidates import PRIOR_FAST, TRAIL_WEIGHTS, Candidates
from recsys.live import Live
from recsys.situation import Situation

SOURCE_NAMES = ("co_read", "related", "trending", "personal")
STEPS = len(TRAIL_WEIGHTS)
CLOCKS = ("fast", "slow")

GROUPS: dict[str, tuple[str, ...]] = {
    "sources": (
        *(f"{source} {what}" for source in SOURCE_NAMES for what in ("score", "rank")),
        "fusion score",
        "fusion rank",
    ),
    "co-reading": (
        *(f"next after {step} {clock}" for step in range(1, STEPS + 1) for clock in CLOCKS),
        "lift after 1",
        "heard after 1",
        "certainty after 1",
    ),
    "trends": (
        "share now",
        "share earlier",
        "share of hours",
        "share of weeks",
        "rising fast",
        "rising slow",
        "readers fast",
        "readers slow",
        "circumstances",
    ),
    "story": ("story share", "story tellings", "story at home"),
    "age": ("age", "page age", "younger than page"),
    "clicks": ("click rate", "shown"),
    "content": ("likeness to page", "likeness to visit", "closest in visit"),
    "taste": ("taste", "section affinity", "site affinity"),
    "place": ("same site", "same section", "same language"),
    "question": ("hour", "device", "visit length", "articles opened", "page share"),
}
"""What the ranker is told, by group; ablations leave out a group at a time."""

FEATURES = tuple(name for names in GROUPS.values() for name in names)

RARE = 1e-7
"""Added to shares before a logarithm."""


def features(
    live: Live,
    situation: Situation,
    proposals: Sequence[Candidates],
    fused: tuple[Int32, Float64],
    rows: Int32,
    *,
    devices: Sequence[str] = (),
) -> Float32:
    """Return f32[m, F]: what ``FEATURES`` name of article ``rows`` int32[m], NaN where unknown.

    ``proposals`` are what the sources said and ``fused`` their union with its scores, best first;
    ``rows`` may hold others too. ``devices`` are the devices that have a code of their own.
    """
    told: Told = {}
    order = np.argsort(rows)
    _sources(told, proposals, fused, rows, order)
    _coreading(told, live, situation, rows, order)
    _trends(told, live, situation, rows)
    _page(told, live, situation, rows)
    told["device"] = _device(situation.context, devices)
    table = np.empty((len(rows), len(FEATURES)), np.float32)
    for column, name in enumerate(FEATURES):
        table[:, column] = told[name]
    return table


Told = dict[str, Float64 | Float32 | float]


def _sources(
    told: Told,
    proposals: Sequence[Candidates],
    fused: tuple[Int32, Float64],
    rows: Int32,
    order: Int64,
) -> None:
    for source in SOURCE_NAMES:
        told[f"{source} score"] = told[f"{source} rank"] = math.nan
    listed: list[tuple[str, Int32, Float64 | Float32]] = [("fusion", *fused)]
    listed += [(p.source, p.rows, p.scores) for p in proposals]
    for name, found, scores in listed:
        if name not in (*SOURCE_NAMES, "fusion"):
            continue
        rank, place = _meet(found, rows, order)
        told[f"{name} score"] = _put(np.log(scores[rank] + 1e-9), place, rows, math.nan)
        told[f"{name} rank"] = _put(rank, place, rows, math.nan)


def _coreading(told: Told, live: Live, situation: Situation, rows: Int32, order: Int64) -> None:
    view, board = situation.view, situation.view.board
    trail = situation.trail[: -STEPS - 1 : -1]
    for step in range(1, STEPS + 1):
        fast: Float64 | float = math.nan
        slow: Float64 | float = math.nan
        if step <= len(trail):
            found, counts = live.successors(view, trail[step - 1], situation.now)
            heard, place = _meet(found, rows, order)
            now, long = (
                _put(count, place, rows, 0.0) for count in (counts[0][heard], counts[-1][heard])
            )
            fast, slow = np.log1p(now), np.log1p(long)
            if step == 1:
                total = counts.sum(axis=1) if len(found) else np.zeros(2)
                share = board.share[rows].astype(np.float64)
                told["lift after 1"] = np.log(
                    (long / max(total[-1], 1e-9) + 1e-5)
                    / (board.usual[rows].astype(np.float64) + 1e-5)
                )
                told["heard after 1"] = math.log1p(float(total[0]))
                told["certainty after 1"] = np.log(
                    (now + PRIOR_FAST * share + RARE) / (float(total[0]) + PRIOR_FAST)
                )
        told[f"next after {step} fast"], told[f"next after {step} slow"] = fast, slow
    if not trail:
        told["lift after 1"] = told["heard after 1"] = told["certainty after 1"] = math.nan


def _trends(told: Told, live: Live, situation: Situation, rows: Int32) -> None:
    view, board = situation.view, situation.view.board
    now, earlier, hours, weeks = (
        np.log(column[rows] + RARE)
        for column in (board.share, board.earlier, board.hours, board.usual)
    )
    told["share now"], told["share earlier"] = now, earlier
    told["share of hours"], told["share of weeks"] = hours, weeks
    told["rising fast"], told["rising slow"] = now - earlier, earlier - hours
    told["readers fast"] = np.log1p(board.fast[rows])
    told["readers slow"] = np.log1p(board.slow[rows])
    story = view.catalogue.story[rows]
    told["story share"] = np.log(view.story_share[story] + RARE)
    told["story tellings"] = np.log(view.tellings.counts[story])
    told["story at home"] = view.tellings.at(story, situation.site) * 1.0
    lift = live.segments.lift(situation.context, rows, board.earlier[rows], situation.now)
    told["circumstances"] = np.log(lift)
    told["click rate"], told["shown"] = view.click_rate[rows], np.log1p(view.exposure[rows])
    anchor = situation.anchor
    told["page share"] = math.log(board.share[anchor] + RARE) if anchor >= 0 else math.nan


def _page(told: Told, live: Live, situation: Situation, rows: Int32) -> None:
    catalogue, anchor, now = situation.view.catalogue, situation.anchor, situation.now
    age = np.log1p(np.maximum(now - catalogue.published[rows], 0))
    told["age"] = age
    told["page age"] = told["younger than page"] = math.nan
    told["same section"] = told["same language"] = math.nan
    told["likeness to page"] = told["likeness to visit"] = told["closest in visit"] = math.nan
    if anchor >= 0:
        page_age = math.log1p(max(now - int(catalogue.published[anchor]), 0))
        told["page age"], told["younger than page"] = page_age, page_age - age
        told["same section"] = (catalogue.section[rows] == catalogue.section[anchor]) * 1.0
        told["same language"] = (catalogue.language[rows] == catalogue.language[anchor]) * 1.0
    if situation.trail:
        visit = live.vectors(np.array(situation.trail[-10:], np.int32))
        likeness = live.vectors(rows) @ visit.T
        told["likeness to visit"] = likeness.mean(axis=1)
        told["closest in visit"] = likeness.max(axis=1)
        if anchor >= 0:
            told["likeness to page"] = likeness[:, -1]
    told["same site"] = (catalogue.site[rows] == situation.site) * 1.0
    taste = situation.taste
    told["taste"] = math.nan if taste is None else live.factors(rows) @ taste
    opened = situation.opened
    for name, column in (("section", catalogue.section), ("site", catalogue.site)):
        counts = np.bincount(column[opened] + 1, minlength=int(column[rows].max(initial=0)) + 2)
        told[f"{name} affinity"] = (counts[column[rows] + 1] + 0.0) / (len(opened) + 1.0)
    told["hour"] = float(now // 3600 % 24)
    told["visit length"], told["articles opened"] = len(situation.trail), math.log1p(len(opened))


def _device(context: Sequence[str], devices: Sequence[str]) -> float:
    for part in context:
        name, _, value = part.partition(":")
        if name == "device" and value in devices:
            return float(list(devices).index(value))
    return math.nan


def _meet(found: Int32, rows: Int32, order: Int64) -> tuple[Int64, Int64]:
    """Return which of ``found`` are among ``rows`` int32[m], and their places there.

    ``order`` int64[m] sorts ``rows``.
    """
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    place = order[np.minimum(np.searchsorted(rows, found, sorter=order), len(rows) - 1)]
    met = np.flatnonzero(rows[place] == found)
    return met, place[met]


def _put(values: np.ndarray, place: Int64, rows: Int32, otherwise: float) -> Float64:
    """Return f64[m]: ``values`` in their places, and ``otherwise`` in the rest."""
    column = np.full(len(rows), otherwise)
    column[place] = values
    return column

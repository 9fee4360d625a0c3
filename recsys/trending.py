"""Counts readers on several clocks, and says what is opened now and what trends on each site."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int16, Int32, Int64
from recsys.decay import Decayed
from recsys.tables import Interactions
from recsys.top import top
from recsys.types import Kind, Window
from recsys.visits import openings
from recsys.weights import TREND_HALF_LIVES as HALF_LIVES

LANDING = 0.25
"""Voice of the first opening of a visit: a search or a front page chose it, not a reader here."""


class Trends:
    """What is known of A articles' readers on H clocks: three counts that fade alike.

    ``voices`` are readers who came by themselves, ``clicked`` those who followed a card in a box,
    and ``shown`` the impressions that box clicks must be seen against. Each reader has one voice
    for an article; who that is, is the caller's to decide.
    """

    def __init__(self, size: int, landmark: int, half_lives: Sequence[float] = HALF_LIVES) -> None:
        self.half_lives = tuple(half_lives)
        self.voices = Decayed(size, landmark, half_lives)
        self.clicked = Decayed(size, landmark, half_lives)
        self.shown = Decayed(size, landmark, half_lives)

    def grow(self, size: int) -> None:
        """Make room for rows up to ``size``; new ones count 0."""
        for name in PARTS:
            getattr(self, name).grow(size)

    def counts(self, now: int) -> Float64:
        """Return f64[H, A]: the demand for every article at ``now``, fastest clock first."""
        return np.stack([self.clock(clock, now) for clock in range(len(self.half_lives))])

    def clock(self, clock: int, now: int) -> Float64:
        """Return f64[A]: what ``counts`` says on one clock."""
        return demand(*(getattr(self, name).clock(clock, now) for name in PARTS))

    def set_back(self, seconds: float) -> None:
        """Take what was counted for so much older: see ``Decayed.set_back``."""
        for name in PARTS:
            getattr(self, name).set_back(seconds)

    def copy(self) -> "Trends":
        """Return an independent copy, to be advanced by live events."""
        trends = Trends(0, 0, self.half_lives)
        for name in PARTS:
            setattr(trends, name, getattr(self, name).copy())
        return trends

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the state as arrays, for a bundle."""
        return {
            f"{part}.{name}": array
            for part in PARTS
            for name, array in getattr(self, part).arrays().items()
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Trends":
        """Restore what ``arrays`` returned, without copying; to count on, take a ``copy``."""
        trends = cls(0, 0, arrays["voices.clock"][0].tolist())
        for part in PARTS:
            own = {name: arrays[f"{part}.{name}"] for name in ("mass", "clock")}
            setattr(trends, part, Decayed.of_arrays(own))
        return trends


PARTS = ("voices", "clicked", "shown")

EXPOSURE_PRIOR = 50.0
"""Impressions that an article is taken to have had before any was counted."""


def demand(
    voices: Float64, clicked: Float64, shown: Float64, prior: float = EXPOSURE_PRIOR
) -> Float64:
    """Return f64[A]: voices, and clicks in boxes as if every article had been shown as often.

    A card that is shown more is clicked more, and would be shown more for that. So a click weighs
    ``1 / (impressions + prior)``, on each clock scaled so that clicks keep their sum; where no
    impression is known each weighs 1. Inverse propensity weighting, smoothed (Schnabel et al.,
    2016).
    """
    even = np.add(shown, prior)
    np.divide(clicked, even, out=even)
    weighted = even.sum()
    even *= clicked.sum() / weighted if weighted > 0 else 0.0
    even += voices
    return even


def fit(
    events: Interactions, size: int, now: int, half_lives: Sequence[float] = HALF_LIVES
) -> Trends:
    """Count the voices and impressions of ``events`` on ``size`` articles, as of ``now``."""
    opens, _, place = openings(events)
    first = first_voices(opens)
    opens, place = opens[first], place[first]
    boxed = opens.slate >= 0
    trends = Trends(size, now, half_lives)
    own = np.flatnonzero(~boxed)
    weight = np.where(place[own] == 0, LANDING, 1.0)
    trends.voices.add(opens.article[own], opens.at[own], weight)
    trends.clicked.add(opens.article[boxed], opens.at[boxed])
    seen = events[events.kind == Kind.IMPRESSION]
    trends.shown.add(seen.article, seen.at)
    return trends


def first_voices(events: Interactions) -> Int64:
    """Return the rows of each reader's first event on each article: one reader is one voice.

    A reader is the visitor, or the session where the visitor is unknown; events with neither all
    count.
    """
    offset = int(events.visitor.max(initial=-1)) + 1
    reader = np.where(events.visitor >= 0, events.visitor.astype(np.int64), -1)
    sessions = (events.visitor < 0) & (events.session >= 0)
    reader = np.where(sessions, offset + events.session.astype(np.int64), reader)
    known = np.flatnonzero(reader >= 0)
    width = int(events.article.max(initial=0)) + 1
    _, first = np.unique(reader[known] * width + events.article[known], return_index=True)
    return np.sort(np.concatenate([known[first], np.flatnonzero(reader < 0)]))


PATIENCE = 600.0
"""Voices that a clock must have heard for its own word to count half against the slower ones."""


def shares(counts: Float64, slower: Float64 | None = None, patience: float = PATIENCE) -> Float64:
    """Return f64[A]: the share of openings that each article gets, as one clock sees it.

    A fast clock is right on a busy network and noise on a quiet one, so each is smoothed toward the
    next slower one by a Dirichlet prior of ``patience`` voices:
    ``p_h = (c_h + patience · p_{h+1}) / (C_h + patience)`` (MacKay and Peto, 1995); the slowest
    stands for itself. They sum to 1, or to 0 where nothing was counted.
    """
    total = counts.sum()
    if slower is None:
        return counts / total if total > 0 else np.zeros(len(counts))
    share = slower * patience
    share += counts
    share /= total + patience
    return share


@dataclass(frozen=True, slots=True, eq=False)
class TrendBoard:
    """What is opened at ``as_of``: shares of all articles, and those that trend, best first."""

    as_of: int
    share: Float32
    """f32[A]: share of the network's openings now."""
    earlier: Float32
    """f32[A]: the same by the second clock, which lags behind."""
    usual: Float32
    """f32[A]: the same by the slowest clock."""
    hours: Float32
    """f32[A]: the same by the slow clock, the last but one."""
    fast: Float32
    """f32[A]: readers on the fastest clock."""
    slow: Float32
    """f32[A]: readers on the slow clock."""
    rows: Int32
    """int32[k]: what trends"""
    scores: Float32
    """f32[k]: shares against the baseline of the own site; they sum to 1."""

    @classmethod
    def empty(cls) -> "TrendBoard":
        """Return a board of nothing."""
        none = np.empty(0, np.float32)
        return cls(0, none, none, none, none, none, none, np.empty(0, np.int32), none)

    def grown(self, size: int) -> "TrendBoard":
        """Return the board with room for articles up to ``size``, which nobody has opened yet."""
        fresh = np.zeros(size - len(self.share), np.float32)
        grown: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), fresh]) for name in ARTICLE_COLUMNS
        }
        return dataclasses.replace(self, **grown)

    def rising(self, rows: Int32) -> Float32:
        """Return f32[k]: the share now over that of the last hours, smoothed; 1 is steady."""
        ratio: Float32 = (self.share[rows] + STEADY) / (self.hours[rows] + STEADY)
        return ratio

    def loud(self, rows: Int32, floor: float) -> Bool:
        """Return bool[k]: which articles were heard of by ``floor`` readers in the last hours."""
        loud: Bool = self.slow[rows] >= floor
        return loud


ARTICLE_COLUMNS = ("share", "earlier", "usual", "hours", "fast", "slow")
STEADY = np.float32(1e-4)
"""Share of openings below which a ratio of shares is noise."""


def board(
    clocks: Iterable[Float64],
    site: Int16,
    as_of: int,
    *,
    per_site: int,
    site_exponent: float,
    before: Int32 | None = None,
) -> TrendBoard:
    """Rank the articles that trend, the best ``per_site`` of each site; ties by row.

    ``before`` int32[k] are what trended a moment ago, if known: whatever they are, the board is the
    same, but is found sooner where they are nearly the same still.

    ``clocks`` are decayed readers f64[A], one array for each of H clocks, the slowest first, so
    that not all need be held at a time; ``site`` int16[A] are site codes. An article's score is
    ``share / share(site) ** site_exponent``, normalised: 0 ranks by plain volume, so that the
    largest site drowns its sisters, 1 by the share of its own site's readers.
    """
    columns: list[tuple[Float32, Float32]] = []
    now = None
    for counts in clocks:
        now = shares(counts, now)
        columns.append((now.astype(np.float32), counts.astype(np.float32)))
    assert now is not None
    (share, fast), (hours, slow) = columns[-1], columns[min(1, len(columns) - 1)]
    totals = np.bincount(site, weights=now, minlength=1)
    floor = _floors(now, site, len(totals), per_site, before)
    rows = np.flatnonzero(now >= floor.take(site))
    own, score = site[rows], now[rows]
    best = [rows[own == code][top(score[own == code], per_site)] for code in np.unique(own)]
    rows = np.concatenate([np.empty(0, np.int64), *best])
    scores = now[rows] / totals[site[rows]] ** site_exponent
    order = np.lexsort((rows, -scores))
    rows, scores = rows[order], scores[order]
    scores = scores / (scores.sum() or 1.0)
    return TrendBoard(
        as_of=as_of,
        share=share,
        earlier=columns[max(len(columns) - 2, 0)][0],
        usual=columns[0][0],
        hours=hours,
        fast=fast,
        slow=slow,
        rows=rows.astype(np.int32),
        scores=scores.astype(np.float32),
    )


def _floors(now: Float64, site: Int16, sites: int, per_site: int, before: Int32 | None) -> Float64:
    """Return f64[S]: by site, a score that its best ``per_site`` reach; above 0, for one more.

    As many as that trended before, and have not all fallen: so the best are no worse than they.
    """
    floor = np.full(sites, np.nextafter(0.0, 1.0))
    if before is None or not len(before):
        return floor
    least = np.full(sites, np.inf)
    np.minimum.at(least, site[before], now[before])
    known = np.bincount(site[before], minlength=sites) >= per_site
    floor[known] = np.maximum(floor[known], least[known])
    return floor


def chart(
    board: TrendBoard, rows: Int32, window: Window, n: int
) -> tuple[Int32, Float32, Float32, Float32]:
    """Rank ``rows`` int32[m] by a window, the best ``n``; ties by row.

    Returns rows int32[≤n], their scores, their readers on the window's clock, and how they rise,
    each f32[≤n]. A row that nobody has opened is not ranked.
    """
    rows = rows[board.share[rows] > 0]
    rising = board.rising(rows)
    by_window = {
        "fast": (board.share[rows], board.fast[rows]),
        "slow": (board.hours[rows], board.slow[rows]),
        "rising": (rising, board.fast[rows]),
    }
    scores, voices = by_window[window]
    best = top(scores, n)
    return rows[best], scores[best], voices[best], rising[best]

"""The moving state as one request sees it, whatever happens meanwhile."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from recsys.arrays import Bool, Float32, Int8, Int32, Int64
from recsys.rulings import Rulings
from recsys.stories import Signatures, Tellings
from recsys.tables import Catalogue
from recsys.top import top
from recsys.trending import TrendBoard
from recsys.trials import Trials
from recsys.types import NEVER, Card

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The moving state as one request sees it: never changed, only replaced as a whole.

    Rows up to the bundle's number of articles are the bundle's, those after it the F fresh ones.
    """

    catalogue: Catalogue
    withdrawn: Bool
    cards: Mapping[int, Card]
    """Cards of fresh and of changed rows; the rest is in the bundle."""
    urls: Mapping[str, int]
    """Their rows by address."""
    vectors: Float32
    """f32[F, d]"""
    factors: Float32
    """f32[F, f]"""
    signatures: Signatures
    """uint32[F, w]"""
    related: tuple[tuple[Int32, Float32], ...]
    """Bundled articles like each fresh one, best first, and their cosines."""
    board: TrendBoard
    newest: Int32
    """The latest eligible articles, newest first."""
    pool: Int32
    """What the personal source compares with a reader."""
    pool_factors: Float32
    """f32[P, f]"""
    trials: Trials
    """What exploration may show."""
    story_share: Float32
    """f32[A]: by story, the share of openings now that all articles telling it have together."""
    tellings: Tellings
    """Who tells which story."""
    click_rate: Float32
    """f32[A]: clicks an impression in boxes, smoothed toward the network's."""
    exposure: Float32
    """f32[A]: impressions lately, decayed."""
    judged: Int8
    """int8[A]: codes of the tones that the classifier hears, whoever has said otherwise."""
    rulings: Rulings
    """What editors' rules say."""

    _known: dict[Any, tuple[Any, Any]] = field(init=False, repr=False, default_factory=dict)

    def once(self, name: Any, source: Any, make: Callable[[], T]) -> T:
        """Return what follows from the view and ``source`` alone, made once for both."""
        found = self._known.get(name)
        if found is None or found[0] is not source:
            found = self._known[name] = source, make()
        made: T = found[1]
        return made

    def shown(self, rows: Int32 | slice, now: int) -> Bool:
        """Return bool[k]: which rows are up at ``now``, and blocked on no site."""
        up = functools.reduce(np.logical_and, self.filters(rows, now).values())
        return up & ~self.rulings.everywhere.blocked[rows]

    def filters(self, rows: Int32 | slice, now: int) -> dict[str, Bool]:
        """Return by name of a reason, bool[k]: which rows are up as far as it goes."""
        catalogue = self.catalogue
        return {
            "unpublished": catalogue.published[rows] <= now,
            "expired": catalogue.expires[rows] > now,
            "withdrawn": ~self.withdrawn[rows],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Who is up, for as long as nobody and no clock changes it."""

    basis: tuple[object, ...]
    """The columns that it was found by."""
    since: int
    until: int
    """UTC seconds: when the next article is due to come or to go."""
    down: Int64
    """int64[d]: who is not, or is blocked on every site."""
    newest: Int32
    """int32[k]: the latest of them, newest first."""

    @classmethod
    def nobody(cls) -> "Standing":
        """Return the standing of no articles, which never holds."""
        return cls((), 0, 0, np.empty(0, np.int64), np.empty(0, np.int32))

    @classmethod
    def of(cls, view: View, now: int, pool: int, before: Int32) -> "Standing":
        """Return who is up at ``now``, and the ``pool`` newest of them; ties by row.

        ``before`` int32[k] were the newest a moment ago, if known: they make it quicker.
        """
        published, expires = view.catalogue.published, view.catalogue.expires
        up = view.shown(slice(None), now)
        still = before[up[before]]
        late = up & (published >= published[still].min()) if len(still) >= pool else up
        rows = np.flatnonzero(late).astype(np.int32)
        until = min(
            int(moments.min(initial=NEVER, where=moments > now)) for moments in (published, expires)
        )
        return cls(_basis(view), now, until, np.flatnonzero(~up), rows[top(published[rows], pool)])

    def holds(self, view: View, now: int) -> bool:
        """Return whether it does so at ``now``."""
        same = all(a is b for a, b in zip(self.basis, _basis(view), strict=False))
        return same and self.since <= now < self.until


def _basis(view: View) -> tuple[object, ...]:
    catalogue, blocked = view.catalogue, view.rulings.everywhere.blocked
    return catalogue.published, catalogue.expires, view.withdrawn, blocked

"""The moving state as one request sees it, whatever happens meanwhile."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recsys.arrays import Bool, Float32, Int8, Int32
from recsys.rulings import Rulings
from recsys.stories import Signatures, Tellings
from recsys.tables import Catalogue
from recsys.trending import TrendBoard
from recsys.trials import Trials
from recsys.types import Card


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

    def shown(self, rows: Int32, now: int) -> Bool:
        """Return bool[k]: which rows are up at ``now``, and blocked on no site."""
        up = functools.reduce(np.logical_and, self.filters(rows, now).values())
        return up & ~self.rulings.everywhere.blocked[rows]

    def filters(self, rows: Int32, now: int) -> dict[str, Bool]:
        """Return by name of a reason, bool[k]: which rows are up as far as it goes."""
        catalogue = self.catalogue
        return {
            "unpublished": catalogue.published[rows] <= now,
            "expired": catalogue.expires[rows] > now,
            "withdrawn": ~self.withdrawn[rows],
        }

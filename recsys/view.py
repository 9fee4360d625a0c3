"""The moving state as one request sees it, whatever happens meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass

from recsys.arrays import Bool, Float32, Int32
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

    def shown(self, rows: Int32, now: int) -> Bool:
        """Return bool[k]: which rows are up at ``now``: published, not expired, not withdrawn."""
        catalogue = self.catalogue
        up: Bool = (
            (catalogue.published[rows] <= now)
            & (catalogue.expires[rows] > now)
            & ~self.withdrawn[rows]
        )
        return up

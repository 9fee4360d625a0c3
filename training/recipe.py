"""Everything that decides what a trained bundle is, so that two recipes can be compared."""

import hashlib
import math
from dataclasses import dataclass, field

from recsys.config import within
from recsys.weights import COREAD_HALF_LIVES, COREAD_WIDTH, TREND_HALF_LIVES, Weights


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a bundle from a snapshot; the table [train] of the configuration."""

    weights: Weights = field(default_factory=Weights)
    dims: int = 64
    """Width of the content embedding."""
    factors: int = 64
    """Width of the ALS factors."""
    iterations: int = 15
    """ALS sweeps."""
    warm_iterations: int = 4
    """ALS sweeps where tastes begin with those of an earlier bundle."""
    renew: float = 0.0
    """Share of articles or events that are new since embedder, tones and tastes were last learned
    from scratch, beyond which they are so again; below it, a training builds upon an earlier
    bundle. 0 learns all from scratch each time."""
    regularization: float = 0.05
    """ALS regularisation."""
    alpha: float = 10.0
    """ALS confidence per unit of weight."""
    neighbours: int = 64
    """Related articles kept for each article."""
    trend_half_lives: tuple[float, ...] = TREND_HALF_LIVES
    """Seconds after which a reader's voice counts half in what trends, on each clock."""
    coread_half_lives: tuple[float, ...] = COREAD_HALF_LIVES
    """Seconds after which a transition between two articles counts half, on each clock."""
    coread_width: int = COREAD_WIDTH
    """Successors kept for each article."""
    rank_questions: int = 25_000
    """Clicks of the last days that the ranker learns from; 0 lets the fusion of sources rank."""
    rank_trees: int = 60
    """Trees of the ranker."""
    rank_leaves: int = 16
    """Leaves of each tree."""
    rank_rate: float = 0.15
    """How far each tree goes; fewer trees want larger steps."""
    seed: int = 0
    """Starts the random numbers of SVD and ALS: one seed, one result."""

    def __post_init__(self) -> None:
        for name in ("dims", "factors", "iterations", "neighbours", "coread_width", "rank_trees"):
            within(name, getattr(self, name), 1, math.inf)
        within("warm_iterations", self.warm_iterations, 1, math.inf)
        within("renew", self.renew, 0.0, 1.0)
        within("rank_leaves", self.rank_leaves, 2, math.inf)
        for name in ("regularization", "alpha", "rank_questions", "rank_rate"):
            within(name, getattr(self, name), 0.0, math.inf)
        for name in ("trend_half_lives", "coread_half_lives"):
            values = getattr(self, name)
            within(f"number of {name}", len(values), 1, math.inf)
            for half_life in values:
                within(name, half_life, 1.0, math.inf)

    @property
    def hash(self) -> str:
        """A short digest of every setting."""
        return hashlib.blake2b(repr(self).encode(), digest_size=6).hexdigest()

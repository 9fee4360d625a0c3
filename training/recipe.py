"""Everything that decides what a trained bundle is, so that two recipes can be compared."""

import hashlib
from dataclasses import dataclass, field

from recsys.weights import Weights


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
    regularization: float = 0.05
    """ALS regularisation."""
    alpha: float = 10.0
    """ALS confidence per unit of weight."""
    neighbours: int = 64
    """Related articles kept for each article."""
    trend_half_life: float = 3600.0
    """Seconds after which a reader's voice counts half in what trends."""
    coread_half_life: float = 86_400.0
    """Seconds after which a transition between two articles counts half."""
    coread_width: int = 64
    """Successors kept for each article."""
    coread_reach: int = 5
    """Articles opened up to so many steps apart in one visit count as read together."""
    seed: int = 0

    @property
    def hash(self) -> str:
        """A short digest of every setting."""
        return hashlib.blake2b(repr(self).encode(), digest_size=6).hexdigest()

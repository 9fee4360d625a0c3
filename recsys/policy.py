"""The publisher's own rules for a slate, as one value."""

import hashlib
import math
from dataclasses import dataclass, field

from recsys.config import within

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SourceWeights:
    """How much each source counts in the fusion; 0 switches a source off."""

    related: float = 2.0
    """Likeness of content to the articles of this visit."""
    co_read: float = 1.5
    """What readers opened next after the articles of this visit."""
    trending: float = 0.1
    """What readers of the network open now."""
    personal: float = 0.3
    """The reader's taste, learned or folded in."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            within(name, getattr(self, name), 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class HalfLives:
    """Seconds after publication in which an article loses half its worth to a source; 0 for never.

    Trending and co-read watch the clock themselves.
    """

    related: float = 30 * DAY
    """A guide of last month may still be the best thing to read next."""
    personal: float = 1 * DAY
    """A reader who comes back wants what is new."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            within(name, getattr(self, name), 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class TrendRules:
    """What may be called a trend, in the box and in the list of trends."""

    floor: float = 1.0
    """Readers of the last hours below which nothing is a trend; who lands on a page counts 0.25."""
    min_age: int = 0
    """Seconds after publication before which an article does not trend."""
    max_age: int = 0
    """Seconds after publication from which on it does not; 0 for never."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            within(name, getattr(self, name), 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class Policy:
    """Quotas relax in the order max_per_site, other_sites_min when a slate would stay short.

    Shares of a slate round up to whole cards: of six, 0.6 is four and 0.5 is three.
    Blocks and filters (the article itself, read, expired, withdrawn, same story) never relax.
    """

    weights: SourceWeights = field(default_factory=SourceWeights)
    other_sites_min: float = 0.5
    """Least share of a slate that comes from sites other than the page's."""
    max_per_site: float = 0.6
    """Largest share of a slate that one site may take."""
    half_lives: HalfLives = field(default_factory=HalfLives)
    diversity: float = 0.3
    """How much likeness to what is already in the slate takes from an article's score; 0 to 1."""
    exploration: float = 0.05
    """Share of a slate's cards given to new, seldom shown articles to learn of them; 0 for none."""
    trends: TrendRules = field(default_factory=TrendRules)
    keep_tone: bool = True
    """Show nothing light or sponsored under a grave article, nothing grave under a light one."""
    languages: tuple[str, ...] = ()
    """Languages that may be shown; empty allows all."""

    def __post_init__(self) -> None:
        for name in ("other_sites_min", "max_per_site", "diversity"):
            within(name, getattr(self, name), 0.0, 1.0)
        within("exploration", self.exploration, 0.0, 0.5)

    @property
    def id(self) -> str:
        """A short digest of every setting, so that a slate can name the policy that made it."""
        return hashlib.blake2b(repr(self).encode(), digest_size=6).hexdigest()

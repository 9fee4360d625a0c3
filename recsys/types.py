"""The values that travel between packages; all frozen, times in int UTC seconds."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal, NamedTuple

NEVER = 2**62
"""An ``expires`` that never comes."""


class ArticleId(NamedTuple):
    """Identity of an article: its key is unique within its site only."""

    site: str
    key: str

    def __str__(self) -> str:
        return f"{self.site}/{self.key}"

    @classmethod
    def parse(cls, text: str) -> "ArticleId":
        """Read ``site/key``; the key may itself hold slashes.

        Raises ``ValueError`` when either part is missing.
        """
        site, slash, key = text.partition("/")
        if not (site and slash and key):
            raise ValueError(f"article id {text!r} is not of the form site/key")
        return cls(site, key)


class Tone(StrEnum):
    """What may stand beside an article: nothing light or sponsored beside a grave one."""

    UNKNOWN = ""
    """Nobody has said; the classifier may."""
    GRAVE = "grave"
    LIGHT = "light"
    NEUTRAL = "neutral"
    """Somebody has said: neither."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article of one site, as its publisher describes it."""

    site: str
    key: str
    url: str
    title: str
    published: int
    body: str = ""
    section: str = ""
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    language: str = ""
    image: str = ""
    sponsored: bool = False
    tone: Tone = Tone.UNKNOWN
    expires: int = NEVER

    @property
    def id(self) -> ArticleId:
        """The pair (site, key)."""
        return ArticleId(self.site, self.key)


class Kind(IntEnum):
    """What a reader did; the values are stored, so they never change."""

    IMPRESSION = 0
    CLICK = 1
    READ = 2
    COMMENT = 3
    LIKE = 4
    SHARE = 5


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one reader did to one article."""

    id: str
    kind: Kind
    article: ArticleId
    at: int
    visitor: str = ""
    """Pseudonymous; empty where the reader has not consented."""
    session: str = ""
    seen_on: str = ""
    """Site of the page that showed the box (impressions and clicks in it); empty elsewhere."""
    dwell: float = 0.0
    """Seconds spent reading; 0 where unknown."""
    slate: str = ""
    position: int = -1
    """Slot in the slate, counted from 0; -1 where unknown."""
    propensity: float = 1.0
    """Probability with which the box gave it that slot; 1 where nothing was left to chance."""
    context: tuple[str, ...] = ()
    """Coarse circumstances as ``name:value``, such as ``device:phone`` or ``region:kansai``."""
    arm: str = ""
    """``EXPERIMENT/ARM`` that made the slate; empty outside of an experiment."""
    source: str = ""
    """What spoke most for the card, as in ``Item``; empty outside of a slate."""
    bundle: str = ""
    """Id of the bundle that made the slate; empty outside of one."""
    placement: str = ""
    """Where the slate stood, as in ``Query``; empty outside of one."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a page asks: links for this reader under this article at this moment."""

    site: str
    now: int
    article: ArticleId | None = None
    visitor: str = ""
    history: tuple[ArticleId, ...] = ()
    """The session's articles, oldest first, as the page knows them."""
    n: int = 6
    context: tuple[str, ...] = ()
    """As in ``Event``: what readers in the same circumstances open now counts for more."""
    seed: int = 0
    """Decides what exploration draws, and makes the slate's id its own."""
    placement: str = ""
    """Where the box stands: ``article``, ``home``, ``newsletter`` or a name of the publisher's own.

    Empty is ``article`` where there is one, else ``home``.
    """

    @property
    def place(self) -> str:
        """The placement, also where the page did not say."""
        return self.placement or ("article" if self.article else "home")


@dataclass(frozen=True, slots=True)
class Item:
    """One card of a slate, with what it takes to explain and to evaluate it later."""

    article: ArticleId
    score: float
    source: str
    reason: str
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Slate:
    """The answer to a query."""

    id: str
    items: tuple[Item, ...]
    bundle_id: str
    policy_id: str
    notes: tuple[str, ...] = ()
    """What was unusual, for people: an unknown article, a relaxed quota, a missing bundle."""


Window = Literal["fast", "slow", "rising"]
"""Which clock ranks what trends: minutes, hours, or the ratio of the two."""


@dataclass(frozen=True, slots=True)
class TrendQuery:
    """What an editor or a page asks of the trends; empty texts leave everything in."""

    now: int
    site: str = ""
    exclude_site: str = ""
    section: str = ""
    language: str = ""
    window: Window = "fast"
    n: int = 10


@dataclass(frozen=True, slots=True)
class Trend:
    """One article that trends."""

    article: ArticleId
    score: float
    """By which it is ranked: a share of openings, or for ``rising`` a ratio of shares."""
    voices: float
    """Readers on the window's clock, decayed."""
    rising: float
    """Share of openings by the fast clock over that by the slow one, smoothed; 1 is steady."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a page needs to draw one article."""

    site: str
    key: str
    url: str
    title: str
    section: str = ""
    language: str = ""
    image: str = ""
    sponsored: bool = False
    published: int = 0
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, article: Article) -> "Card":
        """Take the card's part of an article."""
        return cls(**{name: getattr(article, name) for name in cls.__slots__})

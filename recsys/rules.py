"""What editors decide by hand: to pin, boost, bury, block or stop, or what tone an article has."""

from dataclasses import dataclass
from enum import StrEnum

from recsys.errors import DataError
from recsys.types import NEVER, ArticleId, Tone

SLOTS = 50
"""The last slot that a pin may name."""


class Action(StrEnum):
    """What a rule does."""

    PIN = "pin"
    """Puts an article into a slot, whatever the quotas say."""
    BOOST = "boost"
    BURY = "bury"
    BLOCK = "block"
    STOP = "stop"
    """Takes a story from every list of every site, whoever tells it."""
    TONE = "tone"
    """Says what tone an article has, whatever its publisher or the classifier say."""


class Aim(StrEnum):
    """By what a rule names articles."""

    ARTICLE = "article"
    AUTHOR = "author"
    TAG = "tag"
    SECTION = "section"
    PATTERN = "pattern"
    """A glob as ``*casino*`` on the title or the address, in any case."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One decision of one editor; times in UTC seconds.

    Blocks, stops and tones are filters: they never give way. A pinned article must be eligible
    too, but no quota keeps it out. Raises ``DataError`` naming the field that makes no sense.
    """

    id: str
    action: Action
    aim: Aim
    value: str
    """``site/key`` of an article, a name, or a glob."""
    site: str = ""
    """Counts on pages of this site; empty for all."""
    slot: int = 0
    """Of a pin, from 1."""
    factor: float = 1.0
    """Of a boost (above 1, up to 10) or a bury (below 1, down to 0): its share of the score."""
    tone: Tone = Tone.UNKNOWN
    start: int = 0
    end: int = NEVER
    author: str = ""
    """Who decided."""
    reason: str = ""
    created: int = 0
    undone: int = 0
    """When it was taken back; 0 while it stands."""
    undone_by: str = ""

    def __post_init__(self) -> None:
        if not self.value.strip():
            raise DataError("value is empty; expected what the rule is about")
        if self.end <= self.start:
            raise DataError(f"end = {self.end}: expected to be after start = {self.start}")
        whole = (Action.PIN, Action.STOP, Action.TONE)
        if self.action in whole and self.aim != Aim.ARTICLE:
            raise DataError(f"aim = {self.aim!s}: a {self.action} names an article")
        if self.aim == Aim.ARTICLE:
            _require_article(self.value)
        if self.aim == Aim.PATTERN and not self.value.strip("*? "):
            raise DataError(f"value = {self.value!r}: this pattern would match everything")
        _require(self.action == Action.PIN, "slot", self.slot, 1, SLOTS, 0)
        if self.action == Action.BURY:
            _require(True, "factor", self.factor, 0.0, 0.99, 1.0)
        else:
            _require(self.action == Action.BOOST, "factor", self.factor, 1.01, 10.0, 1.0)
        if (self.action == Action.TONE) != (self.tone != Tone.UNKNOWN):
            raise DataError(f"tone = {str(self.tone)!r}: a rule about tone says one, and no other")
        if self.action in (Action.STOP, Action.TONE) and self.site:
            raise DataError(f"site = {self.site!r}: a {self.action} counts on every site")

    @property
    def article(self) -> ArticleId:
        """The article that it names; ``ValueError`` where it names none."""
        return ArticleId.parse(self.value)

    def begun(self, now: int) -> bool:
        """Return whether its start has come; what has once begun has, be the clock set back."""
        return self.start <= max(now, self.created)

    def active(self, now: int) -> bool:
        """Return whether it counts at ``now``."""
        return not self.undone and self.begun(now) and now < self.end


def _require(wanted: bool, name: str, value: float, low: float, high: float, none: float) -> None:
    if wanted and not low <= value <= high:
        raise DataError(f"{name} = {value!r}: expected {low:g} to {high:g}")
    if not wanted and value != none:
        raise DataError(f"{name} = {value!r}: this kind of rule has none")


def _require_article(value: str) -> None:
    try:
        ArticleId.parse(value)
    except ValueError as error:
        raise DataError(f"value = {value!r}: expected an article as site/key") from error

"""The publisher's own rules for a slate, as one value."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recsys.config import Place, Problems, overlaid, parse, within
from recsys.errors import ConfigError

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
class Sponsored:
    """How many cards may be paid for, and where; they are always labelled."""

    most: int = 1
    """Sponsored cards that a slate may hold."""
    slots: tuple[int, ...] = ()
    """Slots, from 1, that are theirs wherever one is eligible; they stand nowhere else then.
    Where there are none they compete for any slot."""

    def __post_init__(self) -> None:
        within("most", self.most, 0, 50)
        for slot in self.slots:
            within("slots", slot, 1, 50)


@dataclass(frozen=True, slots=True)
class ToneRules:
    """What may stand beside grave news; an editor's rule says what is grave, then the publisher."""

    page: bool = True
    """Show nothing light or sponsored under a grave article, nothing grave under a light one."""
    slate: bool = True
    """Show nothing light or sponsored in one slate with a grave article."""
    classify: bool = True
    """Believe the classifier where nobody has said what tone an article has."""


@dataclass(frozen=True, slots=True)
class SiteQuota:
    """What one site gets of every slate."""

    min: float = 0.0
    """Least share of a slate that comes from the site, where it has enough to show."""
    max: float | None = None
    """Largest share of a slate that it may take; `max_per_site` where unset."""

    def __post_init__(self) -> None:
        _require_shares(self.min, 1.0 if self.max is None else self.max)


@dataclass(frozen=True, slots=True)
class SectionRules:
    """How one section is shown, on every site that has a section of the name."""

    min: float = 0.0
    """Least share of a slate that comes from the section, where it has enough to show."""
    max: float = 1.0
    """Largest share of a slate that it may take."""
    half_life: float | None = None
    """Seconds as in `[policy.half_lives]`, for both sources; those where unset, 0 for never."""
    max_age: int | None = None
    """Seconds as in `[policy] max_age`; that where unset, 0 for never."""

    def __post_init__(self) -> None:
        _require_shares(self.min, self.max)
        for name in ("half_life", "max_age"):
            within(name, getattr(self, name) or 0, 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class Policy:
    """Quotas relax in the order of ``QUOTAS`` when a slate would stay short.

    Shares of a slate round up to whole cards: of six, 0.6 is four and 0.5 is three.
    Filters (the article itself, read, expired, withdrawn, too old, same story, tone, editors'
    blocks) never relax, nor does the number of sponsored cards.
    """

    weights: SourceWeights = field(default_factory=SourceWeights)
    other_sites_min: float = 0.5
    """Least share of a slate that comes from sites other than the page's."""
    max_per_site: float = 0.6
    """Largest share of a slate that one site may take."""
    sites: Mapping[str, SiteQuota] = field(default_factory=dict)
    """By site: quotas of its own."""
    sections: Mapping[str, SectionRules] = field(default_factory=dict)
    """By section, in any case of letters: quotas, freshness and age of its own."""
    half_lives: HalfLives = field(default_factory=HalfLives)
    max_age: int = 0
    """Seconds after publication from which on an article is not shown; 0 for never."""
    diversity: float = 0.3
    """How much likeness to what is already in the slate takes from an article's score; 0 to 1."""
    exploration: float = 0.05
    """Share of a slate's cards given to new, seldom shown articles to learn of them; 0 for none."""
    trends: TrendRules = field(default_factory=TrendRules)
    sponsored: Sponsored = field(default_factory=Sponsored)
    tone: ToneRules = field(default_factory=ToneRules)
    languages: tuple[str, ...] = ()
    """Languages that may be shown; empty allows all."""
    placements: Mapping[str, "Policy"] = field(default_factory=dict)
    """By placement (article, home, newsletter, or a name of your own): what is different there."""

    def __post_init__(self) -> None:
        for name in ("other_sites_min", "max_per_site", "diversity"):
            within(name, getattr(self, name), 0.0, 1.0)
        within("exploration", self.exploration, 0.0, 0.5)
        within("max_age", self.max_age, 0, math.inf)
        for name in ("sites", "sections", "placements"):
            # In whatever order a file tells them, it is one policy with one id.
            object.__setattr__(self, name, dict(sorted(getattr(self, name).items())))
        for name in ("sites", "sections"):
            least = sum(quota.min for quota in getattr(self, name).values())
            if least > 1.0:
                raise ConfigError(f"min of {name} = {least:g} together: expected 1 or less")

    @property
    def id(self) -> str:
        """A short digest of every setting, so that a slate can name the policy that made it."""
        known = _IDS.get(id(self))
        if known is None or known[0] is not self:
            if len(_IDS) >= MANY:
                _IDS.clear()
            digest = hashlib.blake2b(repr(self).encode(), digest_size=6).hexdigest()
            known = _IDS[id(self)] = self, digest
        return known[1]

    def at(self, placement: str) -> "Policy":
        """Return what holds at a placement: this policy where nothing is different there."""
        return self.placements.get(placement, self)

    def still(self) -> "Policy":
        """Return the same without exploration, wherever the box stands.

        Where nobody can report what was seen, a trial teaches nothing.
        """
        placements = {name: policy.still() for name, policy in self.placements.items()}
        return dataclasses.replace(self, exploration=0.0, placements=placements)


_IDS: dict[int, tuple[Policy, str]] = {}
"""Ids that were asked for, by the identity of the policy: each answer names it."""
MANY = 1_000

PLACEMENTS = ("article", "home", "newsletter")
"""Where a box may stand as everybody knows; a policy may name more."""

QUOTAS = ("sections", "sites", "max_per_site", "other_sites_min")
"""In the order in which they give way: shares of sections, least shares of sites, and so on."""


def read_policy(table: Any, where: Place) -> Policy:
    """Return the policy of the TOML table [policy].

    Each of its ``placements`` says only what it changes. Raises ``Misread`` with everything unknown
    or wrong.
    """
    if not isinstance(table, Mapping):
        return parse(Policy, table, where)
    problems, placements = Problems(), table.get("placements", {})
    base = {key: value for key, value in table.items() if key != "placements"}
    made = {}
    if not isinstance(placements, Mapping):
        problems.add(
            where,
            f"placements = {placements!r}: expected tables [policy.placements.NAME]",
            "placements",
        )
        placements = {}
    for name, changes in placements.items():
        place = (where / "placements" / name).above(where)
        if not isinstance(changes, Mapping):
            problems.add(where / "placements", f"{name} = {changes!r}: expected a table", name)
        elif "placements" in changes:
            problems.add(place, "a placement has no placements of its own", "placements")
        else:
            with problems:
                made[name] = parse(Policy, overlaid(base, changes), place)
    with problems:
        policy = parse(Policy, {**base, "placements": made}, where)
    problems.settle()
    return policy


def _require_shares(least: float, most: float) -> None:
    within("min", least, 0.0, 1.0)
    within("max", most, 0.0, 1.0)
    if least > most:
        raise ConfigError(f"min = {least:g}: expected to be no more than max = {most:g}")

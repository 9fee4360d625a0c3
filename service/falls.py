"""Says whether readers receive a bundle worse than the one before it, like with like.

A rate depends on where and when cards are shown more than on who chose them. So the bundle before
says, for each place (site of the page, placement, arm) and hour of day, what the new one's cards
would have earned there: direct standardisation, as in epidemiology. An hour of which the bundle
before knows little leans on its rate at all hours, and a place that it never filled is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from data.ratios import WIDE, Sums, bounds
from data.reception import Cells, Place
from recsys.experiments import FEW
from service.fills import Fill, Key

KNOWN = 30
"""Cards, or answers, of the bundle before that make a place known."""
LEAN = 1_000.0
"""Cards of a place at all hours that weigh as much as those of the hour itself."""
FEW_EXPECTED = 5.0
"""Clicks that must have been expected beside those of any one site."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the pages of one site say."""

    many: float = 0.0
    """Cards, or answers."""
    got: float = 0.0
    """Clicks, or the sum of their fill."""
    expected: float = 0.0
    """The same, had the bundle before earned them."""

    def __add__(self, other: "Page") -> "Page":
        return Page(self.many + other.many, self.got + other.got, self.expected + other.expected)

    def __sub__(self, other: "Page") -> "Page":
        return Page(self.many - other.many, self.got - other.got, self.expected - other.expected)


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall beyond its bound."""

    reason: str
    """``clicks`` or ``fill``."""
    many: int
    """Cards, or answers, of the new bundle that could be compared."""
    before: int
    """The same of the bundle before."""
    rate: float
    high: float
    """Upper end of the interval of 95 % of ``rate``."""
    expected: float
    bound: float
    """Below which ``high`` is."""


def compared(new: Cells, old: Cells) -> tuple[dict[str, Page], set[Place], int]:
    """Return what each site's pages say, the places compared, and the old bundle's share in them.

    The last is how many cards, or answers, the old bundle had there.
    """
    known: dict[Place, Page] = {}
    for cell, (many, got) in old.items():
        known[cell[:3]] = known.get(cell[:3], Page()) + Page(many, got)
    known = {place: sums for place, sums in known.items() if sums.many >= KNOWN}
    pages: dict[str, Page] = {}
    places: set[Place] = set()
    for cell, (many, got) in new.items():
        place = cell[:3]
        if place not in known:
            continue
        places.add(place)
        overall = known[place].got / known[place].many
        then, earned = old.get(cell, (0.0, 0.0))
        rate = (earned + LEAN * overall) / (then + LEAN)
        pages[cell[0]] = pages.get(cell[0], Page()) + Page(many, got, many * rate)
    return pages, places, int(sum(known[place].many for place in places))


def of_clicks(
    pages: Mapping[str, Page], before: int, sums: Sums, least: int, drop: float, network: bool
) -> Fall | None:
    """Return how far click rate has fallen, None where it has not, or nobody can say yet.

    It has where all of the interval over readers lies more than ``drop`` (a share) below what was
    expected, with ``least`` cards of either bundle, and where ``network`` (there is more than one
    site) the rest falls as far whichever site is left out. It is looked at again and again, which
    an interval does not allow for; that it must clear a bound and not just the old rate does.
    """
    whole = sum(pages.values(), Page())
    if min(sums.n, before) < least or sums.readers < FEW or not whole.many:
        return None
    rate, expected = sums.c / sums.n, whole.expected / whole.many
    high = bounds(sums, rate)[1]
    bound = (1 - drop) * expected
    if high >= bound or not _everywhere(pages, whole, drop, FEW_EXPECTED, network):
        return None
    return Fall("clicks", sums.n, before, rate, high, expected, bound)


def of_fill(
    new: Mapping[Key, Fill], old: Mapping[Key, Fill], least: int, drop: float
) -> Fall | None:
    """Return how far the fill of slates has fallen, None where it has not, or it is too early.

    As for clicks, with ``least`` answers of either bundle; the sites are those of the old one.
    """
    pages, places, before = compared(_cells(new), _cells(old))
    whole = sum(pages.values(), Page())
    if min(whole.many, before) < least:
        return None
    fills = sum((fill for key, fill in new.items() if key[:3] in places), Fill())
    rate, expected = whole.got / whole.many, whole.expected / whole.many
    high = rate + WIDE * fills.error
    bound = (1 - drop) * expected
    network = len({site for site, *_ in old}) > 1
    if high >= bound or not _everywhere(pages, whole, drop, FEW, network):
        return None
    return Fall("fill", int(whole.many), before, rate, high, expected, bound)


def _everywhere(
    pages: Mapping[str, Page], whole: Page, drop: float, least: float, network: bool
) -> bool:
    """Return whether what is left without any one site still says so, and says enough.

    A site whose box is broken, or that a robot walks through, is no reason to change all others.
    """
    if not network:
        return True
    rests = [whole - page for page in pages.values()]
    return all(r.expected >= least and r.got < (1 - drop) * r.expected for r in rests)


def _cells(fills: Mapping[Key, Fill]) -> Cells:
    return {key: (float(fill.answers), fill.share) for key, fill in fills.items()}

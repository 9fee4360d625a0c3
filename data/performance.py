"""Tells which cards readers click: rates by slot, source, site and more, and what chance may do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any

from scipy import stats
from sqlalchemy import (
    CTE,
    ColumnElement,
    Row,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from data.schema import events
from data.store import Store
from recsys.errors import DataError
from recsys.experiments import FEW, FEW_CLICKING
from recsys.types import Kind

WIDE = float(stats.norm.isf(0.025))
"""Standard errors that an interval of 95 % goes to either side."""


class Dimension(StrEnum):
    """By what cards are told apart."""

    SLOT = "slot"
    """From 1; 0 where nobody said."""
    SOURCE = "source"
    SITE = "site"
    """Of the card."""
    PAGE = "page"
    """Site of the page that showed it."""
    PLACEMENT = "placement"
    BUNDLE = "bundle"
    ARM = "arm"
    DAY = "day"
    """UTC seconds of its beginning, as the hour's."""
    HOUR = "hour"


TIMES = {Dimension.DAY: 86_400, Dimension.HOUR: 3_600}
"""Dimensions of time and their steps in seconds."""
COLUMNS = {
    Dimension.SOURCE: events.c.source,
    Dimension.SITE: events.c.site,
    Dimension.PAGE: events.c.seen_on,
    Dimension.PLACEMENT: events.c.placement,
    Dimension.BUNDLE: events.c.bundle,
    Dimension.ARM: events.c.arm,
}
NUMBERS = {Dimension.SLOT, *TIMES}
"""Dimensions whose values are integers; the others' are names, empty where nobody said."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one group's rate is above that of all other cards together."""

    by: float
    low: float
    high: float
    p: float
    """Of no difference at all, two-sided, for one look at one comparison."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often the cards of one group were clicked; nothing in it is ever NaN."""

    of: tuple[str | int, ...]
    """Value of each dimension that was asked for."""
    impressions: int
    """Cards seen. One that was clicked has been seen, even where the page could not say so."""
    clicks: int
    readers: int
    clicking: int
    """Readers who clicked at all."""
    rate: float
    low: float
    """Bounds of the interval of 95 % over readers, within 0 and 1."""
    high: float
    gap: Gap | None
    """None where there are no other cards, or too few here or there to compare."""

    @property
    def few(self) -> bool:
        """Whether there is too little to say anything: intervals assume many readers."""
        return self.readers < FEW or self.clicking < FEW_CLICKING


def click_rates(
    store: Store,
    since: int,
    until: int,
    *groupings: tuple[Dimension, ...],
    only: Mapping[Dimension, str] | None = None,
) -> list[tuple[Rate, ...]]:
    """Return for each grouping the rate of each group of cards, in order of their values.

    Cards count that were seen or clicked in ``[since, until)`` (UTC seconds), each once in its
    slate; ``only`` keeps those with some names. An empty grouping is all cards as one group. It is
    one statement, whatever it is asked: finding the cards is most of the work. What one reader does
    hangs together, so errors are over readers: the visitor, without consent the session, without
    either the slate. Raises ``DataError`` where the store fails, or ``only`` has a number.
    """
    cards = _cards(since, until, only or {})
    readers = (
        select(cards.c.reader, func.sum(cards.c.clicked).label("c"), func.count().label("n"))
        .group_by(cards.c.reader)
        .cte("readers")
    )
    asked: tuple[tuple[Dimension, ...], ...] = ((), *groupings)
    width = max(map(len, asked))
    parts = [_part(number, by, cards, readers, width) for number, by in enumerate(asked)]
    with store.reading() as connection:
        rows = connection.execute(union_all(*parts)).all()
    # All cards as one group are a row even where there are none.
    sums = [(row.grouping, row, _Sums.of(row)) for row in rows if row.readers]
    whole = next((one for grouping, _, one in sums if grouping == 0), None)
    found: list[tuple[Rate, ...]] = []
    for number, by in enumerate(groupings, 1):
        mine = [(_named(by, row), own) for grouping, row, own in sums if grouping == number]
        found.append(tuple(_rate(of, own, whole) for of, own in sorted(mine, key=itemgetter(0))))
    return found


def _cards(since: int, until: int, only: Mapping[Dimension, str]) -> CTE:
    """Select each card of each slate once: who saw it, whether it was clicked, all dimensions."""
    kinds = [int(Kind.IMPRESSION), int(Kind.CLICK)]
    # Who is known in one event of a card and not in the other is known.
    visitor, session = func.max(events.c.visitor), func.max(events.c.session)
    reader = func.coalesce(func.nullif(visitor, ""), func.nullif(session, ""), events.c.slate)
    shown = (
        select(
            reader.label("reader"),
            func.max(events.c.kind).label("clicked"),
            func.min(events.c.at).label("at"),
            (func.max(events.c.position) + 1).label(Dimension.SLOT),
            *(func.max(column).label(name) for name, column in COLUMNS.items()),
        )
        # The index on times is partial: it serves only who says so, in just these words.
        .where(events.c.slate != literal_column("''"), events.c.kind.in_(kinds))
        .where(events.c.at >= since, events.c.at < until)
        .group_by(events.c.slate, events.c.site, events.c.key)
    )
    for dimension, name in only.items():
        if dimension not in COLUMNS:
            raise DataError(f"only = {str(dimension)!r}: expected one of {', '.join(COLUMNS)}")
        shown = shown.where(COLUMNS[dimension] == name)
    return shown.cte("cards")


def _part(
    number: int, by: tuple[Dimension, ...], cards: CTE, readers: CTE, width: int
) -> Select[Any]:
    """Select the sums of one grouping: by reader first, then over readers."""
    values = [_value(cards, dimension).label(f"d{place}") for place, dimension in enumerate(by)]
    own = (
        select(
            cards.c.reader,
            *values,
            func.sum(cards.c.clicked).label("c"),
            func.count().label("n"),
        )
        .group_by(cards.c.reader, *values)
        .subquery(f"own{number}")
    )
    c, n, all_c, all_n = own.c.c, own.c.n, readers.c.c, readers.c.n
    sums = {
        **{"c": c, "n": n, "cc": c * c, "cn": c * n, "nn": n * n},
        **{"c_c": c * all_c, "c_n": c * all_n, "n_c": n * all_c, "n_n": n * all_n},
        "clicking": case((c > 0, 1), else_=0),
        "only": case((n == all_n, 1), else_=0),
        "only_clicking": case(((c > 0) & (c == all_c), 1), else_=0),
    }
    values = [
        cast(own.c[f"d{place}"] if place < len(by) else literal(""), String).label(f"d{place}")
        for place in range(width)
    ]
    return (
        select(
            literal(number).label("grouping"),
            *values,
            func.count().label("readers"),
            *(func.sum(column).label(name) for name, column in sums.items()),
        )
        .join_from(own, readers, own.c.reader == readers.c.reader)
        .group_by(*(own.c[f"d{place}"] for place in range(len(by))))
    )


def _value(cards: CTE, dimension: Dimension) -> ColumnElement[Any]:
    step = TIMES.get(dimension)
    return cards.c.at // step * step if step else cards.c[dimension]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Over the readers of a group: clicks c and cards n of each in it, and in all (``c_``)."""

    readers: int
    clicking: int
    only: int
    """Readers who saw no other card."""
    only_clicking: int
    """Readers who clicked, and no other card."""
    c: int
    n: int
    cc: int
    cn: int
    nn: int
    c_c: int
    c_n: int
    n_c: int
    n_n: int

    @classmethod
    def of(cls, row: Row[Any]) -> "_Sums":
        # PostgreSQL sums to decimals.
        return cls(**{name: int(row._mapping[name]) for name in cls.__slots__})

    def within(self, rate: float) -> float:
        """Return the sum of ``(c - rate · n)²``."""
        return _product(self.cc, self.cn, self.cn, self.nn, rate, rate)

    def across(self, rate: float, other: float) -> float:
        """Return the sum of ``(c - rate · n) (C - other · N)``, with C and N of all cards."""
        return _product(self.c_c, self.c_n, self.n_c, self.n_n, rate, other)


def _product(cc: int, cn: int, nc: int, nn: int, a: float, b: float) -> float:
    return cc - b * cn - a * nc + a * b * nn


def _named(by: tuple[Dimension, ...], row: Row[Any]) -> tuple[str | int, ...]:
    values = (row._mapping[f"d{place}"] for place in range(len(by)))
    return tuple(int(v) if d in NUMBERS else v for d, v in zip(by, values, strict=True))


def _rate(of: tuple[str | int, ...], own: _Sums, whole: _Sums | None) -> Rate:
    rate = own.c / own.n
    low, high = _bounds(own, rate)
    gap = _gap(own, whole) if whole else None
    return Rate(of, own.n, own.c, own.readers, own.clicking, rate, low, high, gap)


def _bounds(own: _Sums, rate: float) -> tuple[float, float]:
    """Return Wilson's interval for as many independent cards as these are worth.

    That many would have the variance that the ratio has over readers (linearised); never more than
    there are. Where that variance is 0, nothing is known of what hangs together, and each reader
    counts as one card. Korn and Graubard (1998); Wilson (1927).
    """
    variance = max(own.within(rate), 0.0) / own.n**2
    if own.readers > 1:
        variance *= own.readers / (own.readers - 1)
    tiny = 1e-12 / own.n
    worth = min(own.n, rate * (1 - rate) / variance) if variance > tiny else own.readers
    share = WIDE**2 / worth
    middle = (rate + share / 2) / (1 + share)
    half = math.sqrt(share * (rate * (1 - rate) + share / 4)) / (1 + share)
    return max(0.0, middle - half), min(1.0, middle + half)


def _gap(own: _Sums, whole: _Sums) -> Gap | None:
    """Compare a group with all other cards; one reader may have seen both, so they covary."""
    n, c = whole.n - own.n, whole.c - own.c
    readers, clicking = whole.readers - own.only, whole.clicking - own.only_clicking
    if min(own.readers, readers) < FEW or min(own.clicking, clicking) < FEW_CLICKING:
        return None
    mine, theirs = own.c / own.n, c / n
    own_with_rest = own.across(mine, theirs) - _product(
        own.cc, own.cn, own.cn, own.nn, mine, theirs
    )
    rest = whole.within(theirs) - 2 * own.across(theirs, theirs) + own.within(theirs)
    variance = own.within(mine) / own.n**2 - 2 * own_with_rest / (own.n * n) + rest / n**2
    error = math.sqrt(max(variance, 0.0) * whole.readers / (whole.readers - 1))
    by = mine - theirs
    p = float(2 * stats.norm.sf(abs(by) / error)) if error > 0 else float(by == 0)
    return Gap(by, by - WIDE * error, by + WIDE * error, p)

"""Tells which cards readers click: rates by slot, source, site and more, and what chance may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
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

from data.ratios import Gap, Sums, bounds, few, gap
from data.schema import events
from data.store import Store
from recsys.errors import DataError
from recsys.types import Kind


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
        return few(self.readers, self.clicking)


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
    statement = _statement(since, until, groupings, only or {})
    with store.reading() as connection:
        rows = connection.execute(statement).all()
    # All cards as one group are a row even where there are none.
    sums = [(row.grouping, row, Sums.of(row._asdict())) for row in rows if row.readers]
    whole = next((one for grouping, _, one in sums if grouping == 0), None)
    found: list[tuple[Rate, ...]] = []
    for number, by in enumerate(groupings, 1):
        mine = [(_named(by, row), own) for grouping, row, own in sums if grouping == number]
        found.append(tuple(_rate(of, own, whole) for of, own in sorted(mine, key=itemgetter(0))))
    return found


def _statement(
    since: int,
    until: int,
    groupings: Sequence[tuple[Dimension, ...]],
    only: Mapping[Dimension, str],
) -> CompoundSelect[Any]:
    """Ask for the sums of all cards together (grouping 0), then for those of each grouping."""
    cards = cards_of_boxes(since, until, only)
    readers = (
        select(cards.c.reader, func.sum(cards.c.clicked).label("c"), func.count().label("n"))
        .group_by(cards.c.reader)
        .cte("readers")
    )
    asked: tuple[tuple[Dimension, ...], ...] = ((), *groupings)
    width = max(map(len, asked))
    parts = [_part(number, by, cards, readers, width) for number, by in enumerate(asked)]
    return union_all(*parts)


def events_of_boxes(
    store: Store, since: int, until: int, only: Mapping[Dimension, str] | None = None
) -> int:
    """Return how many events ``click_rates`` would have to read: some 10 µs each."""
    with store.reading() as connection:
        return connection.execute(
            select(func.count()).select_from(events).where(*_wanted(since, until, only or {}))
        ).scalar_one()


def _wanted(since: int, until: int, only: Mapping[Dimension, str]) -> list[ColumnElement[bool]]:
    if wrong := [str(dimension) for dimension in only if dimension not in COLUMNS]:
        raise DataError(f"only = {wrong[0]!r}: expected one of {', '.join(COLUMNS)}")
    return [
        # The index on times is partial: it serves only who says so, in just these words.
        events.c.slate != literal_column("''"),
        events.c.kind.in_([int(Kind.IMPRESSION), int(Kind.CLICK)]),
        events.c.at >= since,
        events.c.at < until,
        *(COLUMNS[dimension] == name for dimension, name in only.items()),
    ]


def cards_of_boxes(since: int, until: int, only: Mapping[Dimension, str]) -> CTE:
    """Select each card of each slate once: who saw it, whether it was clicked, all dimensions."""
    # Who is known in one event of a card and not in the other is known.
    visitor, session = func.max(events.c.visitor), func.max(events.c.session)
    reader = func.coalesce(func.nullif(visitor, ""), func.nullif(session, ""), events.c.slate)
    return (
        select(
            reader.label("reader"),
            func.max(events.c.kind).label("clicked"),
            func.min(events.c.at).label("at"),
            (func.max(events.c.position) + 1).label(Dimension.SLOT),
            *(func.max(column).label(name) for name, column in COLUMNS.items()),
        )
        .where(*_wanted(since, until, only))
        .group_by(events.c.slate, events.c.site, events.c.key)
        .cte("cards")
    )


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
    if not step:
        return cards.c[dimension]
    # Written out: PostgreSQL takes two parameters of one value for two expressions to group by.
    seconds = literal_column(str(step), BigInteger)
    return cards.c.at // seconds * seconds


def _named(by: tuple[Dimension, ...], row: Row[Any]) -> tuple[str | int, ...]:
    values = (row._mapping[f"d{place}"] for place in range(len(by)))
    return tuple(int(v) if d in NUMBERS else v for d, v in zip(by, values, strict=True))


def _rate(of: tuple[str | int, ...], own: Sums, whole: Sums | None) -> Rate:
    rate = own.c / own.n
    low, high = bounds(own, rate)
    apart = gap(own, whole) if whole else None
    return Rate(of, own.n, own.c, own.readers, own.clicking, rate, low, high, apart)

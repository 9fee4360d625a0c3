"""Tells how readers receive the cards of one bundle, by page, placement, arm and hour of day."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, func, literal, select, tuple_

from data.performance import Dimension, cards_of_boxes
from data.ratios import Sums
from data.store import Store

MOST = 300
"""Cards that nobody sees within a watch: who is shown more is a machine, and is left out."""
Place = tuple[str, str, str]
"""Site of the page, placement and arm."""
Cells = dict[tuple[str, str, str, int], tuple[float, float]]
"""By place and hour of day (UTC, 0 to 23): how many cards, and how many of them were clicked."""


def cells(store: Store, bundle: str, since: int, until: int, settled: int) -> Cells:
    """Return how often the cards of a bundle were shown and clicked in ``[since, until)``.

    Only those first seen before ``settled``: a card that has just been seen may be clicked yet.
    Times are UTC seconds. Raises ``DataError`` where the store fails.
    """
    cards = _cards(bundle, since, until, settled)
    hour = (cards.c.at // 3600 % 24).label("hour")
    keys = [cards.c[name] for name in _PLACE]
    asked = select(*keys, hour, func.count().label("n"), func.sum(cards.c.clicked).label("c"))
    with store.reading() as connection:
        rows = connection.execute(asked.group_by(*keys, hour)).all()
    return {(r.page, r.placement, r.arm, int(r.hour)): (int(r.n), int(r.c)) for r in rows}


def spread(
    store: Store, bundle: str, since: int, until: int, settled: int, places: Collection[Place]
) -> Sums:
    """Return the sums over readers of the same cards, but for other than some places.

    What one reader does hangs together, so errors are over readers: see ``click_rates``.
    """
    cards = _cards(bundle, since, until, settled)
    here: ColumnElement[bool] = tuple_(*(cards.c[name] for name in _PLACE)).in_(sorted(places))
    own = (
        select(func.sum(cards.c.clicked).label("c"), func.count().label("n"))
        .where(here)
        .group_by(cards.c.reader)
        .subquery()
    )
    c, n = own.c.c, own.c.n
    sums = {"c": c, "n": n, "cc": c * c, "cn": c * n, "nn": n * n}
    asked: Select[Any] = select(
        func.count().label("readers"),
        func.count(func.nullif(c, 0)).label("clicking"),
        *(func.coalesce(func.sum(column), 0).label(name) for name, column in sums.items()),
    ).select_from(own)
    with store.reading() as connection:
        row = connection.execute(asked).one()._asdict()
    # All cards are these: nobody is compared with anybody outside of them.
    row |= {"only": row["readers"], "only_clicking": row["clicking"]}
    row |= {"c_c": row["cc"], "c_n": row["cn"], "n_c": row["cn"], "n_n": row["nn"]}
    return Sums.of(row)


_PLACE = (Dimension.PAGE, Dimension.PLACEMENT, Dimension.ARM)


def _cards(bundle: str, since: int, until: int, settled: int) -> CTE:
    every = cards_of_boxes(since, until, {Dimension.BUNDLE: bundle})
    machines = select(every.c.reader).group_by(every.c.reader).having(func.count() > literal(MOST))
    settling = every.c.at < settled
    return select(every).where(settling, every.c.reader.not_in(machines)).cte("settled")

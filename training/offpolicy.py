"""Judges rankings that nobody has seen yet by the slates that were logged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recsys import offpolicy
from recsys.arrays import Bool, Float64, Int16, Int32, Int64
from recsys.errors import DataError
from recsys.offpolicy import Cards, Estimate
from recsys.tables import Interactions
from recsys.types import Kind

PRIOR = 20.0
"""Impressions that the average click rate weighs in that of an article."""


@dataclass(frozen=True, slots=True, eq=False)
class LoggedSlate:
    """m cards of one answer of the box, and which of them were clicked."""

    slate: int
    reader: int
    """Row of the reader, -1 where unknown."""
    session: int
    """Code of the visit, -1 where unknown."""
    at: int
    """When its first card was seen, UTC seconds."""
    rows: Int32
    """int32[m]: the articles"""
    slots: Int16
    """int16[m]: where each stood, from 0"""
    propensity: Float64
    """f64[m]: probability with which the article was put into its slot"""
    clicked: Bool
    """bool[m]"""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Where a policy puts c articles in the m slots of a logged slate."""

    rows: Int32
    """int32[c]"""
    chance: Float64
    """f64[c, m]: the probability of putting ``rows[i]`` into ``slots[j]``.

    A column sums to 1, or to less where the policy may leave the slot empty.
    """


Target = Callable[[LoggedSlate], Placed]
"""A policy to judge."""
Model = Callable[[LoggedSlate, Int32], Float64]
"""A guess of clicks: f64[c, m], the click rate of articles int32[c] in the slots of a slate."""
Scorer = Callable[[LoggedSlate], Float64]
"""A ranking of a slate's articles: f64[m], the higher the better.

It must have learned from other clicks than those it is judged by: no weight gives it away.
"""
Chooser = Callable[[LoggedSlate], Int32]
"""A box of one's own: int32[m], the article for each of a slate's slots, -1 for none."""


def logged_slates(events: Interactions) -> tuple[LoggedSlate, ...]:
    """Return the slates of a log in the order in which they were seen.

    A card is an article of a slate that was seen or clicked; it counts once. Raises ``DataError``
    naming the event of a card without a position.
    """
    of_box = (events.kind == Kind.IMPRESSION) | (events.kind == Kind.CLICK)
    cards = np.flatnonzero(of_box & (events.slate >= 0))
    lost = cards[events.position[cards] < 0]
    if len(lost):
        raise DataError(
            f"position of event {lost[0]} is {events.position[lost[0]]}, as of {len(lost)} in all "
            f"that are of a slate; expected the slot of the card, from 0"
        )
    width = int(events.article.max(initial=0)) + 1
    key = events.slate[cards].astype(np.int64) * width + events.article[cards]
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    clicks = np.bincount(index, events.kind[cards] == Kind.CLICK, len(first))
    first = cards[first]
    starts = np.flatnonzero(np.diff(events.slate[first], prepend=-1))
    found = [
        LoggedSlate(
            slate=int(events.slate[part[0]]),
            reader=int(events.visitor[part[0]]),
            session=int(events.session[part[0]]),
            at=int(events.at[part].min()),
            rows=events.article[part],
            slots=events.position[part],
            propensity=events.propensity[part].astype(np.float64),
            clicked=clicked > 0,
        )
        for part, clicked in zip(
            np.split(first, starts[1:]), np.split(clicks, starts[1:]), strict=True
        )
        if len(part)
    ]
    return tuple(sorted(found, key=lambda slate: (slate.at, slate.slate)))


def judge(
    slates: Sequence[LoggedSlate],
    target: Target,
    *,
    fit: Callable[[Sequence[LoggedSlate]], Model] | None = None,
    clip: float | None = None,
) -> tuple[Estimate, ...]:
    """Return what was logged, and what ``target`` would have earned for the same readers.

    With ``fit`` there is a doubly robust estimate too. The model that speaks about a reader is
    fitted to the slates of other readers (cross-fitting; Chernozhukov et al., 2018), so that it has
    not seen the clicks it is corrected by. A reader is the visitor, of unknown ones the visit.
    Raises as ``recsys.offpolicy``.
    """
    return offpolicy.estimates(weighed(slates, target, fit=fit), clip=clip)


def weighed(
    slates: Sequence[LoggedSlate],
    target: Target,
    *,
    fit: Callable[[Sequence[LoggedSlate]], Model] | None = None,
) -> Cards:
    """Return the cards of slates with all that ``judge`` goes by."""
    reader = _readers(slates)
    models = _crossed(slates, reader, fit) if fit else [None] * len(slates)
    columns = [_columns(s, target(s), model) for s, model in zip(slates, models, strict=True)]
    clicked, propensity, chance, predicted, expected = (
        np.concatenate([np.empty(0), *column])
        for column in (zip(*columns, strict=True) if columns else [()] * 5)
    )
    size = [len(s.rows) for s in slates]
    return Cards(
        slate=np.repeat(np.arange(len(slates)), size),
        clicked=clicked,
        propensity=propensity,
        target=chance,
        reader=np.repeat(reader, size),
        predicted=predicted if fit else None,
        expected=expected if fit else None,
    )


def reranked(scorer: Scorer) -> Target:
    """Return the policy that puts the shown articles into the shown slots by their scores.

    The best stands in the first slot; of equal scores the lower row stands first.
    """

    def target(slate: LoggedSlate) -> Placed:
        order = np.lexsort((slate.rows, -scorer(slate)))
        chance = np.zeros((len(order), len(order)))
        chance[order, np.argsort(slate.slots, kind="stable")] = 1.0
        return Placed(slate.rows, chance)

    return target


def shuffled(slate: LoggedSlate) -> Placed:
    """Put the shown articles into the shown slots in any order, each as likely as any other."""
    cards = len(slate.rows)
    return Placed(slate.rows, np.full((cards, cards), 1.0 / cards))


def filled(chooser: Chooser) -> Target:
    """Return the policy that fills the shown slots with articles of its own."""

    def target(slate: LoggedSlate) -> Placed:
        rows = chooser(slate)
        return Placed(rows, np.diag((rows >= 0).astype(np.float64)))

    return target


def click_rates(slates: Sequence[LoggedSlate]) -> Model:
    """Return a plain model: a slot's click rate times how much more an article is clicked there.

    Articles' rates are smoothed towards the average by ``PRIOR`` impressions. An unknown article is
    an average one; a slot below all known ones is like the lowest.
    """
    rows, slots, clicked = (
        np.concatenate([np.empty(0, dtype), *(getattr(s, name) for s in slates)])
        for name, dtype in (("rows", np.int32), ("slots", np.int8), ("clicked", np.bool_))
    )
    average = (clicked.sum() + 1e-9) / max(len(clicked), 1)
    prior = PRIOR * average
    by_slot = (np.bincount(slots, clicked, 1) + average) / (np.bincount(slots, minlength=1) + 1)
    hoped = np.bincount(rows, by_slot[slots], 1)
    lift = np.append((np.bincount(rows, clicked, 1) + prior) / (hoped + prior), 1.0)

    def model(slate: LoggedSlate, rows: Int32) -> Float64:
        article = lift[np.minimum(rows, len(lift) - 1)]
        slot = by_slot[np.minimum(slate.slots, len(by_slot) - 1)]
        return np.minimum(article[:, None] * slot, 1.0)

    return model


def _columns(
    slate: LoggedSlate, placed: Placed, model: Model | None
) -> tuple[Float64, Float64, Float64, Float64, Float64]:
    """Return clicked, propensity, target, predicted and expected of a slate's cards."""
    cards, chance = len(slate.rows), placed.chance
    if chance.shape != (len(placed.rows), cards):
        raise DataError(
            f"the target gave slate {slate.slate} probabilities of shape {chance.shape}; expected "
            f"{(len(placed.rows), cards)}, articles by slots"
        )
    target = np.sum(chance * (placed.rows[:, None] == slate.rows), axis=0)
    guessed = expected = np.zeros(cards)
    if model is not None:
        guessed = model(slate, slate.rows).diagonal()
        expected = np.sum(chance * model(slate, placed.rows), axis=0)
    return slate.clicked.astype(np.float64), slate.propensity, target, guessed, expected


def _readers(slates: Sequence[LoggedSlate]) -> Int64:
    """Return int64[s], equal where slates depend on each other; -1 where nobody knows."""
    reader = np.array([s.reader for s in slates], np.int64)
    session = np.array([s.session for s in slates], np.int64)
    beyond = np.max(reader, initial=-1) + 1
    return np.where(reader >= 0, reader, np.where(session >= 0, beyond + session, -1))


def _crossed(
    slates: Sequence[LoggedSlate], reader: Int64, fit: Callable[[Sequence[LoggedSlate]], Model]
) -> list[Model]:
    """Return for each slate a model that has not seen its reader: there are two halves of them."""
    half = np.where(reader >= 0, reader, np.arange(len(slates))) % 2
    models = [fit([s for s, h in zip(slates, half, strict=True) if h != of]) for of in (0, 1)]
    return [models[h] for h in half]

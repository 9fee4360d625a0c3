"""A click in a box asks which card it was, any other opening which of all articles came next."""

import dataclasses

import numpy as np
import pytest

from recsys.engine import Engine
from recsys.features import FEATURES
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy
from recsys.tables import Interactions
from recsys.types import Article, Kind, Query
from training.fit import fit
from training.questions import FEWEST, questions
from training.recipe import Recipe

NOW = 1_760_000_000
DAY = 86_400
RECIPE = Recipe(dims=8, factors=8, iterations=2)
ARTICLES = [Article("daily", f"a{n}", f"/{n}", f"Title {n}", NOW - 9 * DAY + n) for n in range(40)]
BOX = (30, 31, 32, 33)
"""Articles that nobody finds but in a box."""
Event = tuple[int, int, int, Kind, int, int]
"""When, whose visit, which article, what, in which slate, in which slot."""


def visits(count: int, start: int, end: int) -> list[Event]:
    rng = np.random.default_rng(1)
    found: list[Event] = []
    for visit in range(count):
        at = start + visit * (end - start) // count
        first, second = rng.choice(30, 2, replace=False).tolist()
        found += [
            (at, visit, first, Kind.CLICK, -1, -1),
            (at + 9, visit, second, Kind.CLICK, -1, -1),
        ]
    return found


def box(visit: int, at: int, clicked: tuple[int, ...], slots: tuple[int, ...]) -> list[Event]:
    seen = [(at, visit, card, Kind.IMPRESSION, 0, s) for card, s in zip(BOX, slots, strict=True)]
    return seen + [(at + 3, visit, BOX[i], Kind.CLICK, 0, slots[i]) for i in clicked]


def history(*more: Event) -> History:
    rows = sorted(visits(600, NOW - 4 * DAY, NOW) + list(more), key=lambda row: row[0])
    at, visit, article, kind, slate, slot = (np.array(column) for column in zip(*rows, strict=True))
    events = Interactions(
        visitor=visit.astype(np.int32),
        session=visit.astype(np.int32),
        article=article.astype(np.int32),
        kind=kind.astype(np.int8),
        at=at.astype(np.int64),
        value=np.zeros(len(at), np.float32),
        slate=slate.astype(np.int32),
        position=slot.astype(np.int16),
    )
    return History(ARTICLES, Vocabulary(f"r{n}" for n in range(601)), events)


def made(known: History, at: int):
    return fit(known.articles, known.visitors, known.interactions, RECIPE, at)


def asked(known: History, wanted: int = 100_000):
    return questions(known, NOW, wanted, made)


@pytest.fixture(scope="module")
def without_boxes():
    return asked(history())


LANDING = (NOW - 1000, 600, 3, Kind.CLICK, -1, -1)


@pytest.mark.parametrize("clicked", [(1,), (1, 3)])
def test_each_click_in_a_box_asks_which_of_its_cards_it_was(without_boxes, clicked):
    found = asked(history(LANDING, *box(600, NOW - 990, clicked, (2, 0, 3, 1))))
    assert found.boxes == len(clicked)
    assert len(found) == len(without_boxes) + len(clicked)
    slots = [(2, 0, 3, 1)[i] for i in clicked]
    boxed = np.repeat(found.slot[found.opened] >= 0, found.sizes)
    assert found.slot[boxed & found.opened].tolist() == slots
    # Of two clicks neither is what the other was chosen from.
    assert set(found.sizes[found.slot[found.opened] >= 0]) == {4 - len(clicked) + 1}
    assert found.slot[~boxed].max() == -1


def test_cards_are_described_as_they_were_when_they_were_seen():
    known = history(LANDING, *box(600, NOW - 990, (0,), (0, 1, 2, 3)))
    found = asked(known)
    boxed = np.repeat(found.slot[found.opened] >= 0, found.sizes)
    start = NOW - 2 * DAY
    live = Live(made(known.before(start), start))
    engine = Engine(live.bundle, live, Policy(exploration=0.0))
    query = Query("daily", NOW - 990, ARTICLES[3].id, "r600")
    rows = live.view.catalogue.ids.rows(str(ARTICLES[card].id) for card in BOX)
    _, table = engine.describe(query, (), rows)
    timeless = [FEATURES.index(name) for name in ("age", "likeness to page", "visit length")]
    assert found.table[boxed][:, timeless] == pytest.approx(table[:, timeless], nan_ok=True)


@pytest.mark.parametrize(
    "shown",
    [
        [(NOW - 990, 600, 30, Kind.CLICK, 0, 0)],  # nobody saw the box
        box(600, NOW - 990, (1,), (-1, -1, -1, -1)),  # nobody knows what stood where
        box(600, NOW - 990, (), (0, 1, 2, 3)),  # nobody clicked
        box(600, NOW - 990, (0, 1, 2, 3), (0, 1, 2, 3)),  # nothing was left
    ],
)
def test_a_box_that_left_no_choice_is_no_question(without_boxes, shown):
    found = asked(history(LANDING, *shown))
    assert found.boxes == 0
    assert len(found) >= len(without_boxes)


def test_an_opening_asks_which_of_all_came_next(without_boxes):
    # Two of four days are asked about, 300 visits of two openings each.
    assert 250 < len(without_boxes) <= 300
    starts = np.cumsum(without_boxes.sizes) - without_boxes.sizes
    assert (np.add.reduceat(without_boxes.opened, starts) == 1).all()
    assert without_boxes.sizes.min() > len(BOX)


def test_questions_are_parted_in_time_order(without_boxes):
    early, late = without_boxes.part(0, 100), without_boxes.part(100, len(without_boxes))
    assert len(early) == 100
    assert len(early.table) == early.sizes.sum()
    joined = np.concatenate([early.table, late.table])
    assert np.array_equal(joined, without_boxes.table, equal_nan=True)


def test_too_few_questions_are_none():
    assert asked(history(), wanted=FEWEST // 2) is None
    few = dataclasses.replace(history(), interactions=history().interactions[-FEWEST // 2 :])
    assert asked(few) is None

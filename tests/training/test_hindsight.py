"""Systems are asked about each logged slate knowing only what had happened until then."""

from collections.abc import Sequence

import numpy as np
import pytest

from recsys.baselines import Latest, MostPopular
from recsys.errors import DataError
from recsys.history import History, Step
from recsys.ids import Vocabulary
from recsys.replay import Ask
from recsys.tables import Interactions
from recsys.types import NEVER, Article, Kind
from training.hindsight import even, hindsight, seen
from training.offpolicy import LoggedSlate

SEEN, CLICK, READ = Kind.IMPRESSION, Kind.CLICK, Kind.READ
Row = tuple[int, int, Kind, int, int]
"""Time, article, kind, slate, slot."""


def history(*rows: Row, articles: int = 6, expires: dict[int, int] | None = None) -> History:
    table = np.array(rows, np.int64).reshape(-1, 5)
    ends = expires or {}
    known = [
        Article("daily", str(n), f"/{n}", str(n), n, expires=ends.get(n, NEVER))
        for n in range(articles)
    ]
    boxed = table[:, 3] >= 0
    return History(
        known,
        Vocabulary(["reader"]),
        Interactions(
            visitor=np.full(len(table), -1, np.int32),
            session=np.arange(len(table), dtype=np.int32),
            article=table[:, 1].astype(np.int32),
            kind=table[:, 2].astype(np.int8),
            at=table[:, 0],
            value=np.zeros(len(table), np.float32),
            slate=table[:, 3].astype(np.int32),
            position=table[:, 4].astype(np.int16),
            propensity=np.where(boxed, 0.5, 1.0).astype(np.float32),
        ),
    )


LOG = (
    (100, 1, READ, -1, -1),
    (110, 2, SEEN, 7, 0),
    (110, 1, SEEN, 7, 1),
    (112, 2, CLICK, 7, 0),
    (120, 1, SEEN, 3, 0),
    (120, 2, SEEN, 3, 1),
    (121, 3, READ, -1, -1),
    (122, 2, READ, -1, -1),
    (130, 4, CLICK, 5, 0),
    (140, 3, SEEN, 4, 1),
    (140, 2, SEEN, 4, 0),
    (190, 3, CLICK, 4, 1),
)


def asked(known: History, fill: str, cut: int = 0, end: int = 200) -> dict[int, np.ndarray]:
    """Where most popular puts what, by slate: the article of each slot of the slate."""
    slates = seen(known.interactions, cut, end)
    system = MostPopular(len(known.articles))
    target = hindsight(system, known, slates, cut=cut, end=end, fill=fill)
    return {slate.slate: shown(target, slate) for slate in slates}


def shown(target, slate: LoggedSlate) -> list[int]:
    """The articles that a target puts into the slots of a slate, from the first one on."""
    placed = target(slate)
    best = [
        int(placed.rows[np.argmax(column)]) if column.any() else -1 for column in placed.chance.T
    ]
    return [best[place] for place in np.argsort(slate.slots)]


def test_slates_are_those_first_seen_in_the_window_whatever_followed() -> None:
    slates = seen(history(*LOG).interactions, 110, 150)
    assert [slate.slate for slate in slates] == [7, 3, 4]
    assert [slate.clicked.tolist() for slate in slates] == [
        [False, True],
        [False] * 2,
        [False, True],
    ]
    assert [slate.slate for slate in seen(history(*LOG).interactions, 111, 140)] == [3]
    assert seen(history().interactions, 0, 10) == ()


def test_a_system_knows_what_was_before_a_slate_and_nothing_after() -> None:
    # 1 was read once before slate 7. In it 2 is clicked, so that 1 and 2 are even at slate 3; then
    # 2 and 3 are read. That 3 is clicked in slate 4 is not known when it is first seen.
    assert asked(history(*LOG), "order") == {7: [1, 2], 3: [1, 2], 4: [2, 3]}


def test_what_comes_later_changes_no_answer() -> None:
    later = [(at, 3 if at > 140 else row, *rest) for at, row, *rest in LOG]
    more = history(*later, *((195, 1, READ, -1, -1) for _ in range(9)))
    assert asked(more, "order") == asked(history(*LOG), "order")


def test_a_box_that_is_filled_anew_holds_what_the_system_would_show() -> None:
    # The box has two slots, as the log's largest slate; 3 was not known to anybody before 121.
    found = asked(history(*LOG), "slate")
    assert found == {7: [1, -1], 3: [1, 2], 4: [2, 1]}


def test_only_the_slots_that_were_seen_are_judged() -> None:
    rows = [row for row in LOG if row[:2] != (140, 2)]
    assert asked(history(*rows), "slate")[4] == [1]


def test_what_has_expired_gives_up_its_slot() -> None:
    assert asked(history(*LOG, expires={2: 140}), "slate")[4] == [1, 3]


def test_some_slates_can_be_asked_about_alone() -> None:
    known = history(*LOG)
    every = seen(known.interactions, 0, 200)
    target = hindsight(
        MostPopular(6), known, every[1:2], cut=0, end=200, fill="order", tick=lambda: None
    )
    assert shown(target, every[1]) == [1, 2]
    with pytest.raises(KeyError):
        target(every[0])


class Watcher(Latest):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(6)
        self.told: list[tuple] = []

    def observe(self, step: Step) -> None:
        self.told.append(("opened", step.article))

    def saw(self, rows: Sequence[int], at: Sequence[int]) -> None:
        self.told += [("seen", int(row)) for row in rows]

    def score(self, ask: Ask, rows: np.ndarray) -> np.ndarray:
        self.told.append(("asked", *rows.tolist()))
        return rows.astype(float)


def test_a_system_that_scores_and_watches_does_so_here() -> None:
    known, system = history(*LOG), Watcher()
    slates = seen(known.interactions, 120, 200)
    target = hindsight(system, known, slates, cut=120, end=200, fill="order")
    assert [shown(target, slate) for slate in slates] == [[2, 1], [3, 2]]
    begun = system.told.index(("asked", 1, 2))
    assert system.told[begun - 1] == ("opened", 2)
    assert system.told[begun + 1 : begun + 5] == [
        ("seen", 1),
        ("seen", 2),
        ("opened", 3),
        ("opened", 2),
    ]


def test_an_even_slate_is_one_that_was_shuffled_whole() -> None:
    two, three = seen(history(*LOG).interactions, 0, 200)[:2], ((300, 5, SEEN, 4, 2),)
    assert all(map(even, two))
    assert not even(seen(history(*LOG, *three).interactions, 140, 301)[0])


def test_a_card_without_a_slot_is_refused() -> None:
    rows = [(*row[:4], -1) for row in LOG]
    with pytest.raises(DataError, match="expected the slot of the card"):
        seen(history(*rows).interactions, 0, 200)

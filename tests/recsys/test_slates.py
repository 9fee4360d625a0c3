"""Every slate comes up once, when it was first seen, and every card when it was seen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.slates import Shown, Slates
from recsys.tables import Interactions
from recsys.types import Kind

NONE = -1
SEEN, CLICKED, READ = Kind.IMPRESSION, Kind.CLICK, Kind.READ


def events(*rows: tuple[int, int, int, int, int]) -> Interactions:
    """Interactions of (kind, slate, article, position, at); of session n is slate n."""
    kind, slate, article, position, at = np.array(rows, np.int64).reshape(-1, 5).T
    return Interactions(
        visitor=slate.astype(np.int32) + 100,
        session=slate.astype(np.int32),
        article=article.astype(np.int32),
        kind=kind.astype(np.int8),
        at=at,
        value=np.zeros(len(rows), np.float32),
        slate=slate.astype(np.int32),
        position=position.astype(np.int16),
    )


# Two boxes are on the screen at once; of the first one a card comes into sight late.
LOG = events(
    (SEEN, 0, 5, 0, 10),
    (SEEN, 0, 3, 1, 10),
    (SEEN, 1, 3, 0, 20),
    (SEEN, 0, 4, 2, 30),
    (CLICKED, 0, 4, 2, 40),
    (READ, 0, 9, 0, 50),
    (SEEN, NONE, 7, NONE, 60),
)


def all_of(log: Interactions, end: int = 10**9, since: int = 0) -> list[Shown]:
    return list(Slates(log, since).until(len(log), end))


def test_a_slate_knows_all_its_cards_where_they_stood_and_which_were_clicked():
    first, second = all_of(LOG)
    assert (first.slate, first.at, first.session, first.visitor) == (0, 10, 0, 100)
    assert first.cards.tolist() == [3, 4, 5]
    assert first.clicked.tolist() == [False, True, False]
    assert first.slot.tolist() == [1, 2, 0]
    assert (second.slate, second.at, second.cards.tolist()) == (1, 20, [3])


def test_cards_are_seen_from_the_slate_on_until_the_next_one():
    first, second = all_of(LOG)
    assert (first.seen.tolist(), first.seen_at.tolist()) == ([5, 3], [10, 10])
    assert (second.seen.tolist(), second.seen_at.tolist()) == ([3, 4, 7], [20, 30, 60])


def test_what_comes_later_is_not_told_yet():
    slates = Slates(LOG)
    assert list(slates.until(0, 99)) == []
    (first,) = slates.until(1, 99)
    assert first.seen.tolist() == [5]
    (rest,) = slates.until(2, 99)  # the slate has come up already
    assert (rest.slate, rest.cards.tolist(), rest.seen.tolist()) == (NONE, [], [3])
    assert [shown.slate for shown in slates.until(7, 99)] == [1]
    assert list(slates.until(7, 99)) == []


def test_nothing_is_told_from_the_end_on():
    assert [shown.seen.tolist() for shown in all_of(LOG, end=30)] == [[5, 3], [3]]


def test_slates_seen_too_early_are_cards_only():
    early, late = all_of(LOG, since=11)
    assert (early.slate, early.cards.tolist(), early.seen.tolist()) == (NONE, [], [5, 3])
    assert late.slate == 1


def test_a_log_without_boxes_shows_nothing():
    assert all_of(events()) == []
    assert all_of(events((READ, NONE, 1, NONE, 5))) == []


row = st.tuples(
    st.sampled_from([SEEN, SEEN, CLICKED, READ]),
    st.integers(-1, 4),
    st.integers(0, 5),
    st.integers(-1, 3),
    st.integers(0, 30),
)


@given(
    rows=st.lists(row, max_size=40),
    stops=st.lists(st.integers(0, 40), max_size=6),
    since=st.integers(0, 30),
    end=st.integers(0, 31),
)
def test_a_walk_tells_what_the_log_holds(rows, stops, since, end):
    rows.sort(key=lambda event: event[4])
    slates, told = Slates(events(*rows), since), []
    for stop in [*sorted(stops), len(rows)]:
        part = list(slates.until(stop, end))
        seen = [(a, at) for kind, _, a, _, at in rows[:stop] if kind == SEEN and at < end]
        told += part
        # Every card that was seen by now, once, in order.
        assert [
            (a, at)
            for shown in told
            for a, at in zip(shown.seen.tolist(), shown.seen_at.tolist(), strict=True)
        ] == seen
        assert all((shown.seen_at >= shown.at).all() and len(shown.seen) for shown in part)
    first = {}
    for kind, slate, _, _, at in rows:
        if kind == SEEN and slate >= 0:
            first.setdefault(slate, at)
    asked = [(slate, at) for slate, at in first.items() if since <= at < end]
    assert [(shown.slate, shown.at) for shown in told if shown.slate >= 0] == asked
    for shown in told:
        box = [event for event in rows if event[1] == shown.slate >= 0 and event[0] != READ]
        assert shown.cards.tolist() == sorted({event[2] for event in box})
        for card, clicked, slot in zip(shown.cards, shown.clicked, shown.slot, strict=True):
            assert clicked == any(e[0] == CLICKED and e[2] == card for e in box)
            assert slot == max(e[3] for e in box if e[2] == card)

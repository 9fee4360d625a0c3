"""Co-read counts equal naive decayed transition counts, fitted at once or one by one."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import coread
from recsys.tables import Interactions
from recsys.types import Kind

DAY = 86_400
NOW = 1_700_000_000
ARTICLES = 6
opened = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, ARTICLES - 1), st.integers(0, 5 * DAY)), max_size=40
)


def table(opens: list[tuple[int, int, int]], *, by: str = "session") -> Interactions:
    opens = sorted(opens, key=lambda row: row[2])
    reader, nobody = np.array([r for r, *_ in opens], np.int32), np.full(len(opens), -1, np.int32)
    return Interactions(
        visitor=reader if by == "visitor" else nobody,
        session=reader if by == "session" else nobody,
        article=np.array([a for _, a, _ in opens], np.int32),
        kind=np.full(len(opens), Kind.CLICK, np.int8),
        at=NOW - 5 * DAY + np.array([t for *_, t in opens], np.int64),
        value=np.zeros(len(opens), np.float32),
    )


def naive(opens: Interactions, half_life: float, reach: int) -> dict[tuple[int, int], float]:
    visits: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for session, article, at in zip(opens.session, opens.article, opens.at, strict=True):
        if int(article) not in [seen for seen, _ in visits[int(session)]]:
            visits[int(session)].append((int(article), int(at)))
    counts: dict[tuple[int, int], float] = defaultdict(float)
    for visit in visits.values():
        for later, (target, at) in enumerate(visit):
            for step in range(1, min(reach, later) + 1):
                source = visit[later - step][0]
                counts[source, target] += 0.5 ** ((NOW - at) / half_life) / step
    return counts


def found(counts: coread.CoRead) -> dict[tuple[int, int], float]:
    return {
        (article, int(successor)): float(count)
        for article in range(ARTICLES)
        for successor, count in zip(*counts.row(article, NOW), strict=True)
    }


@given(opens=opened, reach=st.integers(1, 3))
def test_fitted_counts_equal_naive_counts(opens: list, reach: int) -> None:
    events = table(opens)
    counts = coread.fit(events, ARTICLES, now=NOW, half_life=DAY, width=99, reach=reach)
    assert found(counts) == pytest.approx(naive(events, DAY, reach), rel=1e-4)


@given(opens=opened, cut=st.integers(0, 40), order=st.randoms(use_true_random=False))
def test_live_additions_in_any_order_equal_one_fit(opens: list, cut: int, order) -> None:
    events = table(opens)
    whole = coread.fit(events, ARTICLES, now=NOW, half_life=DAY, width=99, reach=1)
    part = events[:cut]
    counts = coread.fit(
        part, ARTICLES, now=int(part.at.max(initial=0)), half_life=DAY, width=99, reach=1
    )
    transitions = []
    visits: dict[int, list[int]] = defaultdict(list)
    for place, (session, article, at) in enumerate(
        zip(events.session, events.article, events.at, strict=True)
    ):
        visit = visits[int(session)]
        if article in visit:
            continue
        if place >= cut and visit:
            transitions.append((visit[-1], int(article), int(at)))
        visit.append(int(article))
    order.shuffle(transitions)
    for transition in transitions:
        counts.add(*transition)
    assert found(counts) == pytest.approx(found(whole), rel=1e-4)


def test_only_the_strongest_successors_are_kept_and_the_weakest_gives_way() -> None:
    counts = coread.CoRead.empty(DAY, width=2)
    for successor, times in [(1, 3), (2, 2), (3, 1)]:
        for _ in range(times):
            counts.add(0, successor, NOW)
    assert found(counts) == {(0, 1): 3.0, (0, 3): 1.0}
    events = table([(s, a, s * 100 + a) for s in range(2) for a in (0, 1)] + [(3, 0, 5), (3, 2, 9)])
    fitted = coread.fit(events, ARTICLES, now=NOW, half_life=DAY, width=1, reach=1)
    assert list(found(fitted)) == [(0, 1)]


def test_a_row_handed_out_is_never_changed_by_a_later_event() -> None:
    counts = coread.CoRead.empty(DAY, width=5)
    counts.add(0, 1, NOW)
    columns, mass = counts.row(0, NOW)
    counts.add(0, 1, NOW)
    counts.add(0, 2, NOW)
    assert (columns.tolist(), mass.tolist()) == ([1], [1.0])


def test_without_sessions_a_visit_ends_with_half_an_hour_of_silence() -> None:
    events = table([(0, 1, 0), (0, 2, 60), (0, 3, 60 + coread.GAP + 1), (1, 4, 70)], by="visitor")
    visit = coread.visits(events)
    assert visit[0] == visit[1]
    assert len(set(visit.tolist())) == 3


def test_arrays_restore_the_same_counts() -> None:
    events = table([(0, 1, 0), (0, 2, 60), (0, 3, 90)])
    counts = coread.fit(events, ARTICLES, now=NOW, half_life=DAY, width=9, reach=2)
    assert found(coread.CoRead.of_arrays(counts.arrays())) == found(counts)


def test_no_events_and_unknown_rows_have_no_successors() -> None:
    counts = coread.fit(table([]), 0, now=NOW, half_life=DAY, width=9, reach=2)
    assert len(counts.row(17, NOW)[0]) == 0

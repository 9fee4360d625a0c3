"""Co-read counts equal naive decayed transition counts, fitted at once or one by one."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import coread
from recsys.tables import Interactions
from recsys.types import Kind
from recsys.visits import GAP, openings, visits

DAY = 86_400
CLOCKS = (DAY / 4, 7.0 * DAY)
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
        slate=np.full(len(opens), -1, np.int32),
    )


def naive(opens: Interactions, half_life: float, reach: int) -> dict[tuple[int, int], float]:
    seen: dict[int, list[int]] = defaultdict(list)
    counts: dict[tuple[int, int], float] = defaultdict(float)
    for session, article, at in zip(opens.session, opens.article, opens.at, strict=True):
        visit = seen[int(session)]
        if int(article) in visit:
            continue
        for step, source in enumerate(reversed(visit[-reach:]), start=1):
            counts[source, int(article)] += 0.5 ** ((NOW - at) / half_life) / step
        visit.append(int(article))
    return counts


def found(counts: coread.CoRead, clock: int = 0) -> dict[tuple[int, int], float]:
    rows = ((article, *counts.row(article, NOW)) for article in range(ARTICLES))
    return {
        (article, int(successor)): float(count)
        for article, successors, heard in rows
        for successor, count in zip(successors, heard[clock], strict=True)
    }


def fit(events: Interactions, **changes: object) -> coread.CoRead:
    return coread.fit(events, ARTICLES, **{"now": NOW, "half_lives": CLOCKS, **changes})


@given(opens=opened, reach=st.integers(1, 3))
def test_fitted_counts_equal_naive_counts_on_every_clock(opens: list, reach: int) -> None:
    counts = fit(table(opens), reach=reach)
    for clock, half_life in enumerate(CLOCKS):
        wanted = naive(table(opens), half_life, reach)
        assert found(counts, clock) == pytest.approx(wanted, rel=1e-4)


@given(opens=opened, cut=st.integers(0, 40), order=st.randoms(use_true_random=False))
def test_live_additions_in_any_order_equal_one_fit(opens: list, cut: int, order) -> None:
    events = table(opens)
    part = events[:cut]
    counts = fit(part, now=int(part.at.max(initial=0)), reach=1)
    transitions = []
    seen: dict[int, list[int]] = defaultdict(list)
    for place, (session, article, at) in enumerate(
        zip(events.session, events.article, events.at, strict=True)
    ):
        visit = seen[int(session)]
        if article in visit:
            continue
        if place >= cut and visit:
            transitions.append((visit[-1], int(article), int(at)))
        visit.append(int(article))
    order.shuffle(transitions)
    for transition in transitions:
        counts.add(*transition)
    for clock in range(len(CLOCKS)):
        assert found(counts, clock) == pytest.approx(found(fit(events, reach=1), clock), rel=1e-4)


def test_only_the_strongest_successors_are_kept_and_the_weakest_gives_way() -> None:
    counts = coread.CoRead.empty(CLOCKS, width=2)
    for successor, times in [(1, 3), (2, 2), (3, 1)]:
        for _ in range(times):
            counts.add(0, successor, NOW)
    assert found(counts) == {(0, 1): 3.0, (0, 3): 1.0}
    events = table([(s, a, s * 100 + a) for s in range(2) for a in (0, 1)] + [(3, 0, 5), (3, 2, 9)])
    assert list(found(fit(events, width=1))) == [(0, 1)]


def test_a_row_handed_out_is_never_changed_by_a_later_event() -> None:
    counts = coread.CoRead.empty(CLOCKS, width=5)
    counts.add(0, 1, NOW)
    successors, heard = counts.row(0, NOW)
    counts.add(0, 1, NOW)
    counts.add(0, 2, NOW)
    assert (successors.tolist(), heard.tolist()) == ([1], [[1.0], [1.0]])


def test_a_copy_lives_alone() -> None:
    counts = fit(table([(0, 1, 0), (0, 2, 60)]))
    before = found(counts)
    counts.copy().add(1, 2, NOW)
    assert found(counts) == before


def test_arrays_restore_the_same_counts() -> None:
    counts = fit(table([(0, 1, 0), (0, 2, 60), (0, 3, 90)]))
    assert found(coread.CoRead.of_arrays(counts.arrays())) == found(counts)


def test_no_events_and_unknown_rows_have_no_successors() -> None:
    counts = coread.fit(table([]), 0, now=NOW)
    assert len(counts.row(17, NOW)[0]) == 0


def test_without_sessions_a_visit_ends_with_half_an_hour_of_silence() -> None:
    events = table([(0, 1, 0), (0, 2, 60), (0, 3, 60 + GAP + 1), (1, 4, 70)], by="visitor")
    visit = dict(zip(events.article.tolist(), visits(events).tolist(), strict=True))
    assert visit[1] == visit[2]
    assert len(set(visit.values())) == 3


@given(opens=opened)
def test_openings_are_each_visits_articles_once_in_their_order(opens: list) -> None:
    events = table(opens)
    wanted: dict[int, list[int]] = defaultdict(list)
    for session, article in zip(events.session.tolist(), events.article.tolist(), strict=True):
        if article not in wanted[session]:
            wanted[session].append(article)
    kept, visit, place = openings(events)
    assert np.all(np.diff(kept.at) >= 0)
    found: dict[int, list[int]] = defaultdict(list)
    for session, article, step in zip(visit, kept.article, place, strict=True):
        assert step == len(found[session])
        found[session].append(int(article))
    assert found == wanted

"""Trends are what readers chose, seen against what they were shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import trending
from recsys.tables import Interactions
from recsys.types import Kind

NOW = 1_700_000_000


def opens(rows: list[tuple[int, int, int]]) -> Interactions:
    """Make an event of each (visitor, session, article), a second apart."""
    visitor, session, article = np.array(rows, np.int32).T
    return Interactions(
        visitor=visitor,
        session=session,
        article=article,
        kind=np.full(len(rows), Kind.CLICK, np.int8),
        at=NOW - len(rows) + np.arange(len(rows), dtype=np.int64),
        value=np.zeros(len(rows), np.float32),
        slate=np.full(len(rows), -1, np.int32),
    )


def test_one_reader_is_one_voice() -> None:
    table = opens([(0, 0, 5), (0, 1, 5), (1, 2, 5), (-1, 3, 5), (-1, 3, 5), (-1, -1, 5)])
    assert trending.first_voices(table).tolist() == [0, 2, 3, 5]


def test_landing_on_an_article_says_less_than_going_on_to_it() -> None:
    trends = trending.fit(opens([(0, 0, 1), (0, 0, 2), (1, 1, 1)]), 3, NOW, [1e9])
    landing = trending.LANDING
    assert trends.counts(NOW)[0] == pytest.approx([0, 2 * landing, 1], abs=1e-6)


counts_of_three = st.lists(st.floats(0, 100), min_size=3, max_size=3)


@given(voices=counts_of_three, clicked=counts_of_three, shown=counts_of_three)
def test_box_clicks_count_against_what_was_shown(
    voices: list[float], clicked: list[float], shown: list[float]
) -> None:
    found = trending.demand(*map(np.array, (voices, clicked, shown)), prior=50.0)
    even = [click / (impressions + 50.0) for click, impressions in zip(clicked, shown, strict=True)]
    scale = sum(clicked) / sum(even) if sum(even) > 0 else 0.0
    for row in range(3):
        assert found[row] == pytest.approx(voices[row] + even[row] * scale, rel=1e-9)
    assert found.sum() == pytest.approx(sum(voices) + sum(clicked))


def test_clicks_without_known_impressions_are_voices_like_others() -> None:
    nothing = np.zeros(2)
    assert trending.demand(nothing, np.array([3.0, 1.0]), nothing).tolist() == [3.0, 1.0]


def test_a_card_shown_ten_times_as_often_and_clicked_twice_as_often_is_wanted_less() -> None:
    clicked, shown = np.array([20.0, 10.0]), np.array([1000.0, 100.0])
    often, seldom = trending.demand(np.zeros(2), clicked, shown)
    assert often < seldom


counted = st.lists(st.integers(0, 50), min_size=4, max_size=4)


def smoothed(*counts: list[int], patience: float = trending.PATIENCE) -> list[np.ndarray]:
    """Shares by each clock, the fastest first."""
    found: list[np.ndarray] = []
    for clock in reversed(counts):
        found.insert(0, trending.shares(np.array(clock, float), *found[:1], patience=patience))
    return found


@given(fast=counted, middle=counted, slow=counted, patience=st.floats(1, 500))
def test_shares_smooth_each_clock_toward_the_slower_one(
    fast: list[int], middle: list[int], slow: list[int], patience: float
) -> None:
    shares = smoothed(fast, middle, slow, patience=patience)
    for row in range(4):
        share = slow[row] / sum(slow) if sum(slow) else 0.0
        assert shares[2][row] == pytest.approx(share)
        for clock, counts in ((1, middle), (0, fast)):
            share = (counts[row] + patience * share) / (sum(counts) + patience)
            assert shares[clock][row] == pytest.approx(share)


@given(counts=counted)
def test_shares_are_probabilities(counts: list[int]) -> None:
    total = 1.0 if sum(counts) else 0.0
    assert [sum(share) for share in smoothed(counts, counts)] == pytest.approx([total, total])


def board(counts: list[float], site: list[int], **changes: float) -> trending.TrendBoard:
    settings = {"per_site": 10, "site_exponent": 0.0} | changes
    return trending.board(np.array([counts]), np.array(site, np.int16), NOW, **settings)


def test_board_ranks_by_volume_or_by_share_of_the_own_site() -> None:
    counts, site = [90, 80, 5, 1], [0, 0, 1, 1]
    assert board(counts, site).rows.tolist() == [0, 1, 2, 3]
    assert board(counts, site, site_exponent=1.0).rows.tolist() == [2, 0, 1, 3]


def test_board_keeps_the_best_of_each_site() -> None:
    assert board([9, 8, 7, 1], [0, 0, 0, 1], per_site=2).rows.tolist() == [0, 1, 3]
    assert board([7, 7, 7, 7], [0, 0, 0, 1], per_site=2).rows.tolist() == [0, 1, 3]


@given(
    counts=st.lists(st.integers(0, 4), min_size=9, max_size=9),
    site=st.lists(st.integers(0, 2), min_size=9, max_size=9),
    before=st.lists(st.integers(0, 8), unique=True),
    per_site=st.integers(1, 4),
)
def test_what_trended_before_makes_no_difference_to_the_board(
    counts: list[int], site: list[int], before: list[int], per_site: int
) -> None:
    found, again = (
        board(counts, site, per_site=per_site, before=known)
        for known in (None, np.array(before, np.int32))
    )
    assert found.rows.tolist() == again.rows.tolist()
    assert found.scores.tolist() == again.scores.tolist()
    for code in range(3):
        own = sorted((-n, row) for row, n in enumerate(counts) if n and site[row] == code)
        kept = [row for row in found.rows.tolist() if site[row] == code]
        assert kept == [row for _, row in own[:per_site]]


def test_board_is_empty_where_nothing_was_opened() -> None:
    assert len(board([0, 0], [0, 0]).rows) == 0
    assert len(board([], []).rows) == 0


def test_board_scores_sum_to_one_and_ties_break_by_row() -> None:
    found = board([2, 2, 2], [0, 1, 0])
    assert found.rows.tolist() == [0, 1, 2]
    assert found.scores.sum() == pytest.approx(1.0)


def test_a_grown_board_gives_new_articles_no_share() -> None:
    assert board([1, 3], [0, 0]).grown(3).share == pytest.approx([0.25, 0.75, 0.0])


numbers = st.lists(st.integers(0, 30), min_size=5, max_size=5)


@given(
    fast=numbers,
    slow=numbers,
    week=numbers,
    rows=st.lists(st.integers(0, 4), unique=True),
    window=st.sampled_from(["fast", "slow", "rising"]),
    n=st.integers(0, 6),
)
def test_the_chart_is_ranked_by_the_window(
    fast: list[int], slow: list[int], week: list[int], rows: list[int], window: str, n: int
) -> None:
    site = np.zeros(5, np.int16)
    clocks = [np.array(clock, float) for clock in (week, slow, fast)]
    found = trending.board(clocks, site, NOW, per_site=10, site_exponent=0.0)
    shares = smoothed(fast, slow, week)
    wanted = {}
    for row in rows:
        rising = (shares[0][row] + 1e-4) / (shares[1][row] + 1e-4)
        if np.float32(shares[0][row]) > 0:
            score = {"fast": shares[0][row], "slow": shares[1][row], "rising": rising}[window]
            wanted[row] = (np.float32(score), slow[row] if window == "slow" else fast[row], rising)
    ranked, scores, voices, rising = trending.chart(found, np.array(rows, np.int32), window, n)
    assert len(ranked) == min(n, len(wanted))
    assert (np.diff(scores) <= 0).all()
    for row, score, heard, rises in zip(ranked.tolist(), scores, voices, rising, strict=True):
        assert score == pytest.approx(wanted[row][0], rel=1e-4)
        assert (heard, rises) == (wanted[row][1], pytest.approx(wanted[row][2], rel=1e-3))
    left = [row for row in wanted if row not in ranked.tolist()]
    assert all(wanted[row][0] <= scores[-1] * 1.0001 for row in left if len(scores))


def test_a_floor_keeps_out_what_few_have_heard_of() -> None:
    found = trending.board(
        np.array([[9.0, 9.0], [5.0, 0.5], [1.0, 1.0]]),
        np.zeros(2, np.int16),
        NOW,
        per_site=10,
        site_exponent=0.0,
    )
    assert found.loud(np.array([0, 1], np.int32), 1.0).tolist() == [True, False]

"""Intervals of an experiment hold at their rate, whether looked at once or every day."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from recsys.experiments import (
    DAY,
    FEW_EXPECTED,
    MISMATCH,
    UNITS,
    Exposures,
    Readers,
    by_reader,
    differences,
    outcomes,
    readers_needed,
    sample_ratio,
)
from recsys.inference import always_valid, always_valid_width, bootstrap_all, holm

DAYS = 21
EVEN = np.array([0.5, 0.5])


def readers(arm: object, clicks: object, cards: object, **columns: object) -> Readers:
    """Readers who came on the first day and were shown three cards in a slate."""
    arm, clicks, cards = (np.asarray(column) for column in (arm, clicks, cards))
    return Readers(
        arm=arm.astype(np.int64),
        since=np.asarray(columns.get("since", np.zeros(len(arm))), np.int64),
        clicks=clicks.astype(np.float64),
        cards=cards.astype(np.float64),
        slates=np.ceil(cards / 3).astype(np.float64),
        crossed=np.zeros(len(arm), np.bool_),
    )


def audience(rng: np.random.Generator, count: int, lift: float = 0.0) -> Iterator[Readers]:
    """Readers as they are known at the end of each day.

    They come for the first time on some day, with a taste and a zeal of their own, and come back
    with both: what one does on several days, and on several cards, hangs together.
    """
    arm = rng.integers(0, 2, count)
    since = rng.integers(0, DAYS, count)
    taste = rng.beta(0.6, 5.4, count) * (1 + lift * arm)
    here = np.arange(DAYS)[:, None] >= since
    cards = rng.poisson(2 * rng.gamma(1.0, 1.0, count) * here)
    cards[since, np.arange(count)] += 3
    clicks = rng.binomial(cards, np.minimum(taste, 1.0)).cumsum(axis=0)
    cards = cards.cumsum(axis=0)
    for day in range(DAYS):
        came = since <= day
        yield readers(arm[came], clicks[day][came], cards[day][came], since=since[came] * DAY)


def test_who_looks_daily_is_misled_by_the_interval_for_one_look_and_not_by_the_other() -> None:
    once = always = last = 0
    for run in range(RUNS := 120):
        p_once, p_always = [], []
        for known in audience(np.random.default_rng((1, run)), 1000):
            if any(outcome.few for outcome in outcomes(known, 2)):
                continue
            found = differences(known, 2)[1]
            p_once.append(found.p_once)
            p_always.append(found.p_always)
        assert len(p_once) > DAYS / 2
        once += min(p_once) <= 0.05
        always += min(p_always) <= 0.05
        last += p_once[-1] <= 0.05
    # Of 120 runs without a difference, 6 may be called one.
    assert stats.binomtest(once, RUNS, 0.05, alternative="greater").pvalue < 0.001
    assert stats.binomtest(always, RUNS, 0.05, alternative="greater").pvalue > 0.1
    assert stats.binomtest(last, RUNS, 0.05).pvalue > 0.01


def test_an_effect_that_is_there_is_found_by_who_looks_daily() -> None:
    for known in audience(np.random.default_rng(5), 4000, lift=0.6):
        found = differences(known, 2)[1]
        if found.decided:
            break
    assert found.decided
    assert found.always.low > 0
    assert len(known) < 4000, "and before the end"


def test_a_bound_for_all_times_is_crossed_by_chance_at_its_rate_and_one_for_one_look_is_not() -> (
    None
):
    # The score of an estimate that learns is Brownian: looked at 1,500 times, over six decades.
    time = np.geomspace(1e-2, 1e4, 1500)
    rng = np.random.default_rng(3)
    steps = rng.normal(size=(2000, len(time))) * np.sqrt(np.diff(time, prepend=0.0))
    score = np.abs(steps.cumsum(axis=1)) / np.sqrt(time)
    bound = [always_valid_width(1 / math.sqrt(t), 1.0) for t in time]
    assert 0.02 <= np.mean((score > bound).any(axis=1)) <= 0.06
    assert np.mean((score > stats.norm.isf(0.025)).any(axis=1)) > 0.5


@given(
    st.floats(-5, 5, allow_subnormal=False),
    st.floats(0.01, 3),
    st.floats(0.01, 3),
    st.sampled_from([0.8, 0.95]),
)
def test_an_always_valid_p_is_one_over_the_mean_likelihood_ratio(
    estimate: float, error: float, scale: float, level: float
) -> None:
    interval, p = always_valid(estimate, error, scale, level=level)

    def ratio(effect: float) -> float:
        likelihood = (estimate * effect - effect**2 / 2) / error**2
        return math.exp(likelihood - (effect / scale) ** 2 / 2) / (scale * math.sqrt(2 * math.pi))

    if abs(estimate) < 6 * error:  # beyond, numbers overflow
        width = 1 / math.sqrt(1 / error**2 + 1 / scale**2)
        middle = estimate * width**2 / error**2
        mean, _ = integrate.quad(ratio, middle - 12 * width, middle + 12 * width, epsrel=1e-9)
        assert p == pytest.approx(min(1.0, 1 / mean), rel=1e-6)
    assert (interval.low + interval.high) / 2 == pytest.approx(estimate, abs=1e-9)
    if abs(p - (1 - level)) > 1e-9:
        assert (interval.low <= 0 <= interval.high) == (p > 1 - level)


def test_intervals_hold_the_true_rates_and_their_difference_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    held = np.zeros(3)
    for _ in range(RUNS := 500):
        arm, cards = rng.integers(0, 2, 400), 3 + rng.poisson(4 * rng.gamma(1.0, 1.0, 400))
        taste = np.where(arm, rng.beta(1.0, 4.0, 400), rng.beta(0.5, 4.5, 400))
        known = readers(arm, rng.binomial(cards, taste), cards)
        plain, bold = outcomes(known, 2)
        once = differences(known, 2)[1].once
        told = (plain.per_card, 0.1), (bold.per_card, 0.2), (once, 0.1)
        held += [interval.low <= truth <= interval.high for interval, truth in told]
    assert (held >= stats.binom.ppf(0.001, RUNS, 0.95)).all()
    assert (held <= stats.binom.ppf(0.999, RUNS, 0.95)).all()


def test_an_interval_is_that_of_a_bootstrap_over_readers_and_not_over_cards() -> None:
    *_, known = audience(np.random.default_rng(8), 800)
    known = known[known.arm == 0]
    cards = known.cards.astype(np.int64)
    reader = np.repeat(np.arange(len(known)), cards)
    nth = np.concatenate([np.arange(count) for count in cards])
    clicked = (nth < known.clicks[reader]) * 1.0
    by_clusters, singly = (
        bootstrap_all(clicked[:, None], group, seed=0)[0]
        for group in (reader, np.arange(len(reader)))
    )
    found = outcomes(known, 1)[0].per_card
    assert found.mean == pytest.approx(by_clusters.mean)
    width = by_clusters.high - by_clusters.low
    assert found.high - found.low == pytest.approx(width, rel=0.1)
    assert width > 1.3 * (singly.high - singly.low)


def test_rates_are_counted_against_cards_slates_and_readers() -> None:
    known = readers([0, 0, 1, 1], [1, 2, 0, 1], [3, 6, 4, 2])
    plain, bold = outcomes(known, 2)
    assert (plain.readers, plain.slates, plain.cards, plain.clicks, plain.clicking) == (
        2,
        3,
        9,
        3,
        2,
    )
    assert [getattr(bold, f"per_{per}").mean for per in UNITS] == [1 / 6, 1 / 3, 1 / 2]
    for per in UNITS:
        rates = [getattr(outcome, f"per_{per}").mean for outcome in (plain, bold)]
        assert differences(known, 2, per=per)[1].once.mean == pytest.approx(rates[1] - rates[0])
        back = differences(known, 2, base=1, per=per)
        assert set(back) == {0}
        assert back[0].once.mean == pytest.approx(rates[0] - rates[1])


def test_p_values_of_several_arms_are_corrected_together() -> None:
    rng = np.random.default_rng(4)
    arm, cards = rng.integers(0, 4, 4000), np.full(4000, 5)
    known = readers(arm, rng.binomial(cards, 0.1 + 0.012 * arm), cards)
    together = differences(known, 4)
    alone = [
        differences(readers(np.minimum(part.arm, 1), part.clicks, part.cards), 2)[1]
        for place in (1, 2, 3)
        for part in [known[(arm == 0) | (arm == place)]]
    ]
    for name in ("p_once", "p_always"):
        raw = np.array([getattr(difference, name) for difference in alone])
        got = [getattr(difference, name) for difference in together.values()]
        assert got == pytest.approx(holm(raw))
    assert [d.once for d in together.values()] == [d.once for d in alone]


def shown(rows: list[tuple[int, int, int, int, bool]]) -> Exposures:
    """Cards from rows of arm, reader, slate, time and click."""
    arm, reader, slate, at, clicked = zip(*rows, strict=True) if rows else ((),) * 5
    return Exposures(
        np.array(arm, np.int8),
        np.array(reader, np.int32),
        np.array(slate, np.int32),
        np.array(at, np.int64),
        np.array(clicked, np.bool_),
    )


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 20), st.booleans()), max_size=40),
)
def test_readers_are_summed_as_one_would_by_hand(
    slates: list[tuple[int, int]], cards: list[tuple[int, int, bool]]
) -> None:
    rows = [(*slates[n % len(slates)], n % len(slates), at, hit) for n, at, hit in cards]
    found = by_reader(shown(rows))
    names = sorted({row[1] for row in rows})
    assert len(found) == len(names)
    for place, name in enumerate(names):
        mine = [row for row in rows if row[1] == name]
        first = min(
            mine, key=lambda row: row[3]
        )  # the earliest, and of two the one that came first
        assert found.arm[place] == first[0]
        assert found.since[place] == first[3]
        assert found.cards[place] == len(mine)
        assert found.clicks[place] == sum(row[4] for row in mine)
        assert found.slates[place] == len({row[2] for row in mine})
        assert found.crossed[place] == (len({row[0] for row in mine}) > 1)


def test_a_planted_mismatch_is_found_and_a_fair_draw_is_called_one_no_oftener_than_said() -> None:
    rng = np.random.default_rng(6)
    shares = np.array([0.5, 0.3, 0.2])
    p = []
    for _ in range(1000):
        arm = rng.choice(3, 2000, p=shares)
        p.append(sample_ratio(readers(arm, arm, arm + 3), shares).p)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) < MISMATCH) <= 0.005
    lost = np.flatnonzero((arm != 2) | (rng.random(2000) > 0.3))  # three of ten are never logged
    found = sample_ratio(readers(arm[lost], arm[lost], arm[lost] + 3), shares)
    assert found.mismatched
    assert found.p == pytest.approx(stats.chisquare(np.bincount(arm[lost]), found.expected).pvalue)


def test_a_day_that_stands_out_is_named_even_where_the_whole_does_not() -> None:
    rng = np.random.default_rng(9)
    day = np.repeat(np.arange(20), 400)
    arm = rng.integers(0, 2, len(day))
    fair = readers(arm, arm, arm + 3, since=day * DAY + 5)
    assert sample_ratio(fair, EVEN).days == {}
    arm[day == 7] = np.arange(400) < 130
    found = sample_ratio(readers(arm, arm, arm + 3, since=day * DAY + 5), EVEN)
    assert not found.mismatched
    assert {at: count.tolist() for at, count in found.days.items()} == {7 * DAY: [270, 130]}


def test_too_few_readers_tell_nothing_of_shares() -> None:
    few = int(2 * FEW_EXPECTED) - 1
    known = readers(np.zeros(few), np.zeros(few), np.ones(few))
    found = sample_ratio(known, EVEN)
    assert math.isnan(found.p)
    assert not found.mismatched


def test_leaving_out_who_changes_arms_would_upset_the_shares_and_keeping_the_first_does_not() -> (
    None
):
    rng = np.random.default_rng(12)
    shares = np.array([0.9, 0.1])
    first, second = rng.choice(2, (2, 5000), p=shares)
    rows = [(int(arm), n, n, 0, False) for n, arm in enumerate(first)]
    rows += [(int(arm), n, 5000 + n, 1, False) for n, arm in enumerate(second) if n % 4 == 0]
    found = by_reader(shown(rows))
    assert found.crossed.sum() == np.count_nonzero((first != second)[::4])
    assert not sample_ratio(found, shares).mismatched
    assert sample_ratio(found[~found.crossed], shares).mismatched


@pytest.mark.parametrize("way", ["once", "always"])
def test_so_many_readers_find_the_effect_four_times_in_five(way: str) -> None:
    rng = np.random.default_rng(10)

    def drawn(count: int, lift: float) -> Readers:
        arm, cards = rng.integers(0, 2, count), 3 + rng.poisson(2, count)
        taste = rng.beta(1.0, 4.0, count) * (1 + lift * arm)
        return readers(arm, rng.binomial(cards, np.minimum(taste, 1.0)), cards)

    needed = readers_needed(drawn(20_000, 0.0), 1, effect=0.1)
    count = round(needed[("once", "always").index(way)])
    assert needed[0] < needed[1]
    found = [getattr(differences(drawn(count, 0.1), 2)[1], f"p_{way}") for _ in range(300)]
    assert 0.72 <= np.mean(np.array(found) <= 0.05) <= 0.88


def test_where_nothing_is_known_nothing_is_said() -> None:
    nobody = by_reader(shown([]))
    one_each = readers([0, 1], [1, 0], [3, 3])
    unclicked = readers([0, 0, 1, 1], [0] * 4, [3] * 4)
    for known, per in itertools.product((nobody, one_each, unclicked), UNITS):
        found = differences(known, 2, per=per)[1]
        assert not found.decided
        assert not found.tempting
        assert math.isnan(found.p_once)
        assert math.isnan(found.always.low)
        assert all(math.isnan(count) for count in readers_needed(known, 1, effect=0.1))
        assert all(outcome.few for outcome in outcomes(known, 2))
    assert math.isnan(sample_ratio(nobody, EVEN).p)

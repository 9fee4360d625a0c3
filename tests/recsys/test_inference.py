"""Intervals hold the truth as often as they say, and tests raise false alarms no oftener."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from recsys import inference
from recsys.inference import Interval, benjamini_hochberg, bootstrap, bootstrap_all, holm, paired

VISITS, EACH = 100, 5


def lucky(rng: np.random.Generator, columns: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return values around 0 that questions of one visit share, and the visits."""
    shared = rng.normal(size=(VISITS, columns)).repeat(EACH, axis=0)
    return shared + 0.5 * rng.normal(size=shared.shape), np.arange(VISITS).repeat(EACH)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_an_interval_holds_the_true_mean_at_about_its_level(level: float) -> None:
    # Many columns are as many trials; were questions drawn singly, few intervals would hold it.
    values, visit = lucky(np.random.default_rng(7), columns=1000)
    found = bootstrap_all(values, visit, seed=0, level=level)
    held = np.mean([interval.low <= 0 <= interval.high for interval in found])
    assert level - 0.04 <= held <= level + 0.03


def hits(rng: np.random.Generator, better: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return hits f64[q, 2] of two systems, and visits: the longer a visit, the rarer its hits."""
    size = rng.geometric(0.3, VISITS)
    rate = (0.5 / np.sqrt(size) * rng.beta(2, 2, VISITS) * 2).repeat(size).clip(0, 1)
    drawn = rng.random((len(rate), 2)) < np.stack([np.minimum(rate + better, 1), rate], axis=1)
    return drawn.astype(np.float64), np.arange(VISITS).repeat(size)


def test_an_interval_holds_the_rate_of_hits_in_visits_of_unequal_length():
    rng = np.random.default_rng(8)
    truth = np.mean(np.concatenate([hits(rng)[0] for _ in range(3000)]))
    held = 0
    for seed in range(400):
        values, visit = hits(rng)
        found = bootstrap(values[:, 0], visit, seed=seed, resamples=400)
        held += found.low <= truth <= found.high
    assert 0.91 <= held / 400 <= 0.98


def test_drawing_questions_singly_would_make_intervals_too_narrow() -> None:
    values, visit = lucky(np.random.default_rng(7))
    whole, single = (bootstrap(values[:, 0], g, seed=0) for g in (visit, np.arange(len(visit))))
    assert whole.high - whole.low > 1.5 * (single.high - single.low)


def test_an_interval_is_that_of_drawing_visits_with_replacement() -> None:
    values, visit = lucky(np.random.default_rng(3))
    rng = np.random.default_rng(0)
    by_visit = values.reshape(VISITS, EACH).mean(axis=1)
    draws = by_visit[rng.integers(0, VISITS, (4000, VISITS))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    found = bootstrap(values[:, 0], visit, seed=0, resamples=4000)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_weights_are_poisson_with_mean_one() -> None:
    share = np.bincount(inference._POISSON.astype(int)) / len(inference._POISSON)
    assert share == pytest.approx(stats.poisson.pmf(np.arange(len(share)), 1.0), abs=2e-5)
    assert inference._POISSON.mean() == pytest.approx(1.0, abs=1e-4)


def test_a_question_that_a_metric_says_nothing_of_is_left_out_of_that_metric_alone() -> None:
    values, visit = lucky(np.random.default_rng(5), columns=2)
    holes = values.copy()
    holes[::3, 1] = np.nan
    whole, partly = bootstrap_all(holes, visit, seed=1)
    kept = np.isfinite(holes[:, 1])
    assert bounds(whole) == pytest.approx(bounds(bootstrap(values[:, 0], visit, seed=1)))
    assert bounds(partly) == pytest.approx(bounds(bootstrap(values[kept, 1], visit[kept], seed=1)))


def bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high


@given(
    group=hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(-1, 5)),
    seed=st.integers(0, 9),
)
def test_how_visits_are_numbered_does_not_matter_and_unknown_ones_stand_alone(
    group: np.ndarray, seed: int
) -> None:
    index = inference.clusters(group)
    for a, b in itertools.combinations(range(len(group)), 2):
        assert (index[a] == index[b]) == (group[a] == group[b] >= 0)
    assert set(index.tolist()) == set(range(int(index.max()) + 1))


def test_the_same_seed_gives_the_same_interval_however_many_are_held_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, visit = lucky(np.random.default_rng(1))
    at_once = paired(values[:, 0], values[::-1, 0], visit, seed=3)
    assert at_once == paired(values[:, 0], values[::-1, 0], visit, seed=3)
    monkeypatch.setattr(inference, "CHUNK", VISITS * 64)
    interval, p = paired(values[:, 0], values[::-1, 0], visit, seed=3)
    assert interval.low == pytest.approx(at_once[0].low)
    assert p == pytest.approx(at_once[1])


def test_nothing_is_not_a_number_and_one_visit_has_no_bounds() -> None:
    empty, none = np.empty(0), np.empty(0, np.int64)
    assert all(math.isnan(bound) for bound in bounds(bootstrap(empty, none, seed=0)))
    assert math.isnan(paired(empty, empty, none, seed=0)[1])
    alone = bootstrap(np.array([0.0, 1.0]), np.array([4, 4]), seed=0)
    assert alone.mean == 0.5
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)


def test_p_values_of_equal_systems_are_uniform() -> None:
    rng = np.random.default_rng(11)
    a, visit = lucky(rng, columns=800)
    b, _ = lucky(rng, columns=800)
    p = [p for _, p in inference.paired_all(a, b, visit, seed=0)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.07


@pytest.mark.parametrize(("better", "least", "most"), [(0.0, 0.02, 0.08), (0.15, 0.8, 1.0)])
def test_equal_hits_are_called_different_no_oftener_than_they_should_be(better, least, most):
    rng = np.random.default_rng(9)
    alarms = 0
    for seed in range(400):
        values, visit = hits(rng, better)
        _, p = paired(values[:, 0], values[:, 1], visit, seed=seed, resamples=400)
        alarms += p <= 0.05
    assert least <= alarms / 400 <= most


def test_a_pair_is_told_by_the_questions_of_which_both_say_something():
    rng = np.random.default_rng(6)
    a, visit = lucky(rng)
    b = a - 0.1 + 0.2 * rng.normal(size=a.shape)
    a[::3], b[1::3] = np.nan, np.nan
    kept = np.isfinite(a - b)[:, 0]
    whole = paired(a[:, 0], b[:, 0], visit, seed=0)
    assert whole[0].mean == pytest.approx(np.mean((a - b)[kept]))
    part = paired(a[kept, 0], b[kept, 0], visit[kept], seed=0)
    assert whole[1] == pytest.approx(part[1])
    assert bounds(whole[0]) == pytest.approx(bounds(part[0]))


def test_a_difference_that_is_there_is_found() -> None:
    values, visit = lucky(np.random.default_rng(2))
    worse = values[:, 0] - 0.2 - 0.3 * np.random.default_rng(4).normal(size=len(visit))
    interval, p = paired(values[:, 0], worse, visit, seed=0)
    assert 0.1 < interval.low < interval.mean < interval.high < 0.3
    assert p == pytest.approx(1 / (inference.RESAMPLES + 1))


def test_a_p_value_is_that_of_swapping_the_systems_in_every_way() -> None:
    a, b = np.array([3.0, 1.0, 2.0, 2.0, 5.0, 1.0]), np.array([1.0, 2.0, 2.0, 0.0, 1.0, 0.0])
    visit = np.array([0, 0, 1, 2, 3, 4])
    sums = np.bincount(visit, weights=a - b)
    swaps = [abs(np.dot(s, sums)) for s in itertools.product([-1, 1], repeat=len(sums))]
    exact = np.mean(np.array(swaps) >= abs(sums.sum()))
    assert paired(a, b, visit, seed=0, resamples=20_000)[1] == pytest.approx(exact, abs=0.01)


def test_a_system_is_no_better_than_itself() -> None:
    values, visit = lucky(np.random.default_rng(2))
    interval, p = paired(values[:, 0], values[:, 0], visit, seed=0)
    assert interval == Interval(0.0, 0.0, 0.0)
    assert p == 1.0


p_values = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=12).map(np.array)


@given(p=p_values)
def test_holm_multiplies_the_smallest_by_all_the_next_by_one_less(p: np.ndarray) -> None:
    told = [value for value in p.tolist() if not math.isnan(value)]
    for value, adjusted in zip(p.tolist(), holm(p).tolist(), strict=True):
        if math.isnan(value):
            assert math.isnan(adjusted)
            continue
        # The closed test: no set of hypotheses with this one in it is kept by Bonferroni.
        smaller = [other for other in told if other <= value]
        steps = [min(1.0, o * sum(x >= o for x in told)) for o in smaller]
        assert adjusted == pytest.approx(max(steps))


def test_holm_gives_the_textbook_example() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )


@given(p=p_values)
def test_benjamini_hochberg_is_never_stricter_than_holm(p: np.ndarray) -> None:
    told = np.isfinite(p)
    mild, strict = benjamini_hochberg(p), holm(p)
    assert np.array_equal(np.isnan(mild), ~told)
    assert (mild[told] <= strict[told] + 1e-12).all()
    assert (mild[told] >= p[told]).all()


@given(p=p_values)
def test_benjamini_hochberg_is_the_smallest_rate_at_which_a_difference_is_found(p: np.ndarray):
    told = sorted(value for value in p.tolist() if not math.isnan(value))
    for value, adjusted in zip(p.tolist(), benjamini_hochberg(p).tolist(), strict=True):
        if math.isnan(value):
            assert math.isnan(adjusted)
            continue
        rates = [len(told) * other / rank for rank, other in enumerate(told, start=1)]
        steps = [rate for rate, other in zip(rates, told, strict=True) if other >= value]
        assert adjusted == pytest.approx(min([*steps, 1.0]))


def test_holm_calls_any_of_many_equal_systems_different_no_oftener_than_one():
    p = np.random.default_rng(3).random((2000, 12))
    assert np.mean((p <= 0.05).any(axis=1)) > 0.4
    corrected = np.array([holm(row) for row in p])
    assert 0.03 <= np.mean((corrected <= 0.05).any(axis=1)) <= 0.065


def test_benjamini_hochberg_bounds_the_share_of_false_differences_and_finds_more_than_holm():
    rng = np.random.default_rng(4)
    equal, different = rng.random((2000, 8)), stats.norm.sf(rng.normal(2.5, 1, (2000, 8)))
    found = {}
    for correct in (holm, benjamini_hochberg):
        called = np.array([correct(row) for row in np.hstack([equal, different])]) <= 0.1
        false = called[:, :8].sum(axis=1) / np.maximum(called.sum(axis=1), 1)
        found[correct] = false.mean(), called[:, 8:].mean()
    # Half of the systems are equal, so the bound that holds is half of the rate.
    assert 0.04 <= found[benjamini_hochberg][0] <= 0.06
    assert found[benjamini_hochberg][1] > found[holm][1] + 0.1

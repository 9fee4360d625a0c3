"""Calibration is measured as scikit-learn measures it, with intervals that hold what they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from recsys import calibration
from recsys.errors import DataError

predictions = st.integers(0, 60).flatmap(
    lambda n: st.tuples(
        # Few values, so that many cards are predicted alike.
        hnp.arrays(np.float64, n, elements=st.integers(0, 8).map(lambda eighth: eighth / 8)),
        hnp.arrays(np.bool_, n),
    )
)


def alone(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


@given(cards=predictions, bins=st.integers(1, 12))
def test_the_curve_is_scikit_learns_with_bins_of_equal_count(cards, bins):
    predicted, clicked = cards
    curve = calibration.reliability(predicted, clicked, alone(len(predicted)), bins=bins)
    assert sum(rate.cards for rate in curve) == len(predicted)
    if not len(predicted):
        assert curve == ()
        return
    observed, expected = calibration_curve(clicked, predicted, n_bins=bins, strategy="quantile")
    assert [rate.clicked.mean for rate in curve] == pytest.approx(observed.tolist())
    assert [rate.x for rate in curve] == pytest.approx(expected.tolist())


def test_bins_hold_about_as_many_cards_each():
    predicted = np.random.default_rng(0).random(1003) ** 4
    curve = calibration.reliability(predicted, predicted > 0.5, alone(1003), bins=10)
    assert {rate.cards for rate in curve} <= {100, 101}
    assert [rate.x for rate in curve] == sorted(rate.x for rate in curve)


@given(cards=predictions)
def test_brier_score_and_log_loss_are_scikit_learns(cards):
    predicted, clicked = cards
    squares = calibration.squared_errors(predicted, clicked)
    losses = calibration.log_losses(predicted, clicked)
    assert len(squares) == len(losses) == len(clicked)
    if len(clicked):
        assert squares.mean() == pytest.approx(brier_score_loss(clicked, predicted))
        assert losses.mean() == pytest.approx(log_loss(clicked, predicted, labels=[False, True]))


@given(cards=predictions, bins=st.integers(1, 12))
def test_the_expected_error_is_the_mean_gap_between_promise_and_clicks(cards, bins):
    predicted, clicked = cards
    found = calibration.expected_error(predicted, clicked, bins=bins)
    curve = calibration.reliability(predicted, clicked, alone(len(predicted)), bins=bins)
    gaps = [rate.cards * abs(rate.x - rate.clicked.mean) for rate in curve]
    assert found == pytest.approx(
        sum(gaps) / len(predicted) if len(predicted) else math.nan, nan_ok=True
    )


def test_who_promises_too_much_is_found_out_and_who_promises_right_is_not():
    rng = np.random.default_rng(1)
    truth = rng.beta(1, 20, 20_000)
    clicked, group = rng.random(20_000) < truth, alone(20_000)
    assert calibration.expected_error(truth, clicked) < 0.005
    assert calibration.expected_error(2 * truth, clicked) > 0.03
    right, over = (calibration.reliability(p, clicked, group) for p in (truth, 2 * truth))
    assert sum(r.clicked.low <= r.x <= r.clicked.high for r in right) >= 9
    assert sum(r.clicked.low <= r.x <= r.clicked.high for r in over) <= 2


@pytest.mark.parametrize(("rate", "spread"), [(0.3, 0.3), (0.03, 0.1), (0.01, 0.0)])
def test_an_interval_holds_the_true_rate_at_least_about_as_often_as_it_says(rate, spread):
    # Readers differ in how much they click, so their cards depend on each other.
    rng = np.random.default_rng(5)
    readers, each, trials = 60, 20, 400
    group = np.arange(readers).repeat(each)
    held = 0
    for _ in range(trials):
        own = rng.beta(rate / spread, (1 - rate) / spread, readers) if spread else rate
        clicked = rng.random(readers * each) < np.broadcast_to(own, readers).repeat(each)
        (found,) = calibration.reliability(np.full(len(group), rate), clicked, group)
        held += found.clicked.low <= rate <= found.clicked.high
    assert 0.92 <= held / trials <= 0.995


def test_cards_of_one_reader_tell_less_than_those_of_many():
    rng = np.random.default_rng(2)
    own = rng.beta(1, 9, 100).repeat(10)
    clicked, predicted = rng.random(1000) < own, np.full(1000, 0.1)
    (whole,) = calibration.reliability(predicted, clicked, np.arange(100).repeat(10))
    (single,) = calibration.reliability(predicted, clicked, alone(1000))
    assert whole.clicked.mean == single.clicked.mean
    assert width(whole) > 1.1 * width(single)


def width(rate: calibration.Rate) -> float:
    return rate.clicked.high - rate.clicked.low


def test_of_independent_cards_the_interval_is_the_exact_one():
    clicked = np.arange(200) < 13
    (found,) = calibration.reliability(np.full(200, 0.1), clicked, alone(200))
    exact = stats.binomtest(13, 200).proportion_ci(method="exact")
    # Spread is estimated from 200 cards, which is n / (n - 1) of what is known in theory.
    assert (found.clicked.low, found.clicked.high) == pytest.approx(tuple(exact), abs=5e-4)


def test_no_click_at_all_is_no_certainty():
    (none,) = calibration.reliability(np.full(300, 0.01), np.zeros(300, np.bool_), alone(300))
    assert none.clicked.mean == none.clicked.low == 0.0
    assert none.clicked.high == pytest.approx(1 - 0.025 ** (1 / 300))
    (all_,) = calibration.reliability(np.full(300, 0.01), np.ones(300, np.bool_), alone(300))
    assert (all_.clicked.low, all_.clicked.high) == pytest.approx((0.025 ** (1 / 300), 1.0))


def test_one_reader_alone_has_no_bounds():
    (found,) = calibration.reliability(np.full(4, 0.5), np.arange(4) < 1, np.zeros(4, np.int64))
    assert found.clicked.mean == 0.25
    assert math.isnan(found.clicked.low)
    assert math.isnan(found.clicked.high)


def test_slots_are_told_apart_and_cards_without_one_left_out():
    slot = np.array([0, 0, 0, 0, 2, 2, -1], np.int64)
    clicked = np.array([1, 1, 1, 0, 0, 1, 1], np.bool_)
    first, third = calibration.by_slot(slot, clicked, alone(7))
    assert (first.x, first.cards, first.clicked.mean) == (0, 4, 0.75)
    assert (third.x, third.cards, third.clicked.mean) == (2, 2, 0.5)
    assert first.clicked.low < 0.75 < first.clicked.high
    assert calibration.by_slot(slot[:0], clicked[:0], alone(0)) == ()


@pytest.mark.parametrize("wrong", [-0.1, 1.5, math.nan])
def test_a_prediction_that_is_no_probability_is_named(wrong):
    predicted, clicked = np.array([0.5, wrong]), np.array([True, False])
    for measure in (
        lambda: calibration.squared_errors(predicted, clicked),
        lambda: calibration.log_losses(predicted, clicked),
        lambda: calibration.expected_error(predicted, clicked),
        lambda: calibration.reliability(predicted, clicked, alone(2)),
    ):
        with pytest.raises(DataError, match=f"card 1 is {wrong}; expected from 0 to 1"):
            measure()

"""Off-policy estimates equal their definitions, and say when they are not to be trusted."""

import dataclasses
import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recsys.errors import ConfigError, DataError
from recsys.offpolicy import Cards, Estimate, doubly_robust, estimates, ips, logged, self_normalised

rows = st.lists(
    st.fixed_dictionaries(
        {
            "slate": st.integers(0, 9),
            "clicked": st.integers(0, 1),
            "propensity": st.floats(0.05, 1.0),
            "target": st.just(0.0) | st.floats(0.001, 1.0),
            "predicted": st.floats(0.0, 1.0),
            "expected": st.floats(0.0, 1.0),
        }
    ),
    min_size=1,
    max_size=40,
)
clips = st.none() | st.floats(0.1, 20.0)


def cards(table: list[dict], **columns: np.ndarray) -> Cards:
    names = [f.name for f in dataclasses.fields(Cards) if f.name not in ("slate", "reader")]
    values = {name: np.array([row[name] for row in table], np.float64) for name in names}
    slate = np.array([row["slate"] for row in table], np.int64)
    return Cards(slate=slate, **{**values, **columns})


def coins(slates: int, seed: int, *, m: int = 4, readers: int = 0) -> Cards:
    """Slates of m cards in random order; slot 0 earns by article, and the target puts one there."""
    rng = np.random.default_rng(seed)
    article = rng.permuted(np.tile(np.arange(m), (slates, 1)), axis=1)
    clicked = (rng.random((slates, m)) < 0.1 + 0.2 * article) * (np.arange(m) == 0)
    shape = slates, m
    return Cards(
        slate=np.repeat(np.arange(slates), m),
        clicked=clicked.ravel().astype(np.float64),
        propensity=np.full(slates * m, 1 / m),
        target=np.broadcast_to(article == m - 1 - np.arange(m), shape).ravel().astype(np.float64),
        reader=np.repeat(np.arange(slates) % readers, m) if readers else None,
    )


@given(table=rows, clip=clips)
def test_estimates_equal_their_definitions(table: list[dict], clip: float | None) -> None:
    slates = defaultdict(list)
    for row in table:
        weight = min(row["target"] / row["propensity"], clip or math.inf)
        slates[row["slate"]].append(SimpleNamespace(weight=weight, **row))
    every = [card for slate in slates.values() for card in slate]
    whole = sum(card.weight for card in every)
    size = len(every) / len(slates)

    def mean(value) -> float:
        return sum(value(card) for card in every) / len(slates)

    given_cards = cards(table)
    assert logged(given_cards).clicks.mean == pytest.approx(mean(lambda c: c.clicked))
    by_weight = mean(lambda c: c.weight * c.clicked)
    assert ips(given_cards, clip=clip).clicks.mean == pytest.approx(by_weight)
    robust = mean(lambda c: c.expected + c.weight * (c.clicked - c.predicted))
    assert doubly_robust(given_cards, clip=clip).clicks.mean == pytest.approx(robust, abs=1e-9)
    normal = self_normalised(given_cards, clip=clip)
    if whole:
        ratio = size * sum(card.weight * card.clicked for card in every) / whole
        assert normal.clicks.mean == pytest.approx(ratio)
    else:
        assert math.isnan(normal.clicks.mean)


@given(table=rows, clip=clips)
def test_what_is_said_of_the_weights_equals_its_definition(
    table: list[dict], clip: float | None
) -> None:
    found = ips(cards(table), clip=clip)
    uncut = [row["target"] / row["propensity"] for row in table]
    weights = sorted(min(weight, clip or math.inf) for weight in uncut)
    slates = len({row["slate"] for row in table})
    assert (found.slates, found.cards, found.clip) == (slates, len(table), clip)
    assert found.support.mean == pytest.approx(sum(uncut) / len(table))
    if sum(w * w for w in weights) > 0:
        kish = sum(weights) ** 2 / sum(w * w for w in weights)
        assert found.effective == pytest.approx(kish * slates / len(table))
        assert found.heaviest == pytest.approx(weights[-1] / sum(weights))
        assert found.clipped == pytest.approx(1 - sum(weights) / sum(uncut), abs=1e-9)


@given(table=rows)
def test_the_gain_is_the_estimate_less_what_was_logged(table: list[dict]) -> None:
    was, *found = estimates(cards(table))
    assert was.gain.mean == 0.0
    for estimate in found:
        if not math.isnan(estimate.clicks.mean):
            difference = estimate.clicks.mean - was.clicks.mean
            assert estimate.gain.mean == pytest.approx(difference, abs=1e-9)


def test_the_interval_is_that_of_a_mean_over_slates() -> None:
    log = coins(200, seed=1)
    found = ips(log).clicks
    values = (log.target * 4 * log.clicked).reshape(200, 4).sum(axis=1)
    low, high = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_what_one_reader_does_again_makes_nothing_more_certain() -> None:
    once = coins(200, seed=1)
    log = {f.name: getattr(once, f.name) for f in dataclasses.fields(Cards)}
    again = {name: np.tile(c, 5) if c is not None else None for name, c in log.items()}
    again["slate"] = np.repeat(np.arange(1000), 4)
    reader = np.tile(once.slate, 5)
    told = [method(Cards(**again | {"reader": reader})) for method in (ips, self_normalised)]
    for estimate, single in zip(told, [ips(once), self_normalised(once)], strict=True):
        assert estimate.clicks.low == pytest.approx(single.clicks.low)
        assert estimate.clicks.high == pytest.approx(single.clicks.high)
    nobody = ips(Cards(**again | {"reader": np.full(4000, -1)}))
    assert nobody.clicks == ips(Cards(**again)).clicks
    assert nobody.clicks.high < told[0].clicks.high


def test_a_card_earns_what_the_target_would_have_made_of_it() -> None:
    # The target puts article 3 on top, which earns 0.7; the log puts any, which earn 0.4.
    log = coins(20_000, seed=2)
    assert logged(log).clicks.mean == pytest.approx(0.4, abs=0.02)
    for estimate in (ips(log), self_normalised(log)):
        assert estimate.clicks.low < 0.7 < estimate.clicks.high
        assert estimate.gain.low < 0.3 < estimate.gain.high
        assert estimate.warning == ""


@pytest.mark.parametrize("wrong", ["model", "propensities"])
def test_doubly_robust_stands_on_either_leg(wrong: str) -> None:
    log = coins(20_000, seed=3)
    article = np.tile(3 - np.arange(4), 20_000)
    on_top = np.tile(np.arange(4) == 0, 20_000)
    # What the cards truly are: of the target's own the article is known, of others the mean.
    true = {
        "predicted": np.where(on_top, np.where(log.target > 0, 0.7, 0.3), 0.0),
        "expected": np.where(on_top, 0.1 + 0.2 * article, 0.0),
    }
    model = {name: np.full(80_000, 0.2) for name in true} if wrong == "model" else true
    if wrong == "propensities":
        # Of the target's cards those that were clicked less are said to be rarer than they are.
        model["propensity"] = np.where(np.arange(80_000) % 8 < 4, 0.25, 0.15)
    told = dataclasses.replace(log, **model)
    found = doubly_robust(told).clicks
    assert found.low < 0.7 < found.high
    if wrong == "propensities":
        assert not ips(told).clicks.low < 0.7 < ips(told).clicks.high


def test_clipping_is_stated_and_takes_from_the_estimate() -> None:
    log = coins(2_000, seed=4)
    whole, cut = ips(log), ips(log, clip=2.0)
    assert (whole.clip, whole.clipped) == (None, 0.0)
    assert (cut.clip, cut.clipped) == (2.0, 0.5)
    assert cut.clicks.mean == pytest.approx(whole.clicks.mean / 2)
    assert cut.support == whole.support
    assert self_normalised(log, clip=2.0).clicks.mean == self_normalised(log).clicks.mean


def test_few_slates_that_tell_are_warned_of() -> None:
    assert ips(coins(500, seed=5)).warning == ""
    few = ips(coins(200, seed=5))
    assert few.effective < 100
    assert few.warning.startswith("Too little to go by: 200 logged slates tell as much as ")
    many = coins(20_000, seed=5)
    # Where all but a sliver of the weight is in few cards, the rest are no help.
    rare = np.where(np.arange(80_000) < 600, many.target, many.target * 0.001)
    assert "Too little" in ips(dataclasses.replace(many, target=rare)).warning
    assert ips(dataclasses.replace(many, target=rare)).heaviest > 0.8


def test_what_the_log_could_not_show_is_warned_of() -> None:
    log = coins(5_000, seed=6)
    half = np.where(np.arange(20_000) % 4 < 2, 0.0, log.target)
    found = ips(dataclasses.replace(log, target=half))
    assert found.support.low < 0.5 < found.support.high
    assert found.warning.startswith("The log gave no chance to about 49% of what the target shows")
    never = ips(dataclasses.replace(log, target=np.zeros(20_000)))
    assert never.clicks.mean == 0.0
    assert never.effective == 0.0
    assert "gave no chance to about 100%" in never.warning


def test_propensities_that_cannot_be_are_warned_of() -> None:
    log = coins(5_000, seed=7)
    halved = dataclasses.replace(log, propensity=log.propensity / 2)
    assert "propensities" in ips(halved).warning
    assert "propensities" not in ips(log).warning


def test_nothing_logged_is_nothing_known() -> None:
    for estimate in estimates(cards([])):
        assert isinstance(estimate, Estimate)
        assert math.isnan(estimate.clicks.mean)
        assert (estimate.slates, estimate.cards, estimate.effective) == (0, 0, 0.0)
        assert estimate.warning == "Nothing was logged."


def test_one_slate_has_no_interval() -> None:
    found = ips(coins(1, seed=8))
    assert math.isnan(found.clicks.low)
    assert found.warning


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("propensity", 0.0, "propensity of card 2 is 0.0; expected above 0 and at most 1"),
        ("propensity", -0.1, "propensity of card 2 is -0.1"),
        ("propensity", 1.5, "propensity of card 2 is 1.5"),
        ("propensity", math.nan, "propensity of card 2 is nan"),
        ("target", 1.01, "target of card 2 is 1.01; expected from 0 to 1"),
        ("target", math.nan, "target of card 2 is nan"),
        ("clicked", math.inf, "clicked of card 2 is inf; expected a finite number"),
        ("predicted", math.nan, "predicted of card 2 is nan"),
        ("expected", math.nan, "expected of card 2 is nan"),
        ("reader", 7, "reader of card 2 is 7; expected one reader for all cards of a slate"),
    ],
)
def test_impossible_cards_are_refused_by_row(column: str, value: float, message: str) -> None:
    row = dict.fromkeys(("clicked", "propensity", "target", "predicted", "expected"), 0.5)
    good = cards([row | {"slate": 1}] * 4, reader=np.full(4, 3))
    bad = getattr(good, column).copy()
    bad[2] = value
    with pytest.raises(DataError, match=message):
        dataclasses.replace(good, **{column: bad})


def test_columns_of_several_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="columns differ in length"):
        dataclasses.replace(coins(2, seed=0), target=np.zeros(3))


def test_half_a_model_is_refused() -> None:
    with pytest.raises(DataError, match="expected both or none"):
        dataclasses.replace(coins(2, seed=0), predicted=np.zeros(8))
    with pytest.raises(DataError, match="doubly robust needs a model"):
        doubly_robust(coins(2, seed=0))


@pytest.mark.parametrize("clip", [0.0, -1.0, math.nan])
def test_weights_cannot_be_cut_to_nothing(clip: float) -> None:
    with pytest.raises(ConfigError, match="clip"):
        ips(coins(2, seed=0), clip=clip)

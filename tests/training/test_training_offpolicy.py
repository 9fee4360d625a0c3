"""What a ranking would have earned is told from the log as often as is promised."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from data.sample import truth
from data.sample.generate import generate
from data.sample.sizes import Size
from data.sample.truth import Truth
from recsys.errors import DataError
from recsys.offpolicy import Cards, doubly_robust, ips, logged, self_normalised
from recsys.tables import Interactions
from recsys.types import ArticleId, Kind
from training.offpolicy import (
    LoggedSlate,
    Placed,
    click_rates,
    filled,
    judge,
    logged_slates,
    reranked,
    shuffled,
)

END = 1_795_392_000
TARGETS = ("taste, dimly", "taste, reversed", "click rate")


@dataclass(frozen=True)
class Network:
    """S slates of a sample network, what they held, and what is true of it."""

    truth: Truth
    events: Interactions
    held: np.ndarray
    """int[S, 6]: rows of articles, -1 beyond the slate's end"""
    attraction: np.ndarray
    """f64[S, 6]"""

    @property
    def size(self) -> np.ndarray:
        """int[S]: cards of each slate."""
        return (self.held >= 0).sum(axis=1)

    def scores(self, target: str) -> np.ndarray:
        """f64[S, 6] of a ranking to judge."""
        if target == "click rate":
            boxed = self.events.slate >= 0
            shown, clicked = (
                np.bincount(self.events.article[boxed & (self.events.kind == kind)], minlength=500)
                for kind in (Kind.IMPRESSION, Kind.CLICK)
            )
            return ((clicked + 1) / (shown + 20))[self.held]
        taste = np.log(self.attraction)
        dimly = taste + np.random.default_rng(0).normal(0.0, 0.7, taste.shape)
        return dimly if target == "taste, dimly" else -dimly

    def slots(self, target: str) -> np.ndarray:
        """int[S, 6]: where a ranking would put the cards."""
        return ordered(self.held >= 0, self.scores(target))

    def value(self, target: str) -> float:
        """The clicks that a ranking truly earns with a slate."""
        rates = self.truth.position_bias[self.slots(target)] * self.attraction
        return float(np.sum(rates, where=self.held >= 0) / len(self.held))


def ordered(here: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """int[S, 6]: the slot of each card that is ``here`` when the best stands first."""
    behind = np.where(here, -scores, np.inf)
    return np.argsort(np.argsort(behind, axis=1, kind="stable"), axis=1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp("network")
    generate(folder, Size(articles=500, readers=800, events=60_000), 7, END)
    known = truth.load(folder / "truth")
    table = pq.read_table(folder / "events.parquet")
    rows = known.article_rows()
    ids = zip(table["site"].to_pylist(), table["key"].to_pylist(), strict=True)
    numbers = {name: n for n, name in enumerate(known.slates["slate"].to_pylist())}
    visitors = table["visitor"].to_pylist()
    events = Interactions(
        visitor=np.array([int(v.removeprefix("reader-")) if v else -1 for v in visitors], np.int32),
        session=np.full(len(table), -1, np.int32),
        article=np.array([rows[ArticleId(*id)] for id in ids], np.int32),
        kind=np.array([Kind[kind.upper()] for kind in table["kind"].to_pylist()], np.int8),
        at=table["at"].to_numpy(),
        value=table["dwell"].to_numpy(),
        slate=np.array([numbers.get(name, -1) for name in table["slate"].to_pylist()], np.int32),
        position=table["position"].to_numpy().astype(np.int16),
        propensity=table["propensity"].to_numpy(),
    )
    held = np.full((len(numbers), 6), -1)
    seen = events.kind == Kind.IMPRESSION
    held[events.slate[seen], events.position[seen]] = events.article[seen]
    return Network(
        truth=known,
        events=events,
        held=held,
        attraction=known.attraction(np.arange(len(held)), held),
    )


def shown_again(network: Network, wanted: np.ndarray, n: int, seed: int) -> Cards:
    """Draw n slates, show each in a random order, let readers click by the truth.

    ``wanted`` int[S, 6] are the target's slots. The model is wrong: it knows the slots, not taste.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(network.held), n)
    here = network.held[drawn] >= 0
    slots = ordered(here, rng.random(here.shape))
    rates = network.truth.position_bias[slots] * network.attraction[drawn]
    clicked = rng.random(here.shape) < rates
    guess = 0.2 * network.truth.position_bias[slots]
    chance = np.broadcast_to(1.0 / network.size[drawn][:, None], here.shape)
    return Cards(
        slate=np.broadcast_to(np.arange(n)[:, None], here.shape)[here],
        clicked=clicked[here].astype(np.float64),
        propensity=chance[here],
        target=(slots == wanted[drawn])[here].astype(np.float64),
        predicted=guess[here],
        expected=guess[here],
    )


@pytest.mark.parametrize("target", TARGETS)
def test_intervals_hold_the_true_value_at_their_rate(network: Network, target: str) -> None:
    wanted, value = network.slots(target), network.value(target)
    methods = (ips, self_normalised, doubly_robust, logged)
    held = dict.fromkeys((method.__name__ for method in methods), 0)
    logs = 200
    for seed in range(logs):
        cards = shown_again(network, wanted, 4_000, seed)
        for method in methods:
            found = method(cards)
            held[method.__name__] += found.clicks.low <= value <= found.clicks.high
            assert found.warning == ""
    # What was clicked in another order is no answer: a test that it passed would show nothing.
    assert held.pop("logged") < 0.5 * logs
    for name, count in held.items():
        # 95 of 100, but for what chance does to so many logs.
        fewest, most = stats.binom.interval(0.998, logs, 0.95)
        assert fewest <= count <= most, name


@pytest.fixture(scope="module")
def slates(network: Network) -> tuple[LoggedSlate, ...]:
    return logged_slates(network.events)


def scorer(network: Network, target: str) -> Callable[[LoggedSlate], np.ndarray]:
    scores = network.scores(target)

    def score(slate: LoggedSlate) -> np.ndarray:
        columns = [network.held[slate.slate].tolist().index(row) for row in slate.rows]
        return scores[slate.slate][columns]

    return score


def test_a_log_is_read_back_slate_by_slate(
    network: Network, slates: tuple[LoggedSlate, ...]
) -> None:
    assert sorted(slate.slate for slate in slates) == list(range(len(network.held)))
    assert [s.at for s in slates] == sorted(s.at for s in slates)
    boxed = network.events.slate >= 0
    assert sum(s.clicked.sum() for s in slates) == np.sum(boxed & (network.events.kind == 1))
    for slate in slates:
        assert network.held[slate.slate][slate.slots].tolist() == slate.rows.tolist()


@pytest.mark.parametrize("target", TARGETS[:2])
def test_the_log_of_the_network_tells_what_another_order_would_have_earned(
    network: Network, slates: tuple[LoggedSlate, ...], target: str
) -> None:
    value = network.value(target)
    _, *found = judge(slates, reranked(scorer(network, target)), fit=click_rates)
    assert [estimate.method for estimate in found] == ["IPS", "SNIPS", "DR"]
    for estimate in found:
        assert estimate.clicks.low < value < estimate.clicks.high
        assert estimate.warning == ""


def test_a_ranking_that_has_seen_the_clicks_looks_better_than_it_is(
    network: Network, slates: tuple[LoggedSlate, ...]
) -> None:
    # Nothing in the weights gives it away: what is judged must have learned from other clicks.
    _, *found = judge(slates, reranked(lambda slate: slate.clicked.astype(float)))
    for estimate in found:
        assert estimate.warning == ""
        assert estimate.clicks.low > network.value("taste, dimly")


def test_the_log_tells_which_of_two_rankings_is_better(
    network: Network, slates: tuple[LoggedSlate, ...]
) -> None:
    _, _, good, _ = judge(slates, reranked(scorer(network, TARGETS[0])), fit=click_rates)
    _, _, bad, _ = judge(slates, reranked(scorer(network, TARGETS[1])), fit=click_rates)
    assert bad.clicks.high < good.clicks.low
    assert bad.gain.high < 0 < good.gain.low


def test_a_log_that_left_nothing_to_chance_says_that_it_cannot_tell(
    network: Network, slates: tuple[LoggedSlate, ...]
) -> None:
    certain = [dataclasses.replace(s, propensity=np.ones(len(s.rows))) for s in slates]
    for estimate in judge(certain, reranked(scorer(network, TARGETS[0])))[1:]:
        assert "The log gave no chance to about" in estimate.warning


def test_showing_what_was_shown_earns_what_was_earned(slates: tuple[LoggedSlate, ...]) -> None:
    def same(slate: LoggedSlate) -> Placed:
        return Placed(slate.rows, np.eye(len(slate.rows)))

    certain = [dataclasses.replace(s, propensity=np.ones(len(s.rows))) for s in slates]
    was, *found = judge(certain, same, fit=click_rates)
    for estimate in found:
        assert estimate.clicks.mean == pytest.approx(was.clicks.mean)
        assert estimate.gain.high == pytest.approx(0.0, abs=1e-9)
        assert estimate.effective == pytest.approx(len(slates))
        assert estimate.warning == ""


def slate(**columns: object) -> LoggedSlate:
    return LoggedSlate(
        **{
            "slate": 0,
            "reader": 0,
            "session": 0,
            "at": 0,
            "rows": np.array([7, 3, 5], np.int32),
            "slots": np.array([2, 0, 1], np.int16),
            "propensity": np.full(3, 0.5),
            "clicked": np.array([True, False, False]),
        }
        | columns
    )


def test_the_best_goes_to_the_first_slot_and_the_lower_row_before_its_equal() -> None:
    target = reranked(lambda slate: np.array([1.0, 0.0, 1.0]))
    # Rows 5, 7, 3 go to slots 0, 1, 2, which are the columns 1, 2, 0.
    assert target(slate()).rows.tolist() == [7, 3, 5]
    assert target(slate()).chance.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_what_the_target_would_show_instead_is_left_to_the_model() -> None:
    # Slots 2, 0, 1 hold articles 7, 3, 5; the target has 7 there, 9 in place of 3, and nothing.
    log = [slate(slate=n, reader=n) for n in range(4)]
    target = filled(lambda slate: np.array([7, 9, -1], np.int32))

    def fit(seen: list[LoggedSlate]) -> Callable[[LoggedSlate, np.ndarray], np.ndarray]:
        return lambda slate, rows: np.repeat(np.where(rows == 9, 0.3, 0.2)[:, None], 3, axis=1)

    was, plain, _, robust = judge(log, target, fit=fit)
    assert was.clicks.mean == 1.0
    assert plain.clicks.mean == pytest.approx(1 / 0.5)  # 7 was clicked at a chance of a half
    assert robust.clicks.mean == pytest.approx(0.2 + 0.3 + (1 - 0.2) / 0.5)
    assert "gave no chance" in plain.warning


def test_any_order_earns_what_any_order_earned(slates: tuple[LoggedSlate, ...]) -> None:
    was, *found = judge(slates, shuffled, fit=click_rates)
    for estimate in found:
        assert estimate.clicks.mean == pytest.approx(was.clicks.mean, rel=1e-3)
        assert estimate.warning == ""


def test_slates_of_an_unknown_reader_in_one_visit_depend_on_each_other() -> None:
    log = [slate(slate=n, reader=-1, session=n, clicked=np.array([n < 3] * 3)) for n in range(20)]
    again = [dataclasses.replace(s, slate=20 * k + s.slate) for k in range(5) for s in log]
    apart = [dataclasses.replace(s, session=-1) for s in again]
    once, visits, alone = (judge(log, shuffled)[1].clicks for log in (log, again, apart))
    assert (visits.low, visits.high) == pytest.approx((once.low, once.high))
    assert alone.high < visits.high


def test_no_model_sees_the_reader_of_whom_it_speaks() -> None:
    log = [slate(slate=n, reader=reader) for n, reader in enumerate([0, 1, 2, 3, 3, -1, -1])]
    fitted = []

    def fit(seen: list[LoggedSlate]) -> Callable[[LoggedSlate], np.ndarray]:
        fitted.append(sorted(s.slate for s in seen))

        def model(slate: LoggedSlate, rows: np.ndarray) -> np.ndarray:
            assert slate.slate not in {s.slate for s in seen}
            assert slate.reader < 0 or slate.reader not in {s.reader for s in seen}
            return np.full((3, 3), 0.1)

        return model

    judge(log, reranked(lambda slate: slate.rows.astype(float)), fit=fit)
    assert sorted(n for seen in fitted for n in seen) == list(range(len(log)))


def test_click_rates_are_learned_by_slot_and_article() -> None:
    rng = np.random.default_rng(0)
    bias, lift = np.array([0.4, 0.2, 0.1]), np.array([0.5, 1.0, 1.5])
    rows = np.arange(3, dtype=np.int32)
    log = []
    for n in range(6_000):
        slots = rng.permutation(3).astype(np.int16)
        clicked = rng.random(3) < bias[slots] * lift
        log.append(slate(slate=n, rows=rows, slots=slots, clicked=clicked))
    ordered = slate(rows=rows, slots=np.arange(3, dtype=np.int16))
    found = click_rates(log)(ordered, rows)
    assert found == pytest.approx(lift[:, None] * bias, abs=0.03)
    unknown = click_rates(log)(ordered, np.array([0, 99]))
    assert unknown[1] == pytest.approx(bias, abs=0.02)


def test_a_model_of_nothing_expects_next_to_nothing() -> None:
    assert click_rates([])(slate(), slate().rows) == pytest.approx(0.0, abs=1e-6)


def test_an_empty_log_has_no_slates() -> None:
    nothing = Interactions.merged([])
    assert logged_slates(nothing) == ()
    for estimate in judge([], reranked(lambda slate: slate.rows), fit=click_rates):
        assert estimate.warning == "Nothing was logged."


def logged_events(*rows: tuple[int, int, Kind, int, int, float]) -> Interactions:
    """Interactions of (slate, article, kind, at, position, propensity)."""
    slates, articles, kinds, times, positions, chances = zip(*rows, strict=True)
    return Interactions(
        visitor=np.zeros(len(rows), np.int32),
        session=np.zeros(len(rows), np.int32),
        article=np.array(articles, np.int32),
        kind=np.array(kinds, np.int8),
        at=np.array(times, np.int64),
        value=np.zeros(len(rows), np.float32),
        slate=np.array(slates, np.int32),
        position=np.array(positions, np.int16),
        propensity=np.array(chances, np.float32),
    )


def test_a_card_counts_once_whatever_was_reported_of_it() -> None:
    events = logged_events(
        (4, 9, Kind.IMPRESSION, 10, 0, 0.5),
        (4, 9, Kind.IMPRESSION, 11, 0, 0.5),
        (4, 2, Kind.CLICK, 12, 3, 0.25),
        (4, 9, Kind.CLICK, 13, 0, 0.5),
        (4, 9, Kind.CLICK, 14, 0, 0.5),
        (4, 2, Kind.READ, 15, -1, 1.0),
        (-1, 2, Kind.CLICK, 16, -1, 1.0),
        (1, 2, Kind.IMPRESSION, 17, 2, 0.125),
    )
    first, second = logged_slates(events)
    assert (first.slate, first.at, second.slate, second.at) == (4, 10, 1, 17)
    assert first.rows.tolist() == [2, 9]
    assert first.slots.tolist() == [3, 0]
    assert first.propensity.tolist() == [0.25, 0.5]
    assert first.clicked.tolist() == [True, True]
    assert second.clicked.tolist() == [False]


def test_a_card_without_a_slot_is_refused_by_row() -> None:
    shown = ((0, n, Kind.IMPRESSION, 1, -n, 1.0) for n in range(3))
    with pytest.raises(DataError, match=r"position of event 1 is -1, as of 2 in all"):
        logged_slates(logged_events(*shown))


def test_a_target_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(3,\); expected \(3, 3\)"):
        judge([slate()], lambda slate: Placed(slate.rows, np.ones(3)))

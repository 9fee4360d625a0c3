"""Click rates are what counting card by card in plain Python finds, and so are their intervals."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from data import schema
from data.performance import Dimension, click_rates, events_of_boxes
from data.ratios import WIDE
from data.store import Store
from recsys.errors import DataError
from recsys.types import ArticleId, Event, Kind

DAY = 86_400
ALL = tuple((dimension,) for dimension in Dimension)
CARDS = st.tuples(
    st.integers(0, 5),  # slate
    st.sampled_from(["daily/a", "daily/b", "guide/a"]),
    st.sampled_from([Kind.IMPRESSION, Kind.CLICK, Kind.READ]),
    st.integers(0, 3 * DAY),
    st.sampled_from(["", "v1", "v2"]),
    st.sampled_from(["", "t1", "t2"]),
)


@pytest.fixture(scope="module")
def module_store(module_url: str) -> Iterator[Store]:
    with Store.open(module_url) as store:
        yield store


@pytest.fixture
def store(module_store: Store) -> Store:
    empty(module_store)
    return module_store


def empty(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(delete(schema.events))
        if connection.dialect.name == "postgresql":
            connection.execute(delete(schema.event_ids))


def shown(
    slate: str, article: str, kind: Kind = Kind.IMPRESSION, at: int = 0, **values: object
) -> Event:
    id = f"{slate}:{article}:{kind.name}"
    return Event(id, kind, ArticleId.parse(article), at, slate=slate, **values)  # type: ignore[arg-type]


def about(slate: int, article: str) -> dict[str, object]:
    """What the signed token says of a card: the same in each event about it."""
    return {
        "position": ["daily/a", "daily/b", "guide/a"].index(article) - 1,
        "source": ["co_read", "related", ""][slate % 3],
        "seen_on": ["daily", ""][slate % 2],
        "bundle": ["b1", "b2"][slate // 3],
        "placement": ["article", "home"][slate % 2],
        "arm": ["", "x/plain"][slate % 2],
    }


def value(dimension: Dimension, slate: int, article: str, at: int) -> str | int:
    told = about(slate, article)
    match dimension:
        case Dimension.SLOT:
            return told["position"] + 1  # type: ignore[operator,no-any-return]
        case Dimension.SITE:
            return article.partition("/")[0]
        case Dimension.PAGE:
            return told["seen_on"]  # type: ignore[return-value]
        case Dimension.DAY:
            return at // DAY * DAY
        case Dimension.HOUR:
            return at // 3600 * 3600
    return told[dimension]  # type: ignore[return-value]


@settings(max_examples=60)
@given(st.lists(CARDS, max_size=30, unique_by=lambda card: card[:3]))
def test_rates_are_what_counting_card_by_card_finds(module_store: Store, told: list) -> None:
    empty(module_store)
    module_store.put_events(
        shown(f"s{s}", a, k, at, visitor=v, session=t, **about(s, a)) for s, a, k, at, v, t in told
    )
    since, until = DAY // 2, 2 * DAY
    pairs = [(Dimension.SLOT, Dimension.PAGE), (Dimension.DAY, Dimension.SITE)]
    found = click_rates(module_store, since, until, (), *ALL, *pairs)

    cards: dict[tuple[int, str], list[tuple]] = defaultdict(list)
    for card in told:
        if card[2] in (Kind.IMPRESSION, Kind.CLICK) and since <= card[3] < until:
            cards[card[:2]].append(card)
    for by, rates in zip([(), *ALL, *pairs], found, strict=True):
        readers: dict[tuple, dict[str, np.ndarray]] = defaultdict(dict)
        for (slate, article), events in cards.items():
            at = min(e[3] for e in events)
            of = tuple(value(dimension, slate, article, at) for dimension in by)
            reader = max(e[4] for e in events) or max(e[5] for e in events) or f"s{slate}"
            clicked = any(e[2] == Kind.CLICK for e in events)
            sums = readers[of].get(reader, np.zeros(2))
            readers[of][reader] = sums + np.array([clicked, 1])
        assert [rate.of for rate in rates] == sorted(readers)
        for rate in rates:
            c, n = np.array(list(readers[rate.of].values())).T
            assert (rate.clicks, rate.impressions) == (c.sum(), n.sum())
            assert (rate.readers, rate.clicking) == (len(c), np.count_nonzero(c))
            assert (rate.low, rate.high) == pytest.approx(bounds(c, n))
            assert 0 <= rate.low <= rate.rate <= rate.high <= 1
            assert rate.few
            assert rate.gap is None


def bounds(c: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """Wilson's interval by its definition: the rates from which this one is not too far."""
    rate, m = c.sum() / n.sum(), len(c)
    off = c - rate * n
    variance = (m / (m - 1) if m > 1 else 1) * (off @ off) / n.sum() ** 2
    worth = min(n.sum(), rate * (1 - rate) / variance) if variance > 1e-12 / n.sum() else m
    roots = np.roots([1 + WIDE**2 / worth, -2 * rate - WIDE**2 / worth, rate**2])
    return min(roots.real), max(roots.real)


def crowd(store: Store, readers: int, chance: dict[str, float], seed: int = 7) -> None:
    """Let readers see two cards in each of some boxes; some readers click all, most nothing."""
    draw = np.random.default_rng(seed)
    keen = draw.beta(0.5, 1.5, readers) * 2
    events = []
    for reader in range(readers):
        for box in range(draw.integers(1, 5)):
            for position, (source, rate) in enumerate(chance.items()):
                slate, who = f"{reader}-{box}", f"v{reader}"
                told = {"visitor": who, "source": source, "position": position}
                events.append(shown(slate, f"daily/{source}", **told))  # type: ignore[arg-type]
                if draw.random() < rate * keen[reader]:
                    events.append(shown(slate, f"daily/{source}", Kind.CLICK, **told))  # type: ignore[arg-type]
    store.put_events(events)


def test_a_gap_to_all_other_cards_allows_for_readers_who_saw_both(store: Store) -> None:
    crowd(store, 400, {"co_read": 0.3, "related": 0.2, "latest": 0.2})
    (rates,) = click_rates(store, 0, DAY, (Dimension.SOURCE,))
    held = {event.id: event for v in range(400) for event in store.held(f"v{v}")}
    sums = np.zeros((400, 3, 2))
    for one in held.values():
        place = ["co_read", "latest", "related"].index(one.source)
        sums[int(one.visitor[1:]), place, 1 - one.kind] += 1
    for place, rate in enumerate(rates):
        (c, n), (other_c, other_n) = sums[:, place].T, np.delete(sums, place, 1).sum(1).T
        mine, theirs = c.sum() / n.sum(), other_c.sum() / other_n.sum()
        z = (c - mine * n) / n.sum() - (other_c - theirs * other_n) / other_n.sum()
        error = math.sqrt(400 / 399 * (z @ z))
        assert rate.gap is not None
        assert rate.gap.by == pytest.approx(mine - theirs)
        assert rate.gap.high - rate.gap.by == pytest.approx(WIDE * error)
    assert rates[0].of == ("co_read",)
    assert rates[0].gap.low > 0  # type: ignore[union-attr]
    assert rates[0].gap.p < 0.01  # type: ignore[union-attr]


def test_intervals_hold_the_truth_where_cards_of_a_reader_hang_together(store: Store) -> None:
    held, plain = 0, 0
    for seed in range(60):
        crowd(store, 120, {"co_read": 0.3, "related": 0.3}, seed)
        ((rate,),) = click_rates(store, 0, DAY, ())
        truth = 0.3 * 0.25 * 2
        held += rate.low <= truth <= rate.high
        half = WIDE * math.sqrt(rate.rate * (1 - rate.rate) / rate.impressions)
        plain += abs(rate.rate - truth) <= half
        empty(store)
    assert held >= 53
    assert plain < held


def test_few_readers_are_told_as_few_and_many_are_not(store: Store) -> None:
    crowd(store, 130, {"co_read": 0.4})
    ((rate,),) = click_rates(store, 0, DAY, (Dimension.SOURCE,))
    assert (rate.readers, rate.few) == (130, False)
    assert rate.gap is None  # there is nothing to compare with
    store.put_events(shown("other", f"guide/{n}", source="latest", visitor="w") for n in range(9))
    (rates,) = click_rates(store, 0, DAY, (Dimension.SOURCE,))
    assert [(rate.of[0], rate.few, rate.gap) for rate in rates] == [
        ("co_read", False, None),
        ("latest", True, None),
    ]
    assert rates[1].rate == rates[1].low == 0
    assert rates[1].high > 0.7  # nine cards of one reader are worth one


def test_cards_of_some_pages_only(store: Store) -> None:
    store.put_events(
        shown(f"s{n}", "daily/a", seen_on=page, placement=place, position=n)
        for n, (page, place) in enumerate(itertools.product(["daily", "guide"], ["home", "x"]))
    )
    wanted = {Dimension.PAGE: "guide", Dimension.PLACEMENT: "x"}
    ((rate,),) = click_rates(store, 0, DAY, (Dimension.SLOT,), only=wanted)
    assert (rate.of, rate.impressions) == ((4,), 1)
    assert events_of_boxes(store, 0, DAY, wanted) == 1
    assert events_of_boxes(store, 0, DAY) == 4
    assert events_of_boxes(store, 1, DAY) == 0
    with pytest.raises(DataError, match="slot"):
        click_rates(store, 0, DAY, (), only={Dimension.SLOT: "1"})


def test_an_empty_store_has_no_rates(store: Store) -> None:
    assert click_rates(store, 0, DAY, (), (Dimension.SLOT,)) == [(), ()]
    assert click_rates(store, 0, DAY) == []

"""Exploration keeps its share, breaks no rule, and states exactly how likely its cards were."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.exploration import Explored, chances, explore
from recsys.ids import Vocabulary
from recsys.policy import Policy
from recsys.quotas import Quotas
from recsys.trials import DRAWS, POOL, PRIOR, Trials, click_rate, trials

SITES, ARTICLES = 3, 12
NAMES = Vocabulary(str(n) for n in range(SITES))
ANY = Policy(other_sites_min=0.0, max_per_site=1.0)


def quotas_of(policy: Policy, home: int, n: int) -> Quotas:
    return Quotas.of(policy, home, n, NAMES, NAMES)


def on_trial(rows: list[int], seed: int = 0) -> Trials:
    rates = np.random.default_rng(seed).random((DRAWS, len(rows))).astype(np.float32)
    return Trials(np.array(rows, np.int32), rates)


def explored(
    slate: list[int],
    tried: Trials,
    *,
    share: float = 0.2,
    seed: int = 0,
    quotas: Quotas | None = None,
    eligible: list[bool] | None = None,
    story: list[int] | None = None,
) -> Explored:
    return explore(
        np.array(slate, np.int32),
        tried,
        np.ones(len(tried.rows), np.bool_) if eligible is None else np.array(eligible, np.bool_),
        site=(np.arange(ARTICLES) % SITES).astype(np.int16),
        section=(np.arange(ARTICLES) % 2).astype(np.int16),
        story=np.arange(ARTICLES, dtype=np.int32) if story is None else np.array(story, np.int32),
        quotas=quotas or quotas_of(ANY, -1, len(slate)),
        share=share,
        seed=seed,
    )


@given(share=st.floats(0, 0.5), n=st.integers(1, 20))
def test_the_lower_half_is_given_away_to_the_policys_share(share: float, n: int) -> None:
    found = chances(share, n)
    assert len(found) == n
    assert sum(found) == pytest.approx(share * n)
    assert all(0 <= chance <= 1 for chance in found)
    assert not any(found[: n // 2])


def test_a_share_of_nothing_and_no_trials_leave_the_slate_alone() -> None:
    for found in (
        explored([0, 1, 2], on_trial([6, 7]), share=0.0),
        explored([0, 1, 2], on_trial([])),
        explored([0, 1, 2], on_trial([6, 7]), eligible=[False, False], share=0.5),
    ):
        assert found.rows.tolist() == [0, 1, 2]
        assert found.propensity == (1.0, 1.0, 1.0)


def test_the_same_seed_gives_the_same_slate() -> None:
    tried = on_trial([6, 7, 8])
    slates = [tuple(explored([0, 1, 2, 3], tried, share=0.5, seed=n).rows) for n in range(50)]
    again = [tuple(explored([0, 1, 2, 3], tried, share=0.5, seed=n).rows) for n in range(50)]
    assert slates == again
    assert len(set(slates)) > 3


def test_cards_come_as_often_as_their_propensities_say() -> None:
    """The check that off-policy evaluation rests on: stated and counted probabilities agree."""
    tried = on_trial([6, 7, 8], seed=3)
    runs = 20_000
    counted: Counter[tuple[tuple[int, ...], int, int]] = Counter()
    above: Counter[tuple[int, ...]] = Counter()
    stated: dict[tuple[tuple[int, ...], int, int], float] = {}
    for seed in range(runs):
        found = explored([0, 1, 2, 3], tried, share=0.3, seed=seed)
        rows = tuple(found.rows.tolist())
        for slot in (2, 3):
            above[rows[:slot]] += 1
            key = rows[:slot], slot, rows[slot]
            counted[key] += 1
            stated[key] = found.propensity[slot]
    for key, times in counted.items():
        tries = above[key[0]]
        error = 5 * np.sqrt(stated[key] * (1 - stated[key]) / tries)
        assert times / tries == pytest.approx(stated[key], abs=error + 1e-9)
    # Every way to fill a slot below the same cards is known: the probabilities sum to one.
    sums: Counter[tuple[tuple[int, ...], int]] = Counter()
    for (cards, slot, _), propensity in stated.items():
        sums[cards, slot] += propensity
    assert sums[(0, 1), 2] == pytest.approx(1.0)


slates = st.lists(st.integers(0, ARTICLES - 1), min_size=1, max_size=6, unique=True)


@given(
    slate=slates,
    rows=st.lists(st.integers(0, ARTICLES - 1), max_size=8, unique=True),
    story=st.lists(st.integers(0, 8), min_size=ARTICLES, max_size=ARTICLES),
    home=st.integers(-1, SITES - 1),
    seed=st.integers(0, 99),
)
def test_no_trial_repeats_a_story_breaks_a_quota_or_is_ineligible(
    slate: list[int], rows: list[int], story: list[int], home: int, seed: int
) -> None:
    slate = list({story[row]: row for row in slate}.values())
    quotas = quotas_of(Policy(), home, len(slate))
    eligible = [row % 4 != 1 for row in rows]
    found = explored(
        slate, on_trial(rows), share=0.5, seed=seed, quotas=quotas, eligible=eligible, story=story
    )
    assert len({story[row] for row in found.rows}) == len(slate)
    before = Counter(row % SITES for row in slate)
    after = Counter(row % SITES for row in found.rows.tolist())
    for site, count in after.items():
        per_site = int(quotas.site_most[site])
        most = quotas.from_home if site == home else per_site
        assert count <= max(min(most, per_site), before[site])
    for slot in found.tried:
        assert rows[slate_place(rows, int(found.rows[slot]))] % 4 != 1
    untried = [slot for slot in range(len(slate)) if slot not in found.tried]
    assert [int(found.rows[slot]) for slot in untried] == [slate[slot] for slot in untried]


def slate_place(rows: list[int], row: int) -> int:
    return rows.index(row)


def test_the_least_shown_are_on_trial_and_of_equals_the_newest() -> None:
    count = POOL + 5
    rows = np.arange(count, dtype=np.int32)
    shown = np.where(rows < 3, 50.0, 0.0)
    found = trials(rows, rows.astype(np.int64), shown * 0, shown, rate=0.02, seed=1)
    assert sorted(found.rows.tolist()) == list(range(5, count))


def test_rates_are_drawn_around_what_is_known() -> None:
    rows = np.arange(3, dtype=np.int32)
    clicked, shown = np.array([0.0, 40.0, 0.0]), np.array([0.0, 100.0, 100.0])
    found = trials(rows, rows.astype(np.int64), clicked, shown, rate=0.1, seed=1)
    mean = dict(zip(found.rows.tolist(), found.rates.mean(axis=0).tolist(), strict=True))
    for row in range(3):
        expected = (clicked[row] + PRIOR * 0.1) / (shown[row] + PRIOR)
        assert mean[row] == pytest.approx(expected, abs=0.03)


@given(shown=st.floats(0, 1e6), rate=st.floats(0, 3))
def test_the_networks_click_rate_stays_a_rate(shown: float, rate: float) -> None:
    assert 0.001 <= click_rate(shown * rate, shown) <= 0.5

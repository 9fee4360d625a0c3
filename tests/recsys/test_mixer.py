"""Mixing equals naive code written from its description, and keeps the publisher's promises."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.candidates import Candidates
from recsys.mixer import fuse, pick
from recsys.policy import Policy


def proposal(name: str, scores: dict[int, float]) -> Candidates:
    rows = sorted(scores, key=lambda row: (-scores[row], row))
    total = sum(scores.values()) or 1.0
    values = np.array([scores[row] / total for row in rows], np.float32)
    return Candidates(name, np.array(rows, np.int32), values)


proposals = st.lists(
    st.dictionaries(st.integers(0, 9), st.integers(1, 5), max_size=6), min_size=1, max_size=4
)


@given(lists=proposals, weights=st.lists(st.floats(0.1, 5), min_size=4, max_size=4))
def test_fusion_is_the_weighted_mean_of_probabilities(
    lists: list[dict[int, float]], weights: list[float]
) -> None:
    made = [proposal(str(n), scores) for n, scores in enumerate(lists)]
    fused = fuse(made, weights[: len(made)])
    total = sum(weights[: len(made)])
    naive: dict[int, float] = {}
    for one, weight in zip(made, weights, strict=False):
        for row, score in zip(one.rows.tolist(), one.scores.tolist(), strict=True):
            naive[row] = naive.get(row, 0.0) + weight * score / total
    assert dict(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True)) == pytest.approx(
        naive
    )
    keys = list(zip(-fused.scores, fused.rows, strict=True))
    assert keys == sorted(keys)
    assert fused.parts.sum(axis=0) == pytest.approx(fused.scores)


def test_nothing_proposed_is_nothing_fused() -> None:
    assert len(fuse([], []).rows) == 0


@pytest.mark.parametrize(
    ("rows", "scores", "wrong"),
    [
        ([1, 2], [0.1, 0.2], "descending"),
        ([1, 1], [0.2, 0.1], "twice"),
        ([1], [float("nan")], "finite"),
        ([1, 2], [0.9, 0.8], "sum"),
        ([1, 2], [0.9], "1 scores"),
    ],
)
def test_a_source_that_breaks_the_contract_is_named(
    rows: list[int], scores: list[float], wrong: str
) -> None:
    with pytest.raises(ValueError, match=f"unruly.*{wrong}"):
        Candidates("unruly", np.array(rows, np.int32), np.array(scores, np.float32))


candidate = st.tuples(st.integers(1, 9), st.integers(0, 2), st.integers(0, 5), st.integers(0, 3))
policies = st.builds(
    Policy,
    other_sites_min=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    max_per_site=st.sampled_from([0.2, 0.5, 1.0]),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
)
TOPICS = np.eye(4, dtype=np.float32)


def arrays(rows: list[tuple[int, int, int, int]]) -> tuple[np.ndarray, ...]:
    rows = sorted(rows, key=lambda row: -row[0])
    score, site, story, topic = (np.array([row[i] for row in rows]) for i in range(4))
    vectors = TOPICS[topic] if rows else np.zeros((0, 4), np.float32)
    return score.astype(float), site.astype(np.int16), story.astype(np.int32), vectors


def naive_pick(score, site, story, vectors, home: int, n: int, policy: Policy) -> list[int]:
    picked: list[int] = []
    per_site = max(1, math.ceil(policy.max_per_site * n))
    from_home = n - math.ceil(policy.other_sites_min * n)
    given_way: list[str] = []
    while len(picked) < n:
        best, best_value = None, -1.0
        for place in range(len(score)):
            if place in picked or any(story[place] == story[p] for p in picked):
                continue
            here = sum(site[p] == site[place] for p in picked)
            if "max_per_site" not in given_way and here >= per_site:
                continue
            at_home = sum(site[p] == home for p in picked)
            if "other" not in given_way and site[place] == home and at_home >= from_home:
                continue
            alike = max((float(vectors[place] @ vectors[p]) for p in picked), default=0.0)
            value = score[place] * (1 - policy.diversity * alike)
            if value > best_value + 1e-12:
                best, best_value = place, value
        if best is not None:
            picked.append(best)
        elif len(given_way) < 2:
            given_way.append("max_per_site" if not given_way else "other")
        else:
            break
    return picked


@given(
    rows=st.lists(candidate, max_size=12),
    policy=policies,
    home=st.integers(-1, 2),
    n=st.integers(1, 6),
)
def test_picking_equals_the_naive_rule(rows: list, policy: Policy, home: int, n: int) -> None:
    score, site, story, vectors = arrays(rows)
    found = pick(score, site, story, vectors, home=home, n=n, policy=policy)
    assert list(found.places) == naive_pick(score, site, story, vectors, home, n, policy)


@given(rows=st.lists(candidate, max_size=12), policy=policies, n=st.integers(1, 6))
def test_a_slate_is_never_short_while_another_story_is_left(
    rows: list, policy: Policy, n: int
) -> None:
    score, site, story, vectors = arrays(rows)
    found = pick(score, site, story, vectors, home=0, n=n, policy=policy)
    assert len(found.places) == min(n, len(set(story.tolist())))
    assert len({int(story[place]) for place in found.places}) == len(found.places)


@given(
    rows=st.lists(candidate, max_size=12),
    policy=policies,
    home=st.integers(-1, 2),
    n=st.integers(1, 6),
)
def test_a_quota_that_has_not_given_way_is_kept(
    rows: list, policy: Policy, home: int, n: int
) -> None:
    score, site, story, vectors = arrays(rows)
    found = pick(score, site, story, vectors, home=home, n=n, policy=policy)
    sites = site[list(found.places)].tolist()
    if "max_per_site" not in found.relaxed and sites:
        most = max(sites.count(one) for one in sites)
        assert most < max(1, policy.max_per_site * n) + 1  # shares round up
    if "other_sites_min" not in found.relaxed and home >= 0 and len(sites) == n:
        assert sum(one != home for one in sites) >= policy.other_sites_min * n


@given(
    rows=st.lists(candidate, max_size=12),
    policy=policies,
    home=st.integers(-1, 2),
    n=st.integers(1, 6),
)
def test_a_longer_slate_without_quotas_begins_like_the_shorter(
    rows: list, policy: Policy, home: int, n: int
) -> None:
    free = dataclasses.replace(policy, max_per_site=1.0, other_sites_min=0.0)
    found = [pick(*arrays(rows), home=home, n=m, policy=free).places for m in (n, n + 1)]
    assert found[1][: len(found[0])] == found[0]


def test_quotas_give_way_in_their_order_and_say_so() -> None:
    home_only = arrays([(9, 0, 0, 0), (8, 0, 1, 1), (7, 0, 2, 2)])
    policy = Policy(other_sites_min=0.5, max_per_site=0.5)
    found = pick(*home_only, home=0, n=2, policy=policy)
    assert found.relaxed == ("max_per_site", "other_sites_min")
    away = arrays([(9, 1, 0, 0), (8, 1, 1, 1), (7, 1, 2, 2)])
    assert pick(*away, home=0, n=3, policy=policy).relaxed == ("max_per_site",)


def test_equal_candidates_are_picked_in_their_order() -> None:
    same = arrays([(5, 1, story, 0) for story in range(4)])
    policy = Policy(max_per_site=1.0, diversity=0.0)
    assert pick(*same, home=0, n=3, policy=policy).places == (0, 1, 2)

"""Mixing equals naive code written from its description, and keeps the publisher's promises."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.candidates import Candidates
from recsys.ids import Vocabulary
from recsys.mixer import Choices, Pick, fuse, pick
from recsys.policy import QUOTAS, Policy, SectionRules, SiteQuota, Sponsored, ToneRules
from recsys.quotas import Quotas


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
        Candidates("unruly", np.array(rows, np.int32), np.array(scores, np.float32)).check()


SITES, SECTIONS = Vocabulary(["a", "b", "c"]), Vocabulary(["news", "guides"])
TOPICS = np.eye(4, dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One candidate, as the naive rule reads it."""

    score: int
    site: int
    story: int
    topic: int = 0
    section: int = 0
    kind: str = ""

    @property
    def soft(self) -> bool:
        return self.kind in ("light", "sponsored")


candidates = st.lists(
    st.builds(
        Candidate,
        score=st.integers(1, 9),
        site=st.integers(0, 2),
        story=st.integers(0, 5),
        topic=st.integers(0, 3),
        section=st.integers(0, 1),
        kind=st.sampled_from(["", "", "", "grave", "light", "sponsored"]),
    ),
    max_size=12,
).map(lambda rows: sorted(rows, key=lambda row: -row.score))
policies = st.builds(
    Policy,
    other_sites_min=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    max_per_site=st.sampled_from([0.2, 0.5, 1.0]),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
    sites=st.sampled_from([{}, {"b": SiteQuota(min=0.3)}, {"c": SiteQuota(max=0.0)}]),
    sections=st.sampled_from(
        [{}, {"Guides": SectionRules(min=0.4)}, {"news": SectionRules(max=0.3)}]
    ),
    sponsored=st.sampled_from([Sponsored(), Sponsored(most=0), Sponsored(most=2, slots=(2, 3))]),
    tone=st.sampled_from([ToneRules(), ToneRules(slate=False)]),
)
homes = st.integers(-1, 2)
sizes = st.integers(1, 6)
pinnings = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 11)), max_size=2, unique_by=lambda pin: pin[0]
)


def picked(
    rows: list[Candidate], home: int, n: int, policy: Policy, pins: list[tuple[int, int]] = ()
) -> Pick:
    choices = Choices(
        rows=np.arange(len(rows), dtype=np.int32),
        scores=np.array([row.score for row in rows], float),
        site=np.array([row.site for row in rows], np.int16),
        section=np.array([row.section for row in rows], np.int16),
        story=np.array([row.story for row in rows], np.int32),
        # Half of the articles are newer than the bundle.
        vectors=TOPICS[[row.topic for row in rows[: len(rows) // 2]]],
        fresh=TOPICS[[row.topic for row in rows[len(rows) // 2 :]]],
        sponsored=np.array([row.kind == "sponsored" for row in rows], np.bool_),
        grave=np.array([row.kind == "grave" for row in rows], np.bool_),
        soft=np.array([row.soft for row in rows], np.bool_),
    )
    quotas = Quotas.of(policy, home, n, SITES, SECTIONS)
    return pick(choices, quotas, policy=policy, pins=[p for p in pins if p[1] < len(rows)])


def in_tone(row: Candidate, slate: list[Candidate], policy: Policy) -> bool:
    if not policy.tone.slate:
        return True
    if row.soft and any(other.kind == "grave" for other in slate):
        return False
    return not (row.kind == "grave" and any(other.soft for other in slate))


def naive_pick(
    rows: list[Candidate], home: int, n: int, policy: Policy, pins: list[tuple[int, int]] = ()
) -> list[int]:
    """The rule in words, slot by slot and candidate by candidate."""
    slots: list[int | None] = [None] * n
    given_way: list[str] = []
    kept = [slot for slot in policy.sponsored.slots if slot <= n]

    def here() -> list[Candidate]:
        return [rows[place] for place in slots if place is not None]

    def left_out(place: int) -> bool:
        return any(rows[place].story == other.story for other in here())

    def paid_up() -> bool:
        return sum(other.kind == "sponsored" for other in here()) >= policy.sponsored.most

    def waits(row: Candidate, least: dict[int, float], code: str, able: list[int]) -> bool:
        """Whether the slots that are left are needed for others than ``row``."""
        short = {}
        for value, share in least.items():
            have = sum(getattr(other, code) == value for other in here())
            if any(getattr(rows[place], code) == value for place in able):
                short[value] = max(0, math.ceil(share * n) - have)
        needed = sum(short.values()) >= n - len(here())
        return needed and not short.get(getattr(row, code), 0)

    def breaks(row: Candidate, able: list[int]) -> set[str]:
        broken = set()
        shares = {SECTIONS.row(name.lower()): rule for name, rule in policy.sections.items()}
        rule = shares.get(row.section)
        of_section = sum(other.section == row.section for other in here())
        if rule and of_section >= math.ceil(rule.max * n):
            broken.add("sections")
        if waits(row, {code: r.min for code, r in shares.items()}, "section", able):
            broken.add("sections")
        least = {SITES.row(name): quota.min for name, quota in policy.sites.items()}
        if waits(row, least, "site", able):
            broken.add("sites")
        quota = policy.sites.get(SITES[row.site])
        most = max(1, math.ceil(policy.max_per_site * n))
        if quota and quota.max is not None:
            most = math.ceil(quota.max * n)
        of_site = sum(other.site == row.site for other in here())
        if of_site >= most:
            broken.add("max_per_site")
        if row.site == home and of_site >= n - math.ceil(policy.other_sites_min * n):
            broken.add("other_sites_min")
        return broken

    def value(place: int) -> float:
        alike = max((float(rows[place].topic == other.topic) for other in here()), default=0.0)
        return rows[place].score * (1 - policy.diversity * alike)

    for slot, place in pins:
        if place >= len(rows) or slot >= n or left_out(place) or slots[slot] is not None:
            continue
        row = rows[place]
        if in_tone(row, here(), policy) and not (row.kind == "sponsored" and paid_up()):
            slots[slot] = place
    for slot in range(n):
        if slots[slot] is not None:
            continue
        free = [p for p in range(len(rows)) if not left_out(p) and in_tone(rows[p], here(), policy)]
        paid = [p for p in free if rows[p].kind == "sponsored"]
        if slot + 1 in kept and paid and not paid_up():
            slots[slot] = max(paid, key=value)
            continue
        able = [p for p in free if rows[p].kind != "sponsored" or not (kept or paid_up())]
        while able:
            fits = [p for p in able if not breaks(rows[p], able) - set(given_way)]
            if fits:
                slots[slot] = max(fits, key=value)
                break
            binding = set().union(*(breaks(rows[p], able) for p in able)) - set(given_way)
            given_way.append(next(name for name in QUOTAS if name in binding))
    return [place for place in slots if place is not None]


@settings(max_examples=300)
@given(rows=candidates, policy=policies, home=homes, n=sizes, pins=pinnings)
def test_picking_equals_the_naive_rule(
    rows: list, policy: Policy, home: int, n: int, pins: list
) -> None:
    found = picked(rows, home, n, policy, pins)
    assert list(found.places) == naive_pick(rows, home, n, policy, pins)


@given(rows=candidates, policy=policies, n=sizes)
def test_a_slate_is_never_short_while_another_story_is_left(
    rows: list, policy: Policy, n: int
) -> None:
    plain = [dataclasses.replace(row, kind="") for row in rows]
    found = picked(plain, 0, n, policy)
    assert len(found.places) == min(n, len({row.story for row in rows}))
    assert len({rows[place].story for place in found.places}) == len(found.places)


@given(rows=candidates, policy=policies, home=homes, n=sizes, pins=pinnings)
def test_a_quota_that_has_not_given_way_is_kept(
    rows: list, policy: Policy, home: int, n: int, pins: list
) -> None:
    found = picked(rows, home, n, policy)
    sites = [rows[place].site for place in found.places]
    if "max_per_site" not in found.relaxed and sites:
        most = max(sites.count(one) for one in sites)
        allowed = max(1, policy.max_per_site * n) + 1  # shares round up
        assert most < allowed + len(found.pinned)
    if "other_sites_min" not in found.relaxed and home >= 0 and len(sites) == n:
        assert sum(one != home for one in sites) >= policy.other_sites_min * n - len(found.pinned)


@given(rows=candidates, policy=policies, home=homes, n=sizes, pins=pinnings)
def test_nothing_soft_ever_stands_beside_something_grave(
    rows: list, policy: Policy, home: int, n: int, pins: list
) -> None:
    slate = [rows[place] for place in picked(rows, home, n, policy, pins).places]
    if policy.tone.slate:
        assert not (any(r.soft for r in slate) and any(r.kind == "grave" for r in slate))
    assert sum(row.kind == "sponsored" for row in slate) <= policy.sponsored.most


@given(rows=candidates, policy=policies, home=homes, n=sizes)
def test_whoever_was_better_and_not_shown_is_told_with_what_kept_it_out(
    rows: list, policy: Policy, home: int, n: int
) -> None:
    found = picked(rows, home, n, policy)
    for slot, place, why in found.moved:
        assert why in (*QUOTAS, "tone", "sponsored")
        assert rows[place].score >= rows[found.places[slot]].score * (1 - policy.diversity)
        assert found.places[slot] != place


@given(rows=candidates, policy=policies, home=homes, n=sizes)
def test_a_longer_slate_without_quotas_begins_like_the_shorter(
    rows: list, policy: Policy, home: int, n: int
) -> None:
    free = Policy(max_per_site=1.0, other_sites_min=0.0, diversity=policy.diversity)
    found = [picked(rows, home, m, free).places for m in (n, n + 1)]
    assert found[1][: len(found[0])] == found[0]


def test_quotas_give_way_in_their_order_and_say_so() -> None:
    home_only = [Candidate(9 - n, 0, n, n) for n in range(3)]
    policy = Policy(other_sites_min=0.5, max_per_site=0.5)
    assert picked(home_only, 0, 2, policy).relaxed == ("max_per_site", "other_sites_min")
    away = [Candidate(9 - n, 1, n, n) for n in range(3)]
    assert picked(away, 0, 3, policy).relaxed == ("max_per_site",)


def test_equal_candidates_are_picked_in_their_order() -> None:
    same = [Candidate(5, 1, story) for story in range(4)]
    assert picked(same, 0, 3, Policy(max_per_site=1.0, diversity=0.0)).places == (0, 1, 2)


def test_a_pin_stands_where_editors_put_it_and_counts_for_the_quotas() -> None:
    rows = [Candidate(9 - n, n % 2, n, n % 4) for n in range(6)]
    found = picked(rows, 0, 4, Policy(), [(2, 5)])
    assert found.places[2] == 5
    assert found.pinned == {2}
    assert [rows[place].site for place in found.places].count(1) <= 3


def test_a_slot_for_sponsored_cards_takes_one_and_no_other_slot_does() -> None:
    rows = [Candidate(9, 1, 0, kind="sponsored"), *(Candidate(8 - n, 1, n + 1) for n in range(4))]
    policy = Policy(max_per_site=1.0, sponsored=Sponsored(most=1, slots=(3,)))
    assert picked(rows, 0, 4, policy).places == (1, 2, 0, 3)

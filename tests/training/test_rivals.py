"""A recipe that is worse is told from one that is not by what readers opened afterwards."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import Size
from data.store import Store
from recsys.answers import Answers
from recsys.history import History
from recsys.leaks import find_leak
from recsys.policy import Policy
from training.gate import Gate
from training.recipe import Recipe
from training.rivals import contender, rivals
from training.standing import above_popularity, compared, not_worse
from training.verdict import Check, Findings

from .conftest import BAD, NOW, network

END = 1_795_392_000
DAY = 86_400
GATE = Gate(window=4 * DAY, questions=0, answers=50)
GOOD = Recipe(dims=16, factors=16, rank_questions=0)

ROWS = list(range(10))
KNOWN = network()
HISTORY = History(KNOWN.articles, KNOWN.visitors, KNOWN.interactions)
"""A smaller one, of the last hours before NOW."""


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> History:
    folder: Path = tmp_path_factory.mktemp("network")
    generate(folder, Size(200, 150, 18_000), 1, END)
    with Store.open(f"sqlite:///{folder / 'recsys.db'}") as store:
        for name, bring in ("articles", import_articles), ("events", import_events):
            bring(store, read(str(folder / f"{name}.parquet")), name, folder, END)
        known = store.snapshot(END)
    return History(known.articles, known.visitors, known.interactions)


@pytest.fixture(scope="module")
def worse(history) -> Findings:
    return rivals(history, BAD, GOOD, GATE, Policy())


@pytest.fixture(scope="module")
def same(history) -> Findings:
    return rivals(history, GOOD, GOOD, GATE, Policy())


def named(found: Findings) -> dict[str, Check]:
    return {check.name: check for check in found.checks}


def test_a_bad_recipe_is_told_with_its_interval(worse):
    check = named(worse)["MRR@10"]
    assert not check.ok
    assert check.value < check.against
    assert check.low < check.value - check.against < check.high < check.bound < 0
    assert f"MRR@10 is {check.value:.3f}, {check.against:.3f} in service" in check.sentence
    assert f"({check.low:+.3f} to {check.high:+.3f})" in check.sentence
    names = "popularity", "HR@10", "MRR@10", "slots filled", "coverage", "milliseconds"
    assert set(names) <= set(named(worse))


def test_the_same_recipe_is_replayed_once_and_is_no_worse(same, worse):
    assert all(check.ok for check in same.checks)
    check = named(same)["MRR@10"]
    assert (check.low, check.high, check.value) == (0.0, 0.0, check.against)
    assert check.against == named(worse)["MRR@10"].against  # the same questions, the same champion
    assert "replayed once, and what is compared is zero by definition" in same.notes[1]
    assert "milliseconds" not in named(same)


def test_the_same_history_gives_the_same_findings(history, worse):
    again = rivals(history, BAD, GOOD, GATE, Policy())
    untimed = [[c for c in found.checks if c.name != "milliseconds"] for found in (worse, again)]
    assert untimed[0] == untimed[1]
    assert worse.notes == again.notes


def test_without_the_recipe_in_service_popularity_is_what_is_compared_with(history):
    stages, few = [], dataclasses.replace(GATE, questions=400)
    found = rivals(history, GOOD, None, few, Policy(), report=stages.append)
    assert [check.name for check in found.checks] == ["popularity"]
    assert "Without the recipe in service" in found.notes[1]
    done = [stage.name for stage in stages if stage.done]
    assert done[0] == "gate: challenger: content vectors"
    assert done[-2:] == ["gate: replay challenger", "gate: replay popularity"]


@pytest.mark.parametrize(
    ("gate", "why"),
    [
        (Gate(), "0.0 days before the last 1 are too few to learn from"),
        (Gate(window=3_000.0, history=0.0, answers=9_999), "are fewer than 9999"),
    ],
)
def test_what_cannot_be_measured_is_said_and_not_held(gate, why):
    found = rivals(HISTORY, GOOD, BAD, gate, Policy())
    assert found.checks == ()
    assert why in found.notes[0]


def test_contenders_know_nothing_of_what_they_are_asked():
    recipe = Recipe(dims=8, factors=8)

    def made(facts: History):
        return contender("one", facts, recipe, NOW - 4_000, Policy())

    def leaking(facts: History):  # a bundle that has seen the window
        return contender("one", facts, recipe, NOW, Policy())

    assert find_leak(made, HISTORY, cut=NOW - 4_000, end=NOW) is None
    assert find_leak(leaking, HISTORY, cut=NOW - 4_000, end=NOW) is not None


# What is compared, by answers that are made up


def answers(lists: list[list[int]], target: list[int]) -> Answers:
    q = len(lists)
    none = np.full(q, -1, np.int32)
    return Answers(
        lists=np.array(lists, np.int32),
        target=np.array(target, np.int32),
        visit=np.arange(q),
        home=none,
        visitor=none,
        at=np.full(q, NOW),
        trail=none,
        relevant=np.full((q, 20), -1, np.int32),
        source=np.full((q, 10), -1, np.int8),
        chance=np.full((q, 10), np.nan, np.float32),
    )


def looked(first: list[list[int]], second: list[list[int]]) -> dict[str, Check]:
    target = [0] * len(first)
    found = compared(answers(first, target), answers(second, target), HISTORY, NOW, Gate())
    return {check.name: check for check in found}


def test_slots_that_stay_empty_are_counted():
    full, short = [ROWS] * 50, [[*ROWS[:9], -1]] * 50
    assert looked(full, short)["slots filled"].ok
    check = looked(short, full)["slots filled"]
    assert (check.ok, check.value, check.against) == (False, 0.9, 1.0)


def test_fewer_articles_in_all_are_counted():
    wide = [[(n + m) % 60 for m in range(10)] for n in range(60)]
    narrow = [[0, *ROWS[1:]]] * 60
    assert looked(wide, narrow)["coverage"].ok
    check = looked(narrow, wide)["coverage"]
    assert not check.ok
    assert check.value == pytest.approx(10 / 60)


def test_a_site_that_takes_over_is_named():
    mixed = [ROWS] * 50
    one = [[2 * n for n in range(10)]] * 50  # even rows are of site0
    found = looked(one, mixed)
    assert not found["share of site0"].ok
    assert not found["share of site1"].ok
    assert "100.0% of the cards come from site0, 50.0% in service" in (
        found["share of site0"].sentence
    )
    assert [name for name in looked(mixed, mixed) if name.startswith("share of")] == [
        "share of site0"
    ]


def test_popularity_holds_a_model_that_is_worse_unless_it_beats_the_champion_too():
    hit, miss = answers([ROWS] * 50, [0] * 50), answers([ROWS] * 50, [55] * 50)
    assert above_popularity(hit, hit, miss).ok
    assert not above_popularity(miss, hit, hit).ok
    assert not above_popularity(miss, None, hit).ok
    excused = above_popularity(miss, miss, hit)
    assert excused.ok
    assert "beats it, as it beats what is in service" in excused.sentence


def test_a_part_of_the_questions_is_held_to_the_same():
    [check] = not_worse(
        "site daily", {"HR@10": np.zeros(50)}, {"HR@10": np.ones(50)}, np.arange(50), Gate()
    )
    assert (check.name, check.ok) == ("HR@10, site daily", False)


def test_what_chance_may_have_done_holds_nothing():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        ours, theirs = ({"HR@10": rng.integers(0, 2, 60).astype(float)} for _ in range(2))
        held += sum(not c.ok for c in not_worse("", ours, theirs, np.arange(60), Gate()))
    assert held <= 5
    [alone] = not_worse("", {"HR@10": np.zeros(1)}, {"HR@10": np.ones(1)}, np.zeros(1, int), Gate())
    assert alone.ok
    assert math.isnan(alone.low)

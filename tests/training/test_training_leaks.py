"""A bundle that was trained on what it is asked about is caught, and an honest one is not."""

import dataclasses
from collections.abc import Callable

import pytest

from recsys.bundle import Bundle
from recsys.engine import Engine
from recsys.history import History
from recsys.leaks import Leak, find_leak
from recsys.live import Live
from recsys.policy import Policy
from recsys.served import EngineSystem
from training.fit import fit
from training.recipe import Recipe

END = 1_507_690_800
CUT = END - 5_000
RECIPE = Recipe(dims=8, factors=8, neighbours=10, iterations=3)
TASKS = "next click", "next article"


@pytest.fixture(scope="module")
def history(sample) -> History:
    """Articles of three topics, five of them published while others are read."""
    late = [dataclasses.replace(a, published=END - 600 + n) for n, a in enumerate(sample.articles)]
    return History([*sample.articles[:55], *late[55:]], sample.visitors, sample.interactions)


def trained(facts: History, now: int) -> Bundle:
    return fit(facts.articles, facts.visitors, facts.interactions, RECIPE, now)


def leak_of(make: Callable[[History], Bundle], history: History, task: str) -> Leak | None:
    def system(facts: History) -> EngineSystem:
        bundle = make(facts)
        return EngineSystem("engine", Engine(bundle, Live(bundle), Policy(exploration=0)), facts)

    return find_leak(system, history, cut=CUT, end=END, task=task)


@pytest.mark.parametrize("task", TASKS)
def test_a_bundle_of_what_was_known_at_the_cut_knows_nothing_of_the_future(history, task):
    assert leak_of(lambda facts: trained(facts.before(CUT), CUT), history, task) is None


@pytest.mark.parametrize("task", TASKS)
def test_a_bundle_trained_on_everything_is_caught(history, task):
    leak = leak_of(lambda facts: trained(facts, END), history, task)
    assert leak is not None
    assert CUT <= leak.at < (CUT + END) // 2


def test_a_bundle_without_later_events_but_with_later_texts_is_caught(history):
    leak = leak_of(lambda facts: trained(facts, CUT), history, "next click")
    assert leak is not None

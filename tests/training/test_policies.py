"""Two policies on the pages of a day: what would change is counted as a person would count it."""

import dataclasses
import math

import numpy as np
import pytest

from recsys.bundle import Bundle
from recsys.history import History
from recsys.leaks import altered
from recsys.policy import QUOTAS, Policy, Sponsored
from recsys.served import NAMES
from recsys.types import Kind
from training.learn import learn
from training.pages import Answered, Pages, play, viewed
from training.policies import Comparison, compare
from training.recipe import Recipe

from .conftest import NOW, events, network

START = NOW - 3_000
RECIPE = Recipe(dims=8, factors=8, neighbours=10, iterations=3)
WINDOW = {"start": START, "end": NOW}


@pytest.fixture(scope="module")
def history() -> History:
    known = network()
    articles = [
        dataclasses.replace(a, section=f"s{n % 3}", language="en", sponsored=n % 10 == 0)
        for n, a in enumerate(known.articles)
    ]
    return History(articles, known.visitors, known.interactions)


@pytest.fixture(scope="module")
def bundle(history) -> Bundle:
    return learn(history.before(START), RECIPE, START, Policy())


def found(bundle: Bundle, history: History, before: Policy, after: Policy) -> Comparison:
    return compare(play(bundle, before, after, history, **WINDOW), history)


def test_the_same_policy_changes_nothing(bundle, history):
    same = found(bundle, history, Policy(), Policy())
    assert same.pages == same.of == viewed(history, START, NOW) > 50
    assert (same.changed.mean, same.replaced.mean) == (0.0, 0.0)
    assert same.overlap.mean == pytest.approx(1.0)
    assert same.gained == same.lost == same.examples == ()
    assert all(share.before == share.after for share in same.shares)
    assert all(figure.difference.mean == 0.0 for figure in same.figures)


def test_where_all_cards_must_come_from_other_sites_they_do(bundle, history):
    free, strict = (Policy(other_sites_min=share, max_per_site=1.0) for share in (0.0, 1.0))
    told = found(bundle, history, free, strict)
    [elsewhere] = [figure for figure in told.figures if figure.name == "other sites"]
    assert elsewhere.before < 0.9
    assert elsewhere.after == 1.0
    assert elsewhere.difference.low > 0
    assert told.changed.mean > 0.9
    assert told.examples
    assert sum(shown.after - shown.before for shown in told.gained) > 0


def test_quotas_that_gave_way_are_counted_by_page(bundle, history):
    told = found(bundle, history, Policy(max_per_site=1.0), Policy(max_per_site=0.1))
    [gave] = [relaxed for relaxed in told.relaxed if relaxed.quota == "max_per_site"]
    assert (gave.before, gave.after) == (0, told.pages)  # two sites cannot fill six slots


def test_exploration_is_left_out(bundle, history):
    told = found(bundle, history, Policy(exploration=0.0), Policy(exploration=0.5))
    assert told.changed.mean == 0.0


def test_what_holds_at_a_placement_holds_there_only(bundle, history):
    home = Policy(placements={"home": Policy(sponsored=Sponsored(most=0))})
    assert found(bundle, history, Policy(), home).changed.mean == 0.0
    at_home = play(bundle, Policy(), home, history, placement="home", **WINDOW)
    paid = np.array([article.sponsored for article in history.articles])
    assert not paid[at_home.after.rows].any()
    assert paid[at_home.before.rows].any()


def test_some_pages_are_drawn_by_a_seed(bundle, history):
    def drawn(seed: int) -> Pages:
        return play(bundle, Policy(), Policy(), history, most=20, seed=seed, **WINDOW)

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert len(first.at) == 20 < first.of
    np.testing.assert_array_equal(first.at, again.at)
    np.testing.assert_array_equal(first.before.rows, again.before.rows)
    assert not np.array_equal(first.at, other.at)


def test_what_the_reader_opened_next_is_that_of_the_same_visit(history):
    rows = [(0, 3, START + 10), (1, 4, START + 20), (0, 5, START + 30), (0, 6, START + 40)]
    opened = [(*row[:2], Kind.CLICK, row[2]) for row in rows]
    few = dataclasses.replace(history, interactions=events(*opened))
    pages = play(Bundle.empty(), Policy(), Policy(), few, **WINDOW)
    assert pages.page.tolist() == [3, 4, 5, 6]
    assert pages.opened.tolist() == [5, -1, 6, -1]
    assert len(set(pages.reader.tolist())) == 2


def test_nothing_from_the_day_on_reaches_the_bundle(history, bundle):
    other = altered(history, START, seed=1)
    learned = learn(other.before(START), RECIPE, START, Policy())
    assert learned.id == bundle.id
    np.testing.assert_array_equal(learned.factors.articles, bundle.factors.articles)
    np.testing.assert_array_equal(learned.vectors, bundle.vectors)


def test_no_slate_knows_what_comes_after_its_page(history):
    middle = (START + NOW) // 2

    def played(facts: History) -> Pages:
        made = learn(facts.before(START), RECIPE, START, Policy())
        return play(made, Policy(), Policy(diversity=0.9), facts, start=START, end=middle)

    first, second = played(history), played(altered(history, middle, seed=1))
    assert len(first.at) > 20
    np.testing.assert_array_equal(first.before.rows, second.before.rows)
    np.testing.assert_array_equal(first.after.rows, second.after.rows)


def answered(*rows: tuple[int, ...]) -> Answered:
    table = np.array(rows, np.int32)
    source = np.where(table >= 0, np.arange(table.shape[1]), -1).astype(np.int8)
    return Answered(table, source, np.zeros((len(table), len(QUOTAS)), np.bool_))


def test_slates_are_compared_as_counted_by_hand(history):
    # Articles of even rows are of site0, of odd rows of site1; 0, 10, 20 are paid for.
    pages = Pages(
        at=np.array([NOW, NOW, NOW]),
        page=np.array([1, 2, 3], np.int32),
        reader=np.array([0, 0, 1]),
        opened=np.array([4, 5, -1], np.int32),
        before=answered((4, 6, 8), (5, 7, 0), (1, 2, -1)),
        after=answered((4, 6, 8), (0, 7, 9), (1, 2, 10)),
        of=9,
    )
    told = compare(pages, history)
    assert (told.pages, told.of, told.n, told.followed) == (3, 9, 3, 2)
    assert told.changed.mean == pytest.approx(2 / 3)
    assert told.replaced.mean == pytest.approx(2 / 3)  # 9 instead of 5, and 10
    figures = {figure.name: figure for figure in told.figures}
    assert figures["opened next"].before == 1.0
    assert figures["opened next"].after == figures["opened next"].difference.mean + 1 == 0.5
    assert figures["filled"].before == pytest.approx(8 / 9)
    assert figures["filled"].after == 1.0
    assert figures["other sites"].before == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    assert figures["sponsored"].after == pytest.approx(2 / 3 / 3)
    sites = {share.name: share for share in told.shares if share.what == "site"}
    assert sites["site0"].before == pytest.approx(5 / 8)
    assert sites["site1"].after == pytest.approx(3 / 9)
    sources = {share.name: share.before for share in told.shares if share.what == "source"}
    assert sources == pytest.approx({NAMES[0]: 3 / 8, NAMES[1]: 3 / 8, NAMES[2]: 2 / 8})
    assert {(one.article, one.before, one.after) for one in told.gained} == {
        ("site1/a9", 0, 1),
        ("site0/a10", 0, 1),
    }
    assert [(one.title, one.before, one.after) for one in told.lost] == [("Title 5", 1, 0)]
    assert {example.title for example in told.examples} == {"Title 2", "Title 3"}
    assert told.age[0] == 9_000 - np.median([4, 6, 8, 5, 7, 0, 1, 2])


def test_where_nothing_is_opened_next_there_is_no_hit_rate(history):
    nowhere = np.array([-1], np.int32)
    zero = np.array([0])
    pages = Pages(zero, nowhere + 1, zero, nowhere, answered((1,)), answered((2,)), 1)
    told = compare(pages, history)
    assert told.followed == 0
    assert all(math.isnan(f.before) for f in told.figures if f.name == "opened next")

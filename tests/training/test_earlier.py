"""What still holds of an earlier bundle is taken over, and nothing that had seen the future."""

import dataclasses

import numpy as np
import pytest

from recsys.bundle import Bundle, open_bundle, write
from recsys.history import History, Walk
from recsys.types import ArticleId, Tone
from training.cores import FEWEST, spread
from training.earlier import Earlier, digests_of
from training.fit import fit
from training.recipe import Recipe

from .conftest import NOW, Known, network

RECIPE = Recipe(dims=8, factors=8, neighbours=5, renew=0.5)
BEFORE = NOW - 2_000


def made(known: Known, now: int = NOW, recipe: Recipe = RECIPE, **more) -> Bundle:
    past = History(known.articles, known.visitors, known.interactions).before(now)
    return fit(past.articles, past.visitors, past.interactions, recipe, now, **more)


@pytest.fixture(scope="module")
def known() -> Known:
    return network()


@pytest.fixture(scope="module")
def before(known) -> Bundle:
    return made(known, BEFORE)


@pytest.fixture(scope="module")
def after(known, before) -> Bundle:
    return made(known, earlier=[before])


def test_a_bundle_is_built_upon_the_one_before_it(before, after):
    assert before.manifest.learned == {"anew": BEFORE, "upon": 0, "corrections": ""}
    assert after.manifest.learned == {"anew": BEFORE, "upon": BEFORE, "corrections": ""}
    assert after.embedder is before.embedder
    assert after.tone is before.tone


def test_what_is_taken_over_of_texts_is_what_would_be_made_of_them(known, before, after):
    anew = made(known, embedder=before.embedder, tone=before.tone)
    for name in ("vectors", "signatures", "judged", "related"):
        np.testing.assert_array_equal(getattr(after, name), getattr(anew, name))


def test_tastes_begin_where_they_were(known, before, after):
    start = Earlier.of([before], after.digests, known.articles, known.interactions, RECIPE, NOW)
    readers, articles = start.tastes(known.articles, after.vectors, known.visitors)
    row = before.visitors.row("reader3")
    kept = known.visitors.row("reader3")
    np.testing.assert_array_equal(readers[kept], before.factors.visitors[row])
    np.testing.assert_array_equal(articles[0], before.factors.articles[0])
    assert not np.array_equal(after.factors.visitors, made(known).factors.visitors)


def test_the_same_snapshot_and_the_same_bundle_before_it_give_the_same_bits(
    known, before, after, tmp_path
):
    written = open_bundle(write(before, tmp_path))
    again = made(known, earlier=[written])
    assert write(again, tmp_path).name == write(after, tmp_path).name


def test_a_bundle_that_has_seen_more_is_not_built_upon(known, after):
    assert made(known, BEFORE, earlier=[after]).manifest.learned["upon"] == 0
    assert made(known, NOW, earlier=[after]).manifest.learned["upon"] == 0  # itself, made again


def test_the_newest_that_may_be_known_is_built_upon(known, before):
    older = made(known, BEFORE - 1_000)
    assert made(known, earlier=[older, before]).manifest.learned["upon"] == BEFORE
    assert made(known, BEFORE, earlier=[older, before]).manifest.learned["upon"] == BEFORE - 1_000


@pytest.mark.parametrize("other", [{"factors": 4}, {"seed": 1}])
def test_another_recipe_is_learned_from_scratch(known, before, other):
    recipe = dataclasses.replace(RECIPE, **other)
    assert made(known, recipe=recipe, earlier=[before]).manifest.learned["upon"] == 0


def test_so_is_everything_once_enough_is_new(known):
    strict = dataclasses.replace(RECIPE, renew=0.05)
    before = made(known, BEFORE, strict)
    after = made(known, recipe=strict, earlier=[before])
    assert after.manifest.learned == {"anew": NOW, "upon": 0, "corrections": ""}
    fresh = made(known, recipe=strict)
    np.testing.assert_array_equal(after.factors.articles, fresh.factors.articles)
    np.testing.assert_array_equal(after.vectors, fresh.vectors)


def test_tones_are_learned_again_when_editors_have_said_something_new(known, before):
    odd = dataclasses.replace(before, tone=dataclasses.replace(before.tone))
    assert made(known, earlier=[odd]).tone is odd.tone
    after = made(known, earlier=[odd], corrections={ArticleId("site0", "a0"): Tone.GRAVE})
    assert after.tone is not odd.tone
    assert after.embedder is odd.embedder
    assert after.manifest.learned["corrections"] != ""


def test_an_article_whose_text_has_changed_is_read_again(known, before):
    articles = [
        dataclasses.replace(known.articles[0], body=known.articles[1].body),
        *known.articles[1:],
    ]
    changed = dataclasses.replace(known, articles=articles)
    after = made(changed, earlier=[before])
    assert digests_of(articles)[0] != before.digests[0]
    expected = before.embedder.embed([f"{articles[0].title}\n{articles[0].body}"])
    np.testing.assert_array_equal(after.vectors[:1], expected)


def test_a_bundle_without_digests_is_not_built_upon(known, before):
    older = dataclasses.replace(before, digests=np.empty(0, np.uint64))
    assert made(known, earlier=[older]).manifest.learned["upon"] == 0


def test_work_is_spread_in_order():
    numbers = list(range(FEWEST + 7))
    parts = spread(lambda some: np.array(some) * 2, numbers)
    np.testing.assert_array_equal(np.concatenate(parts), 2 * np.array(numbers))


def test_a_walk_from_a_moment_on_takes_the_same_steps_from_there(known):
    history = History(known.articles, known.visitors, known.interactions)
    whole, short = Walk(history), Walk(history, BEFORE)

    def steps(walk):
        return [
            (
                place,
                step.article,
                step.visitor,
                step.at,
                [*step.trail],
                {*walk.opened(step.visitor, step.trail)},
            )
            for place, step in walk.steps()
            if step.at >= BEFORE
        ]

    assert steps(whole) == steps(short) != []

"""A ranker learns from the last days what fusion gets wrong, and from nothing after them."""

import dataclasses

import numpy as np
import pytest

from recsys import metrics
from recsys.engine import Engine
from recsys.errors import LibraryMissing
from recsys.features import FEATURES, GROUPS
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.inference import bootstrap
from recsys.live import Live
from recsys.policy import Policy, SourceWeights
from recsys.replay import replay
from recsys.served import EngineSystem
from recsys.tables import Interactions
from recsys.types import Article, Kind
from training.fit import fit
from training.learn import taught
from training.questions import Questions
from training.rank import ask, grow, learn, with_ranker
from training.recipe import Recipe

NOW = 1_760_000_000
DAY = 86_400
FREE = Policy(diversity=0.0, other_sites_min=0.0, max_per_site=1.0, exploration=0.0)
RECIPE = Recipe(dims=8, factors=8, iterations=3, rank_questions=380, rank_trees=20)
ARTICLES = [
    Article("daily", f"a{n}", f"/{n}", f"Title {n}", NOW - 6 * DAY + n * 900) for n in range(672)
]


def history(until: int = NOW + DAY, seed: int = 0) -> History:
    """Readers who open one of the latest articles, and go on to the one published just before it:
    a rule of age that counts of what was opened can only follow from behind."""
    rng = np.random.default_rng(seed)
    rows = []
    for visit in range(1000):
        at = int(NOW - 4 * DAY + visit * (5 * DAY / 1000))
        newest = max(n for n, a in enumerate(ARTICLES) if a.published < at)
        page = newest - int(rng.integers(0, 60))
        rows += [(at + 60 * s, visit % 200, visit, page - s) for s in range(3)]
    at, visitor, session, article = np.array(sorted(rows)).T
    events = Interactions(
        visitor=visitor.astype(np.int32),
        session=session.astype(np.int32),
        article=article.astype(np.int32),
        kind=np.full(len(at), Kind.CLICK, np.int8),
        at=at.astype(np.int64),
        value=np.zeros(len(at), np.float32),
        slate=np.full(len(at), -1, np.int32),
    ).before(until)
    return History(ARTICLES, Vocabulary(f"r{n}" for n in range(200)), events)


def made(known: History, at: int):
    return fit(known.articles, known.visitors, known.interactions, RECIPE, at)


@pytest.fixture(scope="module")
def asked():
    return ask(history(), RECIPE, NOW)


@pytest.fixture(scope="module")
def ranker(asked):
    return learn(asked, RECIPE)


def text(ranker) -> str:
    return ranker.trees.text


def test_a_ranker_beats_the_fusion_that_it_corrects(ranker):
    whole = history()
    bundle = made(whole.before(NOW), NOW)
    reciprocal = {}
    for name, ranks in (("learned", ranker), ("fusion", None)):
        engine = Engine(dataclasses.replace(bundle, ranker=ranks), Live(bundle), FREE)
        system = EngineSystem(name, engine, whole)
        answers = replay(system, whole, cut=NOW, end=NOW + DAY, task="next click")
        found = metrics.ranks(answers.lists, answers.target)
        reciprocal[name] = bootstrap(metrics.reciprocal_ranks(found, 10), answers.visit, seed=0)
        assert len(found) > 300
    assert reciprocal["learned"].low > reciprocal["fusion"].high


def test_nothing_from_after_the_end_of_the_past_is_learned(asked):
    cut_off = ask(history(until=NOW), RECIPE, NOW)
    assert np.array_equal(cut_off.table, asked.table, equal_nan=True)
    assert np.array_equal(cut_off.opened, asked.opened)


def test_one_seed_one_ranker(asked, ranker):
    assert text(learn(asked, RECIPE)) == text(ranker)
    other = ask(history(seed=1), RECIPE, NOW)
    assert text(learn(other, RECIPE)) != text(ranker)


def test_too_little_to_learn_from_leaves_the_ranking_to_fusion():
    whole = history()
    assert ask(whole.before(NOW - 3 * DAY), RECIPE, NOW) is None
    assert ask(whole, dataclasses.replace(RECIPE, rank_questions=20), NOW) is None
    assert ask(History([], Vocabulary(), whole.interactions[:0]), RECIPE, NOW) is None


def test_no_ranker_where_none_is_wanted():
    whole = history(until=NOW)
    bundle = made(whole, NOW)
    unwanted = dataclasses.replace(RECIPE, rank_questions=0)
    assert with_ranker(bundle, whole, unwanted, NOW) is bundle


def test_a_ranker_says_what_it_was_learned_from(asked):
    whole = history(until=NOW)
    stages = []
    ranked = with_ranker(made(whole, NOW), whole, RECIPE, NOW, report=stages.append)
    assert ranked.ranker is not None
    assert stages[-1].result == f"20 trees from {len(asked)} clicks, 0 of them in boxes"


def test_trees_that_do_not_help_are_not_kept(asked, monkeypatch):
    rng = np.random.default_rng(0)
    noise = rng.random(asked.table.shape).astype(np.float32)
    noise[:, FEATURES.index("fusion score")] = -3.0
    luck = np.zeros(len(noise), np.bool_)
    luck[np.cumsum(asked.sizes) - 1 - rng.integers(0, 50, len(asked))] = True
    unknowable = dataclasses.replace(asked, table=noise, opened=luck)
    monkeypatch.setattr("training.rank.ask", lambda *_, **__: unknowable)
    whole = history(until=NOW)
    stages = []
    bundle = made(whole, NOW)
    greedy = dataclasses.replace(RECIPE, rank_rate=1.0)
    assert with_ranker(bundle, whole, greedy, NOW, report=stages.append).ranker is None
    assert "fusion stays" in stages[-1].result


def test_where_the_system_cannot_load_lightgbm_training_goes_on_without(monkeypatch):
    def broken():
        raise LibraryMissing("LightGBM cannot be loaded; install libgomp1")

    monkeypatch.setattr("training.rank.library", broken)
    whole = history(until=NOW)
    stages = []
    bundle = made(whole, NOW)
    assert with_ranker(bundle, whole, RECIPE, NOW, report=stages.append).ranker is None
    assert "libgomp1" in stages[-1].result


@pytest.mark.parametrize("group", ["age", "sources"])
def test_a_ranker_without_a_group_never_asks_for_it(asked, ranker, group):
    def used(ranker) -> set[str]:
        return {FEATURES[column] for column in ranker.trees.feature}

    assert used(ranker) & set(GROUPS[group])
    assert not used(learn(asked, RECIPE, without=[group])) & set(GROUPS[group])
    with pytest.raises(KeyError):
        learn(asked, RECIPE, without=["moon"])


def test_the_past_that_is_asked_about_leaves_half_of_it_to_learn_from(asked):
    # Each day has 200 visits that ask twice. Four days are known before NOW.
    assert 300 < len(asked) <= 400
    every = ask(history(), dataclasses.replace(RECIPE, rank_questions=100_000), NOW)
    assert 700 < len(every) <= 800


def test_trees_learn_which_candidate_of_a_question_was_opened():
    rng = np.random.default_rng(3)
    sizes = rng.integers(5, 30, 800)
    table = rng.random((sizes.sum(), len(FEATURES))).astype(np.float32)
    table[:, FEATURES.index("fusion score")] = -3.0
    starts = np.cumsum(sizes) - sizes
    likeness = table[:, FEATURES.index("likeness to page")]
    opened = np.zeros(len(table), np.bool_)
    for start, size in zip(starts, sizes, strict=True):
        opened[start + np.argmax(likeness[start : start + size])] = True
    questions = Questions(table, opened, np.full(len(table), -1, np.int16), sizes)
    trees, _ = grow(questions.part(0, 600), RECIPE)
    later = questions.part(600, 800)
    odds = trees.predict(later.table, raw_score=True)
    starts = np.cumsum(later.sizes) - later.sizes
    found = [
        np.argmax(odds[start : start + size]) == np.argmax(later.opened[start:][:size])
        for start, size in zip(starts, later.sizes, strict=True)
    ]
    # By chance it were one in seventeen.
    assert np.mean(found) > 0.5


LOOKS = np.array([1.0, 0.6, 0.36, 0.22, 0.13, 0.08])
"""How often each slot of a simulated box is looked at."""


def clicks_in_boxes(n: int, seed: int) -> Questions:
    """Boxes that put the young first, before readers who click what is like the page and mind no
    age: P(click) = LOOKS[slot] · attraction (the position-based model)."""
    rng = np.random.default_rng(seed)
    table = np.full((n, 6, len(FEATURES)), np.nan, np.float32)
    like, age = rng.random((2, n, 6))
    table[:, :, FEATURES.index("likeness to page")] = like
    table[:, :, FEATURES.index("age")] = age
    table[:, :, FEATURES.index("fusion score")] = -3.0
    slot = np.argsort(np.argsort(age + 0.3 * rng.standard_normal((n, 6)), axis=1), axis=1)
    clicked = rng.random((n, 6)) < LOOKS[slot] * attraction(like)
    parts = []
    for box, card in zip(*np.nonzero(clicked), strict=True):
        choice = ~clicked[box]
        choice[card] = True
        opened = np.arange(6)[choice] == card
        parts.append((table[box][choice], opened, slot[box][choice].astype(np.int16)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Questions(*columns, np.array([len(opened) for _, opened, _ in parts]))


def attraction(like: np.ndarray) -> np.ndarray:
    return 0.02 + 0.2 * like


def agreement(trees) -> float:
    """Of two cards that no box has placed, how often the more attractive one is ranked higher."""
    table = np.full((4000, len(FEATURES)), np.nan, np.float32)
    like, age = np.random.default_rng(9).random((2, 4000))
    table[:, FEATURES.index("likeness to page")] = like
    table[:, FEATURES.index("age")] = age
    table[:, FEATURES.index("fusion score")] = -3.0
    odds = trees.predict(table, raw_score=True)
    a, b = odds[:2000], odds[2000:]
    truth = attraction(like[:2000]) > attraction(like[2000:])
    return float(np.mean(np.where(a == b, 0.5, (a > b) == truth)))


def test_what_stood_on_top_gains_nothing_by_it():
    questions = clicks_in_boxes(15_000, seed=5)
    trees, looks = grow(questions, RECIPE)
    slotless = dataclasses.replace(questions, slot=np.where(questions.slot >= 0, 0, -1))
    naive, _ = grow(slotless, RECIPE)
    assert looks == pytest.approx(LOOKS, rel=0.25)
    assert agreement(trees) > 0.85
    assert agreement(naive) < 0.8


def test_what_was_known_before_a_time_holds_nothing_later():
    whole = history()
    past = whole.before(NOW)
    assert max(a.published for a in past.articles) < NOW <= ARTICLES[len(past.articles)].published
    assert past.interactions.at.max() < NOW
    assert past.interactions.article.max() < len(past.articles)
    early = whole.before(NOW - 4 * DAY + 3600)
    assert 0 < len(early.visitors) < len(whole.visitors)
    names = [early.visitors[row] for row in early.interactions.visitor.tolist()]
    first = whole.interactions[: len(names)]
    assert names == [whole.visitors[row] for row in first.visitor.tolist()]


def test_policies_that_fill_slots_otherwise_teach_the_same_and_others_do_not(asked):
    quotas = Policy(other_sites_min=0.0, max_per_site=1.0, diversity=0.9, exploration=0.3)
    weighted = Policy(weights=SourceWeights(trending=9.0))
    assert taught(quotas) == taught(Policy()) != taught(weighted)
    same, other = (ask(history(), RECIPE, NOW, policy) for policy in (quotas, weighted))
    np.testing.assert_array_equal(same.table, asked.table)
    assert not np.array_equal(other.table, asked.table)

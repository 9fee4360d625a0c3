"""A ranker learns from the last days what fusion gets wrong, and from nothing after them."""

import dataclasses

import numpy as np
import pytest

from recsys.features import FEATURES
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.policy import Policy
from recsys.tables import Interactions
from recsys.types import Article, Kind
from training.evaluate import evaluate
from training.fit import fit
from training.rank import WINDOW, grow, learn, with_ranker
from training.recipe import Recipe

NOW = 1_760_000_000
DAY = 86_400
RECIPE = Recipe(dims=8, factors=8, iterations=3, rank_questions=100_000, rank_trees=20)
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
def ranker():
    return learn(history(), RECIPE, NOW, made)


def test_a_ranker_beats_the_fusion_that_it_corrects(ranker):
    whole = history()
    bundle = dataclasses.replace(made(whole.before(NOW), NOW), ranker=ranker)
    lines = evaluate(
        bundle,
        Policy(diversity=0.0, other_sites_min=0.0, max_per_site=1.0),
        whole,
        cut=NOW,
        end=NOW + DAY,
        tasks=["next click"],
        systems=["engine", "engine, fusion alone"],
    )
    learned, fusion = (line.mrr for line in lines)
    assert lines[0].questions > 300
    assert learned.low > fusion.high


def test_nothing_from_after_the_end_of_the_past_is_learned(ranker):
    cut_off = learn(history(until=NOW), RECIPE, NOW, made)
    assert cut_off.booster.model_to_string() == ranker.booster.model_to_string()


def test_one_seed_one_ranker(ranker):
    again = learn(history(), RECIPE, NOW, made)
    assert again.booster.model_to_string() == ranker.booster.model_to_string()
    other = learn(history(seed=1), RECIPE, NOW, made)
    assert other.booster.model_to_string() != ranker.booster.model_to_string()


def test_too_little_to_learn_from_leaves_the_ranking_to_fusion():
    whole = history()
    assert learn(whole.before(NOW - 3 * DAY), RECIPE, NOW, made) is None
    few = dataclasses.replace(RECIPE, rank_questions=20)
    assert learn(whole, few, NOW, made) is None
    nobody = History([], Vocabulary(), whole.interactions[:0])
    assert learn(nobody, RECIPE, NOW, made) is None


def test_no_ranker_where_none_is_wanted():
    whole = history(until=NOW)
    bundle = made(whole, NOW)
    assert with_ranker(bundle, whole, Recipe(), NOW) is bundle
    stages = []
    ranked = with_ranker(bundle, whole, RECIPE, NOW, report=stages.append)
    assert ranked.ranker is not None
    assert stages[-1].result == "20 trees"


def test_the_window_lies_before_the_end(ranker):
    assert 0 < WINDOW <= DAY
    assert ranker.features == FEATURES


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
    kept = starts[600]
    trees = grow(table[:kept], opened[:kept], sizes[:600], RECIPE)
    odds = trees.predict(table[kept:], raw_score=True)
    found = [
        np.argmax(odds[start - kept : start - kept + size]) == np.argmax(opened[start:][:size])
        for start, size in zip(starts[600:], sizes[600:], strict=True)
    ]
    # By chance it were one in seventeen.
    assert np.mean(found) > 0.5


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

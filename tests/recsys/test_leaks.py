"""A system that knows the future is caught, and one that does not is left alone."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from recsys.arrays import Float64, Int32
from recsys.baselines import CoVisitation, Latest, MostPopular, RecentPopularity
from recsys.bundle import Bundle
from recsys.embed import TfidfSvd, text_of
from recsys.engine import Engine
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.leaks import Leak, altered, find_leak
from recsys.live import Live
from recsys.policy import Policy
from recsys.replay import Ask, Listed, System, TaskName, replay
from recsys.served import EngineSystem
from recsys.tables import Interactions
from recsys.types import Article, Kind

DAY = 86_400
CUT, AT, END = 2 * DAY, 3 * DAY, 4 * DAY
TOPICS = ("harbour ferry tide pier", "temple maple garden tea", "striker goal league match")
TASKS: tuple[TaskName, ...] = ("next click", "next article", "click in an impression")
BOXES: TaskName = "click in an impression"


@pytest.fixture(scope="module")
def history() -> History:
    """Four days of forty articles, read in visits of four; half of the openings are from a box.

    One box is on the screen when the other future begins: what is seen and opened of it differs.
    """
    rng = np.random.default_rng(4)
    words = [[*TOPICS[n % 3].split(), f"name{n}"] for n in range(40)]
    articles = [
        Article(
            *(f"site{n % 2}", f"a{n}", f"/{n}", f"Title {n}", n * END // 40),
            body=" ".join(rng.choice(words[n], 30)),
        )
        for n in range(40)
    ]
    rows, slate = [], 0
    for visit in range(100):
        start = int(rng.integers(END // 40, END - 600))
        out = 1 + start * 39 // END
        for step in range(4):
            at, opened = start + 100 * step, int(rng.integers(max(0, out - 15), out))
            if step % 2:
                box = {opened, *rng.integers(0, out, 4).tolist()}
                rows += [(at - 20, Kind.IMPRESSION, visit, slate, card) for card in box]
                rows.append((at, Kind.CLICK, visit, slate, opened))
                slate += 1
            else:
                rows.append((at, Kind.CLICK, visit, -1, opened))
    rows += [(AT - 9, Kind.IMPRESSION, visit, slate, card) for card in (3, 8, 15)]
    rows += [(AT + 5, kind, visit, slate, 11) for kind in (Kind.IMPRESSION, Kind.CLICK)]
    at, kind, visit, of, article = np.array(sorted(rows), np.int64).T
    return History(
        articles,
        Vocabulary(f"v{n}" for n in range(20)),
        Interactions(
            visitor=(visit % 20).astype(np.int32),
            session=visit.astype(np.int32),
            article=article.astype(np.int32),
            kind=kind.astype(np.int8),
            at=at,
            value=np.zeros(len(at), np.float32),
            slate=of.astype(np.int32),
        ),
    )


def bundle(facts: History) -> Bundle:
    """Return what knows the words of some articles and nothing else."""
    embedder = TfidfSvd.fit([text_of(article) for article in facts.articles], dims=64)
    return dataclasses.replace(Bundle.empty(), embedder=embedder)


def engine(facts: History, kind: type[EngineSystem] = EngineSystem) -> EngineSystem:
    learned = bundle(facts.before(CUT))
    return kind("engine", Engine(learned, Live(learned), Policy(exploration=0.0)), facts)


def leak_of(make: Callable[[History], System], history: History, **other: object) -> Leak | None:
    return find_leak(make, history, cut=CUT, end=END, at=AT, **other)


@pytest.mark.parametrize("task", TASKS)
def test_the_engine_and_the_baselines_know_nothing_of_the_future(history, task):
    count = len(history.articles)
    for seed in range(3):
        assert leak_of(engine, history, task=task, seed=seed) is None
    for baseline in (MostPopular, RecentPopularity, Latest, CoVisitation):
        assert leak_of(lambda facts, one=baseline: one(count), history, task=task) is None


def test_there_was_something_to_find(history):
    for task in TASKS:
        asked = replay(engine(history), history, cut=CUT, end=AT, task=task)
        assert len(asked.target) >= 15
        assert (asked.lists >= 0).any(axis=1).all()


def popular(facts: History) -> System:
    """Return what counts the openings to come from the first one on."""
    system = MostPopular(len(facts.articles))
    for row in facts.interactions.reads().article.tolist():
        system._counts[row] += 1
    return system


@pytest.mark.parametrize("task", TASKS)
def test_popularity_of_the_whole_history_is_caught(history, task):
    leak = leak_of(popular, history, task=task)
    # Which question it was, and what was answered to it.
    answers = replay(popular(history), history, cut=CUT, end=AT, task=task)
    assert leak.at == answers.at[leak.question] < AT
    row = answers.lists[leak.question]
    assert leak.shown == tuple(row[row >= 0].tolist())
    assert leak.scores == (leak.shown == leak.altered)


class Clairvoyant(EngineSystem):
    """An engine whose candidates are ordered by what readers open on the day after."""

    def openings(self, now: int) -> Float64:
        ahead = self._history.interactions.reads().between(now, now + DAY)
        return np.bincount(ahead.article, minlength=len(self._ids)).astype(np.float64)

    def tell(self, ask: Ask, k: int) -> Listed:
        listed = super().tell(ask, 2 * k)
        return listed[np.argsort(-self.openings(ask.now)[listed.rows], kind="stable")[:k]]

    def score(self, ask: Ask, rows: Int32) -> Float64:
        return super().score(ask, rows) + self.openings(ask.now)[rows]


@pytest.mark.parametrize("task", TASKS)
def test_a_feature_from_the_future_is_caught(history, task):
    leak = leak_of(lambda facts: engine(facts, Clairvoyant), history, task=task)
    assert leak is not None
    assert CUT <= leak.at < AT
    assert leak.shown != leak.altered or leak.scores


def test_who_looks_ahead_by_an_hour_is_caught_in_the_hour_before(history):
    class Hasty(Clairvoyant):
        def openings(self, now: int) -> Float64:
            ahead = self._history.interactions.reads().between(now, now + 3600)
            return np.bincount(ahead.article, minlength=len(self._ids)).astype(np.float64)

    leak = leak_of(lambda facts: engine(facts, Hasty), history, task=BOXES)
    assert leak is not None
    assert AT - 3600 <= leak.at < AT


def test_words_of_texts_to_come_are_caught(history):
    def make(facts: History) -> System:
        learned = bundle(facts)  # not of facts.before(CUT)
        return EngineSystem("engine", Engine(learned, Live(learned), Policy(exploration=0)), facts)

    assert leak_of(make, history) is not None


def test_scores_that_know_more_than_their_list_shows_are_caught(history):
    class Boastful(EngineSystem):
        def tell(self, ask: Ask, k: int) -> Listed:
            listed = super().tell(ask, k)
            return Listed(
                listed.rows, listed.source, listed.chance * len(self._history.interactions)
            )

    leak = leak_of(lambda facts: engine(facts, Boastful), history)
    assert leak.scores
    assert leak.shown == leak.altered
    assert leak.question == 0


def test_the_time_is_parted_in_the_middle_unless_told_otherwise(history):
    assert find_leak(popular, history, cut=CUT, end=END) == leak_of(popular, history)


@pytest.mark.parametrize("at", [CUT, END, 0])
def test_a_moment_outside_of_the_replay_is_refused(history, at):
    with pytest.raises(ValueError, match=f"at = {at}: expected between cut = {CUT} and"):
        find_leak(engine, history, cut=CUT, end=END, at=at)


def test_the_other_future_is_another_one_and_its_past_is_the_same(history):
    other = altered(history, AT, 0)
    mine, theirs = history.interactions, other.interactions
    past = len(mine.before(AT))
    for name in Interactions.__slots__:
        assert np.array_equal(getattr(mine, name)[:past], getattr(theirs, name)[:past]), name
    assert 0.5 < len(theirs[past:]) / len(mine[past:]) < 0.8
    counts = [np.bincount(log[past:].article, minlength=40) for log in (mine, theirs)]
    assert counts[1].max() > 2 * counts[0].max()
    for before, after in zip(history.articles, other.articles, strict=True):
        assert (before == after) == (before.published < AT)
        assert before.id == after.id
    nothing = history.before(0)
    assert len(altered(nothing, AT, 0).interactions) == 0

"""A replay shows each system the past and never the future."""

import dataclasses

import numpy as np
import pytest

from recsys.baselines import CoVisitation, Latest, MostPopular, RecentPopularity
from recsys.ids import Vocabulary
from recsys.replay import Ask, History, Step, replay, steps
from recsys.tables import Interactions
from recsys.types import Article, Kind

HOUR = 3600
CUT, END = 10 * HOUR, 20 * HOUR
ARTICLES = [Article("s", str(n), f"/{n}", f"Title {n}", n * 2 * HOUR) for n in range(9)]


def history(rows: list[tuple[int, int, int, int]]) -> History:
    """Take (at, visitor, session, article) clicks."""
    rows = sorted(rows)
    at, visitor, session, article = np.array(rows, np.int64).reshape(-1, 4).T
    events = Interactions(
        visitor=visitor.astype(np.int32),
        session=session.astype(np.int32),
        article=article.astype(np.int32),
        kind=np.full(len(rows), Kind.CLICK, np.int8),
        at=at,
        value=np.zeros(len(rows), np.float32),
    )
    return History(ARTICLES, Vocabulary(f"v{n}" for n in range(9)), events)


HISTORY = history(
    [
        (1 * HOUR, 0, 0, 0),
        (1 * HOUR + 60, 0, 0, 1),
        (9 * HOUR, 1, 1, 1),
        (11 * HOUR, 0, 2, 2),
        (11 * HOUR + 60, 0, 2, 3),
        (11 * HOUR + 120, 0, 2, 5),
        (12 * HOUR, 2, 3, 3),
        (12 * HOUR + 60, 2, 3, 7),  # clicked two hours before it says it was published
        (13 * HOUR, -1, 4, 5),
        (13 * HOUR + 60, -1, 4, 3),
        (21 * HOUR, 0, 5, 8),
    ]
)


@dataclasses.dataclass
class Spy:
    """Writes down everything that it is shown, in order."""

    name: str = "spy"
    log: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    asks: list[Ask] = dataclasses.field(default_factory=list)

    def joined(self, row: int) -> None:
        self.log.append(("joined", row))

    def observe(self, step: Step) -> None:
        self.log.append(("observed", step.article))

    def refresh(self, now: int) -> None:
        self.log.append(("refreshed", now))

    def recommend(self, ask: Ask, k: int) -> np.ndarray:
        self.log.append(("asked", ask.now))
        self.asks.append(dataclasses.replace(ask, trail=list(ask.trail), opened=set(ask.opened)))
        return np.array([row for kind, row in self.log if kind == "joined"][-k:], np.int32)


def play(system: object, task: str = "next click", **changes: object):
    return replay(system, HISTORY, **{"cut": CUT, "end": END, "task": task, **changes})


def test_nothing_from_the_future_reaches_a_system() -> None:
    spy = Spy()
    play(spy)
    events = HISTORY.interactions
    seen = 0
    for kind, value in spy.log:
        now, opened = int(events.at[seen]), int(events.article[seen])
        if kind == "joined":
            assert ARTICLES[value].published <= now or value == opened
        elif kind == "observed":
            assert value == opened
            seen += 1
        else:
            assert value <= now
    assert seen == len(events) - 1  # the last click lies after the end


def test_a_question_knows_the_visit_so_far_and_its_answer_is_learned_afterwards() -> None:
    spy = Spy()
    answers = play(spy)
    assert answers.target.tolist() == [3, 5, 7, 3]
    assert [ask.trail for ask in spy.asks] == [[2], [2, 3], [3], [5]]
    assert [ask.opened for ask in spy.asks] == [{0, 1, 2}, {0, 1, 2, 3}, {3}, {5}]
    assert answers.home.tolist() == [2, 3, 3, 5]
    asked_for_seven = spy.log.index(("asked", 12 * HOUR + 60))
    assert ("joined", 7) not in spy.log[:asked_for_seven]
    assert ("joined", 7) in spy.log[asked_for_seven:]


def test_the_next_article_is_asked_of_readers_who_were_here_before() -> None:
    spy = Spy()
    answers = play(spy, "next article")
    assert answers.target.tolist() == [2]
    assert [list(ask.trail) for ask in spy.asks] == [[]]


def test_every_system_is_asked_the_same_drawn_questions() -> None:
    one, other = play(Spy(), share=0.5, seed=4), play(MostPopular(9), share=0.5, seed=4)
    assert one.target.tolist() == other.target.tolist()
    assert len(one.target) < 4


def test_reading_an_article_after_its_click_is_one_opening() -> None:
    twice = history([(1, 0, 0, 0), (2, 0, 0, 0), (3, 0, 0, 1), (4, 0, 0, 0)])
    assert [step.article for step, *_ in steps(twice)] == [0, 1, 0]


def test_circumstances_are_those_of_the_opening_before() -> None:
    told = dataclasses.replace(
        HISTORY, contexts=[("os:1",), ("os:2",)], context=np.arange(11, dtype=np.int32) % 2
    )
    spy = Spy()
    replay(spy, told, cut=CUT, end=END, task="next click")
    assert [ask.context for ask in spy.asks] == [("os:2",), ("os:1",), ("os:1",), ("os:1",)]


def ask(now: int, trail: list[int], opened: set[int] | None = None) -> Ask:
    return Ask(-1, now, trail, opened if opened is not None else set(trail), ())


def taught(system, clicks: list[tuple[int, list[int]]]):
    for at, visit in clicks:
        for place, article in enumerate(visit):
            system.observe(Step(article, -1, 0, at, visit[:place], ()))
    return system


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        (MostPopular(9), [3, 4, 5]),
        (RecentPopularity(9), [4, 5]),
        (CoVisitation(9), [5, 4]),
    ],
)
def test_baselines_rank_as_their_names_say(system, wanted: list[int]) -> None:
    clicks = [(0, [3]), (0, [3]), (0, [3]), (2 * HOUR, [1, 5]), (2 * HOUR, [4]), (2 * HOUR, [4])]
    found = taught(system, clicks).recommend(ask(2 * HOUR + 60, [1]), 3)
    assert found.tolist() == wanted


def test_the_latest_articles_are_those_published_last() -> None:
    latest = Latest(9)
    for row in range(5):
        latest.joined(row)
    assert latest.recommend(ask(0, [3]), 3).tolist() == [4, 2, 1]

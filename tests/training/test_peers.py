"""Peers are asked like any other system: they answer what is allowed, from the past, and alike."""

import os
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.history import History, Step
from recsys.ids import Vocabulary
from recsys.replay import Ask, replay
from recsys.tables import Interactions
from recsys.types import Article, Kind
from training.peers import PEERS, Library, installed
from training.peers.cost import measured
from training.peers.past import Openings
from training.peers.peer import Peer
from training.peers.session_knn import SessionKnn

HOUR = 3600
CUT = 100 * HOUR
ARTICLES = 12
EMPTY = np.empty(0, np.int32)


def needs(name: str):
    """Mark what asks for a peer whose package may be missing."""
    package = getattr(PEERS[name], "package", "numpy")
    reason = f"{package} is not installed; see the extra 'peers'"
    return pytest.param(name, marks=pytest.mark.skipif(name not in installed(), reason=reason))


every_peer = pytest.mark.parametrize("name", [needs(name) for name in PEERS])


def interactions(rows: list[tuple[int, int, int]]) -> Interactions:
    """Events from (reader, article, time); each reader's are one visit, also where unknown (-1)."""
    visitor, article, at = np.array(rows, np.int64).reshape(-1, 3).T
    return Interactions(
        visitor=visitor.astype(np.int32),
        session=np.maximum(visitor, 0).astype(np.int32),
        article=article.astype(np.int32),
        kind=np.full(len(rows), Kind.CLICK, np.int8),
        at=at,
        value=np.zeros(len(rows), np.float32),
        slate=np.full(len(rows), -1, np.int32),
    )


def history(rows: list[tuple[int, int, int]]) -> History:
    events = interactions(rows)
    return History(
        articles=[Article("s", str(i), f"/{i}", f"T{i}", published=0) for i in range(ARTICLES)],
        visitors=Vocabulary(str(i) for i in range(1 + int(events.visitor.max(initial=-1)))),
        interactions=events,
    )


def ask(trail: list[int], visitor: int = -1) -> Ask:
    return Ask(visitor, CUT, trail, set(trail), ())


def told(name: str, past: Interactions, seed: int = 0):
    """A peer that was made of the past and has been shown it, as the replay does."""
    system = PEERS[name](past, ARTICLES, 100, seed)
    trails: dict[int, list[int]] = defaultdict(list)
    columns = past.article, past.visitor, past.session, past.at
    for article, visitor, visit, at in zip(*(c.tolist() for c in columns), strict=True):
        system.observe(Step(article, visitor, visit, at, list(trails[visit]), ()))
        trails[visit].append(article)
    return system


def checkerboard() -> Interactions:
    """Each reader opens all articles of one colour, and none of the other."""
    rows = [(r, article) for r in range(ARTICLES) for article in range(r % 2, ARTICLES, 2)]
    return interactions([(*row, at) for at, row in enumerate(rows)])


def noise(seed: int, start: int, end: int, first_reader: int = 0) -> list[tuple[int, int, int]]:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(start, end, 120)).tolist()
    readers = (first_reader + rng.integers(0, 30, 120)).tolist()
    return list(zip(readers, rng.integers(0, ARTICLES, 120).tolist(), at, strict=True))


@every_peer
def test_a_peer_proposes_each_article_once_and_none_that_the_reader_opened(name):
    system = told(name, checkerboard())
    assert system.name == name
    for k in (1, 3, 50):
        for trail in ([0], [0, 2, 4], [1, 2], list(range(0, ARTICLES, 2)), list(range(ARTICLES))):
            rows = system.recommend(ask(trail), k)
            assert rows.dtype == np.int32
            assert len(rows) <= k
            assert len(set(rows.tolist())) == len(rows)
            assert set(rows.tolist()) <= set(range(ARTICLES)) - set(trail)


@pytest.mark.parametrize("name", [needs(name) for name in PEERS if name != "RecTools Popular"])
def test_on_a_checkerboard_a_peer_finds_the_one_article_of_its_colour_that_is_left(name):
    system = told(name, checkerboard())
    for left in range(ARTICLES):
        trail = [row for row in range(left % 2, ARTICLES, 2) if row != left]
        assert system.recommend(ask(trail), 1).tolist() == [left]
        # At the first page of a visit no more is known than what its reader opened before.
        assert system.recommend(Ask(-1, CUT, [], set(trail), ()), 1).tolist() == [left]


@every_peer
def test_without_anything_known_a_peer_answers_nothing(name):
    some = told(name, interactions([(0, 0, 1), (0, 1, 2), (1, 0, 3), (1, 1, 4)]))
    assert some.recommend(ask([7]), 5).tolist() == []
    assert some.recommend(ask([]), 5).tolist() == []
    none = told(name, interactions([]))
    assert none.recommend(ask([7]), 5).tolist() == []


@every_peer
def test_a_peer_says_what_it_took_to_make_it(name):
    system = told(name, checkerboard())
    assert (system.fit_seconds > 0) == (name != "V-SkNN")
    assert system.fit_peak_bytes >= 0


def answered(name: str, rows: list[tuple[int, int, int]], seed: int = 0) -> list[list[int]]:
    facts = history(rows)
    system = PEERS[name](facts.interactions.before(CUT), ARTICLES, len(facts.visitors), seed)
    end = CUT + 6 * HOUR
    return replay(system, facts, cut=CUT, end=end, task="next click", k=5).lists.tolist()


@every_peer
def test_one_seed_one_answer(name):
    rows = noise(0, 0, CUT) + noise(1, CUT, CUT + 5 * HOUR, first_reader=30)
    assert answered(name, rows) == answered(name, rows)


@every_peer
def test_nothing_that_is_yet_to_come_reaches_a_peer(name):
    past = noise(0, 0, CUT) + noise(1, CUT, CUT + 2 * HOUR, first_reader=30)
    one = answered(name, past + noise(2, CUT + 2 * HOUR, CUT + 5 * HOUR, first_reader=60))
    other = answered(name, past + noise(3, CUT + 2 * HOUR, CUT + 5 * HOUR, first_reader=60))
    asked = len(answered(name, past))
    assert one[:asked] == other[:asked]
    assert one[asked:] != other[asked:]


def popular(openings: Openings, seed: int):
    """A model that knows what was opened most, and not by whom."""
    articles, counts = np.unique(openings.article, return_counts=True)
    ranked = articles[np.argsort(-counts, kind="stable")].astype(np.int32)
    return lambda ask, n: ranked[:n]


@pytest.mark.parametrize(("every", "learns"), [(HOUR, True), (0, False)])
def test_a_peer_meets_a_new_article_when_it_is_fitted_anew(every, learns):
    late = [(20, 10, CUT + 1), (20, 11, CUT + 2), (21, 10, CUT + 3), (21, 11, CUT + 4)]
    soon = [(22, 10, CUT + 5), (22, 11, CUT + 6)]
    later = [(23, 10, CUT + HOUR + 7), (23, 11, CUT + HOUR + 8)]
    facts = history([(0, 0, 0), (0, 1, 1), *late, *soon, *later])
    peer = Peer("x", popular, facts.interactions.before(CUT), 0, every=every)
    lists = replay(peer, facts, cut=CUT, end=CUT + 2 * HOUR, task="next click").lists.tolist()
    assert [11 in line for line in lists] == [False, False, False, learns]


@every_peer
def test_what_a_peer_does_not_know_it_fills_up_with_what_was_opened_most_in_the_last_hour(name):
    system = told(name, interactions([(0, 0, 1), (0, 1, 2), (1, 0, 3), (1, 1, 4)]))
    for visit, article in enumerate([3, 5, 7, 5, 7, 7]):
        system.observe(Step(article, -1, 1000 + visit, CUT - 60, [], ()))
    assert system.recommend(ask([9]), 2).tolist() == [7, 5]
    assert system.recommend(ask([9, 5]), 5).tolist() == [7, 3]
    assert system.recommend(ask([0]), 5).tolist() == [1, 7, 5, 3]


@every_peer
def test_a_peer_can_be_made_with_other_settings_than_it_is_tuned_to(name):
    setting = {"sample": 1} if name == "V-SkNN" else {"last": 1}
    narrow = PEERS[name](checkerboard(), ARTICLES, 100, 0, **setting)
    assert narrow.recommend(ask([0, 2]), 5).tolist() == []
    with pytest.raises(TypeError, match="no_such_setting"):
        PEERS[name](checkerboard(), ARTICLES, 100, 0, no_such_setting=1)


def test_a_fit_is_given_the_last_openings_once_each_and_is_not_asked_for_more_often_than_wanted():
    given: list[list[int]] = []

    def fit(openings: Openings, seed: int):
        given.append(openings.article.tolist())
        return lambda ask, n: EMPTY

    past = [(0, 0, CUT - 3), (0, 1, CUT - 2), (1, 2, CUT - 2)]
    stream = [(2, 3, CUT + 5), (2, 4, CUT + 9), (3, 5, CUT + HOUR), (3, 6, CUT + 2 * HOUR)]
    facts = history([*past, *stream])
    peer = Peer("x", fit, facts.interactions.before(CUT), 0, last=4, every=HOUR)
    replay(peer, facts, cut=CUT, end=CUT + 9 * HOUR, task="next click")
    # Asked at 9 seconds, too early, and at two hours.
    assert given == [[0, 1, 2], [2, 3, 4, 5]]


def test_visits_of_the_stream_are_not_those_of_the_past():
    past = Openings.of(interactions([(0, 0, 1), (1, 1, 2)]))
    both = past.then([Step(2, 7, 0, 3, [], ()), Step(3, -1, -1, 4, [], ())])
    assert both.visit.tolist() == [0, 1, 2]
    assert both.article.tolist() == [0, 1, 2]


def test_the_most_opened_articles_are_kept_ties_by_row():
    rows = [(at, article, at) for at, article in enumerate([5, 3, 4, 3, 5, 9])]
    openings = Openings.of(interactions(rows))
    assert openings.of_most_opened(1).article.tolist() == [3, 3]
    assert openings.of_most_opened(3).article.tolist() == [5, 3, 4, 3, 5]
    assert openings.of_most_opened(9).article.tolist() == openings.article.tolist()


def test_a_table_holds_who_opened_what_and_nothing_else():
    openings = Openings.of(interactions([(1, 5, 1), (-1, 5, 2), (1, 5, 3), (3, 9, 4)]))
    for table, lines in ((openings.by_reader(), 3), (openings.by_visit(), 3)):
        assert table.articles.tolist() == [5, 9]
        assert table.matrix.shape == (lines, 2)
        assert table.matrix.data.tolist() == [1.0] * table.matrix.nnz
    assert table.columns([9, 7, 5, 11]).tolist() == [1, 0]


def test_a_peer_whose_package_is_missing_says_so():
    peer = Library("a peer", "no_such_package", "training.peers.none", "model")
    assert not peer.installed
    with pytest.raises(ConfigError, match="'a peer' needs the package 'no_such_package'"):
        peer(interactions([]), 0, 0, 0)


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux starts the peak anew"
)
def test_the_memory_of_some_work_is_seen_though_more_was_held_before():
    np.ones(2**25)  # 256 MB
    found = measured(lambda: np.ones(2**23).sum())  # 64 MB
    assert found.result == 2**23
    assert 2**25 < found.peak_bytes < 2**27
    assert measured(lambda: None).peak_bytes < 2**24


class Twin:
    """Checks each answer of a session kNN against the definition, computed plainly."""

    name = "twin"

    def __init__(self, articles: int, k: int, sample: int) -> None:
        self._knn = SessionKnn(articles, neighbours=k, sample=sample)
        self._k, self._sample = k, sample
        self._openings: list[tuple[int, int]] = []

    def joined(self, row: int) -> None:
        self._knn.joined(row)

    def observe(self, step: Step) -> None:
        self._knn.observe(step)
        if (step.visit, step.article) not in self._openings:
            self._openings.append((step.visit, step.article))

    def refresh(self, now: int) -> None:
        self._knn.refresh(now)

    def recommend(self, ask: Ask, k: int):
        weights = {row: place for place, row in enumerate(dict.fromkeys(ask.trail), start=1)}
        similarity: dict[int, int] = defaultdict(int)
        latest: dict[int, int] = {}
        for row, weight in weights.items():
            of_row = [i for i, (_, article) in enumerate(self._openings) if article == row]
            for i in of_row[-self._sample :]:
                visit = self._openings[i][0]
                similarity[visit] += weight
                latest[visit] = max(i, latest.get(visit, -1))
        recent = sorted(latest, key=lambda visit: -latest[visit])[: self._sample]
        nearest = sorted(recent, key=lambda visit: (-similarity[visit], -latest[visit]))[: self._k]
        votes: dict[int, int] = defaultdict(int)
        for visit, article in self._openings:
            if visit in nearest and article not in ask.opened:
                votes[article] += similarity[visit]
        expected = sorted(votes, key=lambda row: (-votes[row], row))[:k]
        found = self._knn.recommend(ask, k)
        assert found.tolist() == expected
        return found


clicks = st.lists(st.tuples(st.integers(0, 5), st.integers(0, ARTICLES - 1)), max_size=40)


@given(clicks, st.integers(1, 4), st.integers(1, 6))
def test_a_session_knn_answers_as_its_definition_says(rows, k, sample):
    facts = history([(*row, at) for at, row in enumerate(rows)])
    replay(Twin(ARTICLES, k, sample), facts, cut=0, end=10**6, task="next click", k=4)

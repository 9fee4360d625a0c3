"""A replay asks fair questions: nobody is shown the future, and everybody is asked the same."""

import copy
import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.answers import GONE_BACK
from recsys.baselines import CoVisitation, Latest, MostPopular, RecentPopularity
from recsys.bundle import Bundle, Manifest
from recsys.engine import Engine
from recsys.history import History, Step, Walk
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy
from recsys.replay import Ask, replay
from recsys.served import EngineSystem
from recsys.tables import Interactions
from recsys.types import Article, Kind

NOBODY = -1
A, B, C, D = range(4)
ANN, BOB = range(2)


def history(
    published: list[int],
    events: list[tuple[int, int, int, int]],
    kinds: list[Kind] | None = None,
    contexts: list[tuple[str, ...]] | None = None,
) -> History:
    """Articles by publication and events of (visitor, session, article, at), in time order."""
    visitor, session, article, at = np.array(events, np.int64).reshape(-1, 4).T
    return History(
        articles=[
            Article(f"site{row % 2}", f"a{row}", f"/{row}", f"Title {row}", when)
            for row, when in enumerate(published)
        ],
        visitors=Vocabulary(f"v{n}" for n in range(int(visitor.max(initial=0)) + 1)),
        interactions=Interactions(
            visitor=visitor.astype(np.int32),
            session=session.astype(np.int32),
            article=article.astype(np.int32),
            kind=np.array(kinds or [Kind.CLICK] * len(events), np.int8),
            at=at,
            value=np.zeros(len(events), np.float32),
            slate=np.full(len(events), -1, np.int32),
        ),
        contexts=list(dict.fromkeys(contexts or [()])),
        context=np.array([list(dict.fromkeys(contexts)).index(c) for c in contexts], np.int32)
        if contexts
        else None,
    )


class Recorder:
    """Keeps everything it is shown, with what it had been shown when it was asked."""

    name = "recorder"

    def __init__(self) -> None:
        self.joined_rows: list[int] = []
        self.learned: list[Step] = []
        self.asks: list[tuple[Ask, list[int], list[Step]]] = []
        self.refreshed: list[int] = []

    def joined(self, row: int) -> None:
        self.joined_rows.append(row)

    def observe(self, step: Step) -> None:
        self.learned.append(frozen(step))

    def refresh(self, now: int) -> None:
        self.refreshed.append(now)

    def recommend(self, ask: Ask, k: int) -> np.ndarray:
        kept = dataclasses.replace(ask, trail=tuple(ask.trail), opened=frozenset(ask.opened))
        self.asks.append((kept, [*self.joined_rows], [*self.learned]))
        return np.array(self.joined_rows[: min(k, 2)], np.int32)


def steps(past: History) -> Iterator[Step]:
    return (step for _, step in Walk(past).steps())


def frozen(step: Step) -> Step:
    return dataclasses.replace(step, trail=tuple(step.trail))


def ask_all(past: History, task: str, cut: int = 0, end: int = 10**9, **other: object):
    recorder = Recorder()
    return recorder, replay(recorder, past, cut=cut, end=end, task=task, **other)


# Ann reads A, B, B again and C; a day later A and D. Bob reads B, then C, once.
KNOWN = history(
    [0, 0, 50, 90_000],
    [
        (ANN, 0, A, 100),
        (ANN, 0, B, 200),
        (ANN, 0, B, 210),
        (BOB, 1, B, 300),
        (ANN, 0, C, 400),
        (BOB, 1, C, 500),
        (ANN, 2, A, 90_100),
        (ANN, 2, D, 90_200),
    ],
)


def test_the_next_click_is_asked_at_every_opening_but_a_visits_first():
    recorder, answers = ask_all(KNOWN, "next click")
    asked = [(ask.visitor, ask.trail, set(ask.opened), ask.now) for ask, _, _ in recorder.asks]
    assert asked == [
        (ANN, (A,), {A}, 200),
        (ANN, (A, B), {A, B}, 400),
        (BOB, (B,), {B}, 500),
        (ANN, (A,), {A, B, C}, 90_200),
    ]
    assert answers.target.tolist() == [B, C, C, D]
    assert answers.home.tolist() == [A, B, B, A]
    assert answers.visit[0] == answers.visit[1]
    assert len(set(answers.visit.tolist())) == 3


def test_the_next_article_is_asked_only_of_readers_who_were_here_before():
    recorder, answers = ask_all(KNOWN, "next article")
    ((ask, _, _),) = recorder.asks
    assert (ask.visitor, ask.trail, ask.opened, ask.now) == (ANN, (), {A, B, C}, 90_100)
    assert answers.target.tolist() == [GONE_BACK]
    assert answers.home.tolist() == [A]


def test_a_reader_whose_earlier_visit_lies_before_the_cut_was_here_before():
    recorder, _ = ask_all(KNOWN, "next article", cut=90_000)
    assert [ask.opened for ask, _, _ in recorder.asks] == [{A, B, C}]


def test_nobody_without_an_id_was_here_before():
    past = history([0, 0], [(NOBODY, 0, A, 100), (NOBODY, 1, A, 200), (NOBODY, 1, B, 300)])
    assert ask_all(past, "next article")[1].target.tolist() == []
    recorder, answers = ask_all(past, "next click")
    assert answers.target.tolist() == [B]
    assert recorder.asks[0][0].opened == {A}  # within the visit only


def test_only_the_window_is_asked_about_and_all_before_it_is_learned():
    recorder, answers = ask_all(KNOWN, "next click", cut=400, end=90_200)
    assert [ask.now for ask, _, _ in recorder.asks] == [400, 500]
    assert answers.target.tolist() == [C, C]
    assert [step.at for step in recorder.learned] == [100, 200, 300, 400, 500, 90_100]


def test_a_look_is_no_opening_and_reading_after_the_click_is_none_more():
    kinds = [Kind.IMPRESSION, Kind.CLICK, Kind.READ, Kind.LIKE, Kind.CLICK]
    rows = [(ANN, 0, D, 1), (ANN, 0, A, 2), (ANN, 0, A, 3), (ANN, 0, A, 4), (ANN, 0, B, 5)]
    found = [(frozen(s).trail, s.article, s.at) for s in steps(history([0] * 4, rows, kinds))]
    assert found == [((), A, 2), ((A,), B, 5)]


def test_going_back_is_asked_about_and_nobody_gains_by_it():
    past = history([0, 0], [(ANN, 0, A, 1), (ANN, 0, B, 2), (ANN, 0, A, 3)])
    _, answers = ask_all(past, "next click")
    assert answers.target.tolist() == [B, GONE_BACK]


def test_silence_ends_a_visit_without_a_session():
    past = history([0] * 3, [(ANN, -1, A, 0), (ANN, -1, B, 1800), (ANN, -1, C, 3601)])
    assert ask_all(past, "next click")[1].target.tolist() == [B]
    assert ask_all(past, "next article")[1].target.tolist() == [C]


def test_a_question_knows_the_circumstances_of_the_opening_before_not_its_own():
    phone, tablet = ("device:phone",), ("device:tablet",)
    past = history(
        [0] * 3, [(ANN, 0, A, 1), (ANN, 0, B, 2), (ANN, 0, C, 3)], contexts=[phone, tablet, phone]
    )
    recorder, _ = ask_all(past, "next click")
    assert [ask.context for ask, _, _ in recorder.asks] == [phone, tablet]
    assert [step.context for step in recorder.learned] == [phone, tablet, phone]


def test_trends_are_refreshed_at_most_every_two_seconds():
    rows = [(ANN, 0, n % 3, 100 + n) for n in range(7)]
    recorder, _ = ask_all(history([0] * 3, rows), "next click")
    assert recorder.refreshed == [101, 103, 105]


def test_lists_are_padded():
    _, answers = ask_all(KNOWN, "next click", k=4)
    assert answers.lists.tolist() == [[0, 1, -1, -1]] * 4
    assert ask_all(KNOWN, "next click", cut=10**8, k=4)[1].lists.shape == (0, 4)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to six articles, some opened before they were published, and sixty openings."""
    published = sorted(draw(st.lists(st.integers(0, 9_000), min_size=1, max_size=6)))
    row = st.tuples(
        st.integers(-1, 3),
        st.integers(-1, 5),
        st.integers(0, len(published) - 1),
        st.integers(0, 9_000),
    )
    events = draw(st.lists(row, max_size=60))
    return history(published, sorted(events, key=lambda event: event[3]))


tasks = st.sampled_from(["next click", "next article"])


@given(histories(), tasks, st.integers(0, 9_000))
def test_nobody_sees_the_future(past, task, cut):
    recorder, answers = ask_all(past, task, cut=cut)
    truth = [frozen(step) for step in steps(past)]
    assert recorder.learned == truth  # each opening once, in order
    for (ask, joined, learned), target in zip(recorder.asks, answers.target, strict=True):
        # Exactly the openings before the one that is asked about ...
        assert learned == truth[: len(learned)]
        asked = truth[len(learned)]
        assert (asked.visitor, asked.at) == (ask.visitor, ask.now)
        assert target == (GONE_BACK if asked.article in ask.opened else asked.article)
        assert all(step.at <= ask.now for step in learned)
        # ... of which the question tells what that reader did ...
        mine = {step.article for step in learned if step.visitor == ask.visitor}
        if ask.visitor >= 0:
            assert ask.opened == mine
        assert ask.trail == tuple(step.article for step in _visit(learned, asked.visit))
        # ... and every article that is out or has been opened, once.
        opened = {step.article for step in learned}
        out = {row for row, one in enumerate(past.articles) if one.published <= ask.now}
        assert len(joined) == len(set(joined))
        assert set(joined) == out | opened


def _visit(learned: list[Step], visit: int) -> list[Step]:
    return [step for step in learned if visit >= 0 and step.visit == visit]


def test_the_recorder_would_notice_an_article_shown_too_early():
    past = history([0, 0, 10_000], [(ANN, 0, A, 100), (ANN, 0, B, 200), (BOB, 1, C, 300)])
    recorder, _ = ask_all(past, "next click")
    ((_, joined, learned),) = recorder.asks
    assert joined == [A, B]
    assert [step.article for step in learned] == [A]
    assert recorder.joined_rows == [A, B, C]  # at its first opening, though not yet published


@given(histories(), tasks, st.integers(0, 5))
def test_every_system_is_asked_the_same(past, task, seed):
    window = {"cut": 0, "end": 9_001, "task": task, "share": 0.5, "seed": seed}
    _, first = ask_all(past, **window)
    for system in (Latest(6), RecentPopularity(6), engine_system(past)):
        other = replay(system, past, **window)
        assert other.target.tolist() == first.target.tolist()
        assert other.visit.tolist() == first.visit.tolist()
        assert other.home.tolist() == first.home.tolist()


def test_a_share_of_the_questions_is_drawn_by_the_seed():
    rows = [(0, 0, n % 5, n) for n in range(2_001)]
    past = history([0] * 5, rows)
    _, whole = ask_all(past, "next click")
    assert len(whole.target) == 2_000
    drawn = [
        [a.now for a, _, _ in ask_all(past, "next click", share=0.25, seed=s)[0].asks]
        for s in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 400 < len(drawn[0]) < 600
    assert max(np.diff(drawn[0])) < 100  # evenly, not a stretch of them


def engine_system(past: History, data_until: int = 0) -> EngineSystem:
    bundle = dataclasses.replace(Bundle.empty(), manifest=Manifest("none", data_until=data_until))
    return EngineSystem("engine", Engine(bundle, Live(bundle), Policy()), past)


def test_the_engine_learns_only_what_its_bundle_does_not_hold():
    system = engine_system(KNOWN, data_until=400)
    live = system.engine.live
    for row in range(4):
        system.joined(row)
    for step in steps(KNOWN):
        system.observe(step)
    ids = live.view.catalogue.ids
    # Ann's A and B came before 400 and are the bundle's to know; C at 400 is not.
    assert [ids[row] for row in live.opened("v0")] == ["site0/a2", "site0/a0", "site1/a3"]
    assert [ids[row] for row in live.opened("v1")] == ["site0/a2"]


def test_an_article_of_the_bundle_is_not_published_twice():
    system = engine_system(KNOWN)
    system.joined(A)
    before = system.engine.live.view
    system.joined(A)
    assert system.engine.live.view is before


@given(histories(), tasks)
def test_the_engine_proposes_only_what_is_out_and_unread(past, task):
    lists = []

    class Watched(EngineSystem):
        def recommend(self, ask: Ask, k: int) -> np.ndarray:
            rows = super().recommend(ask, k)
            lists.append((rows.tolist(), set(ask.opened), ask.now))
            return rows

    bundle = Bundle.empty()
    replay(
        Watched("engine", Engine(bundle, Live(bundle), Policy()), past),
        past,
        cut=0,
        end=9_001,
        task=task,
    )
    for rows, opened, now in lists:
        assert not set(rows) & opened
        assert all(past.articles[row].published <= now for row in rows)


class Naive:
    """What a baseline should have answered, worked out anew from all that it was shown."""

    def __init__(self, system, rule) -> None:
        self.name, self._system, self._rule = system.name, system, rule
        self._seen = Recorder()

    def joined(self, row: int) -> None:
        self._system.joined(row)
        self._seen.joined(row)

    def observe(self, step: Step) -> None:
        self._system.observe(step)
        self._seen.observe(step)

    def refresh(self, now: int) -> None:
        self._system.refresh(now)

    def recommend(self, ask: Ask, k: int) -> np.ndarray:
        rows = self._system.recommend(copy.copy(ask), k)
        ranked = self._rule(self._seen.joined_rows, self._seen.learned, ask)
        assert rows.tolist() == [row for row in ranked if row not in ask.opened][:k]
        return rows


def popular(_, learned: list[Step], ask: Ask, window: float = np.inf) -> list[int]:
    counts = Counter(step.article for step in learned if step.at > ask.now - window)
    return sorted(counts, key=lambda row: (-counts[row], row))


def recent(joined, learned, ask) -> list[int]:
    return popular(joined, learned, ask, 3600)


def newest(joined: list[int], _, __) -> list[int]:
    return joined[::-1]


def following(joined, learned: list[Step], ask: Ask) -> list[int]:
    pairs = Counter(
        step.article
        for step in learned
        if step.trail and ask.trail and step.trail[-1] == ask.trail[-1]
    )
    ranked = sorted(pairs, key=lambda row: (-pairs[row], row))
    return [*ranked, *(row for row in recent(joined, learned, ask) if row not in pairs)]


@pytest.mark.parametrize(
    ("system", "rule"),
    [
        (MostPopular, popular),
        (RecentPopularity, recent),
        (Latest, newest),
        (CoVisitation, following),
    ],
)
@given(histories(), tasks, st.integers(1, 6))
def test_a_baseline_answers_as_its_definition_says(system, rule, past, task, k):
    replay(Naive(system(6), rule), past, cut=0, end=9_001, task=task, k=k)


def test_the_baselines_on_a_history_worked_out_by_hand():
    def answers(system, task: str = "next click") -> list[list[int]]:
        found = replay(system, KNOWN, cut=0, end=10**9, task=task, k=2)
        return found.lists.tolist()

    # At Ann's second, Bob's first and Ann's last question: what is most opened, and new to them?
    assert answers(MostPopular(4)) == [[-1, -1], [-1, -1], [A, C], [-1, -1]]
    assert answers(RecentPopularity(4)) == [[-1, -1], [-1, -1], [A, C], [-1, -1]]
    assert answers(Latest(4)) == [[C, B], [C, -1], [C, A], [D, -1]]
    # After B, Ann opened C; after A came B, which she has read.
    assert answers(CoVisitation(4)) == [[-1, -1], [-1, -1], [C, A], [-1, -1]]


@pytest.mark.parametrize(("age", "shown"), [(3_599, [A]), (3_600, [])])
def test_an_opening_counts_as_recent_for_one_hour(age, shown):
    past = history([0] * 3, [(ANN, 0, A, 0), (BOB, 1, B, age - 1), (BOB, 1, C, age)])
    answers = replay(RecentPopularity(3), past, cut=0, end=10**9, task="next click", k=1)
    assert answers.lists[answers.lists >= 0].tolist() == shown

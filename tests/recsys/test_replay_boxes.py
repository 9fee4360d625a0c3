"""A replay asks about boxes when they are seen, drops what has expired, and adds up by windows."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.answers import GONE_BACK, MOST_RELEVANT, NOT_CLICKED, Answers, joined
from recsys.arrays import Float64, Int32, Int64
from recsys.baselines import CoVisitation, Latest, MostPopular, RecentPopularity
from recsys.bundle import Bundle
from recsys.engine import Engine
from recsys.history import History, Step
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy
from recsys.replay import Ask, Listed, TaskName, replay
from recsys.served import EngineSystem
from recsys.splits import windows
from recsys.tables import Interactions
from recsys.types import NEVER, Article, Kind

NOBODY = NONE = -1
A, B, C, D, E = range(5)
ANN, BOB = range(2)
SEEN, CLICKED = Kind.IMPRESSION, Kind.CLICK
BOXES: TaskName = "click in an impression"


def history(
    events: list[tuple[int, int, int, int, int, int]],
    published: tuple[int, ...] = (0,) * 5,
    expires: tuple[int, ...] = (NEVER,) * 5,
) -> History:
    """Articles by publication and events of (kind, visitor, session, slate, article, at)."""
    kind, visitor, session, slate, article, at = np.array(events, np.int64).reshape(-1, 6).T
    return History(
        articles=[
            Article(f"site{row % 2}", f"a{row}", f"/{row}", f"Title {row}", when, expires=until)
            for row, (when, until) in enumerate(zip(published, expires, strict=True))
        ],
        visitors=Vocabulary(f"v{n}" for n in range(max(4, int(visitor.max(initial=0)) + 1))),
        interactions=Interactions(
            visitor=visitor.astype(np.int32),
            session=session.astype(np.int32),
            article=article.astype(np.int32),
            kind=kind.astype(np.int8),
            at=at,
            value=np.zeros(len(events), np.float32),
            slate=slate.astype(np.int32),
        ),
    )


class Watcher:
    """A system with everything that a replay may ask of one; it keeps what it was told."""

    name = "watcher"

    def __init__(self) -> None:
        self.out: list[int] = []
        self.told: list[tuple[str, int, int]] = []
        self.asks: list[tuple[Ask, list[tuple[str, int, int]]]] = []

    def joined(self, row: int) -> None:
        self.out.append(row)

    def observe(self, step: Step) -> None:
        self.told.append(("opened", step.article, step.at))

    def saw(self, rows: Int32, at: Int64) -> None:
        self.told += [("saw", *card) for card in zip(rows.tolist(), at.tolist(), strict=True)]

    def refresh(self, now: int) -> None:
        pass

    def recommend(self, ask: Ask, k: int) -> Int32:
        kept = dataclasses.replace(ask, trail=tuple(ask.trail), opened=frozenset(ask.opened))
        self.asks.append((kept, [*self.told]))
        return np.array(self.out[::-1][:k], np.int32)


class Scorer(Watcher):
    """Ranks by row, the higher the better, but for the first two, which it thinks alike."""

    def score(self, ask: Ask, rows: Int32) -> Float64:
        self.recommend(ask, 1)
        return np.maximum(rows, 1).astype(np.float64) / 10


# Ann reads A and is shown a box of B, C and D, in which she opens C; later another of E and A, in
# which she opens nothing. Somebody whom nobody knows sees the box of B and E twice.
SHOWN = history(
    [
        (CLICKED, ANN, 0, NONE, A, 100),
        (SEEN, ANN, 0, 0, D, 110),
        (SEEN, ANN, 0, 0, B, 110),
        (SEEN, ANN, 0, 0, C, 130),
        (CLICKED, ANN, 0, 0, C, 140),
        (SEEN, ANN, 0, 1, E, 150),
        (SEEN, ANN, 0, 1, A, 150),
        (SEEN, NOBODY, NONE, 2, B, 160),
        (SEEN, NOBODY, NONE, 2, E, 160),
        (SEEN, NOBODY, NONE, 3, B, 170),
        (SEEN, NOBODY, NONE, NONE, D, 180),
    ]
)


def ask_of(past: History, system: Watcher | None = None, task: TaskName = BOXES, **other: int):
    system = system or Scorer()
    return system, replay(system, past, cut=other.pop("cut", 0), end=10**6, task=task, **other)


def test_each_slate_is_asked_about_once_when_it_is_first_seen():
    _, answers = ask_of(SHOWN)
    assert answers.at.tolist() == [110, 150, 160, 170]
    assert answers.of == 4  # a card outside of a slate is no question
    assert answers.target.tolist() == [C, NOT_CLICKED, NOT_CLICKED, NOT_CLICKED]
    assert answers.relevant[:, 0].tolist() == [C, NONE, NONE, NONE]
    assert (answers.relevant[:, 1:] == NONE).all()


def test_the_answer_is_the_order_of_all_its_cards_with_their_scores_ties_by_row():
    _, answers = ask_of(SHOWN, k=1)  # however short other lists are
    assert answers.lists.tolist() == [[D, C, B], [E, A, NONE], [E, B, NONE], [B, NONE, NONE]]
    assert answers.chance[0] == pytest.approx([0.3, 0.2, 0.1])
    assert np.isnan(answers.chance[3, 1:]).all()
    tied = history([(SEEN, ANN, 0, 0, row, 10) for row in (B, C, A)])
    assert ask_of(tied)[1].lists[0, :3].tolist() == [C, A, B]


def test_a_system_that_cannot_score_orders_by_its_list_and_leaves_the_rest_as_it_stands():
    class Opaque(Watcher):
        def recommend(self, ask: Ask, k: int) -> Int32:
            return np.array([C, E], np.int32)

    _, answers = ask_of(SHOWN, Opaque())
    assert answers.lists[0, :3].tolist() == [C, B, D]
    assert answers.lists[1, :2].tolist() == [E, A]
    # What it does not list it cannot tell apart.
    assert answers.chance[0, 1] == answers.chance[0, 2] < answers.chance[0, 0]


def test_clicks_come_first_among_the_relevant_however_many_there_are():
    both = history(
        [(SEEN, ANN, 0, 0, row, 10) for row in (A, B, C)]
        + [(CLICKED, ANN, 0, 0, C, 20), (CLICKED, ANN, 0, 0, A, 30)]
    )
    _, answers = ask_of(both)
    assert answers.relevant[0, :3].tolist() == [A, C, NONE]
    assert answers.target.tolist() == [A]


def test_a_box_is_asked_about_with_what_its_reader_had_opened_by_then():
    scorer, answers = ask_of(SHOWN)
    asks = [(a.visitor, a.now, a.trail, set(a.opened)) for a, _ in scorer.asks]
    assert asks == [
        (ANN, 110, (A,), {A}),
        (ANN, 150, (A, C), {A, C}),
        (NOBODY, 160, (), set()),
        (NOBODY, 170, (), set()),
    ]
    assert answers.visit.tolist() == [0, 0, NONE, NONE]
    assert answers.trail.tolist() == [1, 2, 0, 0]
    assert answers.home[:2].tolist() == [A, C]


@pytest.mark.parametrize("task", ["next click", BOXES])
def test_a_system_is_told_of_cards_and_openings_in_time_and_before_the_next_question(task):
    system, _ = ask_of(SHOWN, task=task)
    log = SHOWN.interactions
    names = {SEEN: "saw", CLICKED: "opened"}
    whole = [
        (names[Kind(kind)], article, at)
        for kind, article, at in zip(
            log.kind.tolist(), log.article.tolist(), log.at.tolist(), strict=True
        )
    ]
    assert system.told == whole
    for ask, told in system.asks:
        assert told == whole[: len(told)]
        assert all(at <= ask.now for _, _, at in told)
        # All that is older was told.
        assert len(told) >= sum(at < ask.now for _, _, at in whole)


def test_a_system_that_does_not_watch_is_asked_the_same():
    class Blind:
        name = "blind"
        joined = observe = refresh = lambda self, value: None

        def recommend(self, ask: Ask, k: int) -> Int32:
            return np.empty(0, np.int32)

    watched, blind = ask_of(SHOWN)[1], replay(Blind(), SHOWN, cut=0, end=10**6, task=BOXES)
    for name in ("target", "visit", "home", "visitor", "at", "trail", "relevant"):
        assert np.array_equal(getattr(watched, name), getattr(blind, name)), name


def test_cards_shown_before_their_publication_are_out_from_then_on():
    past = history(
        [(SEEN, ANN, 0, 0, E, 10), (CLICKED, ANN, 0, 0, A, 20), (CLICKED, ANN, 0, NONE, B, 30)],
        published=(0, 0, 0, 0, 500),
    )
    for task in ("next click", BOXES):
        system, _ = ask_of(past, task=task)
        assert system.out == [A, B, C, D, E]
    system, answers = ask_of(past, Watcher(), "next click")
    assert answers.lists[0].tolist()[:1] == [E]


def test_articles_come_out_in_their_order_before_the_cut_too_opened_or_not():
    past = history(
        [(CLICKED, ANN, 0, NONE, row, at) for row, at in ((C, 50), (A, 60), (B, 70))],
        published=(0, 10, 20, 30, 40),
    )
    system, _ = ask_of(past, Watcher(), "next click", cut=65)
    assert system.out == [A, B, C, D, E]
    _, answers = ask_of(past, Latest(5), "next click", cut=65, k=2)
    assert answers.lists.tolist() == [[E, D]]


def test_slates_seen_during_the_warm_up_are_not_asked_about_but_watched():
    system, answers = ask_of(SHOWN, cut=110, warm_up=50)
    assert answers.at.tolist() == [160, 170]
    assert answers.of == 2
    assert len(system.told) == len(SHOWN.interactions)


# Ann opens one article after another, and goes back to A twice.
READING = history(
    [(CLICKED, ANN, 0, NONE, row, 100 * n) for n, row in enumerate((A, B, A, C, A, D, E), start=1)]
)


def test_nothing_is_asked_during_the_warm_up_and_all_of_it_is_learned():
    system, answers = ask_of(READING, Watcher(), "next click", cut=250, warm_up=200)
    assert answers.at.tolist() == [500, 600, 700]
    assert [at for _, _, at in system.told] == [100 * n for n in range(1, 8)]


def test_relevant_is_what_the_reader_opens_anew_in_the_rest_of_the_visit_the_target_first():
    _, answers = ask_of(READING, Watcher(), "next click")
    assert answers.target.tolist() == [B, GONE_BACK, C, GONE_BACK, D, E]
    wanted = [[B, C, D, E], [C, D, E], [C, D, E], [D, E], [D, E], [E]]
    assert [row[row >= 0].tolist() for row in answers.relevant] == wanted


def test_a_long_visit_keeps_as_many_relevant_articles_as_there_is_room_for():
    rows = range(MOST_RELEVANT + 5)
    past = history(
        [(CLICKED, ANN, 0, NONE, row, row) for row in rows],
        published=(0,) * len(rows),
        expires=(NEVER,) * len(rows),
    )
    _, answers = ask_of(past, Watcher(), "next click")
    assert answers.relevant[0].tolist() == [*range(1, MOST_RELEVANT + 1)]


def test_the_sample_is_stated_with_what_it_was_drawn_from():
    past = history([(CLICKED, ANN, 0, NONE, n % 5, n) for n in range(401)])
    _, answers = ask_of(past, Watcher(), "next click", share=0.25)
    assert answers.of == 400
    assert 60 < len(answers.target) < 140
    assert len(ask_of(past, Watcher(), "next click", share=0)[1].target) == 0


def test_lists_hold_only_what_has_not_expired_and_those_behind_move_up():
    past = history(
        [(CLICKED, ANN, 0, NONE, A, 10), (CLICKED, ANN, 0, NONE, B, 30)],
        published=(0, 1, 2, 3, 4),
        expires=(NEVER, NEVER, NEVER, 30, 25),
    )
    _, answers = ask_of(past, Watcher(), "next click", k=2)
    assert answers.lists.tolist() == [[C, B]]  # E and D came first, and are gone
    _, answers = ask_of(past, Watcher(), "next click", k=4)
    assert answers.lists.tolist() == [[C, B, A, NONE]]


def test_a_system_that_tells_of_its_lists_is_asked_for_more_where_some_have_expired():
    class Telling(Watcher):
        sources = ("one", "two")

        def tell(self, ask: Ask, k: int) -> Listed:
            rows = self.recommend(ask, k)
            return Listed(rows, (rows % 2).astype(np.int8), rows.astype(np.float32) / 8)

    past = history(
        [(CLICKED, ANN, 0, NONE, A, 10), (CLICKED, ANN, 0, NONE, B, 30)],
        published=(0, 1, 2, 3, 4),
        expires=(NEVER, NEVER, NEVER, 31, 30),
    )
    _, answers = ask_of(past, Telling(), "next click", k=3)
    assert answers.lists.tolist() == [[D, C, B]]
    assert answers.source.tolist() == [[1, 0, 1]]
    assert answers.chance.tolist() == [[0.375, 0.25, 0.125]]
    assert answers.sources == ("one", "two")


@st.composite
def logs(draw: st.DrawFn) -> History:
    """Five articles that come and go, read and shown by a few readers, known or not."""
    published = sorted(draw(st.lists(st.integers(0, 400), min_size=5, max_size=5)))
    lasting = draw(st.lists(st.sampled_from([50, 200, NEVER]), min_size=5, max_size=5))
    row = st.tuples(
        st.sampled_from([SEEN, CLICKED]),
        st.integers(-1, 2),
        st.integers(-1, 3),
        st.integers(-1, 6),
        st.integers(0, 4),
        st.integers(0, 500),
    )
    rows = sorted(draw(st.lists(row, max_size=50)), key=lambda event: event[5])
    ends = [min(when + more, NEVER) for when, more in zip(published, lasting, strict=True)]
    return history(rows, tuple(published), tuple(ends))


def engine(past: History) -> EngineSystem:
    bundle = Bundle.empty()
    return EngineSystem("engine", Engine(bundle, Live(bundle), Policy()), past)


@pytest.mark.parametrize("task", ["next click", "next article"])
@given(past=logs(), k=st.integers(1, 6))
def test_no_system_answers_with_what_has_expired(task, past, k):
    ends = np.array([article.expires for article in past.articles])
    for system in (
        *(make(5) for make in (MostPopular, RecentPopularity, Latest, CoVisitation)),
        engine(past),
        Watcher(),
    ):
        answers = replay(system, past, cut=0, end=501, task=task, k=k)
        shown = answers.lists >= 0
        expired = ends[np.maximum(answers.lists, 0)] <= answers.at[:, None]
        assert not (shown & expired).any(), system.name


tasks = st.sampled_from(["next click", "next article", BOXES])


@given(past=logs(), task=tasks, cut=st.integers(0, 400), every=st.integers(20, 300))
def test_rolling_windows_ask_what_one_cut_asks(past, task, cut, every):
    def heard(split: str) -> Answers:
        return joined(
            [
                replay(CoVisitation(5), past, cut=start, end=end, task=task)
                for start, end in windows(split, cut, 501, every)
            ]
        )

    whole, parts = heard("one cut"), heard("rolling")
    assert whole.of == parts.of == len(whole.target)
    # What learns from the stream alone answers alike, however often it starts anew.
    for name in ("target", "visit", "home", "visitor", "at", "trail", "lists"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_joined_answers_are_as_wide_as_the_widest_of_them():
    first = ask_of(SHOWN, cut=0)[1]
    second = ask_of(SHOWN, cut=150, k=20)[1]
    both = joined([first, second])
    assert both.lists.shape == both.source.shape == both.chance.shape == (7, 20)
    assert both.lists[0, :4].tolist() == [D, C, B, NONE]
    assert np.isnan(both.chance[0, 3:]).all()
    assert (both.source[:, 10:] == NONE).all()
    assert both.of == first.of + second.of == 7
    assert both.at.tolist() == [*first.at.tolist(), *second.at.tolist()]
    with pytest.raises(ValueError, match="no answers to join"):
        joined([])


@given(past=logs(), seed=st.integers(0, 3))
def test_boxes_ask_every_system_the_same_and_hold_the_cards_that_were_shown(past, seed):
    log = past.interactions
    first: Answers | None = None
    for system in (Latest(5), CoVisitation(5), engine(past), Scorer()):
        answers = replay(system, past, cut=0, end=501, task=BOXES, share=0.7, seed=seed)
        first = first or answers
        assert np.array_equal(np.sort(answers.lists), np.sort(first.lists)), system.name
        for name in ("target", "visit", "home", "visitor", "at", "trail", "relevant"):
            assert np.array_equal(getattr(answers, name), getattr(first, name)), name
        for row, at in zip(answers.lists, answers.at, strict=True):
            cards = row[row >= 0].tolist()
            box = {int(s) for s in log.slate[(log.at == at) & (log.kind == SEEN)]}
            shown = [
                sorted({int(a) for a in log.article[(log.slate == s) & (log.kind <= CLICKED)]})
                for s in box
            ]
            assert sorted(cards) in shown

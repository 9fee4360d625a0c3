"""What was known at a moment is all there is of it, and nothing later has left a trace."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.history import History, Walk
from recsys.ids import Vocabulary
from recsys.leaks import altered
from recsys.tables import Interactions
from recsys.types import Article, Kind
from recsys.visits import GAP

CONTEXTS = [(f"device:{name}",) for name in ("phone", "tablet", "watch", "desk")]


def history(published: list[int], events: list[tuple[int, int, int, int, int]]) -> History:
    """Articles by publication and events of (visitor, session, article, context, at)."""
    visitor, session, article, context, at = np.array(events, np.int64).reshape(-1, 5).T
    return History(
        articles=[
            Article(f"site{row % 2}", f"a{row}", f"/{row}", f"Title {row}", when)
            for row, when in enumerate(published)
        ],
        visitors=Vocabulary(f"v{n}" for n in range(4)),
        interactions=Interactions(
            visitor=visitor.astype(np.int32),
            session=session.astype(np.int32),
            article=article.astype(np.int32),
            kind=np.full(len(events), Kind.CLICK, np.int8),
            at=at,
            value=np.zeros(len(events), np.float32),
            slate=np.full(len(events), -1, np.int32),
        ),
        contexts=CONTEXTS,
        context=context.astype(np.int32),
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some articles are opened before they were published, some readers come late."""
    published = sorted(draw(st.lists(st.integers(0, 90), min_size=1, max_size=6)))
    row = st.tuples(
        st.integers(-1, 3),
        st.integers(-1, 5),
        st.integers(0, len(published) - 1),
        st.integers(0, 3),
        st.integers(0, 90),
    )
    events = draw(st.lists(row, max_size=40))
    return history(published, sorted(events, key=lambda event: event[4]))


def facts(past: History) -> list[tuple]:
    """Return each event in names instead of rows."""
    events, context = past.interactions, past.context
    assert context is not None
    return [
        (past.visitors[v] if v >= 0 else "", s, past.articles[a].id, past.contexts[c], at)
        for v, s, a, c, at in zip(
            *(events.visitor, events.session, events.article, context, events.at), strict=True
        )
    ]


@given(past=histories(), t=st.integers(0, 91), seed=st.integers(0, 3))
def test_another_future_leaves_the_past_as_it_is(past, t, seed):
    here, there = past.before(t), altered(past, t, seed).before(t)
    assert here.articles == there.articles
    assert [*here.visitors] == [*there.visitors]
    assert list(here.contexts) == list(there.contexts)
    assert np.array_equal(here.context, there.context)
    for name in Interactions.__slots__:
        mine, other = (getattr(h.interactions, name) for h in (here, there))
        assert np.array_equal(mine, other), name
        assert mine.dtype == other.dtype


@given(past=histories(), t=st.integers(0, 91))
def test_the_past_holds_what_happened_to_articles_that_were_out(past, t):
    here = past.before(t)
    out = [article.id for article in past.articles if article.published < t]
    assert [article.id for article in here.articles] == out
    wanted = [fact for fact in facts(past) if fact[4] < t and fact[2] in out]
    assert facts(here) == wanted
    assert set(here.visitors) == {fact[0] for fact in wanted} - {""}
    assert set(here.contexts) == {fact[3] for fact in wanted}


def test_without_circumstances_there_is_only_the_first():
    past = dataclasses.replace(history([0], [(0, 0, 0, 0, 5)]), context=None, contexts=((), ("x",)))
    assert past.before(9).context is None
    assert list(past.before(9).contexts) == [()]


def test_a_box_is_seen_in_its_session_or_in_the_visit_that_its_reader_is_in():
    past = history([0] * 4, [(0, -1, 0, 0, 100), (1, 7, 1, 0, 200), (0, -1, 2, 0, 90_000)])
    walk = Walk(past)
    steps = walk.steps()
    visits = [next(steps)[1].visit, next(steps)[1].visit]
    next(steps)  # the first two are known now
    assert walk.visit(7, 1, 300) == 7
    assert walk.visit(-1, 0, 100 + GAP) == visits[0]
    assert walk.trail(walk.visit(-1, 0, 150)) == [0]
    assert walk.visit(-1, -1, 150) == -1


def test_what_a_reader_sees_outside_of_visits_is_one_visit_of_theirs():
    walk = Walk(history([0] * 4, [(0, -1, 0, 0, 100), (1, 7, 1, 0, 200)]))
    list(walk.steps())
    later = 101 + GAP
    alone = [walk.visit(-1, reader, later) for reader in (0, 0, 2)]
    assert alone[0] == alone[1] != alone[2]
    assert not set(alone) & {-1, 7, *range(8)}
    assert walk.trail(alone[0]) == ()
    assert walk.context(alone[0]) == ()

"""What an experiment showed is read from the store card by card, each once."""

from data.exposures import exposures, labels
from data.store import Store
from recsys.types import ArticleId, Event, Kind

A, B, C = (ArticleId("daily", key) for key in "abc")
ARMS = "x/plain", "x/bold"


def event(kind: Kind, article: ArticleId, slate: str, at: int, arm: str, **who: str) -> Event:
    position = "abc".index(article.key)
    id = f"{slate}:{kind.name}:{article.key}"
    return Event(id, kind, article, at, slate=slate, position=position, arm=arm, **who)


def test_a_card_counts_once_and_a_click_proves_that_it_was_seen(store: Store) -> None:
    seen, clicked = Kind.IMPRESSION, Kind.CLICK
    store.put_events(
        [
            event(seen, A, "s1", 10, "x/bold", visitor="v"),
            event(clicked, A, "s1", 12, "x/bold", visitor="v"),
            event(clicked, B, "s1", 9, "x/bold", visitor="v"),
            event(seen, C, "s1", 11, "x/bold", visitor="v"),
            event(seen, A, "s2", 20, "x/plain", session="t"),
        ]
    )
    found = exposures(store, ARMS)
    assert found.arm.tolist() == [1, 1, 1, 0]
    assert found.slate.tolist() == [0, 0, 0, 1]
    assert found.clicked.tolist() == [True, True, False, False]
    assert found.at.tolist() == [10, 9, 11, 20]
    assert found.reader.tolist() == [0, 0, 0, 1]


def test_a_reader_is_the_visitor_else_the_session_else_one_slate(store: Store) -> None:
    who = [{"visitor": "v", "session": "t1"}, {"visitor": "v"}, {"session": "t1"}, {}, {}]
    store.put_events(
        event(Kind.IMPRESSION, A, f"s{n}", n, "x/plain", **names) for n, names in enumerate(who)
    )
    assert exposures(store, ARMS).reader.tolist() == [0, 0, 1, 2, 3]


def test_nothing_else_counts(store: Store) -> None:
    others = [
        event(Kind.IMPRESSION, A, "s1", 1, ""),
        event(Kind.IMPRESSION, A, "s2", 1, "x/unknown"),
        event(Kind.IMPRESSION, A, "s3", 1, "y/plain"),
        event(Kind.READ, A, "s4", 1, "x/plain"),
        event(Kind.IMPRESSION, A, "", 1, "x/plain"),
    ]
    store.put_events(others)
    assert len(exposures(store, ARMS)) == 0


def test_arms_that_the_store_knows_are_listed_once(store: Store) -> None:
    assert labels(store) == []
    arms = ["x/plain", "y/a", "x/bold", "x/plain", ""]
    store.put_events(event(Kind.IMPRESSION, A, f"s{n}", n, arm) for n, arm in enumerate(arms))
    assert labels(store) == ["x/bold", "x/plain", "y/a"]

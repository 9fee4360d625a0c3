"""Whoever watches over a store is told what it holds and how new that is."""

from data.pulse import Pulse, pulse
from data.store import Store
from recsys.types import Article, ArticleId, Event, Kind


def test_the_newest_of_what_is_up_and_out_counts(store: Store) -> None:
    assert pulse(store, 100) == Pulse(0, 0, 0, 0, 0)
    store.put_articles(
        Article("daily", f"a-{at}", f"/a-{at}", "Title", at) for at in (50, 60, 70, 200)
    )
    store.withdraw([ArticleId("daily", "a-70")], 80)
    store.put_events(Event(f"e{at}", Kind.CLICK, ArticleId("daily", "a-50"), at) for at in (90, 70))
    assert pulse(store, 100) == Pulse(3, 1, 2, 60, 90)

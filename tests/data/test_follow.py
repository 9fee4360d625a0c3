"""A follower brings everything once, whatever fails on the way."""

import pytest

from data.follow import Follower
from data.store import Mark, Store
from recsys.bundle import Bundle
from recsys.live import Live
from recsys.trending import LANDING
from recsys.types import Article, ArticleId, Event, Kind

NOW = 1_790_000_000
ARTICLES = [
    Article("daily", f"a-{n}", f"https://x.example/{n}", f"Title {n}", NOW - 9_000)
    for n in range(24)
]


def click(n: int, article: ArticleId, **values: str) -> Event:
    return Event(str(n), Kind.CLICK, article, NOW - 20_000 + n, f"v{n}", f"s{n}", **values)


def test_everything_comes_in_pieces_and_ends_at_the_stores_mark(store: Store) -> None:
    count = 10_050  # more than the store hands out at once
    store.put_articles(ARTICLES)
    store.put_events(click(n, ARTICLES[n % 24].id) for n in range(count))
    store.withdraw([ArticleId("daily", "a-2")], NOW)
    store.erase("v0", NOW)
    live = Live(Bundle.empty())
    follower = Follower(store, live, Mark())
    follower.catch_up()
    assert follower.mark == store.snapshot(NOW).mark
    before = live.trends.counts(NOW).sum()
    follower.catch_up()
    assert live.trends.counts(NOW).sum() == before
    ids = live.view.catalogue.ids
    assert len(ids) == 23  # what is withdrawn before it was ever known is never added
    assert all(len(live.opened(f"v{n}")) == (n % 24 != 2) for n in (1, 2, 3, count - 1))
    assert not len(live.opened("v0"))


class Failing(Live):
    """Fails on one event, once, after having counted it: the worst moment."""

    def observe(self, events: list[Event]) -> None:
        super().observe(events)
        if events[0].visitor == "v2" and not hasattr(self, "failed"):
            self.failed = True
            raise OSError("the machine had a bad moment")


def test_a_failure_halfway_counts_nothing_twice_and_loses_nothing(store: Store) -> None:
    store.put_articles(ARTICLES)
    store.put_events(click(n, ARTICLES[0].id) for n in range(6))
    live, sound = Failing(Bundle.empty()), Live(Bundle.empty())
    follower = Follower(store, live, Mark())
    with pytest.raises(OSError, match="bad moment"):
        follower.catch_up()
    follower.catch_up()
    Follower(store, sound, Mark()).catch_up()
    assert live.trends.counts(NOW).tolist() == sound.trends.counts(NOW).tolist()


def test_what_will_have_happened_counts_as_happening_now(store: Store) -> None:
    store.put_articles(ARTICLES)
    later = [Event(str(n), Kind.CLICK, ARTICLES[n].id, NOW + 3600 * n, "", f"s{n}") for n in (0, 1)]
    store.put_events(later)
    live = Live(Bundle.empty())
    Follower(store, live, Mark(), lambda: NOW + 0.5).catch_up()
    assert live.trends.counts(NOW)[0, :2].tolist() == [LANDING, LANDING]

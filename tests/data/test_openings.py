"""Editors see who opens what by the hour, and what nobody was ever shown."""

import pytest

from data.openings import HOUR, Unseen, hourly, readers, unseen
from data.store import Store
from recsys.types import Article, ArticleId, Event, Kind

NOW = 1_790_000_000
A, B, C = ArticleId("daily", "a"), ArticleId("daily", "b"), ArticleId("guide", "a")


def seen(article: ArticleId, ago: int, kind: Kind = Kind.READ, **values: str) -> Event:
    told = sorted(values.items())
    return Event(f"{article}{ago}{kind}{told}", kind, article, NOW - ago, **values)  # type: ignore[arg-type]


def test_a_reader_counts_once_an_hour_for_an_article(store: Store) -> None:
    store.put_events(
        [
            seen(A, 10, visitor="v", session="t"),
            seen(A, 20, Kind.CLICK, visitor="v", session="u"),
            seen(A, 30, session="t"),
            seen(A, 40),
            seen(A, 50),
            seen(A, HOUR, session="t"),
            seen(A, HOUR + 1, session="t"),
            seen(A, 24 * HOUR + 1, session="t"),
            seen(A, 60, Kind.IMPRESSION, visitor="w"),
            seen(A, 0, visitor="too late"),
            seen(B, 2 * HOUR - 1, visitor="v"),
            seen(C, 10, visitor="v"),
        ]
    )
    found = hourly(store, [A, B, ArticleId("daily", "unknown")], NOW)
    assert found[A].tolist() == [0] * 22 + [1, 4]
    assert found[B].tolist() == [0] * 22 + [1, 0]
    assert found[ArticleId("daily", "unknown")].sum() == 0
    assert set(found) == {A, B, ArticleId("daily", "unknown")}
    assert hourly(store, [], NOW) == {}


def test_a_key_of_one_site_is_not_that_of_another(store: Store) -> None:
    store.put_events([seen(A, 10, visitor="v")])
    assert hourly(store, [C], NOW)[C].sum() == 0


def test_readers_of_a_site_count_once_however_much_they_open(store: Store) -> None:
    store.put_events([seen(A, 10, visitor="v"), seen(B, 20, visitor="v"), seen(C, 9, session="t")])
    assert readers(store, NOW - HOUR, NOW) == {"daily": 1, "guide": 1}
    assert readers(store, NOW - 5, NOW) == {}


def published(site: str, key: str, ago: int) -> Article:
    return Article(site, key, f"https://{site}.example/{key}", key, NOW - ago)


def test_unseen_is_what_came_out_lately_and_no_box_has_shown(store: Store) -> None:
    store.put_articles(
        [
            *(published("daily", key, ago) for key, ago in (("a", 100), ("b", 50), ("c", 70))),
            published("daily", "old", 10 * HOUR),
            published("daily", "planned", -5),
            published("daily", "down", 60),
            published("guide", "a", 30),
        ]
    )
    store.withdraw([ArticleId("daily", "down")], NOW)
    store.put_events(
        [
            seen(A, 20, Kind.IMPRESSION, slate="s"),
            seen(C, 20, Kind.CLICK, slate="s"),
            seen(B, 20, Kind.READ),
            seen(B, 20, Kind.IMPRESSION),  # of no box of ours
        ]
    )
    daily, guide = unseen(store, NOW - HOUR, NOW)
    assert (daily.site, daily.published, daily.unseen) == ("daily", 3, 2)
    assert [article.key for article in daily.latest] == ["b", "c"]
    assert daily.latest[0] == published("daily", "b", 50)
    assert daily.share == pytest.approx(2 / 3)
    assert guide == Unseen("guide", 1, 0, ())
    (daily, _) = unseen(store, NOW - HOUR, NOW, most=1)
    assert (daily.unseen, len(daily.latest)) == (2, 1)
    assert unseen(store, NOW - 10, NOW) == []

"""People find an article by words of its title or a part of its address."""

import pytest

from data import search
from data.store import Store
from recsys.types import Article

TOLD = [
    ("daily", "fire", "Fire at the old Harbour"),
    ("daily", "ferry", "Ferry leaves harbour at dawn"),
    ("culture", "100%", "One hundred per cent wool"),
    ("travel", "onsen/1", "静かな温泉街"),
]


@pytest.fixture
def store(store: Store) -> Store:
    store.put_articles(
        Article(site, key, f"https://{site}.example/{key}", title, 100 + place)
        for place, (site, key, title) in enumerate(TOLD)
    )
    return store


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("harbour", ["ferry", "fire"]),
        ("HARBOUR fire", ["fire"]),
        ("fire wool", []),
        ("温泉", ["onsen/1"]),
        ("https://daily.example/ferry", ["ferry"]),
        ("travel/onsen/1", ["onsen/1"]),
        ("100%", ["100%"]),
        ("%", ["100%"]),
        ("_", []),
        ("\ud800 wool\x00", ["100%"]),
        ("'; drop table articles; --", []),
        (" ", ["onsen/1", "100%", "ferry", "fire"]),
    ],
)
def test_every_word_must_stand_in_title_or_address(store, text, found):
    assert [article.key for article in search.find(store, text)] == found


def test_a_site_and_a_number_bound_what_is_found(store):
    assert [article.key for article in search.find(store, "", site="daily")] == ["ferry", "fire"]
    assert [article.key for article in search.find(store, "", most=1)] == ["onsen/1"]


def test_what_was_withdrawn_is_not_found(store):
    store.withdraw([Article(*TOLD[0][:2], "", "", 0).id], 1)
    assert [article.key for article in search.find(store, "harbour")] == ["ferry"]

"""Ids are read as they are written, and a card takes its part of an article."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.types import Article, ArticleId, Card, Kind, Query

names = st.text(min_size=1)


@given(site=names.filter(lambda text: "/" not in text), key=names)
def test_an_id_is_read_as_it_is_written(site: str, key: str) -> None:
    id = ArticleId(site, key)
    assert ArticleId.parse(str(id)) == id


@pytest.mark.parametrize("text", ["", "/", "daily", "daily/", "/a-1"])
def test_an_id_without_site_or_key_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text!r} is not of the form site/key"):
        ArticleId.parse(text)


def test_a_card_is_the_articles_part_that_a_page_draws() -> None:
    article = Article(
        "daily", "a/1", "/1", "Title", 5, "Body", "News", language="ja", image="/i", sponsored=True
    )
    card = Card.of(article)
    assert card == Card("daily", "a/1", "/1", "Title", "News", "ja", "/i", True, 5)
    assert all(getattr(card, f.name) == getattr(article, f.name) for f in dataclasses.fields(card))


def test_the_numbers_of_kinds_are_stored_and_so_never_change() -> None:
    names = "IMPRESSION", "CLICK", "READ", "COMMENT", "LIKE", "SHARE"
    assert {kind.name: kind.value for kind in Kind} == dict(zip(names, range(6), strict=True))


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Query("daily", 1).n = 3  # type: ignore[misc]

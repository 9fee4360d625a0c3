"""Tables refuse what does not fit together, and grow without changing what was handed out."""

import dataclasses

import numpy as np
import pytest

from recsys.tables import Catalogue, Interactions
from recsys.types import Article, ArticleId, Kind, Tone

NEWS = Article("daily", "a/1", "https://d.example/1", "One", 100, section="news", language="en")
GUIDE = Article("guide", "1", "https://g.example/1", "Two", 200, language="ja", tone=Tone.LIGHT)


def events(
    at: list[int], visitor: list[int] | None = None, kind: Kind = Kind.CLICK
) -> Interactions:
    count = len(at)
    return Interactions(
        visitor=np.array(visitor or [0] * count, np.int32),
        session=np.full(count, -1, np.int32),
        article=np.arange(count, dtype=np.int32),
        kind=np.full(count, kind, np.int8),
        at=np.array(at, np.int64),
        value=np.zeros(count, np.float32),
        slate=np.full(count, -1, np.int32),
    )


def test_a_catalogue_knows_its_articles_by_site_and_key() -> None:
    catalogue = Catalogue.of([NEWS, GUIDE])
    assert [catalogue.id(row) for row in range(2)] == [ArticleId("daily", "a/1"), GUIDE.id]
    assert [catalogue.sites[code] for code in catalogue.site] == ["daily", "guide"]
    assert catalogue.published.tolist() == [100, 200]


def test_extending_leaves_the_smaller_catalogue_as_it_was() -> None:
    small = Catalogue.of([NEWS])
    grown = small.extended([GUIDE])
    assert (len(small), len(grown), list(small.sites)) == (1, 2, ["daily"])
    assert grown.story.tolist() == [0, 1]


def test_the_same_article_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="daily/a/1"):
        Catalogue.of([NEWS, NEWS])


def test_columns_of_different_length_are_refused() -> None:
    whole = Catalogue.of([NEWS])
    with pytest.raises(ValueError, match="differ in length"):
        dataclasses.replace(whole, tone=np.zeros(3, np.int8))


def test_interactions_out_of_time_order_are_refused() -> None:
    with pytest.raises(ValueError, match="time order"):
        events([5, 3])


def test_a_cut_in_time_takes_the_first_second_and_leaves_the_last() -> None:
    table = events([1, 2, 2, 3, 4])
    assert table.before(2).at.tolist() == [1]
    assert table.between(2, 4).at.tolist() == [2, 2, 3]


def test_the_matrix_is_reader_by_article_and_leaves_unknown_readers_out() -> None:
    table = events([1, 2, 3], visitor=[1, -1, 1])
    matrix = table.matrix(np.array([2, 9, 1], np.float32), (2, 3))
    assert matrix.toarray().tolist() == [[0, 0, 0], [2, 0, 1]]


def test_an_impression_is_not_a_read() -> None:
    assert len(events([1, 2], kind=Kind.IMPRESSION).reads()) == 0

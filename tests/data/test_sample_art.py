"""Pictures are small, safe, and the same every time."""

from xml.etree import ElementTree

import pytest

from data.sample import art
from data.sample.genres import GENRES
from data.sample.sites import SITES
from recsys.types import Article, Tone

ARTICLES = [
    Article(g.site, f"{i}-{n}", "", "Title", 0, section=g.section, tone=g.tone)
    for i, g in enumerate(GENRES)
    for n in range(12)
]


@pytest.mark.parametrize("article", ARTICLES[::12], ids=lambda a: f"{a.site}-{a.section}")
def test_a_picture_is_small_and_only_draws(article: Article) -> None:
    allowed = {"svg", "linearGradient", "stop", "g", "path", "circle", "ellipse", "rect", "pattern"}
    for other in (a for a in ARTICLES if (a.site, a.section) == (article.site, article.section)):
        drawn = art.svg(other)
        assert len(drawn.encode()) < 2_560
        tags = {element.tag.partition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
        assert tags <= allowed
        assert art.svg(other) == drawn


def test_pictures_differ() -> None:
    assert len({art.svg(article) for article in ARTICLES}) > 0.95 * len(ARTICLES)


def test_a_picture_wears_the_colours_of_its_site() -> None:
    drawn = {art.svg(Article(s.id, "same", "", "T", 0, section="Politics")) for s in SITES}
    assert len(drawn) == len(SITES)


def test_an_unknown_site_gets_a_picture_too() -> None:
    hostile = Article('x"><script>', "k", "", "</svg>", 0, section="<b>", tone=Tone.LIGHT)
    assert ElementTree.fromstring(art.svg(hostile)) is not None
    assert "script" not in art.svg(hostile)

"""What is learned is what was planted, and however little there is, a bundle comes out."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.bundle import open_bundle, verify, write
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import NEVER, Article, Kind
from training.fit import fit, reads_of
from training.recipe import Recipe
from training.run import probe

NOW = 1_507_690_800
RECIPE = Recipe(dims=8, factors=8, neighbours=10)


def events(*rows: tuple[int, int, Kind, int]) -> Interactions:
    table = np.array(rows, np.int64).reshape(-1, 4)
    visitor, article, kind, at = table.T
    none = np.full(len(table), -1, np.int32)
    return Interactions(
        visitor.astype(np.int32),
        none,
        article.astype(np.int32),
        kind.astype(np.int8),
        at,
        np.zeros(len(table), np.float32),
        np.full(len(table), -1, np.int32),
    )


@pytest.fixture(scope="module")
def bundle(sample):
    return fit(sample.articles, sample.visitors, sample.interactions, RECIPE, NOW)


def test_neighbours_are_of_the_same_topic(bundle):
    topic = np.arange(60) % 3
    assert (topic[bundle.related] == topic[:, None]).mean() > 0.95


def test_readers_like_their_topic_even_where_nobody_has_read_it(bundle):
    unread = np.arange(55, 60)
    scores = bundle.factors.visitors @ bundle.factors.articles[unread].T
    agree = (np.arange(30) % 3)[:, None] == unread % 3
    assert scores[agree].min() > scores[~agree].max()


def test_what_happens_later_changes_nothing(sample):
    half = NOW - 4_500
    early = fit(sample.articles, sample.visitors, sample.interactions.before(half), RECIPE, half)
    late = fit(sample.articles, sample.visitors, sample.interactions, RECIPE, half)
    np.testing.assert_array_equal(early.factors.visitors, late.factors.visitors)
    np.testing.assert_array_equal(early.reads.rows, late.reads.rows)
    np.testing.assert_array_equal(early.trends.counts(NOW), late.trends.counts(NOW))


def test_impressions_are_no_reads(sample):
    shown = events((0, 1, Kind.IMPRESSION, NOW - 9), (0, 2, Kind.CLICK, NOW - 8))
    made = fit(sample.articles, sample.visitors, shown, RECIPE, NOW)
    assert made.reads.of(0).tolist() == [2]
    assert np.flatnonzero(made.trends.counts(NOW)[0]).tolist() == [2]


ARTICLE = Article("s", "k", "https://s.example/k", "A title of some words", NOW)
BLANK = Article("s", "b", "https://s.example/b", "", -86_400 * 400, expires=NEVER)
COPY = dataclasses.replace(ARTICLE, site="t", body="the same words of a wire story " * 4)


@pytest.mark.parametrize(
    ("articles", "readers", "interactions"),
    [
        ([], [], events()),
        ([], ["ann"], events()),
        ([ARTICLE], [], events()),
        ([BLANK], [], events()),
        ([ARTICLE], ["ann"], events((0, 0, Kind.READ, NOW - 5))),
        ([ARTICLE, BLANK, COPY], ["ann"], events((0, 0, Kind.READ, 5), (0, 1, Kind.CLICK, 6))),
        ([ARTICLE, BLANK], [], events((-1, 0, Kind.CLICK, NOW - 5), (-1, 1, Kind.CLICK, NOW - 4))),
        ([BLANK, dataclasses.replace(BLANK, key="c")], ["ann"], events((0, 0, Kind.IMPRESSION, 1))),
        ([dataclasses.replace(ARTICLE, title="word " * 20_000)], [], events()),
        ([dataclasses.replace(ARTICLE, title="\x00<b>\x1b京都")], [], events()),
        ([dataclasses.replace(ARTICLE, published=2**40)], [], events()),
    ],
    ids=[
        "nothing",
        "a reader only",
        "one article",
        "one blank article",
        "one read",
        "one reader",
        "anonymous",
        "impressions only",
        "a huge title",
        "control characters",
        "a far future",
    ],
)
def test_however_little_there_is_it_makes_a_sound_bundle(articles, readers, interactions, tmp_path):
    made = fit(articles, Vocabulary(readers), interactions, Recipe(), NOW)
    opened = open_bundle(write(made, tmp_path))
    verify(tmp_path / opened.id)
    probe(opened)
    assert len(opened.catalogue) == len(articles)
    assert opened.vectors.shape == (len(articles), 64)
    assert opened.factors.visitors.shape == (len(readers), 64)
    assert [opened.card(row).title for row in range(len(articles))] == [a.title for a in articles]


def test_copies_on_two_sites_are_one_story():
    body = "The ferry to the island will run every hour from the first of May. " * 3
    articles = [
        dataclasses.replace(ARTICLE, key=f"{n}", body=f"{n} {n} {n} own words") for n in "ab"
    ]
    articles += [dataclasses.replace(ARTICLE, site=site, body=body) for site in "xy"]
    made = fit(articles, Vocabulary(), events(), RECIPE, NOW)
    assert made.catalogue.story.tolist() == [0, 1, 2, 2]


def test_the_bundle_says_where_it_comes_from(sample):
    mark = {"article_revision": 3, "event_seq": 9}
    made = fit(sample.articles, sample.visitors, sample.interactions, RECIPE, NOW, mark=mark)
    assert made.manifest.mark == mark
    assert made.manifest.metrics == {"events": 300.0, "opens": 300.0}


READS = st.lists(
    st.tuples(st.integers(-1, 3), st.integers(0, 4), st.integers(0, 9)), max_size=40
).map(lambda rows: sorted(rows, key=lambda row: row[2]))


@given(READS)
def test_reads_are_each_readers_articles_by_their_last_opening(rows):
    reads = reads_of(events(*((v, a, Kind.CLICK, at) for v, a, at in rows)), 4, 5)
    for visitor in range(4):
        expected: list[int] = []
        for v, a, _ in rows:
            if v == visitor:
                expected = [*(x for x in expected if x != a), a]
        assert reads.of(visitor).tolist() == expected

"""A learned ranking corrects the fusion of sources, and where it cannot be had, fusion ranks."""

import builtins
import dataclasses
import itertools
import json
import sys

import lightgbm
import numpy as np
import pytest

from recsys.bundle import Bundle, open_bundle, write
from recsys.engine import Engine
from recsys.errors import BundleCorrupt
from recsys.features import FEATURES, GROUPS
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy
from recsys.ranker import FACTS, TREES, UNHEARD, Ranker
from recsys.tables import Interactions
from recsys.types import Article, ArticleId, Kind, Query
from training.fit import fit
from training.recipe import Recipe

HOUR = 3600
NOW = 1_760_000_000
PLAIN = Policy(other_sites_min=0.0, max_per_site=1.0, diversity=0.0, exploration=0.0)
ARTICLES = [
    Article(
        f"site{n % 2}",
        f"a{n}",
        f"https://site{n % 2}.example/{n}",
        f"Title {n}",
        NOW - (30 - n) * HOUR,
        body=" ".join(f"{topic}{w * w % (41 + n)}" for w in range(60)),
        section=topic,
    )
    for n, topic in ((n, ("tea", "rail")[n // 2 % 2]) for n in range(24))
]
PAGE = Query("site0", NOW, ARTICLES[0].id, "reader-1", n=8, context=("device:phone",), seed=3)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    rng = np.random.default_rng(2)
    visits = [rng.choice(24, 3, replace=False) for _ in range(40)]
    rows = [
        (NOW - 9000 + 200 * v + 20 * s, v % 20, v, a)
        for v, trail in enumerate(visits)
        for s, a in enumerate(trail)
    ]
    at, visitor, session, article = np.array(sorted(rows)).T
    events = Interactions(
        visitor=visitor.astype(np.int32),
        session=session.astype(np.int32),
        article=article.astype(np.int32),
        kind=np.full(len(at), Kind.CLICK, np.int8),
        at=at.astype(np.int64),
        value=np.zeros(len(at), np.float32),
        slate=np.full(len(at), -1, np.int32),
    )
    readers = Vocabulary(f"reader-{n}" for n in range(20))
    return fit(ARTICLES, readers, events, Recipe(dims=8, factors=8, neighbours=10), NOW)


def trees(table: np.ndarray, wanted: np.ndarray, **settings: object) -> lightgbm.Booster:
    names = [name.replace(" ", "_") for name in FEATURES]
    data = lightgbm.Dataset(table, wanted, feature_name=names)
    chosen = {"objective": "regression", "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(chosen | settings, data, 30)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    """One that holds the age of an article to be everything: the older, the better."""
    table = np.random.default_rng(1).random((4000, len(FEATURES))).astype(np.float32)
    age = FEATURES.index("age")
    table[:, age] = table[:, age] * 12
    return Ranker.of(trees(table, 60 * table[:, age]), FEATURES, ("phone", "tablet"))


def engine(bundle: Bundle, ranker: Ranker | None = None) -> Engine:
    live = Live(bundle)
    live.refresh(NOW)
    return Engine(dataclasses.replace(bundle, ranker=ranker), live, PLAIN)


def shown(engine: Engine, query: Query = PAGE) -> list[ArticleId]:
    return [item.article for item in engine.recommend(query).items]


def published(id: ArticleId) -> int:
    return next(a.published for a in ARTICLES if a.id == id)


def test_each_feature_has_one_group():
    assert len(set(FEATURES)) == len(FEATURES) == sum(map(len, GROUPS.values()))


def test_a_slate_is_in_the_order_that_was_learned(bundle, ranker):
    by_fusion, by_ranker = shown(engine(bundle)), shown(engine(bundle, ranker))
    assert by_fusion != by_ranker
    ages = [np.log1p(NOW - published(id)) for id in by_ranker]
    assert all(later < earlier + 0.5 for earlier, later in itertools.pairwise(ages))


def test_what_may_not_be_shown_stays_hidden_however_it_ranks(bundle, ranker):
    made = engine(bundle, ranker)
    best = shown(made)[0]
    made.live.withdraw([best])
    made.live.refresh(NOW)
    assert best not in shown(made)
    assert ARTICLES[0].id not in shown(made)


def test_a_slate_is_filled_with_a_ranker_too(bundle, ranker):
    query = dataclasses.replace(PAGE, n=20, visitor="", context=())
    assert len(shown(engine(bundle, ranker), query)) == len(shown(engine(bundle), query)) == 20


@pytest.mark.parametrize(
    "query",
    [Query("", NOW, n=5), Query("site0", NOW, n=5), Query("nowhere", NOW, visitor="new", n=5)],
)
def test_a_page_that_tells_nothing_is_answered(bundle, ranker, query):
    assert len(shown(engine(bundle, ranker), query)) == 5


def test_features_of_another_time_leave_the_ranking_to_fusion(bundle, ranker):
    stale = engine(bundle, dataclasses.replace(ranker, features=(*FEATURES[1:], "moon")))
    assert shown(stale) == shown(engine(bundle))
    assert any("other features" in note for note in stale.recommend(PAGE).notes)
    assert not engine(bundle, ranker).recommend(PAGE).notes


def test_a_system_that_cannot_load_lightgbm_ranks_all_the_same(
    tmp_path, bundle, ranker, monkeypatch
):
    folder = write(dataclasses.replace(bundle, ranker=ranker), tmp_path)
    # As ctypes fails on a machine without libgomp1.
    monkeypatch.delitem(sys.modules, "lightgbm")
    monkeypatch.setattr("builtins.__import__", _without_openmp(builtins.__import__))
    opened = open_bundle(folder)
    live = Live(opened)
    live.refresh(NOW)
    assert shown(Engine(opened, live, PLAIN)) == shown(engine(bundle, ranker))


def _without_openmp(load):
    def broken(name, *rest, **more):
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return load(name, *rest, **more)

    return broken


def test_given_articles_are_described_however_far_down_sources_list_them(bundle):
    made = dataclasses.replace(engine(bundle), depth=1)
    proposed, _ = made.describe(PAGE)
    wanted = np.arange(24, dtype=np.int32)[::-1]
    rows, table = made.describe(PAGE, (), wanted)
    assert rows is wanted
    assert np.count_nonzero(~np.isnan(table[:, FEATURES.index("fusion rank")])) > len(proposed)
    ages = np.log1p(NOW - bundle.catalogue.published[wanted])
    assert table[:, FEATURES.index("age")] == pytest.approx(ages)


def test_features_say_what_their_names_say(bundle):
    made = engine(bundle)
    rows, table = made.describe(PAGE, devices=("tablet", "phone"))
    told = dict(zip(FEATURES, table.T, strict=True))
    assert table.shape == (len(rows), len(FEATURES))
    assert table.dtype == np.float32
    situation, proposals = made.consider(PAGE)
    catalogue = bundle.catalogue
    for place, row in enumerate(rows.tolist()):
        assert told["fusion rank"][place] == place
        assert told["age"][place] == pytest.approx(np.log1p(NOW - catalogue.published[row]))
        assert told["same site"][place] == (catalogue.site[row] == catalogue.site[0])
        assert told["same section"][place] == (catalogue.section[row] == catalogue.section[0])
        likeness = float(bundle.vectors[row] @ bundle.vectors[0])
        assert told["likeness to page"][place] == pytest.approx(likeness, abs=1e-6)
        taste = float(bundle.factors.articles[row] @ situation.taste)
        assert told["taste"][place] == pytest.approx(taste, abs=1e-5)
        seen = catalogue.section[situation.opened]
        affinity = np.sum(seen == catalogue.section[row]) / (len(seen) + 1)
        assert told["section affinity"][place] == pytest.approx(affinity)
        for proposal in proposals:
            listed = np.flatnonzero(proposal.rows == row)
            rank = told[f"{proposal.source} rank"][place]
            assert rank == listed[0] if len(listed) else np.isnan(rank)
        after, counts = made.live.coread.row(situation.trail[-1], NOW)
        heard = counts[0][after == row].sum()
        assert told["next after 1 fast"][place] == pytest.approx(np.log1p(heard), abs=1e-6)
    assert set(told["device"]) == {1.0}
    assert set(told["hour"]) == {float(NOW // 3600 % 24)}


def test_what_is_unknown_is_no_number(bundle):
    _, table = engine(bundle).describe(Query("", NOW))
    told = dict(zip(FEATURES, table.T, strict=True))
    for name in ("taste", "device", "page age", "likeness to page", "next after 1 fast"):
        assert np.isnan(told[name]).all()
    assert not np.isnan(told["share now"]).any()


def test_chances_sum_to_one_and_follow_fusion_where_trees_say_nothing(ranker):
    table = np.full((4, len(FEATURES)), np.nan, np.float32)
    offset = FEATURES.index("fusion score")
    table[:3, offset] = np.log([0.1, 0.4, 0.2])
    chances = ranker.probabilities(table)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[:3] / chances[1] == pytest.approx([0.25, 1.0, 0.5], rel=1e-5)
    assert chances[3] / chances[1] == pytest.approx(np.exp(UNHEARD) / 0.4, rel=1e-4)
    assert ranker.probabilities(table[:0]).shape == (0,)


def test_a_bundle_keeps_its_ranker(tmp_path, bundle, ranker):
    opened = open_bundle(write(dataclasses.replace(bundle, ranker=ranker), tmp_path))
    assert opened.ranker.features == FEATURES
    assert opened.ranker.devices == ("phone", "tablet")
    table = np.random.default_rng(4).random((9, len(FEATURES))).astype(np.float32)
    assert opened.ranker.probabilities(table) == pytest.approx(ranker.probabilities(table))
    assert open_bundle(write(bundle, tmp_path)).ranker is None


@pytest.mark.parametrize(
    ("file", "content"),
    [(FACTS, "{"), (FACTS, json.dumps({"features": ["age"], "devices": []})), (FACTS, "[]")],
)
def test_a_ranker_that_cannot_be_read_is_refused(tmp_path, ranker, file, content):
    ranker.save(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(BundleCorrupt, match="ranker"):
        Ranker.load(tmp_path)


def test_a_ranker_without_its_trees_is_refused(tmp_path, ranker):
    ranker.save(tmp_path)
    (tmp_path / TREES).unlink()
    with pytest.raises(BundleCorrupt, match="ranker"):
        Ranker.load(tmp_path)

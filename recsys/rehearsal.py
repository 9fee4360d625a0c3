"""Asks a handful of articles all kinds of questions, so that no page waits for a compiler.

What it compiles is kept (see ``compiled``): images run it once when they are built.
"""

import dataclasses

import numpy as np

from recsys import coread
from recsys.bundle import Bundle, Reads, cards_of
from recsys.engine import Engine
from recsys.factors import Factors
from recsys.features import FEATURES
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.policy import Policy, Sponsored
from recsys.ranker import Ranker
from recsys.tables import Catalogue, Interactions
from recsys.trees import Trees
from recsys.trending import fit as trends_of
from recsys.types import Article, Event, Kind, Query

NOW, COUNT = 1_700_000_000, 12
TREES = "\n".join(
    (
        "tree\nversion=v4\nnum_class=1",
        f"max_feature_idx={len(FEATURES) - 1}",
        "tree_sizes=1",
        "\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=-1.0\ndecision_type=10",
        "left_child=-1\nright_child=-2\nleaf_value=0.0 0.1\nis_linear=0\n",
    )
)
"""One tree, as LightGBM writes it."""


def rehearse() -> int:
    """Return how many answers were given: with and without a ranker, a reader, a visit, trials."""
    bundle, given = _bundle(), 0
    policy = Policy(exploration=0.5, sponsored=Sponsored(slots=(2,)))
    for ranker in (None, Ranker(Trees.parse(TREES), FEATURES)):
        live = Live(dataclasses.replace(bundle, ranker=ranker))
        live.refresh(NOW)
        fresh = [_article(COUNT, NOW - 60), _article(COUNT + 1, NOW - 30)]
        live.add(fresh)
        for step, article in enumerate([*_articles()[:3], *fresh]):
            live.observe(
                [
                    Event("", Kind.IMPRESSION, article.id, NOW, slate="s"),
                    Event("", Kind.READ, article.id, NOW + step, "r", "v", context=("a:b",)),
                ]
            )
        live.refresh(NOW + 10)
        engine = Engine(live.bundle, live, policy)
        for page in (_articles()[1].id, fresh[0].id, None):
            for visitor in ("", "r", "reader"):
                for seed in range(8):
                    history = tuple(a.id for a in _articles()[:seed])
                    query = Query("a", NOW + 10, page, visitor, history, 4, ("a:b",), seed)
                    engine.recommend(query)
                    given += 1
        engine.explain(query)
        engine.scores(query, np.arange(3, dtype=np.int32))
    return given


def _article(number: int, published: int) -> Article:
    site, paid = "ab"[number % 2], number == 5
    return Article(site, f"k{number}", f"/{number}", "", published, "", "s", sponsored=paid)


def _articles() -> list[Article]:
    return [_article(number, NOW - 3600 * number) for number in range(COUNT)]


def _bundle() -> Bundle:
    """Return a bundle of a few articles, in memory, that one reader has opened."""
    rng, empty, many = np.random.default_rng(0), Bundle.empty(), 20
    vectors = rng.normal(size=(COUNT, empty.vectors.shape[1])).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    near = np.argsort(-vectors @ vectors.T, axis=1)[:, 1:6].astype(np.int32)
    articles = np.arange(many, dtype=np.int32) % COUNT
    one = np.zeros(many, np.int32)
    events = Interactions(
        visitor=one,
        session=one,
        article=articles,
        kind=np.full(many, Kind.READ, np.int8),
        at=np.arange(NOW - many, NOW, dtype=np.int64),
        value=np.zeros(many, np.float32),
        slate=one - 1,
    )
    tastes = rng.normal(size=(COUNT, empty.factors.articles.shape[1])).astype(np.float32)
    return dataclasses.replace(
        empty,
        catalogue=Catalogue.of(_articles()),
        cards=cards_of(_articles()),
        visitors=Vocabulary(["reader"]),
        vectors=vectors,
        signatures=np.zeros((COUNT, empty.signatures.shape[1]), np.uint32),
        factors=Factors(tastes[:1], tastes, tastes.T @ tastes),
        related=near,
        related_scores=np.sort(rng.random(near.shape).astype(np.float32))[:, ::-1].copy(),
        reads=Reads(np.array([0, many // 2]), articles[: many // 2]),
        trends=trends_of(events, COUNT, NOW),
        coread=coread.fit(events, COUNT, now=NOW),
        judged=np.zeros(COUNT, np.int8),
    )


if __name__ == "__main__":
    rehearse()

"""Fits LensKit's own models, and asks them by queries whose history is the visit so far."""

from functools import cache

import numpy as np
import pandas as pd
from lenskit import recommend
from lenskit.als import ImplicitMFScorer
from lenskit.data import DatasetBuilder, ItemList, RecQuery
from lenskit.knn import EASEScorer, ItemKNNScorer, SLIMScorer, UserKNNScorer
from lenskit.parallel import initialize
from lenskit.pipeline import Component, topn_pipeline
from lenskit.training import TrainingOptions

from recsys.arrays import Int32
from recsys.replay import Ask
from training.peers.past import Openings
from training.peers.peer import Model, basis


def item_knn(openings: Openings, seed: int, *, neighbours: int = 100, scored_by: int = 20) -> Model:
    """Link articles by the cosine of the visits that opened them (Deshpande and Karypis, 2004)."""
    scorer = ItemKNNScorer(feedback="implicit", max_nbrs=scored_by, save_nbrs=neighbours)
    return _fitted(scorer, openings, seed)


def user_knn(openings: Openings, seed: int, *, neighbours: int = 100) -> Model:
    """Let the visits that are most alike vote."""
    return _fitted(UserKNNScorer(feedback="implicit", max_nbrs=neighbours), openings, seed)


def slim(openings: Openings, seed: int, *, l1: float = 1.0, l2: float = 1.0) -> Model:
    """Learn sparse links between articles (Ning and Karypis, 2011)."""
    return _fitted(SLIMScorer(l1_reg=l1, l2_reg=l2, max_iters=20), openings, seed)


def ease(openings: Openings, seed: int, *, regularization: float = 50.0) -> Model:
    """Learn dense links between articles in closed form (Steck, 2019)."""
    return _fitted(EASEScorer(regularization=regularization), openings, seed)


def implicit_mf(
    openings: Openings,
    seed: int,
    *,
    factors: int = 16,
    regularization: float = 0.1,
    weight: float = 40.0,
) -> Model:
    """Factorise visits × articles (Hu, Koren and Volinsky, 2008); the visit so far is folded in."""
    scorer = ImplicitMFScorer(
        embedding_size=factors, epochs=10, regularization=regularization, weight=weight
    )
    return _fitted(scorer, openings, seed)


def _fitted(scorer: Component, openings: Openings, seed: int) -> Model:
    _one_thread()
    table = openings.by_visit()
    visit, column = table.matrix.nonzero()
    builder = DatasetBuilder()
    builder.add_interactions(
        "opening",
        pd.DataFrame({"user_id": visit, "item_id": table.articles[column]}),
        entities=["user", "item"],
        missing="insert",
        default=True,
    )
    pipeline = topn_pipeline(scorer)
    pipeline.train(builder.build(), TrainingOptions(rng=seed))

    def answer(ask: Ask, n: int) -> Int32:
        known = table.articles[table.columns(basis(ask))]
        if not len(known):
            return known
        found = recommend(pipeline, RecQuery(history_items=ItemList(item_ids=known)), n)
        return found.ids().astype(np.int32)

    return answer


@cache
def _one_thread() -> None:
    # LensKit settles this once for the whole process, by itself if nobody does it before.
    initialize(processes=1, threads=1, backend_threads=1)

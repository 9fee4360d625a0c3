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

NEIGHBOURS = 100
FACTORS = 64


def item_knn(openings: Openings, seed: int) -> Model:
    """Link articles by the cosine of the visits that opened them (Deshpande and Karypis, 2004)."""
    scorer = ItemKNNScorer(feedback="implicit", max_nbrs=20, save_nbrs=NEIGHBOURS)
    return _fitted(scorer, openings, seed)


def user_knn(openings: Openings, seed: int) -> Model:
    """Let the visits that are most alike vote."""
    return _fitted(UserKNNScorer(feedback="implicit", max_nbrs=NEIGHBOURS), openings, seed)


def slim(openings: Openings, seed: int) -> Model:
    """Learn sparse links between articles (Ning and Karypis, 2011)."""
    return _fitted(SLIMScorer(l1_reg=1.0, l2_reg=1.0, max_iters=20), openings, seed)


def ease(openings: Openings, seed: int) -> Model:
    """Learn dense links between articles in closed form (Steck, 2019)."""
    return _fitted(EASEScorer(regularization=50.0), openings, seed)


def implicit_mf(openings: Openings, seed: int) -> Model:
    """Factorise visits × articles (Hu, Koren and Volinsky, 2008); the visit so far is folded in."""
    return _fitted(ImplicitMFScorer(embedding_size=FACTORS, epochs=10), openings, seed)


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

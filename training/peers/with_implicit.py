"""Fits the models of ``implicit``, and asks them about readers in the middle of a visit."""

import warnings

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, ItemItemRecommender
from implicit.utils import ParameterWarning
from scipy import sparse

from recsys.arrays import Int32
from recsys.replay import Ask
from recsys.top import top
from training.peers.past import Openings, Table
from training.peers.peer import Model, basis


def als(
    openings: Openings,
    seed: int,
    *,
    factors: int = 16,
    regularization: float = 0.05,
    alpha: float = 40.0,
    iterations: int = 15,
) -> Model:
    """Factorise readers × articles; a visit is folded in as a reader.

    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets.
    """
    table = openings.by_reader()
    model = AlternatingLeastSquares(
        factors,
        regularization=regularization,
        alpha=alpha,
        iterations=iterations,
        num_threads=1,
        random_state=seed,
    )
    model.fit(table.matrix, show_progress=False)

    def answer(ask: Ask, n: int) -> Int32:
        line = _line(table, ask)
        # Asked for its own ``recommend``, it would fill up with articles at -3.4e38 and row 0.
        scores = model.item_factors @ model.recalculate_user(0, line)
        return table.articles[top(scores, n)] if line.nnz else table.articles[:0]

    return answer


def bpr(
    openings: Openings,
    seed: int,
    *,
    factors: int = 16,
    learning_rate: float = 0.01,
    regularization: float = 0.01,
    iterations: int = 100,
    pull: float = 1.0,
) -> Model:
    """Factorise readers × articles by pairs; it cannot fold in, so similar articles are shown.

    Rendle et al. (2009), BPR: Bayesian personalized ranking from implicit feedback. Articles are
    ranked by the sum of their cosines to the visit's, as ``similar_items`` has them.
    """
    table = openings.by_reader()
    model = BayesianPersonalizedRanking(
        factors,
        learning_rate=learning_rate,
        regularization=regularization,
        iterations=iterations,
        num_threads=1,
        random_state=seed,
    )
    model.fit(table.matrix, show_progress=False)
    item, bias = model.item_factors[:, :-1], model.item_factors[:, -1]
    item = item - item.mean(axis=0)

    def answer(ask: Ask, n: int) -> Int32:
        columns = table.columns(basis(ask))
        if pull < 0:
            d = model.item_factors / model.item_norms[:, None]
            scores = d @ d[columns].sum(axis=0)
        else:
            scores = bias + pull * (item @ item[columns].sum(axis=0))
        return table.articles[top(scores, n)] if len(columns) else table.articles[:0]

    return answer


def bm25(
    openings: Openings, seed: int, *, neighbours: int = 100, k1: float = 1.2, b: float = 0.75
) -> Model:
    """Link articles that the same visits opened, weighted by BM25."""
    return _item_item(BM25Recommender(neighbours, K1=k1, B=b, num_threads=1), openings)


def cosine(openings: Openings, seed: int, *, neighbours: int = 100) -> Model:
    """Link articles that the same visits opened, by cosine."""
    return _item_item(CosineRecommender(neighbours, num_threads=1), openings)


def _item_item(model: ItemItemRecommender, openings: Openings) -> Model:
    table = openings.by_visit()
    with warnings.catch_warnings():
        # It warns of a conversion of its own.
        warnings.simplefilter("ignore", ParameterWarning)
        model.fit(table.matrix, show_progress=False)

    def answer(ask: Ask, n: int) -> Int32:
        linked = _line(table, ask) @ model.similarity
        linked.sort_indices()
        return table.articles[linked.indices[top(linked.data, n)]]

    return answer


def _line(table: Table, ask: Ask) -> sparse.csr_matrix:
    """Return f32[1, a]: what the reader of a question would be in a table."""
    columns = np.sort(table.columns(basis(ask)))
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, columns, [0, len(columns)]), (1, len(table.articles)))

"""Fits RecTools' own models, and asks them about a reader whose history is the visit so far."""

import numpy as np
import pandas as pd
from implicit.nearest_neighbours import TFIDFRecommender
from rectools import Columns
from rectools.dataset import Dataset, IdMap, Interactions
from rectools.models import EASEModel, ImplicitItemKNNWrapperModel, PopularModel
from rectools.models.base import ModelBase

from recsys.arrays import Int32, Int64
from recsys.replay import Ask
from training.peers.past import Openings
from training.peers.peer import Model, basis

READER = np.zeros(1, np.int64)


def item_knn(openings: Openings, seed: int, *, neighbours: int = 100) -> Model:
    """Link articles that the same visits opened, weighted by TF-IDF."""
    neighbours = TFIDFRecommender(neighbours, num_threads=1)
    return _fitted(ImplicitItemKNNWrapperModel(neighbours), openings)


def ease(
    openings: Openings, seed: int, *, regularization: float = 500.0, articles: int = 1500
) -> Model:
    """Learn dense links between the most opened ``articles`` in closed form (Steck, 2019).

    It copies all of its links for each answer, 4 bytes for each pair of articles.
    """
    model = EASEModel(regularization=regularization, recommend_n_threads=1)
    return _fitted(model, openings.of_most_opened(articles))


def popular(openings: Openings, seed: int) -> Model:
    """Rank by visits."""
    return _fitted(PopularModel(), openings)


def _fitted(model: ModelBase, openings: Openings) -> Model:
    table = openings.by_visit()
    width = len(table.articles)
    visit, column = table.matrix.nonzero()
    model.fit(_dataset(visit, column, width))

    def answer(ask: Ask, n: int) -> Int32:
        columns = table.columns(basis(ask))
        if not len(columns):
            return columns
        # The second reader opened the last article, or the matrix would end before it.
        reader = np.append(np.zeros(len(columns), np.int64), 1)
        now = _dataset(reader, np.append(columns, width - 1), width)
        found = model.recommend(READER, now, k=n, filter_viewed=False)
        return table.articles[found[Columns.Item].to_numpy()]

    return answer


def _dataset(reader: Int64, column: Int64, width: int) -> Dataset:
    frame = pd.DataFrame(
        {
            Columns.User: reader.astype(np.int64),
            Columns.Item: column.astype(np.int64),
            Columns.Weight: 1.0,
            Columns.Datetime: pd.Timestamp(0),
        }
    )
    return Dataset(
        user_id_map=IdMap.from_values(np.arange(reader.max() + 1)),
        item_id_map=IdMap.from_values(np.arange(width)),
        interactions=Interactions(frame),
    )

"""Decides what the sample network's readers do next, from what is true of them."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from data.sample import truth
from data.sample.traffic import BIAS
from data.sample.truth import Truth
from recsys.arrays import Float64, Int64
from recsys.errors import DataError
from recsys.types import ArticleId

FRESH = 86_400.0
"""Seconds after which an article draws half as many arrivals."""
BASE, SLOPE = -2.1, 4.0
"""Log odds of a click in the first slot: without, and for each unit of, true affinity."""


@dataclass(frozen=True, slots=True, eq=False)
class Audience:
    """The readers of a generated network, its V readers and A articles in the truth's order."""

    truth: Truth
    articles: tuple[ArticleId, ...]
    rows: dict[ArticleId, int]
    published: Int64
    """int64[A], UTC seconds."""
    consent: tuple[bool, ...]
    arrivals: Float64
    """f64[V]: cumulative share of visits that each reader makes."""

    def arrives(self, draw: random.Random) -> int:
        """Return the row of the reader who comes next; active ones come more often."""
        return int(np.searchsorted(self.arrivals, draw.random() * self.arrivals[-1]))

    def lands_on(self, reader: int, now: int, draw: random.Random) -> int:
        """Return the row of the article that a visit begins with: new, and to their taste."""
        age = now - self.published
        rows = np.flatnonzero(age >= 0)
        liking = self.truth.affinity(np.full(len(rows), reader), rows)
        appeal = np.cumsum(np.exp2(-age[rows] / FRESH) * (0.05 + liking))
        return int(rows[np.searchsorted(appeal, draw.random() * appeal[-1])])

    def examines(self, slots: int, draw: random.Random) -> list[int]:
        """Return the slots of a box that a reader looks at, by the true position bias."""
        return [slot for slot in range(slots) if draw.random() < bias(slot)]

    def clicks(self, reader: int, row: int, draw: random.Random) -> bool:
        """Return whether a reader opens a card that was looked at; it leads to an article's row."""
        liking = float(self.truth.affinity(np.array([reader]), np.array([row]))[0])
        return draw.random() < 1.0 / (1.0 + np.exp(-(BASE + SLOPE * liking)))

    def row(self, article: ArticleId) -> int:
        """Return the row of an article, -1 where it is not of the network."""
        return self.rows.get(article, -1)


def bias(slot: int) -> float:
    """Return the probability that a slot is examined; beyond the sixth as the sixth."""
    return float(BIAS[min(slot, len(BIAS) - 1)])


def load(network: Path) -> Audience:
    """Read the audience of the network that ``recsys sample generate`` wrote into a directory.

    Raises ``DataError`` where there is none.
    """
    try:
        known = truth.load(network / "truth")
        columns = ["site", "key", "published"]
        table = pq.read_table(network / "articles.parquet", columns=columns)
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(
            f"{network} holds no sample network: {error}; make one with: recsys demo"
        ) from error
    ids = zip(table["site"].to_pylist(), table["key"].to_pylist(), strict=True)
    published = dict(zip((ArticleId(*id) for id in ids), _seconds(table), strict=True))
    rows = known.article_rows()
    articles = tuple(rows)
    return Audience(
        truth=known,
        articles=articles,
        rows=rows,
        published=np.array([published[article] for article in articles], np.int64),
        consent=tuple(known.readers["consent"].to_pylist()),
        arrivals=np.cumsum(known.readers["activity"].to_numpy(), dtype=np.float64),
    )


def _seconds(table: object) -> list[int]:
    column = table["published"]  # type: ignore[index]
    return [
        int(value.timestamp()) if hasattr(value, "timestamp") else int(value)
        for value in column.to_pylist()
    ]

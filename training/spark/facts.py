"""Numbers articles and readers as one machine would, so that bundles agree row by row."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from data.store import Mark, Snapshot
from recsys.arrays import Int32
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article, Tone
from training.spark.sources import ARTICLES, Source

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

MOST_EVENTS = 2_000_000
"""Events of the sample that the driver replays, about."""
MOST_ARTICLES = 200_000
"""Articles of that sample, the newest ones."""
TASK = 500
"""Articles at least that are worth a task of their own."""
FINE = 1_000_000
"""Parts of the readers, of which a sample takes some."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What was known before a moment: numbers at the driver, events and texts on the cluster."""

    articles: list[Article]
    """In order of publication, then of site and key; without their bodies."""
    visitors: Vocabulary
    """In order of first sight."""
    texts: "DataFrame"
    """``row``, ``title``, ``body``, ``section`` and ``tags`` of each article."""
    events: "DataFrame"
    """``visitor`` (-1 where unknown) and ``article`` are rows; else the columns of the store."""
    count: int
    """Events."""
    mark: Mark

    def sample(
        self, until: int, events: int = MOST_EVENTS, articles: int = MOST_ARTICLES
    ) -> Snapshot:
        """Return what about so many ``events`` say, of readers drawn by hash, whole readers each.

        It is all there is where that is no more, in the order and with the numbers of the store's
        own snapshot. Of more than ``articles`` the newest are known, with the events on these.
        """
        from pyspark.sql import functions as F

        found, share = self.events, min(1.0, events / max(self.count, 1))
        first = max(0, len(self.articles) - articles)
        if share < 1.0:
            drawn = F.pmod(F.xxhash64(reader()), F.lit(FINE)) < int(share * FINE)
            found = found.where(drawn)
        if first:
            found = found.where(F.col("article") >= first)
        table = found.orderBy("seq").toArrow()
        visitors, visitor = self.visitors, _ints(table["visitor"], np.int32)
        if share < 1.0 or first:
            there = np.unique(visitor[visitor >= 0])
            visitor = np.where(visitor >= 0, np.searchsorted(there, visitor), -1).astype(np.int32)
            visitors = Vocabulary(self.visitors[row] for row in there.tolist())
        at = _ints(table["at"], np.int64)
        order = np.argsort(at, kind="stable")
        columns = (
            visitor,
            _codes(table["session"]),
            _ints(table["article"], np.int32) - np.int32(first),
            _ints(table["kind"], np.int8),
            at,
            _ints(table["dwell"], np.float32),
            _codes(table["slate"]),
            _ints(table["position"], np.int16),
            _ints(table["propensity"], np.float32),
        )
        told = self.texts.where(F.col("row") >= first).orderBy("row").select("body").toArrow()
        known = [
            dataclasses.replace(article, body=body)
            for article, body in zip(self.articles[first:], told["body"].to_pylist(), strict=True)
        ]
        interactions = Interactions(*(column[order] for column in columns))
        return Snapshot(known, visitors, interactions, 0, self.mark, until)


def read(spark: "SparkSession", source: Source, until: int) -> Facts:
    """Return what ``source`` knew before ``until`` (UTC seconds).

    Three jobs: articles are ordered, readers are ordered by their first event, and events are
    joined with both and kept on the cluster.
    """
    from pyspark.sql import functions as F

    raw = source.frames(spark, until)
    about = [name for name in ARTICLES if name != "body"]
    table = raw.articles.select(*about).orderBy("published", "site", "key").toArrow()
    rows = pa.table(
        {
            "site": table["site"],
            "key": table["key"],
            "row": pa.array(np.arange(len(table), dtype=np.int32)),
        }
    )
    numbered = F.broadcast(spark.createDataFrame(rows))
    texts = (
        raw.articles.select("site", "key", "title", "body", "section", "tags")
        .join(numbered, ["site", "key"])
        .drop("site", "key")
        # Files are read by their size, and texts take long for theirs.
        .repartition(min(3 * spark.sparkContext.defaultParallelism, 1 + len(table) // TASK))
    )
    first = raw.events.where("visitor != ''").groupBy("visitor").agg(F.min("seq").alias("first"))
    names = first.orderBy("first").select("visitor").toArrow()["visitor"].combine_chunks()
    codes = pa.table({"visitor": names, "code": pa.array(np.arange(len(names), dtype=np.int32))})
    events = (
        raw.events.join(numbered, ["site", "key"])
        .join(spark.createDataFrame(codes), ["visitor"], "left")
        .select(
            "seq",
            F.coalesce("code", F.lit(-1)).cast("int").alias("visitor"),
            "session",
            F.col("row").alias("article"),
            F.col("kind").cast("int").alias("kind"),
            "at",
            F.col("dwell").cast("float").alias("dwell"),
            "slate",
            F.col("position").cast("int").alias("position"),
            F.col("propensity").cast("float").alias("propensity"),
        )
        .persist()
    )
    known = [_article(row) for row in table.to_pylist()]
    visitors = Vocabulary(names.to_pylist())
    return Facts(known, visitors, texts.persist(), events, events.count(), raw.mark)


def reader() -> "Column":
    """Return who an event is of: a reader, else a visit, else nobody but the event."""
    from pyspark.sql import functions as F

    return (
        F.when(F.col("visitor") >= 0, F.col("visitor").cast("string"))
        .when(F.col("session") != "", F.concat(F.lit("s"), F.col("session")))
        .otherwise(F.concat(F.lit("e"), F.col("seq").cast("string")))
    )


def _article(row: dict) -> Article:  # type: ignore[type-arg]
    row |= {"tags": tuple(row["tags"]), "authors": tuple(row["authors"]), "tone": Tone(row["tone"])}
    return Article(**row)


def _ints(column: pa.ChunkedArray, dtype: type[np.generic]) -> np.ndarray:
    return column.to_numpy().astype(dtype)


def _codes(column: pa.ChunkedArray) -> Int32:
    """Return int32[m]: the code of each name, in order of first sight; -1 for the empty one."""
    if not len(column):
        return np.empty(0, np.int32)
    coded = column.combine_chunks().dictionary_encode()
    named = np.array([name != "" for name in coded.dictionary.to_pylist()], np.bool_)
    code = np.where(named, np.cumsum(named) - 1, -1).astype(np.int32)
    return code[coded.indices.to_numpy()]

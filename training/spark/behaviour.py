"""What readers did, as Spark's jobs: visits, trends, what is read together, and tastes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from recsys.bundle import Reads
from recsys.coread import REACH, CoRead
from recsys.factors import Factors
from recsys.trending import LANDING, PARTS, Trends
from recsys.types import Kind
from recsys.visits import GAP
from recsys.weights import Weights
from training.spark.facts import reader

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """The openings of ``events``, as ``facts.Facts`` holds them, by visits."""

    events: "DataFrame"
    firsts: "DataFrame"
    """The first opening of each article in each visit, with ``visit`` (null where unknown) and
    ``place`` in it from 0, as ``recsys.visits.openings`` has them."""

    @classmethod
    def of(cls, events: "DataFrame") -> "Behaviour":
        """Split what was opened into visits; the result is kept on the cluster."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        time = ("at", "seq")
        opens = _openings(events).drop("kind", "dwell")
        named = opens.where("session != ''").withColumn("visit", F.concat(F.lit("s"), "session"))
        mine = Window.partitionBy("visitor").orderBy(*time)
        silent = F.col("at") - F.lag("at").over(mine) > GAP
        loose = (
            opens.where("session = '' AND visitor >= 0")
            .withColumn("starts", F.coalesce(silent, F.lit(True)).cast("int"))
            .withColumn(
                "visit", F.concat_ws(":", F.lit("v"), "visitor", F.sum("starts").over(mine))
            )
            .drop("starts")
        )
        again = Window.partitionBy("visit", "article").orderBy(*time)
        steps = Window.partitionBy("visit").orderBy(*time)
        known = (
            named.unionByName(loose)
            .withColumn("_nth", F.row_number().over(again))
            .where("_nth = 1")
            .drop("_nth")
            .withColumn("place", F.row_number().over(steps) - 1)
        )
        alone = opens.where("session = '' AND visitor < 0").withColumns(
            {"visit": F.lit(None).cast("string"), "place": F.lit(0)}
        )
        return cls(events, known.unionByName(alone).persist())

    def opens(self) -> int:
        """Return how many openings there are."""
        return _openings(self.events).count()

    def trends(self, size: int, now: int, half_lives: Sequence[float]) -> Trends:
        """Return what ``recsys.trending.fit`` does; one row for each article comes back."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        own = Window.partitionBy("reader", "article").orderBy("at", "seq")
        voices = (
            self.firsts.withColumn("reader", reader())
            .withColumn("_nth", F.row_number().over(own))
            .where("_nth = 1")
        )
        boxed = F.col("slate") != ""
        landed = F.when(F.col("place") == 0, LANDING).otherwise(1.0)
        seen = self.events.where(F.col("kind") == int(Kind.IMPRESSION))
        counted = {
            "voices": voices.where(~boxed).withColumn("weight", landed),
            "clicked": voices.where(boxed).withColumn("weight", F.lit(1.0)),
            "shown": seen.withColumn("weight", F.lit(1.0)),
        }
        trends = Trends(size, now, half_lives)
        arrays = trends.arrays()
        for part in PARTS:
            sums = [
                F.sum(F.col("weight") * F.exp(F.lit(math.log(2.0) / life) * (F.col("at") - now)))
                for life in half_lives
            ]
            table = (
                counted[part]
                .groupBy("article")
                .agg(*(total.alias(f"clock{clock}") for clock, total in enumerate(sums)))
                .toArrow()
            )
            rows = table["article"].to_numpy()
            for clock in range(len(half_lives)):
                arrays[f"{part}.mass"][clock, rows] = table[f"clock{clock}"].to_numpy()
        return Trends.of_arrays(arrays)

    def together(self, size: int, now: int, half_lives: Sequence[float], width: int) -> CoRead:
        """Return what ``recsys.coread.fit`` does; the ``width`` best of each article come back."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        steps = Window.partitionBy("visit").orderBy("at", "seq")
        ahead = [
            F.struct(
                F.lead("article", step).over(steps).alias("target"),
                F.lead("at", step).over(steps).alias("ended"),
                F.lit(1.0 / step).alias("weight"),
            )
            for step in range(1, REACH + 1)
        ]
        pairs = (
            self.firsts.where("visit IS NOT NULL")
            .select(F.col("article").alias("source"), F.array(*ahead).alias("ahead"))
            .select("source", F.explode("ahead").alias("next"))
            .select("source", "next.*")
            .where("target IS NOT NULL")
        )
        clocks = [f"clock{clock}" for clock in range(len(half_lives))]
        faded = [
            F.sum(F.col("weight") * F.pow(F.lit(2.0), (F.col("ended") - now) / F.lit(life)))
            for life in half_lives
        ]
        counts = pairs.groupBy("source", "target").agg(
            *(total.cast("float").alias(name) for name, total in zip(clocks, faded, strict=True))
        )
        total = reduce(add, map(F.col, clocks))
        best = Window.partitionBy("source").orderBy(total.desc(), "target")
        table = (
            counts.withColumn("rank", F.row_number().over(best))
            .where(F.col("rank") <= width)
            .orderBy("source", "rank")
            .toArrow()
        )
        return CoRead(
            np.searchsorted(table["source"].to_numpy(), np.arange(size + 1)),
            table["target"].to_numpy().astype(np.int32),
            np.stack([table[name].to_numpy().astype(np.float32) for name in clocks]),
            as_of=now,
            half_lives=half_lives,
            width=width,
        )

    def reads(self, visitors: int) -> Reads:
        """Return which articles each reader has opened; each pair comes back once."""
        from pyspark.sql import functions as F

        table = (
            _openings(self.events)
            .where("visitor >= 0")
            .groupBy("visitor", "article")
            .agg(F.max(F.struct("at", "seq")).alias("last"))
            .orderBy("visitor", "last")
            .select("visitor", "article")
            .toArrow()
        )
        start = np.searchsorted(table["visitor"].to_numpy(), np.arange(visitors + 1))
        return Reads(start, table["article"].to_numpy().astype(np.int32))


def _openings(events: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as F

    return events.where(F.col("kind") != int(Kind.IMPRESSION))


def ratings(events: "DataFrame", weights: Weights, now: int) -> "DataFrame":
    """Return what ``recsys.weights.confidence`` adds up to: ``visitor``, ``article``, ``weight``.

    Unknown readers are left out, and so is what counts nothing.
    """
    from pyspark.sql import functions as F

    each = F.element_at(F.array(*map(F.lit, weights.by_kind().tolist())), F.col("kind") + 1)
    timed = (F.col("kind") == int(Kind.READ)) & (F.col("dwell") > 0)
    whole = F.when(timed, F.least(F.col("dwell") / weights.dwell_full, F.lit(1.0))).otherwise(1.0)
    fading = F.pow(F.lit(2.0), (F.col("at") - now) / F.lit(weights.half_life))
    return (
        events.where("visitor >= 0")
        .select("visitor", "article", (each * whole * fading).cast("float").alias("weight"))
        .where("weight != 0")
        .groupBy("visitor", "article")
        .agg(F.sum("weight").cast("float").alias("weight"))
    )


def tastes(
    rated: "DataFrame",
    shape: tuple[int, int],
    *,
    factors: int,
    iterations: int,
    regularization: float,
    alpha: float,
    seed: int,
) -> tuple[Factors, np.ndarray, int]:
    """Return factors of V readers and A articles, int32[A] readers of each, and how many pairs.

    Hu, Koren and Volinsky (2008) by Spark's ALS, which solves each row whole and in blocks. It
    multiplies the regularisation by how many articles a reader has, and how many readers an article
    (Zhou et al., 2008), so it is handed what on average comes to ours.
    """
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import functions as F

    rated = rated.persist()
    counts = rated.groupBy("article").agg(F.count("*").alias("readers")).toArrow()
    support = np.zeros(shape[1], np.int32)
    support[counts["article"].to_numpy()] = counts["readers"].to_numpy()
    pairs = int(support.sum())
    readers, articles = (np.zeros((rows, factors), np.float32) for rows in shape)
    if pairs:
        there = rated.select("visitor").distinct().count() + int(np.count_nonzero(support))
        blocks = max(2, rated.sparkSession.sparkContext.defaultParallelism)
        als = ALS(
            rank=factors,
            maxIter=iterations,
            regParam=regularization * there / (2 * pairs),
            numUserBlocks=blocks,
            numItemBlocks=blocks,
            implicitPrefs=True,
            alpha=alpha,
            userCol="visitor",
            itemCol="article",
            ratingCol="weight",
            seed=seed,
        )
        model = als.fit(rated)
        _fill(readers, model.userFactors)
        _fill(articles, model.itemFactors)
    rated.unpersist()
    gram = articles.T @ articles
    return Factors(readers, articles, gram, alpha, regularization), support, pairs


def _fill(rows: np.ndarray, found: "DataFrame") -> None:
    table = found.toArrow()
    values = table["features"].combine_chunks().flatten().to_numpy()
    rows[table["id"].to_numpy()] = values.reshape(len(table), -1)

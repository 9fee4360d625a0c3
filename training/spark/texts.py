"""What articles say, as Spark's job: vectors, signatures and tones, text by text."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from recsys.arrays import Float32, Int8
from recsys.embed import SAMPLE, Embedder, TfidfSvd, text_of
from recsys.stories import WIDTH, Signatures, signatures
from recsys.tone import ToneModel, lead_of
from recsys.types import Article, ArticleId, Tone
from training.tone import fit_tone, sampled

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SHAPE = "struct<vector: binary, signature: binary, tone: tinyint>"


def embedder_of(texts: "DataFrame", count: int, dims: int, seed: int) -> TfidfSvd:
    """Return the embedder that one machine would learn from the same ``count`` articles.

    It learns from ``embed.SAMPLE`` texts at most, however many there are, so these come to the
    driver: what that takes does not grow.
    """
    from pyspark.sql import functions as F

    step = max(1, -(-count // SAMPLE))
    told = texts.where(F.col("row") % step == 0).orderBy("row").select("title", "body").toArrow()
    return TfidfSvd.fit([text_of(article) for article in _articles(told)], dims, seed)


def tone_of(
    texts: "DataFrame",
    articles: Sequence[Article],
    corrections: Mapping[ArticleId, Tone],
    seed: int,
) -> ToneModel:
    """Return the model of tones that one machine would learn; its examples come to the driver."""
    from pyspark.sql import functions as F

    tones = [corrections.get(article.id, article.tone) for article in articles]
    edited = np.array([article.id in corrections for article in articles], np.bool_)
    rows = np.array(sampled(tones, edited, seed), np.int32)
    wanted = texts.sparkSession.createDataFrame(pa.table({"row": rows}))
    told = texts.join(F.broadcast(wanted), ["row"]).select("row", "body").toArrow()
    known = list(articles)
    for row, body in zip(told["row"].to_pylist(), told["body"].to_pylist(), strict=True):
        known[row] = dataclasses.replace(known[row], body=body)
    return fit_tone(known, corrections, seed)


def describe(
    texts: "DataFrame", count: int, embedder: Embedder, tone: ToneModel
) -> tuple[Float32, Signatures, Int8]:
    """Return vectors f32[A, d], signatures uint32[A, w] and tones int8[A] of ``count`` articles.

    The models go to each executor once, and a text is read there and nowhere else.
    """
    from pyspark.sql import functions as F

    shared = texts.sparkSession.sparkContext.broadcast((embedder, tone))

    def judge(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        embedder, tone = shared.value
        for columns in batches:
            yield _described(columns, embedder, tone)

    # Annotations tell Spark which of its interfaces this is.
    judge.__annotations__ = {
        "batches": Iterator[tuple[pa.Array, ...]],
        "return": Iterator[pa.Array],
    }
    told = F.arrow_udf(judge, SHAPE)("title", "body", "section", "tags")
    table = texts.select("row", told.alias("told")).select("row", "told.*").toArrow()
    rows = table["row"].to_numpy()
    vectors = np.zeros((count, embedder.dims), np.float32)
    marks = np.zeros((count, WIDTH), np.uint32)
    judged = np.zeros(count, np.int8)
    if count:
        vectors[rows] = _matrix(table["vector"], np.float32)
        marks[rows] = _matrix(table["signature"], np.uint32)
        judged[rows] = table["tone"].to_numpy()
    shared.unpersist()
    return vectors, marks, judged


def _described(columns: tuple[pa.Array, ...], embedder: Embedder, tone: ToneModel) -> pa.Array:
    table = pa.table(list(columns), names=["title", "body", "section", "tags"])
    articles = _articles(table)
    texts = [text_of(article) for article in articles]
    vectors, marks = embedder.embed(texts), signatures(texts)
    judged = tone.judge([lead_of(article) for article in articles])
    return pa.StructArray.from_arrays(
        [
            pa.array([vector.tobytes() for vector in vectors], pa.binary()),
            pa.array([mark.tobytes() for mark in marks], pa.binary()),
            pa.array(judged, pa.int8()),
        ],
        names=["vector", "signature", "tone"],
    )


def _articles(table: pa.Table) -> list[Article]:
    """Return articles of which nothing is known but their words."""
    return [
        Article(
            "",
            "",
            "",
            row["title"],
            0,
            row["body"],
            row.get("section") or "",
            tuple(row.get("tags") or ()),
        )
        for row in table.to_pylist()
    ]


def _matrix(column: pa.ChunkedArray, dtype: type[np.generic]) -> np.ndarray:
    return np.frombuffer(b"".join(column.to_pylist()), dtype).reshape(len(column), -1)

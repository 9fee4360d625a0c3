"""Reads articles and events as Spark's frames: from a lake of Parquet, or from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from data import lake
from data.schema import events
from data.store import Mark, Store
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ARTICLES = (
    *("site", "key", "url", "title", "body", "section", "tags", "authors", "language"),
    *("published", "image", "sponsored", "tone", "expires"),
)
EVENTS = (
    *("seq", "visitor", "session", "site", "key", "kind", "at", "dwell", "slate"),
    *("position", "propensity"),
)
JDBC = "jdbc"
"""The source that is the store itself."""
DRIVER = "org.postgresql.Driver"


@dataclass(frozen=True, slots=True)
class Frames:
    """What a source holds: the articles that are up, and all events before a moment."""

    articles: "DataFrame"
    """Columns ``ARTICLES``."""
    events: "DataFrame"
    """Columns ``EVENTS``."""
    mark: Mark


class Source(Protocol):
    """Where articles and events are."""

    def frames(self, spark: "SparkSession", until: int) -> Frames:
        """Return what happened before ``until`` (UTC seconds), and what was published by then."""
        ...


@dataclass(frozen=True, slots=True)
class Parquet:
    """A lake, as ``recsys export parquet`` makes it; executors must reach its address, too."""

    url: str

    def frames(self, spark: "SparkSession", until: int) -> Frames:
        """Return what ``Source.frames`` does; raises ``DataError`` where there is no lake."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        known = lake.read(self.url, "--source")
        last = lake.part_of("events", until)
        newest = Window.partitionBy("site", "key").orderBy(F.col("revision").desc())
        articles = (
            self._read(spark, "articles", known.of("articles"))
            .withColumn("_age", F.row_number().over(newest))
            .where("_age = 1 AND withdrawn IS NULL")
        )
        days = [file for file in known.of("events") if file.part <= last]
        return _before(articles, self._read(spark, "events", days), until, known.mark)

    def _read(self, spark: "SparkSession", table: str, files: Sequence[lake.File]) -> "DataFrame":
        base = self.url.split("?")[0].rstrip("/").replace("s3://", "s3a://")
        if files:
            return spark.read.parquet(*(f"{base}/{file.path}" for file in files))
        import pyarrow as pa

        nothing: pa.Table = lake.schema(table).empty_table()
        return spark.createDataFrame(nothing)


@dataclass(frozen=True, slots=True)
class Jdbc:
    """A store in PostgreSQL, read by ``parts`` connections at once.

    Spark needs PostgreSQL's JDBC driver among its jars. Each connection sees the store as of its
    own moment: what was erased meanwhile may be missing from one part, and is forgotten anyway.
    """

    store: Store
    url: str
    """SQLAlchemy's address of the same store."""
    parts: int = 8

    def frames(self, spark: "SparkSession", until: int) -> Frames:
        """Return what ``Source.frames`` does."""
        options = self._options()
        from pyspark.sql import functions as F

        with self.store.reading() as connection:
            mark = Mark.of(connection)
            first = connection.execute(select(func.min(events.c.seq))).scalar_one() or 0
        texts = ("tags", "authors")
        plain = ", ".join(f'"{name}"' for name in ARTICLES if name not in texts)
        json = ", ".join(f'"{name}"::text AS "{name}"' for name in texts)
        up = f"(SELECT {plain}, {json} FROM articles WHERE withdrawn IS NULL) AS up"  # noqa: S608
        articles = spark.read.format("jdbc").options(**options, dbtable=up).load()
        for name in texts:
            articles = articles.withColumn(name, F.from_json(name, "array<string>"))
        named = ", ".join(f'"{name}"' for name in EVENTS)
        happened = (
            f"(SELECT {named} FROM events WHERE at < {int(until)}"  # noqa: S608
            f" AND seq <= {mark.event_seq}) AS happened"
        )
        reader = spark.read.format("jdbc").options(**options, dbtable=happened)
        bounds = {"partitionColumn": "seq", "lowerBound": first, "upperBound": mark.event_seq + 1}
        found = reader.options(**bounds, numPartitions=self.parts).load()
        return _before(articles, found, until, mark)

    def _options(self) -> dict[str, str]:
        """Return what Spark must know of the store; raises ``ConfigError`` unless PostgreSQL's."""
        address = make_url(self.url)
        if address.get_backend_name() != "postgresql":
            raise ConfigError(
                "--source jdbc reads a store in PostgreSQL, and this one is in"
                f" {address.get_backend_name()}; land it first: recsys export parquet DIR"
            )
        where = f"jdbc:postgresql://{address.host}:{address.port or 5432}/{address.database}"
        options = {"url": where, "driver": DRIVER, "fetchsize": "50000"}
        if address.username:
            options["user"] = address.username
        if address.password:
            options["password"] = str(address.password)
        return options


def _before(articles: "DataFrame", found: "DataFrame", until: int, mark: Mark) -> Frames:
    return Frames(
        articles.where(articles.published < until).select(*ARTICLES),
        found.where(found.at < until).select(*EVENTS),
        mark,
    )

"""Keeps what the generator knows and a model can only guess, so that models can be checked."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.sample.appeal import Ties, attraction, liking, unit
from data.sample.genres import GENRES, TOPICS
from data.sample.grammar import words
from data.sample.plan import CORRECTED, WIRED, Plan
from data.sample.readers import Readers, affinity
from data.sample.sites import SITE_IDS
from data.sample.traffic import BIAS
from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.types import ArticleId, Tone

SLATES = pa.schema([("slate", pa.string()), ("reader", pa.int32()), ("page", pa.int32())])
COPIES = {WIRED: "wire", CORRECTED: "update"}
README = """\
# The truth behind the sample network

Rows of the `.npy` arrays are the rows of the table that they belong to.

| file | holds |
|---|---|
| `topics.json` | the names of the K topics |
| `articles.parquet` | of every article `language`, `story`, `genre`, `thing`, `place`, `tone` |
| `article_topics.npy` | float32[A, K]: each article's mixture of topics |
| `readers.parquet` | `visitor`, `home`, `consent`, `japanese`, `activity`, `since` |
| `reader_tastes.npy` | float32[V, K]: each reader's taste |
| `position_bias.npy` | float64[6]: the probability that a slot of the box is examined |
| `copies.parquet` | planted near-duplicates: `kind` wire (another site) or update (the same) |
| `grave.parquet` | the articles that are grave |
| `trends.parquet` | news cycles: `story`, `start`, `peak`, `death`, `height`, `sites`, `keys` |
| `slates.parquet` | whom each `slate` was shown to and where: rows `reader` and `page` (article) |

True affinity is taste · mixture, a twentieth of it where the article is in Japanese and the reader
does not read Japanese: `data.sample.truth.load(directory).affinity(readers, articles)`. A click on
a card in slot p of a slate has probability bias[p] times `.attraction(slates, articles)`, whatever
the other cards are. Orders in the box are random, each as likely as any other (so m cards have a
`propensity` of 1/m each): the click rate of slot p over that of slot 0 is about bias[p] / bias[0].
Readers without consent have events with an empty visitor.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What ``write`` kept."""

    topics: tuple[str, ...]
    articles: pa.Table
    article_topics: Float32
    readers: pa.Table
    reader_tastes: Float32
    position_bias: Float64
    copies: pa.Table
    grave: pa.Table
    trends: pa.Table
    slates: pa.Table

    def affinity(self, readers: Int32, articles: Int32) -> Float32:
        """Return f32: the affinity of reader rows to article rows; their shapes broadcast."""
        return affinity(
            self.reader_tastes[readers],
            self.article_topics[articles],
            self._foreign(readers, articles),
        )

    def attraction(self, slates: Int64, articles: Int32) -> Float64:
        """Return f64[m, c]: the probability that a card is clicked if its slot is examined.

        ``slates`` int64[m] are rows of the table, ``articles`` int32[m, c] the articles of their
        cards, whether these were shown there or not. Times ``position_bias`` of a slot it is the
        true click rate there.
        """
        readers, pages = (self.slates[name].to_numpy()[slates] for name in ("reader", "page"))
        liked = liking(self.affinity(readers[:, None], articles))
        return attraction(liked, self._ties().relation(pages, articles))

    def article_rows(self) -> dict[ArticleId, int]:
        """Return the row of every article."""
        columns = (self.articles["site"].to_pylist(), self.articles["key"].to_pylist())
        return {ArticleId(*id): row for row, id in enumerate(zip(*columns, strict=True))}

    def _ties(self) -> Ties:
        rows = self.article_rows()
        original = np.arange(len(rows), dtype=np.int32)
        for copy in self.copies.to_pylist():
            source = rows[ArticleId(copy["original_site"], copy["original_key"])]
            original[rows[ArticleId(copy["site"], copy["key"])]] = source
        subject, place = (_codes(self.articles[name]) for name in ("thing", "place"))
        story = self.articles["story"].to_numpy()
        return Ties(unit(self.article_topics), subject, place, story, original)

    def _foreign(self, readers: Int32, articles: Int32) -> Bool:
        reads = self.readers["japanese"].to_numpy(zero_copy_only=False)
        japanese = self.articles["language"].to_numpy(zero_copy_only=False) == "ja"
        return japanese[articles] & ~reads[readers]


def load(folder: Path) -> Truth:
    """Read the folder ``truth`` of a generated network."""
    return Truth(
        topics=tuple(json.loads((folder / "topics.json").read_text(encoding="utf-8"))),
        articles=pq.read_table(folder / "articles.parquet"),
        article_topics=np.load(folder / "article_topics.npy", allow_pickle=False),
        readers=pq.read_table(folder / "readers.parquet"),
        reader_tastes=np.load(folder / "reader_tastes.npy", allow_pickle=False),
        position_bias=np.load(folder / "position_bias.npy", allow_pickle=False),
        copies=pq.read_table(folder / "copies.parquet"),
        grave=pq.read_table(folder / "grave.parquet"),
        trends=pq.read_table(folder / "trends.parquet"),
        slates=pq.read_table(folder / "slates.parquet"),
    )


def write(folder: Path, plan: Plan, readers: Readers, keys: pa.Array) -> None:
    """Write what is true of a plan's articles, whose ``keys`` are given, and of its readers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(README, encoding="utf-8")
    (folder / "topics.json").write_text(json.dumps(TOPICS), encoding="utf-8")
    np.save(folder / "article_topics.npy", plan.topics)
    np.save(folder / "reader_tastes.npy", readers.tastes)
    np.save(folder / "position_bias.npy", BIAS)
    sites = pa.array(SITE_IDS).take(pa.array(plan.site))
    tones = pa.array([str(tone) for tone in Tone]).take(pa.array(plan.tone))
    everything = pa.table(
        {
            "site": sites,
            "key": keys,
            "language": _by_genre([g.language for g in GENRES], plan),
            "story": plan.story,
            "genre": _by_genre([g.text for g in GENRES], plan),
            "thing": _things(plan),
            "place": pa.array([w[0] for w in words("place")]).take(pa.array(plan.place)),
            "tone": tones,
        }
    )
    _save(folder / "articles.parquet", everything)
    visitors = pa.array([f"reader-{n}" for n in range(len(readers))])
    people = {
        "visitor": visitors,
        "home": pa.array(SITE_IDS).take(pa.array(readers.home)),
        "consent": readers.consent,
        "japanese": readers.japanese,
        "activity": readers.activity,
        "since": readers.since,
    }
    _save(folder / "readers.parquet", pa.table(people))
    _save(folder / "copies.parquet", _copies(plan, everything))
    grave = everything.filter(pa.array(plan.tone == list(Tone).index(Tone.GRAVE)))
    _save(folder / "grave.parquet", grave.select(["site", "key", "genre"]))
    _save(folder / "trends.parquet", _trends(plan, everything))


def _codes(names: pa.ChunkedArray) -> Int32:
    codes: Int32 = names.combine_chunks().dictionary_encode().indices.to_numpy()
    return codes


def _by_genre(values: list[str], plan: Plan) -> pa.Array:
    return pa.array(values).take(pa.array(plan.genre))


def _things(plan: Plan) -> pa.Array:
    lists = sorted({g.things for g in GENRES})
    return pa.array([w[0] for name in lists for w in words(name)]).take(pa.array(plan.subject))


def _copies(plan: Plan, everything: pa.Table) -> pa.Table:
    rows = np.flatnonzero(plan.copied)
    ids = everything.select(["site", "key"])
    copy, original = ids.take(pa.array(rows)), ids.take(pa.array(plan.original[rows]))
    return pa.table(
        {
            "site": copy["site"],
            "key": copy["key"],
            "original_site": original["site"],
            "original_key": original["key"],
            "kind": pa.array([COPIES[int(c)] for c in plan.copied[rows]], pa.string()),
        }
    )


def _trends(plan: Plan, everything: pa.Table) -> pa.Table:
    count = len(plan.trends.start)
    rows = np.flatnonzero(plan.story < count)
    rows = rows[np.argsort(plan.story[rows], kind="stable")]
    bounds = np.searchsorted(plan.story[rows], np.arange(count + 1))
    told = everything.take(pa.array(rows))
    offsets = pa.array(bounds, pa.int32())
    return pa.table(
        {
            "story": pa.array(np.arange(count, dtype=np.int32)),
            "start": plan.trends.start,
            "peak": plan.trends.peak,
            "death": plan.trends.death,
            "height": plan.trends.height,
            "sites": pa.ListArray.from_arrays(offsets, told["site"].combine_chunks()),
            "keys": pa.ListArray.from_arrays(offsets, told["key"].combine_chunks()),
        }
    )


def _save(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")

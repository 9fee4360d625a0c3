"""Validated, frozen columns: the only shape in which facts reach the mathematics."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from recsys.arrays import Bool, Float32, Int8, Int16, Int32, Int64
from recsys.growing import Growing
from recsys.ids import Vocabulary
from recsys.types import Article, ArticleId, Kind, Tone

TONES = tuple(Tone)
"""The code of a tone in ``Catalogue.tone`` is its position here."""


def _same_length(**columns: np.ndarray) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """What the engine must know of A articles to rank and filter them; row order is the id order.

    ``site``, ``section`` and ``language`` are codes into ``sites``, ``sections`` and ``languages``.
    ``story`` groups near-duplicates: articles with the same value tell one story.
    """

    ids: Vocabulary
    sites: Vocabulary
    sections: Vocabulary
    languages: Vocabulary
    site: Int16
    section: Int16
    language: Int16
    published: Int64
    expires: Int64
    sponsored: Bool
    tone: Int8
    story: Int32

    def __post_init__(self) -> None:
        _same_length(
            ids=np.empty(len(self.ids)),
            **{name: getattr(self, name) for name in CATALOGUE_COLUMNS},
        )

    def __len__(self) -> int:
        return len(self.ids)

    def id(self, row: int) -> ArticleId:
        """Return the (site, key) of a row."""
        site, _, key = self.ids[row].partition("/")
        return ArticleId(site, key)

    def tellings(self, row: int) -> Int32:
        """Return int32[k]: the rows that tell the story of one, itself among them."""
        return np.flatnonzero(self.story == self.story[row]).astype(np.int32)

    @classmethod
    def of(cls, articles: Sequence[Article], story: Int32 | None = None) -> "Catalogue":
        """Build the columns of articles; without ``story`` each article is its own story."""
        return cls.empty().extended(articles, story)

    @classmethod
    def empty(cls) -> "Catalogue":
        """Return a catalogue without articles."""
        none = Vocabulary()
        columns: dict[str, Any] = {n: np.empty(0, dtype) for n, dtype in CATALOGUE_COLUMNS.items()}
        return cls(ids=none, sites=none, sections=none, languages=none, **columns)

    def extended(
        self,
        articles: Sequence[Article],
        story: Int32 | None = None,
        columns: Mapping[str, Growing] | None = None,
    ) -> "Catalogue":
        """Return a new catalogue with further articles after the present rows.

        ``columns`` are where the present ones grow, so that none is copied for each article.
        Raises ``ValueError`` when an article is already present.
        """
        if story is None:
            story = np.arange(len(self), len(self) + len(articles), dtype=np.int32)
        names, fresh = self._described(articles)
        fresh["story"] = story
        ids = self.ids.extended(str(a.id) for a in articles)
        columns = columns or {n: Growing(getattr(self, n)) for n in CATALOGUE_COLUMNS}
        grown: dict[str, Any] = {n: columns[n].append(values) for n, values in fresh.items()}
        return Catalogue(ids=ids, **names, **grown)

    def updated(
        self, rows: Int32, articles: Sequence[Article], columns: Mapping[str, Growing]
    ) -> "Catalogue":
        """Return a new catalogue in which ``rows`` int32[m] describe ``articles`` [m] anew.

        Ids and stories stay, and what does not change of ``columns`` is not copied.
        """
        names, fresh = self._described(articles)
        changed: dict[str, Any] = {n: columns[n].put(rows, values) for n, values in fresh.items()}
        return dataclasses.replace(self, **names, **changed)

    def _described(self, articles: Sequence[Article]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the grown name tables, and the columns of ``articles`` but for their story."""
        names = {
            "sites": _grown(self.sites, (a.site for a in articles)),
            "sections": _grown(self.sections, (a.section for a in articles)),
            "languages": _grown(self.languages, (a.language for a in articles)),
        }
        columns: dict[str, Any] = {
            "site": names["sites"].rows(a.site for a in articles),
            "section": names["sections"].rows(a.section for a in articles),
            "language": names["languages"].rows(a.language for a in articles),
            "published": [a.published for a in articles],
            "expires": [a.expires for a in articles],
            "sponsored": [a.sponsored for a in articles],
            "tone": [TONES.index(a.tone) for a in articles],
        }
        return names, columns


CATALOGUE_COLUMNS: dict[str, type[np.generic]] = {
    "site": np.int16,
    "section": np.int16,
    "language": np.int16,
    "published": np.int64,
    "expires": np.int64,
    "sponsored": np.bool_,
    "tone": np.int8,
    "story": np.int32,
}
"""Name and dtype of the array columns of a ``Catalogue``."""


def _grown(names: Vocabulary, values: Iterable[str]) -> Vocabulary:
    fresh = dict.fromkeys(v for v in values if v not in names)
    return names.extended(fresh) if fresh else names


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """E events in time order, ids as rows; ``visitor`` and ``session`` are -1 where unknown.

    ``value`` is the dwell in seconds, 0 where unknown, ``slate`` the code of the box's answer in
    which the article stood, ``position`` its slot there, from 0, and ``propensity`` the probability
    with which the box put it there. Outside of a box they are -1, -1 and 1, as they are everywhere
    where the last two are left out.
    """

    visitor: Int32
    session: Int32
    article: Int32
    kind: Int8
    at: Int64
    value: Float32
    slate: Int32 = field(repr=False)
    position: Int16 = field(default_factory=lambda: np.empty(0, np.int16), repr=False)
    propensity: Float32 = field(default_factory=lambda: np.empty(0, np.float32), repr=False)

    def __post_init__(self) -> None:
        events = len(self.at)
        for name, default in (("position", np.int16(-1)), ("propensity", np.float32(1.0))):
            if events and not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(events, default))
        _same_length(**{name: getattr(self, name) for name in self.__slots__})
        if len(self.at) > 1 and np.any(np.diff(self.at) < 0):
            raise ValueError("interactions are not in time order; sort them by 'at' first")

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: slice | np.ndarray) -> "Interactions":
        return Interactions(*(getattr(self, name)[rows] for name in self.__slots__))

    @classmethod
    def merged(cls, parts: Sequence["Interactions"]) -> "Interactions":
        """Return the events of several tables in one time order; of equal times the earlier part
        comes first."""
        dtypes = (
            *(np.int32, np.int32, np.int32, np.int8, np.int64, np.float32, np.int32),
            *(np.int16, np.float32),
        )
        columns = [
            np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])
            for name, dtype in zip(cls.__slots__, dtypes, strict=True)
        ]
        order = np.argsort(columns[cls.__slots__.index("at")], kind="stable")
        return cls(*(column[order] for column in columns))

    def before(self, t: int) -> "Interactions":
        """Return the events earlier than ``t`` (UTC seconds)."""
        return self[: int(np.searchsorted(self.at, t, side="left"))]

    def between(self, start: int, end: int) -> "Interactions":
        """Return the events with ``start <= at < end`` (UTC seconds)."""
        first, last = np.searchsorted(self.at, [start, end], side="left")
        return self[int(first) : int(last)]

    def reads(self) -> "Interactions":
        """Return the events that show an article was opened: everything but impressions."""
        return self[self.kind != Kind.IMPRESSION]

    def matrix(self, weights: Float32, shape: tuple[int, int]) -> sparse.csr_matrix:
        """Sum ``weights`` f32[E] into a reader × article matrix f32[V, A].

        Unknown readers are left out. V×A is the order that ``implicit`` wants; a transposed matrix
        there gives wrong results silently.
        """
        known = (self.visitor >= 0) & (weights != 0)
        return sparse.csr_matrix(
            (weights[known], (self.visitor[known], self.article[known])),
            shape=shape,
            dtype=np.float32,
        )

"""Takes over from an earlier bundle what still holds: what texts say, and where tastes begin."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recsys.arrays import Float32, Int32
from recsys.bundle import Bundle, Digests
from recsys.embed import Embedder
from recsys.factors import cold_factors
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.tone import ToneModel
from recsys.types import Article, ArticleId, Tone
from training.parts import code_version
from training.recipe import Recipe

Make = Callable[[list[int]], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """What one training knows of the bundles before it."""

    bundle: Bundle | None = None
    """The newest that is as old as what is learned from, or older; None where there is none."""
    upon: Bundle | None = None
    """The same, None where embedder, tones and tastes are learned from scratch all the same."""
    same: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    """int32[A]: where the bundle has an article with the very same text, else -1."""

    @classmethod
    def of(
        cls,
        bundles: Iterable[Bundle],
        digests: Digests,
        articles: Sequence[Article],
        events: Interactions,
        recipe: Recipe,
        now: int,
    ) -> "Earlier":
        """Choose among ``bundles`` for what is learned of ``articles`` and ``events`` at ``now``.

        Only one of the same recipe and code that ends before ``now`` will do: it has seen nothing
        that is not to be known. Where more than ``recipe.renew`` of the articles or of the events
        are new since embedder and tastes were last learned from scratch, they are so again.
        """
        fitting = [
            bundle
            for bundle in bundles
            if bundle.manifest.data_until < now
            and bundle.manifest.config_hash == recipe.hash
            and bundle.manifest.code_version == code_version()
            and len(bundle.digests) == len(bundle.catalogue) > 0
            and bundle.manifest.learned
        ]
        if not fitting:
            return cls(same=np.full(len(digests), -1, np.int32))
        bundle = max(fitting, key=lambda bundle: bundle.manifest.data_until)
        since = bundle.manifest.learned["anew"]
        published = np.array([article.published for article in articles], np.int64)
        news = (published >= since).mean() if len(articles) else 0.0
        happened = 1 - np.searchsorted(events.at, since) / len(events) if len(events) else 0.0
        upon = None if max(news, happened) >= recipe.renew else bundle
        return cls(bundle, upon, _rows(bundle.digests, digests))

    @property
    def embedder(self) -> Embedder | None:
        """That of the bundle, None where it is to be learned."""
        return self.upon.embedder if self.upon else None

    def tone(self, said: str) -> ToneModel | None:
        """Return that of the bundle, None where it is to be learned.

        So it is when editors have ``said`` something new, as ``digest_of`` tells.
        """
        if self.upon is None or self.upon.manifest.learned["corrections"] != said:
            return None
        return self.upon.tone

    def told(self, holds: bool = True) -> str:
        """Return how much of a column was taken over, for a report."""
        taken = int(np.count_nonzero(self.same >= 0)) if holds else 0
        return f", {taken} as before" if taken else ""

    def filled(self, column: str, make: Make, holds: bool = True) -> np.ndarray:
        """Return the bundle's ``column`` for known texts, and what ``make`` makes of others.

        ``make`` takes rows and returns as many of the column. It makes all where the column does
        not hold any more.
        """
        if self.bundle is None or not holds:
            return make(list(range(len(self.same))))
        known: np.ndarray = getattr(self.bundle, column)
        result = known[np.maximum(self.same, 0)]
        fresh = np.flatnonzero(self.same < 0)
        if len(fresh):
            result[fresh] = make(fresh.tolist())
        return result

    def tastes(
        self, articles: Sequence[Article], vectors: Float32, visitors: Vocabulary
    ) -> tuple[Float32, Float32] | None:
        """Return f32[V, f] and f32[A, f] for tastes to begin with, None to begin anywhere.

        New readers begin with zeros, which is what they are until the first sweep; new articles
        with what their content ``vectors`` f32[A, d] stand for.
        """
        old = self.upon
        if old is None:
            return None
        readers = _taken(old.factors.visitors, old.visitors.rows(visitors))
        rows = old.catalogue.ids.rows(str(article.id) for article in articles)
        tastes = _taken(old.factors.articles, rows)
        tastes[rows < 0] = cold_factors(vectors[rows < 0], old.cold_map)
        return readers, tastes

    def learned(self, now: int, said: str, holds: bool = True) -> dict[str, Any]:
        """Return what a manifest tells of this: since when, and upon what, it was learned."""
        if self.upon is None or not holds:
            return {"anew": now, "upon": 0, "corrections": said}
        before = self.upon.manifest
        return {"anew": before.learned["anew"], "upon": before.data_until, "corrections": said}


def digests_of(articles: Sequence[Article]) -> Digests:
    """Return uint64[A]: digests of all that is read of each article's text."""
    return np.fromiter((_digest(article) for article in articles), np.uint64, len(articles))


def digest_of(corrections: Mapping[ArticleId, Tone]) -> str:
    """Return a short digest of what editors have said of tones, empty where they said nothing."""
    if not corrections:
        return ""
    said = sorted((str(id), str(tone)) for id, tone in corrections.items())
    return hashlib.blake2b(repr(said).encode(), digest_size=8).hexdigest()


def _digest(article: Article) -> int:
    text = "\0".join(
        (article.title, article.body, article.section, str(article.tone), *article.tags)
    )
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _rows(known: Digests, wanted: Digests) -> Int32:
    """Return int32[m]: where each of ``wanted`` is in ``known`` uint64[n > 0], -1 where nowhere."""
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    return np.where(known[order[place]] == wanted, order[place], -1).astype(np.int32)


def _taken(known: Float32, rows: Int32) -> Float32:
    """Return f32[m, f]: rows of ``known`` f32[n, f], zeros for -1."""
    taken = np.zeros((len(rows), known.shape[1]), np.float32)
    taken[rows >= 0] = known[rows[rows >= 0]]
    return taken

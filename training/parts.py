"""Puts together a bundle from what was learned of events and texts, whoever learned it."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recsys import factors
from recsys.arrays import Float32, Int8, Int32
from recsys.bundle import Bundle, Digests, Manifest, Reads, cards_of
from recsys.coread import CoRead
from recsys.embed import Embedder
from recsys.factors import Factors
from recsys.ids import Vocabulary
from recsys.index import ArticleIndex
from recsys.stories import Signatures, group
from recsys.tables import Catalogue
from recsys.tone import ToneModel
from recsys.trending import Trends
from recsys.types import Article
from training.recipe import Recipe
from training.stages import Report, silent, stage


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What is learned of events and texts alone, for A articles and V readers.

    It is all that takes time with many events, and every row of it stands for itself: so one
    machine may compute it, or many.
    """

    embedder: Embedder
    vectors: Float32
    """f32[A, d] of ``embedder``."""
    signatures: Signatures
    """uint32[A, w] of ``stories.signatures``."""
    tone: ToneModel
    judged: Int8
    """int8[A]: what ``tone`` thinks of each article."""
    factors: Factors
    """Zeros for articles that nobody has read."""
    support: Int32
    """int32[A]: how many readers each article has."""
    reads: Reads
    trends: Trends
    coread: CoRead
    events: int
    """How many events were learned from."""
    opens: int
    """How many of these were openings."""
    digests: Digests = field(default_factory=lambda: np.empty(0, np.uint64))
    """uint64[A]: digests of texts, for a later training to know them by; empty for it to read all.
    """
    learned: Mapping[str, Any] = field(default_factory=dict)
    """As in the manifest."""


def assemble(
    parts: Parts,
    articles: Sequence[Article],
    visitors: Vocabulary,
    recipe: Recipe,
    now: int,
    *,
    mark: Mapping[str, int] | None = None,
    parent: str = "",
    report: Report = silent,
) -> Bundle:
    """Return a bundle, not yet written, of ``parts`` known before ``now`` (UTC seconds).

    Rows of ``parts`` are those of ``articles``, whose bodies are not looked at, and ``visitors``.
    """
    # One thread: a graph that two threads build, or a product that they share, differs in its bits
    # from one run to the next.
    with stage("nearest articles", report) as note, threadpool_limits(1):
        index = ArticleIndex.build(parts.vectors)
        related, related_scores = index.neighbours(recipe.neighbours)
        note(f"{recipe.neighbours} for each")

    with stage("stories", report) as note:
        story = group(parts.signatures, related)
        note(f"{len(np.unique(story))} of {len(articles)} articles")

    with stage("tastes for new articles", report) as note:
        cold_map = factors.cold_map(parts.vectors, parts.factors.articles, parts.support)
        learned = parts.factors.warmed(parts.vectors, cold_map, parts.support)
        note(f"{int((parts.support == 0).sum())} articles without readers")

    return Bundle(
        manifest=Manifest(
            created=now,
            data_until=now,
            mark=dict(mark or {}),
            config_hash=recipe.hash,
            recipe=dataclasses.asdict(recipe),
            code_version=code_version(),
            parent=parent,
            metrics={"events": float(parts.events), "opens": float(parts.opens)},
            learned=dict(parts.learned),
        ),
        catalogue=Catalogue.of(articles, story),
        cards=cards_of(articles),
        visitors=visitors,
        vectors=parts.vectors,
        signatures=parts.signatures,
        embedder=parts.embedder,
        factors=learned,
        cold_map=cold_map,
        index=index,
        related=related,
        related_scores=related_scores,
        reads=parts.reads,
        trends=parts.trends,
        coread=parts.coread,
        tone=parts.tone,
        judged=parts.judged,
        digests=parts.digests,
    )


def code_version() -> str:
    """Return the version of this program, so that a bundle says what made it."""
    try:
        return version("recsys")
    except PackageNotFoundError:
        return "unknown"

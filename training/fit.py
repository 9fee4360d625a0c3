"""Learns a bundle from a snapshot; the same snapshot, recipe and time give the same bits."""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import numpy as np
from threadpoolctl import threadpool_limits

from recsys import coread, factors, trending
from recsys.bundle import Bundle, Manifest, Reads, cards_of
from recsys.embed import Embedder, TfidfSvd, text_of
from recsys.ids import Vocabulary
from recsys.index import ArticleIndex
from recsys.stories import group, signatures
from recsys.tables import TONES, Catalogue, Interactions
from recsys.tone import ToneModel, lead_of
from recsys.types import Article, ArticleId, Tone
from recsys.weights import confidence
from training.recipe import Recipe
from training.stages import Report, silent, stage
from training.tone import fit_tone

NOBODY: Mapping[ArticleId, Tone] = MappingProxyType({})
"""Editors who corrected nothing."""


def fit(
    articles: Sequence[Article],
    visitors: Vocabulary,
    interactions: Interactions,
    recipe: Recipe,
    now: int,
    *,
    mark: Mapping[str, int] | None = None,
    parent: str = "",
    embedder: Embedder | None = None,
    tone: ToneModel | None = None,
    corrections: Mapping[ArticleId, Tone] = NOBODY,
    report: Report = silent,
) -> Bundle:
    """Return a bundle, not yet written, of everything known before ``now`` (UTC seconds).

    ``interactions`` refer to rows of ``articles`` and ``visitors``; later ones are left out.
    ``mark`` says how far the store was read. ``embedder`` and ``tone`` are learned from the
    articles where none is given, the latter also from what editors said of their tones,
    ``corrections``. Any of the inputs may be empty.
    """
    events = interactions.before(now)
    texts = [text_of(article) for article in articles]

    with stage("content vectors", report) as note:
        embedder = embedder or TfidfSvd.fit(texts, recipe.dims, recipe.seed)
        vectors = embedder.embed(texts)
        note(f"{len(vectors)} articles × {embedder.dims}")

    # One thread: a graph that two threads build, or a product that they share, differs in its bits
    # from one run to the next.
    with stage("nearest articles", report) as note, threadpool_limits(1):
        index = ArticleIndex.build(vectors)
        related, related_scores = index.neighbours(recipe.neighbours)
        note(f"{recipe.neighbours} for each, {'exact' if index.graph is None else 'by graph'}")

    with stage("tones", report) as note:
        tone = tone or fit_tone(articles, corrections, recipe.seed)
        judged = tone.judge([lead_of(article) for article in articles])
        note(f"{np.count_nonzero(judged == TONES.index(Tone.GRAVE))} of {len(articles)} grave")

    with stage("stories", report) as note:
        marks = signatures(texts)
        story = group(marks, related)
        note(f"{len(np.unique(story))} of {len(articles)} articles")

    with stage("readers' tastes", report) as note:
        weights = confidence(events, recipe.weights, now)
        matrix = events.matrix(weights, (len(visitors), len(articles)))
        learned = factors.fit(
            matrix,
            factors=recipe.factors,
            iterations=recipe.iterations,
            regularization=recipe.regularization,
            alpha=recipe.alpha,
            seed=recipe.seed,
        )
        note(f"{len(visitors)} readers × {len(articles)} articles, {matrix.nnz} pairs")

    with stage("tastes for new articles", report) as note:
        support = np.bincount(matrix.indices, minlength=len(articles)).astype(np.int32)
        cold_map = factors.cold_map(vectors, learned.articles, support)
        learned = learned.warmed(vectors, cold_map, support)
        note(f"{int((support == 0).sum())} articles without readers")

    with stage("trends", report) as note:
        trends = trending.fit(events, len(articles), now, recipe.trend_half_lives)
        opens = events.reads()
        note(f"{len(opens)} openings")

    with stage("read together", report) as note:
        together = coread.fit(
            events,
            len(articles),
            now=now,
            half_lives=recipe.coread_half_lives,
            width=recipe.coread_width,
        )
        note(f"{len(together.arrays()['columns'])} transitions")

    return Bundle(
        manifest=Manifest(
            created=now,
            data_until=now,
            mark=dict(mark or {}),
            config_hash=recipe.hash,
            recipe=dataclasses.asdict(recipe),
            code_version=code_version(),
            parent=parent,
            metrics={"events": float(len(events)), "opens": float(len(opens))},
        ),
        catalogue=Catalogue.of(articles, story),
        cards=cards_of(articles),
        visitors=visitors,
        vectors=vectors,
        signatures=marks,
        embedder=embedder,
        factors=learned,
        cold_map=cold_map,
        index=index,
        related=related,
        related_scores=related_scores,
        reads=reads_of(opens, len(visitors), len(articles)),
        trends=trends,
        coread=together,
        tone=tone,
        judged=judged,
    )


def reads_of(opens: Interactions, visitors: int, articles: int) -> Reads:
    """Return what each of ``visitors`` readers opened, each article once, at its last opening."""
    known = opens[opens.visitor >= 0]
    pair = known.visitor.astype(np.int64) * max(articles, 1) + known.article
    _, last = np.unique(pair[::-1], return_index=True)
    last = len(pair) - 1 - last
    last = last[np.lexsort((last, known.visitor[last]))]
    start = np.zeros(visitors + 1, np.int64)
    np.cumsum(np.bincount(known.visitor[last], minlength=visitors), out=start[1:])
    return Reads(start, known.article[last].astype(np.int32))


def code_version() -> str:
    """Return the version of this program, so that a bundle says what made it."""
    try:
        return version("recsys")
    except PackageNotFoundError:
        return "unknown"

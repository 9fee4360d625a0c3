"""Learns a bundle from a snapshot; the same snapshot, recipe and time give the same bits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from recsys import coread, factors, trending
from recsys.bundle import Bundle, Reads
from recsys.embed import Embedder, TfidfSvd, text_of
from recsys.ids import Vocabulary
from recsys.stories import signatures
from recsys.tables import TONES, Interactions
from recsys.tone import ToneModel, lead_of
from recsys.types import Article, ArticleId, Tone
from recsys.weights import confidence
from training.cores import spread
from training.earlier import Earlier, Make, digest_of, digests_of
from training.parts import Parts, assemble
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
    earlier: Iterable[Bundle] = (),
    report: Report = silent,
) -> Bundle:
    """Return a bundle, not yet written, of everything known before ``now`` (UTC seconds).

    ``interactions`` refer to rows of ``articles`` and ``visitors``; later ones are left out.
    ``mark`` says how far the store was read. ``embedder`` and ``tone`` are learned from the
    articles where none is given, the latter also from what editors said of their tones,
    ``corrections``. What still holds of one of the ``earlier`` bundles is taken over: see
    ``training.earlier``. Any of the inputs may be empty.
    """
    parts = learn_parts(
        articles,
        visitors,
        interactions.before(now),
        recipe,
        now,
        embedder=embedder,
        tone=tone,
        corrections=corrections,
        earlier=earlier,
        report=report,
    )
    return assemble(parts, articles, visitors, recipe, now, mark=mark, parent=parent, report=report)


def learn_parts(
    articles: Sequence[Article],
    visitors: Vocabulary,
    events: Interactions,
    recipe: Recipe,
    now: int,
    *,
    embedder: Embedder | None = None,
    tone: ToneModel | None = None,
    corrections: Mapping[ArticleId, Tone] = NOBODY,
    earlier: Iterable[Bundle] = (),
    report: Report = silent,
) -> Parts:
    """Return what this machine learns of ``articles`` and of ``events``, all before ``now``."""
    texts = [text_of(article) for article in articles]
    digests, said = digests_of(articles), digest_of(corrections)
    old = Earlier.of(earlier, digests, articles, events, recipe, now)

    with stage("content vectors", report) as note:
        kept = None if embedder else old.embedder
        embedder = kept or embedder or TfidfSvd.fit(texts, recipe.dims, recipe.seed)
        vectors = old.filled("vectors", _spread(embedder.embed, texts), kept is not None)
        note(f"{len(vectors)} articles × {embedder.dims}{old.told(kept is not None)}")

    with stage("fingerprints", report) as note:
        marks = old.filled("signatures", _spread(signatures, texts))
        note(f"{len(marks)} articles × {marks.shape[1]}{old.told()}")

    with stage("tones", report) as note:
        leads = [lead_of(article) for article in articles]
        judge = None if tone else old.tone(said)
        tone = judge or tone or fit_tone(articles, corrections, recipe.seed)
        judged = old.filled("judged", _spread(tone.judge, leads), judge is not None)
        grave = np.count_nonzero(judged == TONES.index(Tone.GRAVE))
        note(f"{grave} of {len(articles)} grave{old.told(judge is not None)}")

    with stage("readers' tastes", report) as note:
        weights = confidence(events, recipe.weights, now)
        matrix = events.matrix(weights, (len(visitors), len(articles)))
        start = old.tastes(articles, vectors, visitors) if kept else None
        sweeps = recipe.iterations if start is None else recipe.warm_iterations
        learned = factors.fit(
            matrix,
            factors=recipe.factors,
            iterations=sweeps,
            regularization=recipe.regularization,
            alpha=recipe.alpha,
            seed=recipe.seed,
            start=start,
        )
        support = np.bincount(matrix.indices, minlength=len(articles)).astype(np.int32)
        pairs = f"{len(visitors)} readers × {len(articles)} articles, {matrix.nnz} pairs"
        note(f"{pairs}, {sweeps} sweeps")

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

    return Parts(
        embedder=embedder,
        vectors=vectors,
        signatures=marks,
        tone=tone,
        judged=judged,
        factors=learned,
        support=support,
        reads=reads_of(opens, len(visitors), len(articles)),
        trends=trends,
        coread=together,
        events=len(events),
        opens=len(opens),
        digests=digests,
        learned=old.learned(now, said, kept is not None),
    )


def _spread(work: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]) -> Make:
    """Return what makes a column of some of ``texts``, by all cores."""
    return lambda rows: np.concatenate(spread(work, [texts[row] for row in rows]))


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

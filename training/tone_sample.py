"""Tells how often the classifier of tones is right, on articles that somebody has read."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from data.importers import bbc, rows
from recsys.arrays import Bool, Float64, Int8
from recsys.errors import DataError
from recsys.inference import Interval
from recsys.tables import TONES
from recsys.tone import JUDGED, ToneModel, lead_of
from recsys.types import Article, ArticleId, Tone
from training.tone import fit_tone

LABELS = Path(__file__).parent / "labels" / "bbc.tsv"
"""What was read of the BBC news set, by whom and how, without a word of its texts."""
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """How well one tone is found."""

    tone: Tone
    labelled: int
    """Articles that are of this tone."""
    called: int
    """Articles that are judged to be."""
    right: int
    """Articles that are both."""
    precision: Interval
    recall: Interval
    f1: Interval


@dataclass(frozen=True, slots=True)
class Labelled:
    """Articles, and what somebody has said of some of them."""

    articles: tuple[Article, ...]
    tones: Mapping[ArticleId, Tone]
    final: frozenset[ArticleId]
    """Labelled ones that nobody tuned anything to."""
    weight: Mapping[ArticleId, float]
    """How many articles each labelled one stands for."""


def read_bbc(directory: Path) -> Labelled:
    """Return the BBC news set in ``directory`` with the labels of this repository.

    Raises ``DataError`` where the set lacks a labelled article, or as ``bbc.read``.
    """
    batches, _ = bbc.read(directory)
    made = (rows.article(row) for batch in batches for row in batch.rows)
    articles = {article.key: article for article in made if isinstance(article, Article)}
    with LABELS.open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        labels = list(csv.DictReader(lines, delimiter="\t"))
    for label in labels:
        if label["key"] not in articles:
            raise DataError(f"{directory} lacks the article {label['key']!r}, which is labelled")
    drawn = Counter(articles[label["key"]].section for label in labels)
    every = Counter(article.section for article in articles.values())
    of = {label["key"]: articles[label["key"]] for label in labels}
    return Labelled(
        tuple(articles.values()),
        {of[label["key"]].id: Tone(label["tone"]) for label in labels},
        frozenset(of[label["key"]].id for label in labels if label["part"] == "final"),
        {a.id: every[a.section] / drawn[a.section] for a in of.values()},
    )


def on_final(known: Labelled) -> dict[str, tuple[Figures, ...]]:
    """Return the figures on the final part of models that know ever more.

    Rules know nothing of the set; what is learned from them has seen its texts, with no label; the
    last one knows also what was said of all the articles that are not in the final part.
    """
    said = {id: tone for id, tone in known.tones.items() if id not in known.final}
    models = {
        "rules alone": ToneModel.rules(),
        "learned from rules": fit_tone(known.articles, {}),
        f"and {len(said):,} corrections": fit_tone(known.articles, said),
    }
    asked = [article for article in known.articles if article.id in known.final]
    texts = [lead_of(article) for article in asked]
    return {name: _figures(known, asked, model.judge(texts)) for name, model in models.items()}


def in_folds(known: Labelled, seed: int = 0) -> dict[str, tuple[Figures, ...]]:
    """Return the figures on all labelled articles, each judged by who does not know its label.

    A fifth at a time is hidden from what learns from the others (Stone, 1974).
    """
    asked = [article for article in known.articles if article.id in known.tones]
    texts = [lead_of(article) for article in asked]
    judged = np.zeros(len(asked), np.int8)
    fold = np.random.default_rng(seed).permutation(len(asked)) % FOLDS
    for n in range(FOLDS):
        hidden = {asked[row].id for row in np.flatnonzero(fold == n)}
        said = {
            article.id: Tone.UNKNOWN if article.id in hidden else known.tones[article.id]
            for article in asked
        }
        model = fit_tone(known.articles, said, seed)
        judged[fold == n] = model.judge([texts[row] for row in np.flatnonzero(fold == n)])
    return {
        "rules alone": _figures(known, asked, ToneModel.rules().judge(texts)),
        "learned": _figures(known, asked, judged),
    }


def figures(truth: Int8, judged: Int8, weight: Float64) -> tuple[Figures, ...]:
    """Return how well grave and light are found: codes int8[n], weights f64[n].

    The bounds hold 95 % of the posterior with Jeffreys' prior (Goutte and Gaussier, 2005), which
    has something to say of 10 of 10 too. Unequal weights count for as many equal ones as tell as
    much (Kish, 1965).
    """
    found = []
    for tone in JUDGED:
        code = TONES.index(tone)
        true, called = truth == code, judged == code
        hit = true & called
        overlap = _share(hit, true | called, weight)
        found.append(
            Figures(
                tone,
                labelled=int(true.sum()),
                called=int(called.sum()),
                right=int(hit.sum()),
                precision=_share(hit, called, weight),
                recall=_share(hit, true, weight),
                # F1 rises with the share of hits among all that is true or called
                f1=Interval(*(2 * v / (1 + v) for v in (overlap.mean, overlap.low, overlap.high))),
            )
        )
    return tuple(found)


def _figures(known: Labelled, asked: Sequence[Article], judged: Int8) -> tuple[Figures, ...]:
    truth = np.array([TONES.index(known.tones[article.id]) for article in asked], np.int8)
    weight = np.array([known.weight.get(article.id, 1.0) for article in asked])
    return figures(truth, judged, weight)


def _share(hit: Bool, among: Bool, weight: Float64) -> Interval:
    """Return the weighted share of ``hit`` in ``among``; NaN where there is nothing."""
    total = weight[among].sum()
    if not total:
        return Interval(np.nan, np.nan, np.nan)
    share = float(weight[hit].sum() / total)
    told = total**2 / np.square(weight[among]).sum()
    beta = stats.beta(share * told + 0.5, (1 - share) * told + 0.5)
    return Interval(share, float(beta.ppf(0.025)), float(beta.ppf(0.975)))

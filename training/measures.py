"""Measures what systems answered to one task, all of them by the same questions and resamples."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys import beyond, metrics
from recsys.answers import Answers
from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.bundle import Bundle
from recsys.embed import text_of
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.inference import Interval, bootstrap_all, holm, paired_all
from training.evaluation import Difference, Measure

K = 10
FRESH = 86_400
"""Seconds after publication in which an article is fresh."""
NAMED = 12
"""Sites and sections that are told apart, the most frequent ones."""
SWAPS = 5_000
"""Resamples of a comparison: enough that many corrected ones can still be told from chance."""
PRIMITIVE = "recent popularity (1 h)"
"""What anybody would have thought of: hits beyond it are serendipitous."""
IMPRESSION = "click in an impression"

Column = tuple[str, Float64]
"""A metric and its value f64[q] for each question, NaN where it says nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What the measures, and never the systems, know of all A articles and V visitors."""

    site: Int32
    sites: Sequence[str]
    section: Int32
    sections: Sequence[str]
    published: Int64
    vectors: Float32
    popularity: Float64
    """f64[A]: openings before the cut."""
    eligible: int
    """Articles that were out before the end."""

    @classmethod
    def of(cls, history: History, bundle: Bundle, cut: int, end: int) -> "Facts":
        """Gather them; ``bundle`` embeds the texts."""
        sites = Vocabulary(sorted({article.site for article in history.articles}))
        sections = Vocabulary(sorted({article.section for article in history.articles}))
        opened = history.interactions.before(cut).reads().article
        return cls(
            site=sites.rows(article.site for article in history.articles),
            sites=tuple(sites),
            section=sections.rows(article.section for article in history.articles),
            sections=tuple(sections),
            published=np.array([article.published for article in history.articles], np.int64),
            vectors=bundle.embedder.embed([text_of(article) for article in history.articles]),
            popularity=np.bincount(opened, minlength=len(history.articles)).astype(np.float64),
            eligible=sum(article.published < end for article in history.articles),
        )


def measured(
    task: str, heard: Mapping[str, Answers], facts: Facts, known: Bool, *, seed: int
) -> Iterator[Measure]:
    """Yield every metric of each system on a task, over all questions and by segment.

    ``heard`` are the answers of each system to the same q questions, and ``known`` bool[q] tells
    which of their readers a bundle had seen. Intervals are bootstraps over visits.
    """
    systems = list(heard)
    primitive = heard.get(PRIMITIVE)
    columns = {name: _columns(task, heard[name], facts, primitive) for name in systems}
    names = [(name, metric) for name in systems for metric, _ in columns[name]]
    first = heard[systems[0]]
    values = _stacked([value for name in systems for _, value in columns[name]], len(first.target))
    for (system, metric), told, found in zip(
        names, values.T, bootstrap_all(values, first.visit, seed=seed), strict=True
    ):
        if asked := int(np.isfinite(told).sum()):
            yield Measure(task, system, metric, asked, found.mean, *_bounds(found))
    if task != IMPRESSION:  # which cards an impression holds is no merit of who orders them
        for name in systems:
            yield from _of_all(task, name, heard[name], facts)
    told_apart = [n for n, (_, metric) in enumerate(names) if metric in ACCURACY[task]]
    for segment, part, rows in _segments(first, facts, known):
        found_here = bootstrap_all(values[rows][:, told_apart], first.visit[rows], seed=seed)
        for n, found in zip(told_apart, found_here, strict=True):
            if asked := int(np.isfinite(values[rows, n]).sum()):
                yield Measure(task, *names[n], asked, found.mean, *_bounds(found), segment, part)


def compared(
    task: str, heard: Mapping[str, Answers], parts: Collection[str], *, seed: int
) -> Iterator[Difference]:
    """Yield how far each system is above the first one, by question.

    P-values are corrected over all rivals and, apart from them, over all ``parts`` of the first one
    (Holm, 1979), apart for each metric: who is ahead of whom, and what each part is worth, are two
    questions, and asking many of one must not hide the answer to the other.
    """
    first, *others = heard
    columns = {name: _accuracy(task, heard[name]) for name in heard}
    count = len(columns[first])
    if not others or not len(heard[first].target):
        return
    size = len(heard[first].target)
    ours = np.tile(_stacked([value for _, value in columns[first]], size), len(others))
    theirs = _stacked([value for name in others for _, value in columns[name]], size)
    tests = paired_all(theirs, ours, heard[first].visit, seed=seed, resamples=SWAPS)
    for place, (metric, _) in enumerate(columns[first]):
        mine = tests[place::count]
        p_values, of_parts = np.array([p for _, p in mine]), np.isin(others, list(parts))
        fixed = np.empty(len(mine))
        for family in (of_parts, ~of_parts):
            fixed[family] = holm(p_values[family])
        for name, (d, p), adjusted in zip(others, mine, fixed, strict=True):
            if np.isfinite(d.low):
                yield Difference(
                    task, name, first, metric, d.mean, d.low, d.high, p, float(adjusted)
                )


ACCURACY: Mapping[str, tuple[str, ...]] = {
    "next click": (f"HR@{K}", f"MRR@{K}", f"nDCG@{K}"),
    "next article": (f"HR@{K}", f"MRR@{K}", f"nDCG@{K}"),
    IMPRESSION: ("AUC", f"MRR@{K}", f"nDCG@{K}"),
}
"""By what systems are compared and segments told apart; the first one is what a task is about."""


def _bounds(interval: Interval) -> tuple[float | None, float | None]:
    """Return the bounds of an interval, None for those of a single visit, which has none."""
    return (interval.low, interval.high) if np.isfinite(interval.low) else (None, None)


def _accuracy(task: str, answers: Answers) -> list[Column]:
    found = metrics.found(answers.lists, answers.relevant)
    if task == IMPRESSION:
        wanted = metrics.wanted(answers.relevant)
        asked = np.where(wanted > 0, 1.0, np.nan)  # where nothing was clicked no order is right
        first = np.where(found.any(axis=1), np.argmax(found, axis=1) + 1, metrics.MISS)
        return [
            ("AUC", _auc(answers, found)),
            (f"MRR@{K}", metrics.reciprocal_ranks(first.astype(np.int32), K) * asked),
            (f"nDCG@{K}", metrics.discounted_gains(found, wanted, K)),
        ]
    rank = metrics.ranks(answers.lists, answers.target)
    return [
        (f"HR@{K}", metrics.hits(rank, K)),
        (f"MRR@{K}", metrics.reciprocal_ranks(rank, K)),
        (f"nDCG@{K}", metrics.gains(rank, K)),
    ]


def _columns(task: str, answers: Answers, facts: Facts, primitive: Answers | None) -> list[Column]:
    """Return all that is measured question by question."""
    found, wanted = metrics.found(answers.lists, answers.relevant), metrics.wanted(answers.relevant)
    columns = _accuracy(task, answers)
    columns += [
        (f"Recall@{K}", metrics.recalls(found, wanted, K)),
        (f"Precision@{K}", metrics.precisions(found, K)),
        (f"MAP@{K}", metrics.average_precisions(found, wanted, K)),
    ]
    if task == IMPRESSION:
        return [column for column in columns if column[0] != f"Recall@{K}"]  # all is on the list
    lists = answers.lists
    if primitive is not None:
        usual = metrics.found(lists, primitive.lists)
        columns.append(("serendipity", metrics.serendipities(found, usual, K)))
    return [
        *columns,
        ("novelty", beyond.novelties(lists, facts.popularity)),
        ("diversity", beyond.diversities(lists, facts.vectors)),
        ("other sites", beyond.elsewhere(lists, facts.site, facts.site[answers.home])),
        ("fresh", beyond.freshness(lists, facts.published, answers.at, FRESH)),
    ]


def _of_all(task: str, system: str, answers: Answers, facts: Facts) -> Iterator[Measure]:
    """Yield what is measured over all lists together."""
    lists, asked = answers.lists, len(answers.target)

    def measure(metric: str, value: float) -> Iterator[Measure]:
        if asked and np.isfinite(value):
            yield Measure(task, system, metric, asked, float(value))

    yield from measure("coverage", beyond.coverage(lists, facts.eligible))
    yield from measure("Gini", beyond.gini(lists, facts.eligible))
    hit = np.where(metrics.found(lists, answers.target[:, None]), answers.source, -1)
    for what, code, names in (
        ("site", beyond.codes(lists, facts.site), facts.sites),
        ("section", beyond.codes(lists, facts.section), facts.sections),
        ("source", answers.source, answers.sources),
        ("hits by source", hit, answers.sources),
    ):
        share = beyond.shares(code, len(names))
        for place in np.argsort(-share, kind="stable")[:NAMED].tolist():
            if names[place]:
                yield from measure(f"{what}: {names[place]}", share[place])


def _segments(answers: Answers, facts: Facts, known: Bool) -> Iterator[tuple[str, str, Int64]]:
    """Yield how questions are parted, the name of each part, and its questions int64[m]."""
    age = answers.at - facts.published[np.maximum(answers.target, 0)]
    age = np.where(answers.target >= 0, np.maximum(age, 0), -1)
    day = answers.at // 86_400
    home = facts.site[answers.home]
    frequent = np.argsort(-np.bincount(home, minlength=len(facts.sites)), kind="stable")[:NAMED]
    for segment, parts in (
        ("reader", [("known", known), ("unknown", ~known)]),
        ("visit", _binned(answers.trail, VISITS)),
        ("age", _binned(age, AGES)),
        ("site", [(facts.sites[code], home == code) for code in frequent.tolist()]),
        ("hour", [(f"{h:02}", answers.at // 3600 % 24 == h) for h in range(24)]),
        ("day", [(_date(d), day == d) for d in np.unique(day).tolist()]),
    ):
        for part, chosen in parts:
            rows = np.flatnonzero(chosen)
            if len(rows):
                yield segment, part, rows


VISITS = {"1": (1, 2), "2": (2, 3), "3-4": (3, 5), "5 and more": (5, 10**9)}
"""By articles opened before in the visit, from the first bound to before the second."""
AGES = {
    "under 1 h": (0, 3600),
    "1-6 h": (3600, 6 * 3600),
    "6-24 h": (6 * 3600, 86_400),
    "1-7 days": (86_400, 7 * 86_400),
    "older": (7 * 86_400, 2**62),
}
"""By the age of the article that was opened, in seconds."""


def _binned(value: Int32 | Int64, bins: Mapping[str, tuple[int, int]]) -> list[tuple[str, Bool]]:
    return [(name, (low <= value) & (value < high)) for name, (low, high) in bins.items()]


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _auc(answers: Answers, found: Bool) -> Float64:
    card = answers.lists >= 0
    slate = np.broadcast_to(np.arange(len(card))[:, None], card.shape)
    score = answers.chance.astype(np.float64)
    return metrics.aucs(score[card], found[card], slate[card], len(card))


def _stacked(columns: Sequence[Float64], size: int) -> Float64:
    """Return f64[q, m]."""
    return np.stack(columns, axis=1) if columns else np.empty((size, 0))

"""Compares two policies by what each would have shown on the pages of one day."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recsys import beyond
from recsys.arrays import Float64, Int32, Int64
from recsys.history import History
from recsys.inference import Interval, bootstrap_all
from recsys.policy import QUOTAS
from recsys.served import NAMES
from training.pages import Pages

MOVED = 8
"""Articles that gain and lose most, as many of each."""
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of slates under both policies."""

    name: str
    before: float
    after: float
    difference: Interval
    """Paired by page, bootstrapped over readers."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of cards that a site, section, source or language has."""

    what: str
    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Relaxed:
    """On how many pages a quota gave way."""

    quota: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Shown:
    """How often an article was shown."""

    article: str
    title: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Example:
    """One page and the titles of both slates."""

    article: str
    title: str
    at: int
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What another policy changes on the pages of a day."""

    pages: int
    of: int
    """Pages of the day, of which those were drawn."""
    n: int
    changed: Interval
    """Share of slates that are not the same, card by card."""
    replaced: Interval
    """Cards a slate that were not in it before."""
    overlap: Interval
    """Rank-biased overlap of the two slates."""
    figures: tuple[Figure, ...]
    """Shares of cards, filled slots, and pages whose next article was in the slate."""
    followed: int
    """Pages after which something else was opened in the visit: what hits are told of."""
    age: tuple[float, float]
    """Median age of cards in seconds, before and after."""
    shares: tuple[Share, ...]
    relaxed: tuple[Relaxed, ...]
    gained: tuple[Shown, ...]
    lost: tuple[Shown, ...]
    examples: tuple[Example, ...]
    """Some of the pages that change, drawn by the seed."""


def compare(pages: Pages, history: History, *, seed: int = 0) -> Comparison:
    """Return what changes from one policy to the other on pages, at least one."""
    old, new = pages.before.rows, pages.after.rows
    articles = history.articles
    site, sites = _coded([article.site for article in articles])
    sponsored = np.array([article.sponsored for article in articles], np.float64)
    columns = {
        "other sites": lambda rows: beyond.elsewhere(rows, site, site[pages.page]),
        "sponsored": lambda rows: beyond.mean_of_cards(rows, sponsored),
        "filled": lambda rows: (rows >= 0).mean(axis=1),
        "opened next": lambda rows: _hits(rows, pages.opened),
    }
    sides = [np.stack([column(rows) for column in columns.values()], axis=1) for rows in (old, new)]
    drawn = {"seed": seed}
    means = zip(*(_means(side) for side in sides), strict=True)
    differences = bootstrap_all(sides[1] - sides[0], pages.reader, **drawn)
    kept = (old[:, :, None] == new[:, None, :]).any(axis=1) & (new >= 0)
    change = np.stack(
        [
            (old != new).any(axis=1),
            ((new >= 0) & ~kept).sum(axis=1),
            beyond.overlaps(old, new),
        ],
        axis=1,
    )
    changed, replaced, overlap = bootstrap_all(change.astype(np.float64), pages.reader, **drawn)
    published = np.array([article.published for article in articles], np.int64)
    gained, lost = _moved(old, new, history)
    return Comparison(
        pages=len(old),
        of=pages.of,
        n=old.shape[1],
        changed=changed,
        replaced=replaced,
        overlap=overlap,
        figures=tuple(
            Figure(name, *both, difference)
            for name, both, difference in zip(columns, means, differences, strict=True)
        ),
        followed=int((pages.opened >= 0).sum()),
        age=(_age(old, pages.at, published), _age(new, pages.at, published)),
        shares=(
            *_shares("site", beyond.codes(old, site), beyond.codes(new, site), sites),
            *_of_articles("section", old, new, [article.section for article in articles]),
            *_shares("source", pages.before.source, pages.after.source, NAMES),
            *_of_articles("language", old, new, [article.language for article in articles]),
        ),
        relaxed=tuple(
            Relaxed(name, int(first), int(second))
            for name, first, second in zip(
                QUOTAS, pages.before.relaxed.sum(0), pages.after.relaxed.sum(0), strict=True
            )
            if first or second
        ),
        gained=gained,
        lost=lost,
        examples=_examples(pages, history, seed),
    )


def _means(values: Float64) -> list[float]:
    """Return the mean of each column of f64[q, m] over what is known, NaN where nothing is."""
    told = np.isfinite(values)
    sums, sizes = np.where(told, values, 0.0).sum(axis=0), told.sum(axis=0)
    means = np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0)
    return [float(mean) for mean in means]


def _hits(rows: Int32, opened: Int32) -> Float64:
    """Return f64[q]: 1 where what was opened next is in the slate, NaN where nothing was."""
    hit = (rows == opened[:, None]).any(axis=1).astype(np.float64)
    return np.where(opened >= 0, hit, np.nan)


def _age(rows: Int32, at: Int64, published: Int64) -> float:
    ages = (at[:, None] - published[np.maximum(rows, 0)])[rows >= 0]
    return float(np.median(ages)) if len(ages) else float("nan")


def _coded(names: Sequence[str]) -> tuple[Int32, Sequence[str]]:
    """Return int32[A] the code of each name, and the names by code."""
    known, code = np.unique(np.array(names, np.str_), return_inverse=True)
    return code.astype(np.int32), known.tolist()


def _of_articles(what: str, old: Int32, new: Int32, names: Sequence[str]) -> tuple[Share, ...]:
    code, known = _coded(names)
    return _shares(what, beyond.codes(old, code), beyond.codes(new, code), known)


def _shares(what: str, old: Int32, new: Int32, names: Sequence[str]) -> tuple[Share, ...]:
    """Return the shares that are not 0 in both, the largest first."""
    first, second = (np.nan_to_num(beyond.shares(code, len(names))) for code in (old, new))
    order = np.argsort(-np.maximum(first, second), kind="stable").tolist()
    shares = (Share(what, names[c], float(first[c]), float(second[c])) for c in order)
    return tuple(share for share in shares if share.before or share.after)


def _moved(old: Int32, new: Int32, history: History) -> tuple[tuple[Shown, ...], tuple[Shown, ...]]:
    """Return the articles that gain and that lose most impressions, the most first."""
    first, second = (Counter(rows[rows >= 0].tolist()) for rows in (old, new))

    def shown(row: int) -> Shown:
        article = history.articles[row]
        return Shown(str(article.id), article.title, first[row], second[row])

    def most(gain: Callable[[int], int]) -> tuple[Shown, ...]:
        ordered = sorted({*first, *second}, key=lambda row: (-gain(row), row))
        return tuple(shown(row) for row in ordered[:MOVED] if gain(row) > 0)

    return most(lambda row: second[row] - first[row]), most(lambda row: first[row] - second[row])


def _examples(pages: Pages, history: History, seed: int) -> tuple[Example, ...]:
    changed = np.flatnonzero((pages.before.rows != pages.after.rows).any(axis=1))
    few = min(EXAMPLES, len(changed))
    drawn = np.random.default_rng(seed).choice(changed, few, replace=False) if few else changed

    def titles(rows: Int32) -> tuple[str, ...]:
        return tuple(history.articles[row].title for row in rows.tolist() if row >= 0)

    return tuple(
        Example(
            str(history.articles[pages.page[place]].id),
            history.articles[pages.page[place]].title,
            int(pages.at[place]),
            titles(pages.before.rows[place]),
            titles(pages.after.rows[place]),
        )
        for place in np.sort(drawn).tolist()
    )

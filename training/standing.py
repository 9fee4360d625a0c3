"""Tells how the answers of a challenger stand beside those of a champion to the same questions."""

from collections.abc import Iterator, Sequence

import numpy as np

from recsys import beyond, metrics
from recsys.answers import Answers
from recsys.arrays import Float64, Int32, Int64
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.inference import Interval, bootstrap_all
from training.gate import Gate
from training.verdict import Check

K = 10
"""Cards of a list that count."""
SEED = 0
"""Of what is drawn: the same data and recipes give the same findings."""


def compared(
    first: Answers, second: Answers, history: History, end: int, gate: Gate
) -> Iterator[Check]:
    """Yield how the answers of the challenger, ``first``, stand beside those of the champion.

    Both answered the same questions, which came before ``end``.
    """
    yield from not_worse("", _accuracy(first), _accuracy(second), first.visit, gate)
    filled = [(answers.lists[:, :K] >= 0).mean(axis=1) for answers in (first, second)]
    (difference,) = _differences(filled[:1], filled[1:], first.visit)
    yield Check(
        "slots filled",
        not difference.high < -gate.fill,
        float(filled[0].mean()),
        -gate.fill,
        float(filled[1].mean()),
        *(difference.low, difference.high),
        sentence=f"{filled[0].mean():.1%} of all slots are filled, {filled[1].mean():.1%} in"
        f" service; at most {gate.fill:.1%} may be lost.",
    )
    out = sum(article.published < end for article in history.articles)
    wide, wide_now = (beyond.coverage(answers.lists, out) for answers in (first, second))
    yield Check(
        "coverage",
        wide >= (1 - gate.coverage) * wide_now,
        wide,
        (1 - gate.coverage) * wide_now,
        wide_now,
        sentence=f"{wide:.1%} of all articles stand in some slate, {wide_now:.1%} in service;"
        f" at most {gate.coverage:.0%} of that may be lost.",
    )
    yield from _shares(first, second, history, gate)


def not_worse(
    part: str,
    ours: dict[str, Float64],
    theirs: dict[str, Float64],
    visit: Int64,
    gate: Gate,
) -> Iterator[Check]:
    """Yield for each metric whether ``ours`` f64[q] is not worse than ``theirs``.

    The questions may be any ``part`` of all, such as those of one site; it is empty for all of
    them. Intervals are of the difference by question, and bootstrapped over visits int64[q].
    """
    differences = _differences(list(ours.values()), list(theirs.values()), visit)
    for (metric, mine), other, difference in zip(
        ours.items(), theirs.values(), differences, strict=True
    ):
        value, against = float(np.mean(mine)), float(np.mean(other))
        bound = -gate.worse * against
        yield Check(
            f"{metric}, {part}" if part else metric,
            not difference.high < bound,
            value,
            bound,
            against,
            *(difference.low, difference.high),
            sentence=f"{metric}{f' of {part}' if part else ''} is {value:.3f}, {against:.3f} in"
            f" service: a difference of {difference.mean:+.3f} ({difference.low:+.3f} to"
            f" {difference.high:+.3f}), where {bound:+.3f} can be borne.",
        )


def above_popularity(first: Answers, second: Answers | None, popular: Answers) -> Check:
    """Return whether popularity within the hour is not better, by MRR@10: slates under a policy
    give up hits for the publisher's sake, and less so at the top."""
    metric = f"MRR@{K}"
    usual = _accuracy(popular)[metric]
    mine = _accuracy(first)[metric]
    (gap,) = _differences([mine], [usual], first.visit)
    excused = False
    if second is not None:
        (theirs,) = _differences([_accuracy(second)[metric]], [usual], first.visit)
        excused = theirs.high < 0
    beaten = gap.high < 0
    what = "beats" if beaten else "does not beat"
    also = ", as it beats what is in service" if beaten and excused else ""
    return Check(
        "popularity",
        not beaten or excused,
        float(mine.mean()),
        0.0,
        float(usual.mean()),
        *(gap.low, gap.high),
        sentence=f"What was opened within the hour {what} it{also}: {metric} {mine.mean():.3f}"
        f" beside {usual.mean():.3f}, a difference of {gap.mean:+.3f} ({gap.low:+.3f} to"
        f" {gap.high:+.3f}).",
    )


def _shares(first: Answers, second: Answers, history: History, gate: Gate) -> Iterator[Check]:
    """Yield the sites whose share of cards shifts too far; where none does, the one that shifts
    farthest."""
    sites = Vocabulary(sorted({article.site for article in history.articles}))
    code = sites.rows(article.site for article in history.articles)
    shares = [_by_site(answers.lists, code, len(sites)) for answers in (first, second)]
    differences = bootstrap_all(shares[0] - shares[1], first.visit, seed=SEED)
    farthest = np.argsort([-abs(difference.mean) for difference in differences], kind="stable")
    for place, site in enumerate(farthest.tolist()):
        difference = differences[site]
        ok = not (difference.low > gate.site_share or difference.high < -gate.site_share)
        if place and ok:
            continue
        value, against = (float(np.nanmean(share[:, site])) for share in shares)
        yield Check(
            f"share of {sites[site]}",
            ok,
            value,
            gate.site_share,
            against,
            *(difference.low, difference.high),
            sentence=f"{value:.1%} of the cards come from {sites[site]}, {against:.1%} in service;"
            f" a shift of {gate.site_share:.0%} can be borne.",
        )


def _accuracy(answers: Answers) -> dict[str, Float64]:
    rank = metrics.ranks(answers.lists, answers.target)
    return {f"HR@{K}": metrics.hits(rank, K), f"MRR@{K}": metrics.reciprocal_ranks(rank, K)}


def _differences(
    ours: Sequence[Float64], theirs: Sequence[Float64], visit: Int64
) -> tuple[Interval, ...]:
    gap = np.stack(ours, axis=1) - np.stack(theirs, axis=1)
    return bootstrap_all(gap, visit, seed=SEED)


def _by_site(lists: Int32, code: Int32, count: int) -> Float64:
    """Return f64[q, count]: the share of each site in each list, NaN where it is empty."""
    found = beyond.codes(lists, code)
    cards = (found >= 0).sum(axis=1)
    of = np.stack([(found == site).sum(axis=1) for site in range(count)], axis=1).astype(np.float64)
    none = np.full(of.shape, np.nan)
    return np.asarray(np.divide(of, cards[:, None], out=none, where=cards[:, None] > 0), np.float64)

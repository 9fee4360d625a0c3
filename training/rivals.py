"""Replays the recipes of champion and challenger on the same future, which neither has seen."""

import dataclasses
import time
from collections.abc import Iterator, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from recsys import beyond, metrics
from recsys.answers import Answers
from recsys.arrays import Float64, Int32, Int64
from recsys.baselines import RecentPopularity
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.inference import Interval, bootstrap_all
from recsys.policy import Policy
from recsys.replay import Ask, System, replay
from recsys.served import EngineSystem
from training.gate import Gate
from training.learn import learn
from training.recipe import Recipe
from training.stages import Report, silent, stage
from training.verdict import Check, Findings

K = 10
TIMED = 100
"""Pages that are asked for to compare how long answers take."""
SEED = 0


def rivals(
    history: History,
    challenger: Recipe,
    champion: Recipe | None,
    gate: Gate,
    policy: Policy,
    *,
    report: Report = silent,
) -> Findings:
    """Return what tells the recipes apart on the newest ``gate.window`` seconds of a history.

    Both learn from what was before the window and are asked what is opened next within it, as a
    service under ``policy`` would be. Recipes are compared and not bundles, for the bundle in
    service may have seen the window. Neither hears of editors' corrections, which may be later than
    the cut. What readers would open anyway, by popularity within the hour, is asked the same.

    The challenger is worse where even the upper bound of the paired interval of a metric is below
    what may be lost: chance alone holds one in forty for each metric. Where popularity beats it,
    it is held unless popularity beats the champion, too: then nothing is gained by staying.

    Two equal recipes are one contender, and what is compared between them is zero by definition.
    Nothing is concluded without ``champion``, its recipe, but for popularity.
    """
    reads = history.interactions.reads().at
    end = int(history.interactions.at[-1]) + 1 if len(history.interactions) else 0
    cut = end - int(gate.window)
    if not len(reads) or cut - int(reads[0]) < gate.history:
        days = max(cut - int(reads[0]), 0) / 86_400 if len(reads) else 0.0
        return Findings(
            notes=(
                f"Quality was not measured: {days:.1f} days before the last"
                f" {gate.window / 86_400:g} are too few to learn from.",
            )
        )
    asked = _Asked(history, cut, end, history.share(gate.questions, [(cut, end)]), report)
    ours, first = asked.contender("challenger", challenger, policy)
    if len(first.target) < gate.answers:
        return Findings(
            notes=(
                f"Quality was not measured: {len(first.target)} questions in the last"
                f" {gate.window / 86_400:g} days are fewer than {gate.answers}.",
            )
        )
    popular = asked.answers("popularity", RecentPopularity(len(history.articles)))
    notes = [
        f"Both recipes learned from what was before {_day(cut)}, and were asked"
        f" {len(first.target):,} questions from there to {_day(end)}."
    ]
    theirs, second = None, None
    if champion is None:
        notes.append("Without the recipe in service, only popularity was compared with.")
    elif champion == challenger:
        notes.append(
            "The recipe is the one in service: it was replayed once, and what is compared is zero"
            " by definition."
        )
        theirs, second = ours, first
    else:
        theirs, second = asked.contender("champion", champion, policy, like=ours, of=challenger)
    checks = [above_popularity(first, second, popular)]
    if second is not None:
        checks += compared(first, second, history, end, gate)
    if theirs is not None and theirs is not ours:
        with stage("gate: time answers", report) as note:
            checks.append(_timed(ours, theirs, history, cut, end, gate))
            note(checks[-1].sentence)
    return Findings(tuple(checks), tuple(notes))


def contender(
    name: str,
    history: History,
    recipe: Recipe,
    cut: int,
    policy: Policy,
    *,
    report: Report = silent,
    like: EngineSystem | None = None,
) -> EngineSystem:
    """Return a recipe as it would be served at ``cut``, having learned from what was before it.

    What it makes of texts is taken from a contender ``like`` it.
    """
    known = (
        {} if like is None else {n: getattr(like.engine.bundle, n) for n in ("embedder", "tone")}
    )
    bundle = learn(history.before(cut), recipe, cut, policy, report=report, **known)
    return EngineSystem.of(name, bundle, policy, history)


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


class _Asked:
    """The window in which everybody is asked the same."""

    def __init__(self, history: History, cut: int, end: int, share: float, report: Report) -> None:
        self._history, self._cut, self._end = history, cut, end
        self._share, self._report = share, report

    def contender(
        self,
        name: str,
        recipe: Recipe,
        policy: Policy,
        *,
        like: EngineSystem | None = None,
        of: Recipe | None = None,
    ) -> tuple[EngineSystem, Answers]:
        """Return a recipe's engine and what it answered.

        ``of`` is the recipe of ``like``: where both make the same of texts, it is made once.
        """
        alike = of is not None and (of.dims, of.seed) == (recipe.dims, recipe.seed)
        system = contender(
            name,
            self._history,
            recipe,
            self._cut,
            policy,
            report=_within(f"gate: {name}", self._report),
            like=like if alike else None,
        )
        return system, self.answers(name, system)

    def answers(self, name: str, system: System) -> Answers:
        """Return what a system answers in the window."""
        with stage(f"gate: replay {name}", self._report) as note, threadpool_limits(1):
            answers = replay(
                system,
                self._history,
                cut=self._cut,
                end=self._end,
                task="next click",
                k=K,
                share=self._share,
                seed=SEED,
            )
            rank = metrics.ranks(answers.lists, answers.target)
            hits = float(np.mean(metrics.hits(rank, K))) if len(rank) else 0.0
            note(f"{len(rank)} questions, HR@{K} {hits:.3f}")
        return answers


def _accuracy(answers: Answers) -> dict[str, Float64]:
    rank = metrics.ranks(answers.lists, answers.target)
    return {f"HR@{K}": metrics.hits(rank, K), f"MRR@{K}": metrics.reciprocal_ranks(rank, K)}


def _differences(
    ours: Sequence[Float64], theirs: Sequence[Float64], visit: Int64
) -> tuple[Interval, ...]:
    gap = np.stack(ours, axis=1) - np.stack(theirs, axis=1)
    return bootstrap_all(gap, visit, seed=SEED)


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


def _by_site(lists: Int32, code: Int32, count: int) -> Float64:
    """Return f64[q, count]: the share of each site in each list, NaN where it is empty."""
    found = beyond.codes(lists, code)
    cards = (found >= 0).sum(axis=1)
    of = np.stack([(found == site).sum(axis=1) for site in range(count)], axis=1).astype(np.float64)
    none = np.full(of.shape, np.nan)
    return np.asarray(np.divide(of, cards[:, None], out=none, where=cards[:, None] > 0), np.float64)


def _timed(
    ours: EngineSystem,
    theirs: EngineSystem,
    history: History,
    cut: int,
    end: int,
    gate: Gate,
) -> Check:
    """Return how long an answer takes, asking both in turn: what slows one slows the other."""
    opened = history.interactions.reads().between(cut, end)[-TIMED:]
    spent: tuple[list[float], list[float]] = [], []
    with threadpool_limits(1):
        for article, visitor in zip(opened.article.tolist(), opened.visitor.tolist(), strict=True):
            ask = Ask(visitor, end, (article,), (), ())
            for system, seconds in zip((ours, theirs), spent, strict=True):
                query = system.query(ask, K)
                begun = time.perf_counter()
                system.engine.recommend(query)
                seconds.append(time.perf_counter() - begun)
    mine, other = (1000 * float(np.median(seconds)) for seconds in spent)
    return Check(
        "milliseconds",
        mine <= gate.latency * other,
        mine,
        gate.latency * other,
        other,
        sentence=f"An answer takes {mine:.1f} ms (median), {other:.1f} in service; it may take"
        f" {gate.latency:g} times as long.",
    )


def _within(name: str, report: Report) -> Report:
    return lambda step: report(dataclasses.replace(step, name=f"{name}: {step.name}"))


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))

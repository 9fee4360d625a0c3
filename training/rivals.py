"""Replays the recipes of champion and challenger on the same future, which neither has seen."""

import time
from collections.abc import Callable, Iterable

import numpy as np
from threadpoolctl import threadpool_limits

from recsys import metrics
from recsys.answers import Answers
from recsys.baselines import RecentPopularity
from recsys.bundle import Bundle
from recsys.history import History
from recsys.policy import Policy
from recsys.replay import Ask, System, replay
from recsys.served import EngineSystem
from training.gate import Gate
from training.learn import learn
from training.recipe import Recipe
from training.stages import Report, silent, stage, within
from training.standing import SEED, K, above_popularity, compared
from training.verdict import Check, Findings

TIMED = 100
"""Pages that are asked for to compare how long answers take."""


def rivals(
    history: History,
    challenger: Recipe,
    champion: Recipe | None,
    gate: Gate,
    policy: Policy,
    *,
    earlier: Iterable[Bundle] = (),
    keep: Callable[[Bundle], None] = lambda _: None,
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
    Nothing is concluded without ``champion``, its recipe, but for popularity. Both are built upon
    those of the ``earlier`` bundles that had not seen the window either. ``keep`` is given the
    challenger's bundle.
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
    earlier = [*earlier]
    ours, first = asked.contender("challenger", challenger, policy, earlier)
    keep(ours.engine.bundle)
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
        theirs, second = asked.contender(
            "champion", champion, policy, earlier, like=ours, of=challenger
        )
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
    earlier: Iterable[Bundle] = (),
    report: Report = silent,
    like: EngineSystem | None = None,
) -> EngineSystem:
    """Return a recipe as it would be served at ``cut``, having learned from what was before it.

    What it makes of texts is taken from a contender ``like`` it.
    """
    known = (
        {} if like is None else {n: getattr(like.engine.bundle, n) for n in ("embedder", "tone")}
    )
    facts = history.before(cut)
    bundle = learn(facts, recipe, cut, policy, earlier=earlier, report=report, **known)
    return EngineSystem.of(name, bundle, policy, history)


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
        earlier: Iterable[Bundle],
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
            earlier=earlier,
            report=within(f"gate: {name}", self._report),
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


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))

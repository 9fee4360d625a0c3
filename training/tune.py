"""Searches for better settings, and tells by days that the search never saw whether they are."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from recsys import metrics
from recsys.arrays import Float64, Int64
from recsys.bundle import Bundle
from recsys.errors import DataError
from recsys.history import History
from recsys.inference import Interval, bootstrap
from recsys.replay import replay
from recsys.served import EngineSystem
from training.knobs import Settings, Value
from training.learn import learn, taught
from training.study import Plan, Study, Trial

K = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the settings found are worth on days that the search never saw."""

    questions: int
    before: Interval
    after: Interval
    gain: Interval
    """Paired by question; bootstrapped over visits."""

    @property
    def proven(self) -> bool:
        """Whether the interval of the gain lies above 0."""
        return self.gain.low > 0


def search(
    study: Study,
    history: History,
    settings: Settings,
    *,
    trials: int,
    seconds: float = math.inf,
    report: Callable[[Trial], None] = lambda trial: None,
) -> None:
    """Try values until there are ``trials`` of them in all, or ``seconds`` have passed.

    A trial learns from what was before ``plan.cut`` and is scored by what was opened from there to
    ``plan.end``; nothing later is looked at. What was begun is brought to its end.
    """
    plan, started = study.plan, time.monotonic()
    known = history.before(plan.end)
    learned = _learner(known, plan.cut, plan)

    def score(values: Mapping[str, Value]) -> float:
        tried = settings.turned(values)
        return float(_asked(learned(tried), tried, known, plan, plan.cut, plan.end)[0].mean())

    while len(study.trials) < trials and time.monotonic() - started < seconds:
        study.attempt(score)
        report(study.trials[-1])


def validate(history: History, before: Settings, after: Settings, plan: Plan) -> Verdict:
    """Return what ``after`` gains upon ``before`` on the days that no trial was asked about.

    Both learn from everything before ``plan.end``, as a training at that moment would.
    """
    known = history.before(plan.until)
    learned = _learner(known, plan.end, plan)
    (old, visit), (new, _) = (
        _asked(learned(settings), settings, known, plan, plan.end, plan.until)
        for settings in (before, after)
    )
    was, now, gain = (bootstrap(values, visit, seed=plan.seed) for values in (old, new, new - old))
    return Verdict(len(old), was, now, gain)


def _learner(known: History, cut: int, plan: Plan) -> Callable[[Settings], Bundle]:
    """Return how to learn from before ``cut``; what the last settings made is kept.

    Trials of the policy alone share a bundle, unless it has a ranker, and all share what was
    learned of the words. A ranker is learned where its own settings are searched; others are
    searched for the fusion that it starts from, which takes a fraction of the time.
    """
    past, ranked = known.before(cut), "ranker" in plan.groups
    last: list[tuple[Settings, Bundle]] = []

    def alike(one: Settings, other: Settings) -> bool:
        same = taught(one.policy) == taught(other.policy)
        return one.recipe == other.recipe and (same or not ranked)

    def learned(settings: Settings) -> Bundle:
        recipe = settings.recipe
        if last and alike(last[0][0], settings):
            return last[0][1]
        was = last[0][0].recipe if last else None
        same = was and (was.dims, was.seed) == (recipe.dims, recipe.seed)
        embedder = last[0][1].embedder if same else None
        made = learn(past, recipe, cut, settings.policy, ranked=ranked, embedder=embedder)
        last[:] = [(settings, made)]
        return made

    return learned


def _asked(
    bundle: Bundle, settings: Settings, known: History, plan: Plan, cut: int, end: int
) -> tuple[Float64, Int64]:
    """Return f64[q], the metric of each question of [``cut``, ``end``), and int64[q], its visit."""
    # Threads that share systems as small as a reader's taste wait for each other, and no more.
    with threadpool_limits(1):
        answers = replay(
            EngineSystem.of("engine", bundle, settings.policy, known),
            known,
            cut=cut,
            end=end,
            task=plan.task,
            k=K,
            share=known.share(plan.questions, [(cut, end)]),
            seed=plan.seed,
        )
    if not len(answers.target):
        raise DataError(
            f"{plan.task} has no question between {cut} and {end}; expected more days or questions"
        )
    value = metrics.hits if plan.metric == "HR@10" else metrics.reciprocal_ranks
    return value(metrics.ranks(answers.lists, answers.target), K), answers.visit

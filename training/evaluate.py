"""Replays the same history through every system, and measures them by the same questions."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.answers import Answers, joined
from recsys.arrays import Bool
from recsys.bundle import Bundle
from recsys.errors import DataError
from recsys.history import History
from recsys.leaks import Leak, altered, difference
from recsys.policy import Policy
from recsys.ranker import Ranker
from recsys.replay import System, TaskName, replay
from recsys.served import EngineSystem
from recsys.types import Kind
from training import curves, measures
from training.evaluation import Asked, Contender, Evaluation
from training.examples import examples
from training.measures import Facts, K
from training.peers.cost import Measured, measured
from training.systems import SYSTEMS, USUAL, Given

Make = Callable[[History, int], Bundle]
"""Makes the bundle of what was known at a time: the history that it is given ends there."""
Ablate = Callable[[History, int, str], Ranker | None]
"""Learns a ranker of what was known at a time, but for a group of ``recsys.features.GROUPS``."""
Progress = Callable[[str, int, int], None]
"""Is told a label, and how many openings of how many have been replayed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of which systems, and when."""

    windows: tuple[tuple[int, int], ...]
    """Cut and end of each, UTC seconds: systems learn anew from all that was before each cut."""
    tasks: tuple[TaskName, ...]
    systems: tuple[str, ...] = USUAL
    questions: int = 0
    """About how many openings are asked about, in all windows together; 0 for all."""
    warm_up: int = 0
    """Seconds after each cut in which systems follow the stream and nothing is asked."""
    seed: int = 0
    split: str = "one cut"
    """What the windows are called."""

    def __post_init__(self) -> None:
        for name in self.systems:
            if name not in SYSTEMS:
                raise DataError(f"system {name!r} is unknown; known: {', '.join(SYSTEMS)}")

    def share(self, history: History) -> float:
        """Return the share of openings that is asked about."""
        return history.share(self.questions, self.windows)


def askable(history: History, start: int, until: int) -> Iterator[TaskName]:
    """Yield the tasks that a history can ask: some have no readers, some no boxes."""
    events = history.interactions.between(start, until)
    yield "next click"
    if (events.visitor >= 0).any():
        yield "next article"
    if ((events.kind == Kind.IMPRESSION) & (events.slate >= 0)).any():
        yield "click in an impression"


def evaluate(
    history: History,
    make: Make,
    policy: Policy,
    plan: Plan,
    *,
    ablate: Ablate = lambda past, cut, group: None,
    data: str = "",
    recipe: Mapping[str, Any] | None = None,
    report: Progress = lambda label, done, of: None,
) -> Evaluation:
    """Replay each window of ``plan`` through each system, and measure the first ``K`` of its lists.

    The questions are drawn by ``plan.seed`` and the same for every system. ``ablate`` is asked only
    where rankers without a group of features are compared; ``data`` and ``recipe`` are only kept.
    """
    share = plan.share(history)
    heard: dict[tuple[str, str], list[Answers]] = {}
    known: dict[str, list[Bool]] = {task: [] for task in plan.tasks}
    costs = {name: _Cost() for name in plan.systems}
    bundles: list[Bundle] = []
    for cut, end in plan.windows:
        past = history.before(cut)
        fitted = measured(lambda past=past, cut=cut: make(past, cut))
        bundles.append(fitted.result)
        given = Given(fitted.result, policy, history, cut, plan.seed, partial(ablate, past, cut))
        seen = np.array([*(v in fitted.result.visitors for v in history.visitors), False])
        openings = len(history.interactions.reads().between(cut, end))
        for name in plan.systems:
            for task in plan.tasks:
                system = SYSTEMS[name].make(given)
                tick = _ticker(report, f"{task}: {name}", openings)
                started = time.perf_counter()
                # Threads that share products as small as a reader's taste wait for each other.
                with threadpool_limits(1):
                    answers = replay(
                        system,
                        history,
                        cut=cut,
                        end=end,
                        task=task,
                        k=K,
                        share=share,
                        warm_up=plan.warm_up,
                        seed=plan.seed,
                        tick=tick,
                    )
                spent = time.perf_counter() - started
                costs[name].add(spent, len(answers.target), system, fitted)
                heard.setdefault((task, name), []).append(answers)
                if name == plan.systems[0]:
                    known[task].append(seen[answers.visitor])
    merged = {
        task: {name: joined(heard[task, name]) for name in plan.systems} for task in plan.tasks
    }
    first, last = plan.windows[0][0], plan.windows[-1][1]
    facts = Facts.of(history, bundles[-1], first, last)
    best = plan.systems[0]
    parts = [name for name in plan.systems if SYSTEMS[name].kind == "ablation"]
    told = {task: np.concatenate(known[task]) for task in plan.tasks}
    return Evaluation(
        data=data,
        created=int(time.time()),
        cut=first,
        end=last,
        split=plan.split,
        seed=plan.seed,
        warm_up=plan.warm_up,
        learned_events=len(history.interactions.before(first)),
        replayed_events=len(history.interactions.between(first, last)),
        asked=tuple(Asked(task, len(of[best].target), of[best].of) for task, of in merged.items()),
        bundle=bundles[-1].id,
        recipe=dict(recipe or {}),
        policy=dataclasses.asdict(policy),
        systems=tuple(costs[name].contender(name) for name in plan.systems),
        measures=tuple(
            measure
            for task, of in merged.items()
            for measure in measures.measured(task, of, facts, told[task], seed=plan.seed)
        )
        + tuple(curves.errors(merged)),
        differences=tuple(
            difference
            for task, of in merged.items()
            for difference in measures.compared(task, of, parts, seed=plan.seed)
        ),
        points=(
            *curves.reliability(merged),
            *curves.by_slot(history.interactions.between(first, last)),
        ),
        examples=examples({task: of[best] for task, of in merged.items()}, history, seed=plan.seed),
    )


def leaks(
    history: History, make: Make, policy: Policy, plan: Plan
) -> Mapping[tuple[str, str], Leak | None]:
    """Return for each task and system the first answer that knew what had not happened yet.

    Everything is learned and replayed twice, once with another second half of each window: see
    ``recsys.leaks``. None where no answer changed.
    """
    cut, end = plan.windows[-1]
    middle, share = (cut + end) // 2, plan.share(history)
    histories = history, altered(history, middle, plan.seed)
    givens = [Given(make(h.before(cut), cut), policy, h, cut, plan.seed) for h in histories]
    found: dict[tuple[str, str], Leak | None] = {}
    for task in plan.tasks:
        for name in plan.systems:
            first, second = (
                replay(
                    SYSTEMS[name].make(given),
                    given.history,
                    cut=cut,
                    end=middle,
                    task=task,
                    share=share,
                    seed=plan.seed,
                )
                for given in givens
            )
            found[task, name] = difference(first, second, task)
    return found


@dataclass(slots=True)
class _Cost:
    """What a system has cost so far, over all tasks and windows."""

    seconds: float = 0.0
    questions: int = 0
    fit_seconds: float = 0.0
    fit_peak_bytes: int = 0

    def add(self, seconds: float, questions: int, system: System, bundle: Measured[Bundle]) -> None:
        self.seconds += seconds
        self.questions += questions
        served = isinstance(system, EngineSystem)
        fit_seconds = bundle.seconds if served else getattr(system, "fit_seconds", 0.0)
        peak = bundle.peak_bytes if served else getattr(system, "fit_peak_bytes", 0)
        self.fit_seconds = max(self.fit_seconds, fit_seconds)
        self.fit_peak_bytes = max(self.fit_peak_bytes, peak)

    def contender(self, name: str) -> Contender:
        spent = 1000 * self.seconds / max(self.questions, 1)
        return Contender(name, SYSTEMS[name].kind, spent, self.fit_seconds, self.fit_peak_bytes)


def _ticker(report: Progress, label: str, openings: int) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done % 1000 == 0:
            report(label, done, openings)

    return tick

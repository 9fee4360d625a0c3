"""Compares the engine with its baselines on the same replayed history."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recsys import metrics
from recsys.arrays import Bool, Float32, Int32
from recsys.baselines import CoVisitation, Latest, MostPopular, RecentPopularity
from recsys.bundle import Bundle
from recsys.embed import text_of
from recsys.engine import Engine
from recsys.ids import Vocabulary
from recsys.live import Live
from recsys.metrics import Interval
from recsys.policy import HalfLives, Policy, SourceWeights
from recsys.replay import Answers, EngineSystem, History, System, TaskName, replay

K = 10
ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Readers:
    """What one system reached for one kind of readers."""

    kind: str
    """``known`` to the bundle, or ``unknown`` to it."""
    questions: int
    hit_rate: Interval


@dataclass(frozen=True, slots=True)
class Line:
    """What one system reached on one task."""

    task: str
    system: str
    questions: int
    hit_rate: Interval
    mrr: Interval
    ndcg: Interval
    coverage: float
    """Share of the articles eligible in the window that were shown at least once."""
    elsewhere: float
    """Share of cards from other sites than the page's."""
    diversity: float
    """Mean 1 - cosine within a list; NaN without texts."""
    lead: Interval | None
    """By how much the engine's hit rate is above this system's, paired by visit."""
    readers: tuple[Readers, ...]
    """The hit rate once more, for readers whom the bundle knows and for the others."""
    milliseconds: float
    """Mean time of an answer, learning from the stream between answers included."""


SYSTEMS: dict[str, Callable[[Bundle, Policy, History], System]] = {
    ENGINE: lambda bundle, policy, history: _engine(ENGINE, bundle, policy, history),
    "engine, no reader id": lambda bundle, policy, history: _engine(
        "engine, no reader id", bundle, policy, history, names_reader=False
    ),
    "engine, page only": lambda bundle, policy, history: _engine(
        "engine, page only", bundle, policy, history, names_reader=False, tells_visit=False
    ),
    "engine, fusion alone": lambda bundle, policy, history: _engine(
        "engine, fusion alone", dataclasses.replace(bundle, ranker=None), policy, history
    ),
    "co-visitation": lambda _, __, history: CoVisitation(len(history.articles)),
    "recent popularity (1 h)": lambda _, __, history: RecentPopularity(len(history.articles)),
    "most popular": lambda _, __, history: MostPopular(len(history.articles)),
    "latest": lambda _, __, history: Latest(len(history.articles)),
    "content only": lambda bundle, _, history: _single("content only", "related", bundle, history),
    "ALS only": lambda bundle, _, history: _single("ALS only", "personal", bundle, history),
}
"""What is compared, in the order of the table."""


def evaluate(
    bundle: Bundle,
    policy: Policy,
    history: History,
    *,
    cut: int,
    end: int,
    tasks: Sequence[TaskName],
    systems: Sequence[str] = tuple(SYSTEMS),
    questions: int = 0,
    seed: int = 0,
    report: Callable[[str, int, int], None] = lambda label, done, of: None,
) -> list[Line]:
    """Replay [``cut``, ``end``) of ``history`` through each system and measure its top 10.

    ``bundle`` must have been made from facts before ``cut`` only. Of the openings, about
    ``questions`` are drawn by ``seed`` and asked about, the same for every system; all where it is
    0. ``report`` is told a label and how many openings of how many have been replayed.
    """
    openings = len(history.interactions.reads().between(cut, end))
    share = min(1.0, questions / max(openings, 1)) if questions else 1.0
    truth = _Truth.of(history, bundle, end)
    lines: list[Line] = []
    for task in tasks:
        reference: Answers | None = None
        for name in systems:
            done = 0

            def tick(label: str = f"{task}: {name}") -> None:
                nonlocal done
                done += 1
                if done % 1000 == 0:
                    report(label, done, openings)

            started = time.perf_counter()
            answers = replay(
                SYSTEMS[name](bundle, policy, history),
                history,
                cut=cut,
                end=end,
                task=task,
                k=K,
                share=share,
                seed=seed,
                tick=tick,
            )
            spent = time.perf_counter() - started
            if name == ENGINE:
                reference = answers
            lines.append(_line(task, name, answers, reference, truth, seed, spent))
    return lines


def compare(lines: Sequence[Line]) -> str:
    """Return one sentence on the engine beside the best of the others, by hit rate.

    It says so where the simpler system is better, and where the interval does not tell.
    """
    others = [line for line in lines if line.lead and not line.system.startswith(ENGINE)]
    engine = [line for line in lines if line.system == ENGINE]
    if not others or not engine or not engine[0].questions:
        return "There was nothing to compare."
    best = max(others, key=lambda line: line.hit_rate.mean)
    lead = best.lead
    assert lead is not None
    bounds = f"{lead.low:+.3f} to {lead.high:+.3f} in 95 of 100 resamples of visits"
    if lead.low > 0:
        return f"The engine is ahead of {best.system} by {lead.mean:.3f} HR@10 ({bounds})."
    if lead.high < 0:
        return f"The engine is BEHIND {best.system} by {-lead.mean:.3f} HR@10 ({bounds})."
    return f"The engine and {best.system} cannot be told apart: {lead.mean:+.3f} HR@10 ({bounds})."


def _line(
    task: str,
    name: str,
    answers: Answers,
    reference: Answers | None,
    truth: "_Truth",
    seed: int,
    spent: float,
) -> Line:
    rank = metrics.ranks(answers.lists, answers.target)

    def interval(values: np.ndarray) -> Interval:
        return metrics.bootstrap(values, answers.visit, seed=seed)

    lead = None
    if reference is not None and name != ENGINE:
        best = metrics.ranks(reference.lists, reference.target)
        lead = interval(metrics.hits(best, K) - metrics.hits(rank, K))
    return Line(
        task=task,
        system=name,
        questions=len(answers.target),
        hit_rate=interval(metrics.hits(rank, K)),
        mrr=interval(metrics.reciprocal_ranks(rank, K)),
        ndcg=interval(metrics.gains(rank, K)),
        coverage=metrics.coverage(answers.lists, truth.eligible),
        elsewhere=metrics.share_elsewhere(answers.lists, truth.site, truth.site[answers.home]),
        diversity=metrics.intra_list_diversity(answers.lists, truth.vectors),
        lead=lead,
        readers=_readers(rank, answers, truth, seed),
        milliseconds=1000 * spent / max(len(answers.target), 1),
    )


def _readers(rank: Int32, answers: Answers, truth: "_Truth", seed: int) -> tuple[Readers, ...]:
    known = truth.known[answers.visitor]
    found = []
    for kind, of in (("known", known), ("unknown", ~known)):
        hits = metrics.hits(rank[of], K)
        rate = metrics.bootstrap(hits, answers.visit[of], seed=seed)
        found.append(Readers(kind, int(of.sum()), rate))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """What the measures, and never the systems, know of all articles of the history."""

    site: Int32
    vectors: Float32
    eligible: int
    known: Bool
    """bool[V + 1]: which readers the bundle has seen; the last entry stands for -1."""

    @classmethod
    def of(cls, history: History, bundle: Bundle, end: int) -> "_Truth":
        codes = Vocabulary(sorted({article.site for article in history.articles}))
        return cls(
            site=codes.rows(article.site for article in history.articles),
            vectors=bundle.embedder.embed([text_of(article) for article in history.articles]),
            eligible=sum(article.published < end for article in history.articles),
            known=np.array([*(v in bundle.visitors for v in history.visitors), False]),
        )


def _engine(name: str, bundle: Bundle, policy: Policy, history: History, **page: bool) -> System:
    # History cannot say how a card would have done that nobody was shown: nothing is tried out.
    still = dataclasses.replace(policy, exploration=0.0)
    return EngineSystem(name, Engine(bundle, Live(bundle), still), history, **page)


def _single(name: str, source: str, bundle: Bundle, history: History) -> System:
    off = {field.name: 0.0 for field in dataclasses.fields(SourceWeights)}
    alone = Policy(
        weights=SourceWeights(**{**off, source: 1.0}),
        other_sites_min=0.0,
        max_per_site=1.0,
        half_lives=HalfLives(related=0.0, personal=0.0),
        diversity=0.0,
    )
    return _engine(name, dataclasses.replace(bundle, ranker=None), alone, history)

"""Learns from the last days of the past how to correct the fusion of sources."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recsys.arrays import Bool, Float32, Float64, Int32, Int64
from recsys.bundle import Bundle
from recsys.engine import Engine
from recsys.features import FEATURES
from recsys.history import History, Step
from recsys.live import Live
from recsys.policy import Policy
from recsys.ranker import Ranker, offset
from recsys.replay import Ask, Listed, replay
from recsys.served import EngineSystem
from training.fit import fit
from training.recipe import Recipe
from training.stages import Report, silent, stage

if TYPE_CHECKING:
    import lightgbm

WINDOW = 86_400
"""Seconds before the end of the past from which questions are taken."""
FEWEST = 200
"""Questions below which nothing is learned: fusion alone is safer."""
MOST_DEVICES = 20
SHRINKAGE = 10.0
"""Added to the curvature of a leaf: what few questions say moves it little."""
LEAF = 100
"""Candidates that a leaf holds at least."""


def learn(
    history: History,
    recipe: Recipe,
    now: int,
    make: Callable[[History, int], Bundle],
    policy: Policy | None = None,
) -> Ranker | None:
    """Return a ranker learned from what was known before ``now``, None where that is too little.

    A bundle of everything before the last ``WINDOW`` seconds, made by ``make``, is replayed through
    them; about ``recipe.rank_questions`` next clicks, drawn by ``recipe.seed``, are what the trees
    learn from. So each feature is just what a service would have known at that moment.
    """
    start = now - WINDOW
    past, known = history.before(start), history.before(now)
    openings = len(known.interactions.reads().between(start, now))
    if not len(past.interactions) or openings < FEWEST:
        return None
    bundle = make(past, start)
    still = dataclasses.replace(policy or Policy(), exploration=0.0)
    devices = _devices(known.contexts)
    witness = _Witness(Engine(bundle, Live(bundle), still), known, devices)
    replay(
        witness,
        known,
        cut=start,
        end=now,
        task="next click",
        share=min(1.0, recipe.rank_questions / openings),
        seed=recipe.seed,
    )
    if len(witness.tables) < FEWEST:
        return None
    table, opened = np.concatenate(witness.tables), np.concatenate(witness.opened)
    sizes = np.array([len(part) for part in witness.tables], np.int64)
    return Ranker(grow(table, opened, sizes, recipe), FEATURES, devices)


def with_ranker(
    bundle: Bundle, history: History, recipe: Recipe, now: int, *, report: Report = silent
) -> Bundle:
    """Return ``bundle``, made of what was known before ``now``, with a ranker where one is wanted.

    Where too little is known to learn from, fusion ranks alone.
    """
    if not recipe.rank_questions:
        return bundle

    def past(known: History, at: int) -> Bundle:
        return fit(known.articles, known.visitors, known.interactions, recipe, at)

    with stage("ranking", report) as note:
        ranker = learn(history, recipe, now, past)
        note(f"{ranker.booster.num_trees()} trees" if ranker else "too few clicks to learn from")
    return dataclasses.replace(bundle, ranker=ranker)


def grow(table: Float32, opened: Bool, sizes: Int64, recipe: Recipe) -> "lightgbm.Booster":
    """Return trees fitted to q questions, one after another in ``table`` f32[sum(sizes), F].

    ``opened`` bool[sum(sizes)] marks one candidate of each question and ``sizes`` int64[q] are
    their numbers of candidates. The loss is the conditional logit's, ``-log softmax`` of the one
    that was opened (McFadden, 1974), with the log of the fusion score as the offset.
    """
    import lightgbm  # it wants the system's OpenMP, which only those who rank may be asked for

    data = lightgbm.Dataset(
        table,
        opened.astype(np.float32),
        init_score=offset(table, FEATURES),
        feature_name=[name.replace(" ", "_") for name in FEATURES],
        free_raw_data=True,
    )
    settings = {
        "objective": _loss(sizes),
        "num_leaves": recipe.rank_leaves,
        "learning_rate": recipe.rank_rate,
        "min_data_in_leaf": LEAF,
        "lambda_l2": SHRINKAGE,
        "seed": recipe.seed,
        "num_threads": 1,  # sums of two threads differ in their last bits from run to run
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    return lightgbm.train(settings, data, recipe.rank_trees)


def _loss(
    sizes: Int64,
) -> Callable[[Float64, "lightgbm.Dataset"], tuple[Float64, Float64]]:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    question = np.repeat(np.arange(len(sizes)), sizes)

    def slopes(odds: Float64, data: "lightgbm.Dataset") -> tuple[Float64, Float64]:
        chances = np.exp(odds - np.maximum.reduceat(odds, starts)[question])
        chances /= np.add.reduceat(chances, starts)[question]
        return chances - np.asarray(data.get_label()), np.maximum(chances * (1 - chances), 1e-6)

    return slopes


class _Witness(EngineSystem):
    """An engine that keeps how it saw the candidates, once it is told which one was opened."""

    def __init__(self, engine: Engine, history: History, devices: Sequence[str]) -> None:
        super().__init__("witness", engine, history)
        self.tables: list[Float32] = []
        self.opened: list[Bool] = []
        self._devices = devices
        self._asked: tuple[Int32, Float32] | None = None

    def tell(self, ask: Ask, k: int) -> Listed:
        """Describe the candidates; nobody looks at the answer."""
        rows, table = self.engine.describe(self.query(ask, k), self._devices)
        self._asked = rows, table
        return Listed.bare(rows[:0])

    def observe(self, step: Step) -> None:
        """Take the opening as the answer to the question just asked."""
        if self._asked is not None:
            rows, table = self._asked
            target = str(self._history.articles[step.article].id)
            opened = rows == self.engine.live.view.catalogue.ids.row(target)
            if opened.any():
                self.tables.append(table)
                self.opened.append(opened)
            self._asked = None
        super().observe(step)


def _devices(contexts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    found = {
        part.partition(":")[2] for parts in contexts for part in parts if part[:7] == "device:"
    }
    return tuple(sorted(found)[:MOST_DEVICES])

"""Learns from the last days of the past how to correct the fusion of sources."""

import dataclasses
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np

from recsys.arrays import Float64, Int16, Int64
from recsys.bundle import Bundle
from recsys.errors import LibraryMissing
from recsys.features import FEATURES, GROUPS
from recsys.history import History
from recsys.policy import Policy
from recsys.ranker import Ranker, library, offset
from training.fit import fit
from training.questions import Questions, questions
from training.recipe import Recipe
from training.stages import Report, silent, stage, within

if TYPE_CHECKING:
    import lightgbm

SHRINKAGE = 10.0
"""Added to the curvature of a leaf: what few questions say moves it little."""
LEAF = 100
"""Candidates that a leaf holds at least."""
HELD_OUT = 5
"""The last of so many parts of the questions tells whether trees are worth having."""


def learn(asked: Questions, recipe: Recipe, without: Collection[str] = ()) -> Ranker:
    """Return a ranker learned from questions; it knows nothing of the groups ``without``.

    Those of ``recsys.features.GROUPS`` may be left out, to see what they are worth. The log of
    the fusion score stays where trees start from. Raises ``KeyError`` for an unknown group.
    """
    trees, _ = grow(asked, recipe, without)
    return Ranker.of(trees, FEATURES, asked.devices)


def with_ranker(
    bundle: Bundle,
    history: History,
    recipe: Recipe,
    now: int,
    policy: Policy | None = None,
    *,
    report: Report = silent,
) -> Bundle:
    """Return ``bundle``, made of what was known before ``now``, with a ranker where one is wanted.

    It corrects the fusion of ``policy``. Where too little is known to learn from, where trees do
    not predict the last of the questions better than fusion does, or where the system cannot load
    LightGBM, fusion ranks alone, and the report says so.
    """
    ranker = learn_ranker(history, recipe, now, policy, report=report)
    return dataclasses.replace(bundle, ranker=ranker) if ranker else bundle


def learn_ranker(
    history: History,
    recipe: Recipe,
    now: int,
    policy: Policy | None = None,
    *,
    earlier: Iterable[Bundle] = (),
    keep: Callable[[Bundle], None] = lambda _: None,
    report: Report = silent,
) -> Ranker | None:
    """Return a ranker as ``with_ranker`` says, None where there is none.

    The bundle of the past that it learns upon is built upon one of the ``earlier`` ones that had
    not seen more, and given to ``keep``.
    """
    if not recipe.rank_questions:
        return None
    try:
        library()
    except LibraryMissing as error:
        with stage("ranking", report) as note:
            note(f"fusion ranks: {error}")
        return None
    asked = ask(history, recipe, now, policy, earlier=earlier, keep=keep, report=report)
    with stage("ranking", report) as note:
        ranker, result = _worthy(asked, recipe)
        note(result)
    return ranker


def ask(
    history: History,
    recipe: Recipe,
    now: int,
    policy: Policy | None = None,
    *,
    earlier: Iterable[Bundle] = (),
    keep: Callable[[Bundle], None] = lambda _: None,
    report: Report = silent,
) -> Questions | None:
    """Return what rankers of one recipe learn from, None where that is too little.

    ``earlier`` and ``keep`` are as in ``learn_ranker``.
    """

    def past(known: History, at: int) -> Bundle:
        facts = known.articles, known.visitors, known.interactions
        bundle = fit(*facts, recipe, at, earlier=earlier, report=within("past", report))
        keep(bundle)
        return bundle

    return questions(
        history, now, recipe.rank_questions, past, policy, seed=recipe.seed, report=report
    )


def _worthy(asked: Questions | None, recipe: Recipe) -> tuple[Ranker | None, str]:
    """Return a ranker that has proved itself on what it had not seen, or None, and the story."""
    if asked is None:
        return None, "too few clicks to learn from"
    kept = len(asked) - len(asked) // HELD_OUT
    gain = _gain(asked.part(kept, len(asked)), *grow(asked.part(0, kept), recipe))
    if gain <= 0:
        return None, f"fusion stays: trees lose {-gain:.3f} nats a click on the last clicks"
    ranker = learn(asked, recipe)
    trees, boxes = len(ranker.trees), asked.boxes
    return ranker, f"{trees} trees from {len(asked)} clicks, {boxes} of them in boxes"


def _gain(asked: Questions, trees: "lightgbm.Booster", examined: Float64) -> float:
    """Return how many nats likelier a click is to trees than to fusion, on average."""
    start = offset(asked.table, FEATURES) + _looks(asked.slot, np.log(examined))
    learned = start + trees.predict(asked.table, raw_score=True, num_threads=1)
    of = _Softmax(asked.sizes)
    with np.errstate(divide="ignore"):
        before, after = (np.log(of(odds)[asked.opened]) for odds in (start, learned))
    return float(np.mean(after - before))


def grow(
    asked: Questions, recipe: Recipe, without: Collection[str] = ()
) -> tuple["lightgbm.Booster", Float64]:
    """Return trees fitted to questions, and f64[S]: how often each slot is looked at.

    The loss is the conditional logit's, ``-log softmax`` of the one that was opened (McFadden,
    1974), with the log of the fusion score as the offset. In boxes the log odds of a card are those
    plus a number for its slot: a click needs a look and a liking, ``P = examined[slot] · liked``
    (the position-based model; Craswell et al., 2008), and where clicks are rare the chances that
    one of two cards is the one clicked stand as these products. The numbers are learned with the
    trees, by a step of Newton's before each (as in LightGBM's own unbiased lambdarank), and left
    behind when they serve: nothing that is yet to be placed has a slot. The first slot counts 1;
    where clicks are frequent the others come out a little low, for odds grow faster than chances.
    """
    lightgbm = library()
    table = asked.table
    if without:
        left = np.array([name for group in without for name in GROUPS[group]])
        table = table.copy()
        table[:, np.isin(FEATURES, left)] = np.nan  # on what is never known nothing can split
    data = lightgbm.Dataset(
        table,
        asked.opened.astype(np.float32),
        init_score=offset(asked.table, FEATURES),
        feature_name=[name.replace(" ", "_") for name in FEATURES],
        free_raw_data=True,
    )
    loss = _Loss(asked)
    settings = {
        "objective": lambda odds, data: loss.slopes(odds),  # an object would be copied
        "num_leaves": recipe.rank_leaves,
        "learning_rate": recipe.rank_rate,
        "min_data_in_leaf": LEAF,
        "lambda_l2": SHRINKAGE,
        "seed": recipe.seed,
        "deterministic": True,
        # Columns give the same bits for any number of threads; but beside a busy service, threads
        # that wait for each other at every split take many times as long as one.
        "num_threads": 1,
        "force_col_wise": True,
        "verbosity": -1,
    }
    trees = lightgbm.train(settings, data, recipe.rank_trees)
    return trees, np.exp(loss.look)


class _Softmax:
    """The chances of candidates, question by question."""

    def __init__(self, sizes: Int64) -> None:
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._question = np.repeat(np.arange(len(sizes)), sizes)

    def __call__(self, odds: Float64) -> Float64:
        if not len(odds):
            return odds
        chances = np.exp(odds - np.maximum.reduceat(odds, self._starts)[self._question])
        return chances / np.add.reduceat(chances, self._starts)[self._question]


class _Loss:
    """The slopes of the loss; between trees it learns how often each slot is looked at."""

    def __init__(self, asked: Questions) -> None:
        self._of = _Softmax(asked.sizes)
        boxed = np.repeat(asked.slot[asked.opened] >= 0, asked.sizes)
        self._boxed = np.flatnonzero(boxed)
        self._of_boxed = _Softmax(asked.sizes[asked.slot[asked.opened] >= 0])
        self._slot, self._opened = asked.slot, asked.opened.astype(np.float64)
        self.look = np.zeros(int(asked.slot.max(initial=0)) + 1)
        """f64[S]: log odds that a slot adds to those of its card, 0 for the first"""

    def slopes(self, odds: Float64) -> tuple[Float64, Float64]:
        """Return f64[n] twice: slope and curvature of the loss for each candidate's log odds."""
        self._look(odds[self._boxed])
        chances = self._of(odds + _looks(self._slot, self.look))
        return chances - self._opened, np.maximum(chances * (1 - chances), 1e-6)

    def _look(self, odds: Float64) -> None:
        """Take a step of Newton's, half of one: slots share their box, so each one's step counts
        for the others too."""
        slot, opened = self._slot[self._boxed], self._opened[self._boxed]
        chances = self._of_boxed(odds + self.look[slot])
        slope = np.bincount(slot, chances - opened, len(self.look)) + self.look
        bend = np.bincount(slot, chances * (1 - chances), len(self.look)) + 1.0
        self.look -= 0.5 * slope / bend
        self.look -= self.look[0]


def _looks(slot: Int16, look: Float64) -> Float64:
    """Return f64[n]: what each candidate's slot adds to its log odds; 0 outside of boxes."""
    within = np.minimum(slot, len(look) - 1)
    return np.where(slot >= 0, look[within], 0.0)

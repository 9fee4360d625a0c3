"""Draws the curves of an evaluation: whether predicted click rates come true, what slots decide."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from recsys import calibration, metrics
from recsys.answers import Answers
from recsys.arrays import Bool, Float64, Int64
from recsys.calibration import Rate
from recsys.tables import Interactions
from recsys.types import Kind
from training.evaluation import Measure, Point
from training.measures import IMPRESSION

LOG = "the log"
"""What a curve is of that tells of the box as it was shown, and of no system."""


def reliability(heard: Mapping[str, Mapping[str, Answers]]) -> Iterator[Point]:
    """Yield the calibration curve of each system that says how probably each card is opened.

    ``heard`` are answers by task and system.
    """
    for task, name, predicted, opened, visit in _predictions(heard):
        yield from _points(
            task, name, "calibration", calibration.reliability(predicted, opened, visit)
        )


def errors(heard: Mapping[str, Mapping[str, Answers]]) -> Iterator[Measure]:
    """Yield the expected calibration error of each system that says how probable cards are."""
    for task, name, predicted, opened, _ in _predictions(heard):
        error = calibration.expected_error(predicted, opened)
        asked = len(heard[task][name].target)
        yield Measure(task, name, "calibration error", asked, error)


def by_slot(events: Interactions) -> Iterator[Point]:
    """Yield how often the cards of a log were clicked in each slot, counted from 1.

    A card counts once, however often it was seen; one without a slot is left out.
    """
    box = events[(events.slate >= 0) & (events.position >= 0) & (events.kind <= Kind.CLICK)]
    width = int(box.article.max(initial=0)) + 1
    card, first, index = np.unique(
        box.slate * np.int64(width) + box.article, return_index=True, return_inverse=True
    )
    clicked = np.bincount(index, box.kind == Kind.CLICK, len(card)) > 0
    slot, reader = (column[first].astype(np.int64) for column in (box.position, box.visitor))
    yield from _points(
        IMPRESSION, LOG, "position", calibration.by_slot(slot, clicked, reader), first=1.0
    )


def _predictions(
    heard: Mapping[str, Mapping[str, Answers]],
) -> Iterator[tuple[str, str, Float64, Bool, Int64]]:
    """Yield task, system, and of each card its chance f64[n], whether it was opened, its visit.

    Of an impression systems tell the order alone: their scores are no chances.
    """
    for task, systems in heard.items():
        for name, answers in systems.items():
            told = (answers.lists >= 0) & np.isfinite(answers.chance)
            if task == IMPRESSION or not told.any():
                continue
            opened = metrics.found(answers.lists, answers.target[:, None])
            visit = np.broadcast_to(answers.visit[:, None], told.shape)
            # Rounded sums of probabilities may come out a little above 1.
            chance = np.clip(answers.chance[told].astype(np.float64), 0.0, 1.0)
            yield task, name, chance, opened[told], visit[told]


def _points(
    task: str, system: str, curve: str, rates: Iterable[Rate], *, first: float = 0.0
) -> Iterator[Point]:
    for rate in rates:
        y = rate.clicked
        if np.isfinite(y.low):
            yield Point(task, system, curve, rate.x + first, y.mean, y.low, y.high, rate.cards)

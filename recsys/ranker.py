"""Ranks candidates by what was learned from the log: gradient-boosted trees over their features."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from recsys.arrays import Float32, Float64
from recsys.compiled import kernel
from recsys.errors import BundleCorrupt, LibraryMissing
from recsys.trees import Trees

if TYPE_CHECKING:
    import lightgbm

TREES, FACTS = "trees.txt", "ranker.json"


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """Trees that correct what fusion thinks, in log odds: with none of them, fusion stands."""

    trees: Trees
    features: tuple[str, ...]
    """What the columns of its input mean."""
    devices: tuple[str, ...] = ()
    """Devices that have a code of their own among the features, in the order of codes."""

    @classmethod
    def of(
        cls, booster: "lightgbm.Booster", features: Sequence[str], devices: Sequence[str] = ()
    ) -> "Ranker":
        """Return the ranker of trees that LightGBM has learned."""
        return cls(Trees.parse(booster.model_to_string()), tuple(features), tuple(devices))

    def probabilities(self, table: Float32) -> Float64:
        """Return f64[m]: how probably each candidate is the one opened; they sum to 1.

        ``table`` f32[m, F] has the columns ``features``, NaN where a value is unknown. The model
        is a conditional logit (McFadden, 1974): softmax of ``log fusion + trees``.
        """
        if not len(table):
            return np.empty(0)
        columns = np.ascontiguousarray(table.T)
        start = columns[self.features.index(OFFSET)]
        chances: Float64 = _softmax(self.trees.sums(columns), start)
        return chances

    def save(self, folder: Path) -> None:
        """Write the trees as LightGBM's text, and the names beside them as JSON."""
        (folder / TREES).write_text(self.trees.text, encoding="utf-8")
        facts = {"features": self.features, "devices": self.devices}
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Ranker":
        """Read what ``save`` wrote; raises ``BundleCorrupt`` where it cannot be read."""
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            trees = Trees.parse((folder / TREES).read_text(encoding="utf-8"))
            ranker = cls(trees, tuple(facts["features"]), tuple(facts["devices"]))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise BundleCorrupt(f"the ranker in {folder} cannot be read: {error}") from error
        if trees.width != len(ranker.features):
            raise BundleCorrupt(f"the ranker in {folder} does not fit the features it names")
        return ranker


def library() -> ModuleType:
    """Return LightGBM, loaded by those alone who learn; ``LibraryMissing`` where it cannot be."""
    try:
        import lightgbm
    except OSError as error:  # it wants the OpenMP of the system
        raise LibraryMissing(
            f"LightGBM cannot be loaded ({error}); install libgomp1 from the system's packages"
        ) from error
    return lightgbm


@kernel
def _softmax(odds, start):  # type: ignore[no-untyped-def]
    """Return f64[m]: the chances of candidates with log odds ``odds + start``."""
    for place in range(len(odds)):
        odds[place] += UNHEARD if np.isnan(start[place]) else start[place]
    chances = np.exp(odds - odds.max())
    return chances / chances.sum()


def offset(table: Float32, features: Sequence[str]) -> Float64:
    """Return f64[m]: where the trees start from, the log of fusion's own score."""
    start: Float64 = table[:, features.index(OFFSET)].astype(np.float64)
    start[np.isnan(start)] = UNHEARD
    return start


OFFSET = "fusion score"
UNHEARD = -20.0
"""Log of the score of what no source proposes."""

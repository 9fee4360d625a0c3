"""Ranks candidates by what was learned from the log: gradient-boosted trees over their features."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from recsys.arrays import Float32, Float64
from recsys.errors import BundleCorrupt, LibraryMissing

if TYPE_CHECKING:
    import lightgbm

TREES, FACTS = "trees.txt", "ranker.json"


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """Trees that correct what fusion thinks, in log odds: with none of them, fusion stands."""

    booster: "lightgbm.Booster"
    features: tuple[str, ...]
    """What the columns of its input mean."""
    devices: tuple[str, ...] = ()
    """Devices that have a code of their own among the features, in the order of codes."""

    def probabilities(self, table: Float32) -> Float64:
        """Return f64[m]: how probably each candidate is the one opened; they sum to 1.

        ``table`` f32[m, F] has the columns ``features``, NaN where a value is unknown. The model
        is a conditional logit (McFadden, 1974): softmax of ``log fusion + trees``.
        """
        if not len(table):
            return np.empty(0)
        # One thread: a request is small, and its neighbours want the other cores.
        trees = np.asarray(self.booster.predict(table, raw_score=True, num_threads=1), np.float64)
        odds = trees + offset(table, self.features)
        chances: Float64 = np.exp(odds - odds.max())
        chances /= chances.sum()
        return chances

    def save(self, folder: Path) -> None:
        """Write the trees as LightGBM's text, and the names beside them as JSON."""
        self.booster.save_model(folder / TREES)
        facts = {"features": self.features, "devices": self.devices}
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Ranker":
        """Read what ``save`` wrote.

        Raises ``BundleCorrupt`` where it cannot be read, and as ``library``.
        """
        lightgbm = library()
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            booster = lightgbm.Booster(model_file=folder / TREES)
            ranker = cls(booster, tuple(facts["features"]), tuple(facts["devices"]))
        except (OSError, ValueError, KeyError, TypeError, lightgbm.basic.LightGBMError) as error:
            raise BundleCorrupt(f"the ranker in {folder} cannot be read: {error}") from error
        if booster.num_feature() != len(ranker.features):
            raise BundleCorrupt(f"the ranker in {folder} does not fit the features it names")
        return ranker


def library() -> ModuleType:
    """Return LightGBM, loaded by those alone who rank; ``LibraryMissing`` where it cannot be."""
    try:
        import lightgbm
    except OSError as error:  # it wants the OpenMP of the system
        raise LibraryMissing(
            f"LightGBM cannot be loaded ({error}); install libgomp1 from the system's packages"
        ) from error
    return lightgbm


def offset(table: Float32, features: Sequence[str]) -> Float64:
    """Return f64[m]: where the trees start from, the log of fusion's own score."""
    start: Float64 = table[:, features.index(OFFSET)].astype(np.float64)
    return np.nan_to_num(start, nan=UNHEARD)


OFFSET = "fusion score"
UNHEARD = -20.0
"""Log of the score of what no source proposes."""

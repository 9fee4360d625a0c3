"""Counts how full each bundle's answers are, in this worker, for whoever watches bundles."""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

BUNDLES, CELLS = 4, 2_000
"""What is remembered at a time: the last bundles, and cells of each."""
Key = tuple[str, str, str, int]
"""Site of the page, placement, arm and 0: fill does not depend on the hour."""


@dataclass(frozen=True, slots=True)
class Fill:
    """Sums over answers of the items given as a share of those asked for."""

    answers: int = 0
    share: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Fill") -> "Fill":
        return Fill(
            self.answers + other.answers, self.share + other.share, self.squares + other.squares
        )

    @property
    def error(self) -> float:
        """Standard error of the mean share; 0 where there is no answer."""
        mean = self.share / max(self.answers, 1)
        variance = self.squares / max(self.answers, 1) - mean**2
        return math.sqrt(max(variance, 0.0) / max(self.answers, 1))


class Fills:
    """Counts from any thread; what it forgets first is the bundle that answered longest ago."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by: OrderedDict[str, dict[Key, Fill]] = OrderedDict()

    def count(self, bundle: str, site: str, placement: str, arm: str, share: float) -> None:
        """Count one answer, with the items given as a share of those asked for."""
        key = (site, placement, arm, 0)
        with self._lock:
            cells = self._by.setdefault(bundle, {})
            self._by.move_to_end(bundle)
            if key in cells or len(cells) < CELLS:
                cells[key] = cells.get(key, Fill()) + Fill(1, share, share * share)
            while len(self._by) > BUNDLES:
                self._by.popitem(last=False)

    def of(self, bundle: str) -> dict[Key, Fill]:
        """Return what was counted for a bundle, by cell."""
        with self._lock:
            return dict(self._by.get(bundle, {}))

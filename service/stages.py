"""Times the stages of an answer, for metrics and for spans."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stages:
    """A watch with a lap for each stage: call it with a stage's name as the stage ends."""

    last: int = field(default_factory=time.perf_counter_ns)
    laps: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, begin and end of each, in nanoseconds of ``time.perf_counter_ns``."""

    def __call__(self, name: str) -> None:
        """End a stage now; the next one begins."""
        now = time.perf_counter_ns()
        self.laps.append((name, self.last, now))
        self.last = now

    def seconds(self) -> dict[str, float]:
        """Return how long each stage took in all, in seconds."""
        total: dict[str, float] = {}
        for name, begin, end in self.laps:
            total[name] = total.get(name, 0.0) + (end - begin) / 1e9
        return total

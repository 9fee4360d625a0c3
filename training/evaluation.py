"""What an evaluation found, as values that a report shows and a file keeps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from recsys.errors import DataError

SystemKind = Literal["engine", "ablation", "baseline", "peer"]
Real = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""NaN where there was nothing to measure, which JSON writes as null."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the systems that were compared, and what it cost."""

    name: str
    kind: SystemKind
    milliseconds: float
    """Mean time of an answer, learning from the stream between answers included."""
    fit_seconds: float = 0.0
    """Of its slowest fit; 0 where it learns opening by opening."""
    fit_peak_bytes: int = 0
    """Memory of its largest fit, above what the process held before."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of one system on one task, over all questions or over a part of them."""

    task: str
    system: str
    metric: str
    """Such as ``HR@10``."""
    questions: int
    mean: Real
    low: float | None = None
    """Bounds of the 95 % bootstrap interval over visits, None where a metric has none."""
    high: float | None = None
    segment: str = ""
    """What the questions are parted by, such as ``reader`` or ``day``; empty for all of them."""
    part: str = ""
    """Which part, such as ``known``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a system is above another in one metric, paired by question."""

    task: str
    system: str
    against: str
    metric: str
    mean: Real
    low: Real
    high: Real
    p: Real
    """Probability of a difference as large where the two are equally good."""
    adjusted: Real
    """The same, corrected for all rivals, or for all parts of the engine (Holm, 1979)."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve, such as a bin of predicted click rates or a slot of the box."""

    task: str
    system: str
    curve: str
    """``calibration`` (x predicted, y observed) or ``position`` (x slot from 1, y click rate)."""
    x: Real
    y: Real
    low: Real
    high: Real
    count: int


@dataclass(frozen=True, slots=True)
class ShownCard:
    """One card of an example."""

    site: str
    title: str
    source: str
    reason: str
    opened: bool
    """Whether it is what the reader opened next in truth."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question of the replay and how the engine answered it."""

    task: str
    at: int
    site: str
    title: str
    """Of the page, its key where it has none; empty where the visit begins."""
    visit: tuple[str, ...]
    """Titles of what was opened before, oldest first."""
    opened: str
    """Title of what was opened next in truth."""
    cards: tuple[ShownCard, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """How many questions of a task there were, and how many of them were asked."""

    task: str
    questions: int
    of: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that one comparison found, and all that it takes to repeat it."""

    data: str
    """Where the history came from, for people."""
    created: int
    cut: int
    """Everything was learned from what was before it, UTC seconds."""
    end: int
    """What was replayed ends before it."""
    split: str
    """``one cut``, ``rolling`` or ``per day``."""
    seed: int
    warm_up: int
    """Seconds after the cut in which nothing was asked."""
    learned_events: int
    replayed_events: int
    asked: tuple[Asked, ...]
    bundle: str
    """Id of the bundle that was compared."""
    recipe: Mapping[str, Any]
    policy: Mapping[str, Any]
    systems: tuple[Contender, ...]
    """In the order of the tables; the first is what the others are compared with."""
    measures: tuple[Measure, ...]
    differences: tuple[Difference, ...]
    points: tuple[Point, ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what was found or left out, for people."""
    command: str = ""
    """What was typed, to type it again; empty where nothing was."""

    def select(
        self, task: str, metric: str, *, segment: str = "", system: str | None = None
    ) -> Sequence[Measure]:
        """Return the measures of a task and metric, over all questions or by ``segment``."""
        return [
            m
            for m in self.measures
            if m.task == task
            and m.metric == metric
            and m.segment == segment
            and (system is None or m.system == system)
        ]

    def dump(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps(self, option=orjson.OPT_INDENT_2)

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read what ``dump`` wrote; raises ``DataError`` naming the first wrong field."""
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "its JSON"
            raise DataError(
                f"{path} is not an evaluation: {field}: {first['msg']}; make one with"
                " recsys evaluate --save FILE"
            ) from error


_ADAPTER = TypeAdapter(Evaluation)

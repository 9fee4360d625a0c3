"""Reports what a long piece of work is doing, so that a person or a log can follow it."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a training run; it is reported when it begins and again when it is done."""

    name: str
    seconds: float = 0.0
    """Wall clock; 0 while it is running."""
    result: str = ""
    """What it made, in a few words; empty while it is running."""

    @property
    def done(self) -> bool:
        """Whether this is the report of its end."""
        return bool(self.result)


Report = Callable[[Stage], None]


def silent(_: Stage) -> None:
    """Report nothing."""


def within(name: str, report: Report) -> Report:
    """Return a report of stages as parts of one of that name."""
    return lambda step: report(dataclasses.replace(step, name=f"{name}: {step.name}"))


@contextmanager
def stage(name: str, report: Report) -> Iterator[Callable[[str], None]]:
    """Report the beginning and end of a block; the block calls what it is given with its result."""
    result = "done"

    def note(text: str) -> None:
        nonlocal result
        result = text

    report(Stage(name))
    start = time.perf_counter()
    yield note
    report(Stage(name, time.perf_counter() - start, result))

"""What a check found: how bad it is, and the next step."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    """It works, and will hurt."""
    FAULT = "fault"
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """Of the check; programs may rely on it."""
    level: Level
    said: str
    step: str = ""
    """What to do next; empty where nothing is amiss."""


def ok(name: str, said: str) -> Finding:
    """Say that all is well."""
    return Finding(name, Level.OK, said)


def warn(name: str, said: str, step: str) -> Finding:
    """Say what works, and will hurt."""
    return Finding(name, Level.WARN, said, step)


def fault(name: str, said: str, step: str) -> Finding:
    """Say what does not work."""
    return Finding(name, Level.FAULT, said, step)

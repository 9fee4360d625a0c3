"""Says of one answer why each card stands where it does, and what kept the others out."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recsys.types import ArticleId, Slate, Tone


@dataclass(frozen=True, slots=True)
class Considered:
    """One candidate that passed all filters."""

    article: ArticleId
    title: str
    parts: Mapping[str, float]
    """By source, what it adds to ``fused``."""
    fused: float
    """The probability of being opened next, as the sources together see it."""
    ranked: float
    """The same after the ranker; equal to ``fused`` where there is none."""
    factor: float
    """What editors' boosts and buries multiply it by."""
    score: float
    """By which it is ranked: ``ranked`` times ``factor``."""
    rules: tuple[str, ...] = ()
    """Ids of the rules that changed its score or pinned it."""
    slot: int = 0
    """Where it is shown, from 1; 0 where it is not."""


@dataclass(frozen=True, slots=True)
class Removed:
    """An article that a source proposed and a filter took out."""

    article: ArticleId
    title: str
    sources: tuple[str, ...]
    filter: str
    """Which: as ``Situation.filters`` names it."""
    rule: str = ""
    """Id of the editors' rule, where it was one."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A better candidate that did not get a slot."""

    slot: int
    """From 1."""
    article: ArticleId
    title: str
    quota: str
    """What kept it out: a quota, the tone of the cards above, or a slot for sponsored cards."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that decided one slate."""

    slate: Slate
    placement: str
    tone: Tone
    """Of the page's article."""
    candidates: tuple[Considered, ...]
    """Best first, the first ``LONGEST``."""
    removed: tuple[Removed, ...]
    moved: tuple[Moved, ...]


LONGEST = 100


def plain(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON has it: articles as ``site/key``."""
    named: dict[str, Any] = _plain(dataclasses.asdict(trace))
    return named


def _plain(value: Any) -> Any:
    if isinstance(value, ArticleId):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value

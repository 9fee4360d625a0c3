"""Settles what a new bundle must keep to before it may take the place of the one in service."""

import math
from dataclasses import dataclass

from recsys.config import within

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Gate:
    """The table [gate] of the configuration."""

    window: float = DAY
    """Seconds of the newest data that both recipes do without and are then asked about."""
    questions: int = 2_000
    """Openings of the window that ask, about, if they go on a visit; 0 for all."""
    history: float = 3 * DAY
    """Seconds of data before the window below which nothing is replayed."""
    answers: int = 200
    """Questions below which nothing is concluded from a replay."""
    worse: float = 0.02
    """Share of the HR@10 and MRR@10 in service that may be lost; held if all the interval is below.
    """
    coverage: float = 0.4
    """Share of the articles in service's slates that may be missing from the new ones."""
    site_share: float = 0.15
    """By how much a site's share of cards may shift, up or down."""
    fill: float = 0.02
    """Share of slots that may stay empty which are filled by what is in service."""
    latency: float = 3.0
    """How many times as long an answer may take as it does now."""
    size: float = 1.5
    """How many times larger or smaller the bundle may be, beyond what its data grew or shrank."""
    events: float = 0.6
    """Least share of the usual openings in the last day: at half of them something is broken."""
    event_age: float = DAY / 2
    """Seconds since the newest event after which the data are stale."""
    article_age: float = 7 * DAY
    """Seconds since the newest article was published after which they are, too."""

    def __post_init__(self) -> None:
        for name in ("window", "history", "questions", "answers", "event_age", "article_age"):
            within(name, getattr(self, name), 1.0 if name == "window" else 0.0, math.inf)
        for name in ("worse", "coverage", "site_share", "fill", "events"):
            within(name, getattr(self, name), 0.0, 1.0)
        for name in ("latency", "size"):
            within(name, getattr(self, name), 1.0, math.inf)

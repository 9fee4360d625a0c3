"""Keeps what the gate found, as values that a manifest, a record of a run and people can read."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    value: float | None
    """What was measured; None where there was nothing."""
    bound: float | None
    """What it, or where there is an interval the difference, had to keep to."""
    against: float | None = None
    """What the bundle in service has, or what is usual; None where nothing was compared."""
    low: float | None = None
    """Bounds of the 95 % interval of the paired difference ``value - against``; None without."""
    high: float | None = None
    sentence: str = ""
    """The same for people."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What one part of the gate found, and what it could not."""

    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what was not measured, or must be known to read the checks."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a new bundle may be published, and why not."""

    passed: bool = True
    forced: bool = False
    """Whether it was published although it had not passed."""
    champion: str = ""
    """Id of the bundle that was in service; empty for none, and then nothing is held."""
    reasons: tuple[str, ...] = ()
    """Sentences on why it is held; empty where it passed."""
    notes: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    by: str = ""
    """Who forced it; empty where it is not forced."""
    why: str = ""

    def after(self, found: Findings) -> "Verdict":
        """Return the verdict once more has been found.

        What there is nothing to compare with is recorded only: any bundle is better than none.
        """
        bad = () if not self.champion else [c.sentence for c in found.checks if not c.ok]
        return dataclasses.replace(
            self,
            passed=self.passed and not bad,
            reasons=(*self.reasons, *bad),
            notes=(*self.notes, *found.notes),
            checks=(*self.checks, *found.checks),
        )

    def over(self, by: str, why: str) -> "Verdict":
        """Return it forced by somebody, unless it passed and there is nothing to force."""
        return self if self.passed else dataclasses.replace(self, forced=True, by=by, why=why)


def plain(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON knows it: numbers rounded, None for what is no number."""
    return _plain(dataclasses.asdict(verdict))  # type: ignore[no-any-return]


def held(verdict: Mapping[str, Any]) -> str:
    """Return why a verdict, plain as of ``plain``, holds a bundle, in one sentence."""
    first, *more = verdict["reasons"]
    rest = f" (and {len(more)} more {'reason' if len(more) == 1 else 'reasons'})" if more else ""
    return (
        f"held: {first.rstrip('.')}{rest}; bundle {verdict['champion']} stays in service; to"
        " publish all the same: recsys train --force --reason WHY"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value

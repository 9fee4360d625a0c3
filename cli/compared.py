"""Puts together what is known of an experiment by now: numbers, verdicts and warnings."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli import verdicts

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.experiments import Difference, Exposures, Outcome, Per, SampleRatio

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """The experiment that a report is about."""

    id: str
    arms: tuple[str, ...]
    """Their names; the others are compared with the first."""
    shares: tuple[float, ...] = ()
    """Empty where nobody knows them."""
    start: int = 0
    end: int = 0
    """UTC seconds; 0 where unknown or never."""
    strays: tuple[str, ...] = ()
    """Arms that the store knows and the configuration does not."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm beside the one that it is compared with."""

    difference: "Difference"
    verdict: str
    readers: tuple[float, float]
    """Readers of all arms that it takes, as ``readers_needed`` tells them."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of an experiment by now."""

    asked: Asked
    per: "Per"
    days: float
    crossed: int
    outcomes: tuple["Outcome", ...]
    comparisons: tuple[Comparison, ...]
    """Of all arms but the first."""
    ratio: "SampleRatio | None"
    notes: tuple[str, ...]
    """What has to be known before anything is concluded."""

    @property
    def readers(self) -> int:
        """How many there are in all arms."""
        return sum(outcome.readers for outcome in self.outcomes)


def compare(
    asked: Asked, shown: "Exposures", since: int, until: int, per: "Per", effect: float
) -> Report:
    """Return what the cards seen from ``since`` to before ``until`` (UTC seconds) say."""
    import numpy as np

    from recsys import experiments

    shown = shown[(shown.at >= since) & (shown.at < until)]
    readers, count = experiments.by_reader(shown), len(asked.arms)
    outcomes = experiments.outcomes(readers, count)
    mismatch = ratio = None
    if asked.shares and len(shown):
        ratio = experiments.sample_ratio(readers, np.array(asked.shares))
        mismatch = ratio.mismatched
    comparisons = []
    for place, difference in experiments.differences(readers, count, per=per).items():
        names = asked.arms[place], asked.arms[0]
        pair = outcomes[place], outcomes[0]
        ended = 0 < asked.end <= until
        verdict = verdicts.on_arm(names, pair, difference, per, ended=ended)
        if mismatch:
            verdict = f"No verdict on {names[0]}: readers are not spread over arms as shares say."
        needed = experiments.readers_needed(readers, place, effect=effect, per=per)
        comparisons.append(Comparison(difference, verdict, needed))
    made = Report(
        asked=asked,
        per=per,
        days=_days(asked, shown, since, until),
        crossed=int(np.count_nonzero(readers.crossed)),
        outcomes=outcomes,
        comparisons=tuple(comparisons),
        ratio=ratio,
        notes=(),
    )
    return dataclasses.replace(made, notes=_notes(made, until, effect))


def _days(asked: Asked, shown: "Exposures", since: int, until: int) -> float:
    """Return for how long it ran, as far as is looked at."""
    if not len(shown):
        return 0.0
    begun = max(since, asked.start) if asked.start else int(shown.at.min())
    # While it runs, time goes on after the last card; of one that is no more, nobody knows the end.
    done = min(until, asked.end or until) if asked.shares else int(shown.at.max())
    return (done - begun) / DAY


def _notes(made: Report, until: int, effect: float) -> tuple[str, ...]:
    asked, outcomes = made.asked, made.outcomes
    if not made.readers:
        return (verdicts.on_nothing(asked.start, until),)
    base, arms = asked.arms[0], asked.arms[1:]
    said = [
        verdicts.on_shares(made.ratio, [o.readers for o in outcomes], asked.arms),
        verdicts.on_crossing(made.crossed, made.readers),
        verdicts.on_strays(asked.strays),
        verdicts.on_time(made.days, asked.end, until),
    ]
    for arm, outcome, compared in zip(arms, outcomes[1:], made.comparisons, strict=True):
        if not (compared.difference.decided or outcome.few or outcomes[0].few):
            said.append(
                verdicts.on_size(arm, base, effect, compared.readers, made.readers, made.days)
            )
    return tuple(filter(None, said))


def told(made: Report) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    asked, ratio = made.asked, made.ratio
    arms = [
        {"name": name, "share": share, **dataclasses.asdict(outcome)}
        for name, share, outcome in zip(
            asked.arms, asked.shares or [None] * len(asked.arms), made.outcomes, strict=True
        )
    ]
    for arm, compared in zip(arms[1:], made.comparisons, strict=True):
        arm["difference"] = compared.difference
        arm["decided"] = compared.difference.decided
        arm["verdict"] = compared.verdict
        arm["readers_needed"] = dict(zip(("once", "always"), compared.readers, strict=True))
    return {
        "experiment": asked.id,
        "per": made.per,
        "days": made.days,
        "readers": made.readers,
        "crossed": made.crossed,
        "arms": arms,
        "sample_ratio": ratio
        and {
            "p": ratio.p,
            "mismatched": ratio.mismatched,
            "expected": ratio.expected.tolist(),
            "days": {verdicts.date(at): count.tolist() for at, count in ratio.days.items()},
        },
        "notes": made.notes,
    }

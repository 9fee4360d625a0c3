"""Says in words what an experiment shows, and what must not be concluded from it."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.histories import day

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.experiments import Difference, Outcome, Per, SampleRatio
    from recsys.inference import Interval

DAY, WEEK = 86_400, 7
CROSSING = 0.01
"""Share of readers in two arms above which something is wrong with how they are assigned."""
CAUSES = (
    "the bundle of an arm was out of service for a time (/readyz says so)",
    "the boxes of an arm come later or are empty more often, so that fewer are seen",
    "shares or the salt were changed while it ran",
    "a cache hands one reader's box to others",
    "robots, which one arm may draw more of",
)


def on_arm(
    names: tuple[str, str],
    outcomes: "tuple[Outcome, Outcome]",
    difference: "Difference",
    per: "Per",
    *,
    ended: bool,
) -> str:
    """Return the verdict on an arm beside the one it is compared with, in this order.

    ``ended`` says that the experiment came to the end that was set for it.
    """
    from recsys.experiments import FEW, FEW_CLICKING

    arm, base = names
    if any(outcome.few for outcome in outcomes):
        has = " and ".join(
            f"{name} has {outcome.readers:,} and {outcome.clicking:,}"
            for name, outcome in zip(names, outcomes, strict=True)
        )
        return (
            f"Too early to say anything of {arm}: it takes {FEW} readers in each arm, and"
            f" {FEW_CLICKING} of them who clicked; {has}."
        )
    rate, before = (getattr(outcome, f"per_{per}").mean for outcome in outcomes)
    more = "more" if difference.once.mean > 0 else "less"
    shown = f"{arm} is clicked {more} than {base}, {rate:.4f} against {before:.4f} clicks a {per}"
    if difference.decided:
        return (
            f"{shown} ({rate / before - 1:+.0%}; {interval(difference.always)}). That holds however"
            " often anybody looked."
        )
    if difference.tempting and ended:
        return (
            f"{shown} ({rate / before - 1:+.0%}; {interval(difference.once)}), if this is the one"
            " look that was planned: the interval does not hold where an earlier look could have"
            " ended the experiment."
        )
    if difference.tempting:
        return (
            f"Not decided. For a single look {arm} would seem to be clicked {more} than {base}"
            f" ({interval(difference.once)}), but who looks every day will see that sooner or later"
            " where there is no difference: to stop now because of it would be peeking."
        )
    low, high = difference.always.low / before, difference.always.high / before
    return (
        f"No difference between {arm} and {base} is shown so far: it may be anything from"
        f" {low:+.0%} to {high:+.0%}."
    )


def on_shares(ratio: "SampleRatio | None", readers: Sequence[int], names: Sequence[str]) -> str:
    """Return whether arms got the readers that they should; None where shares are unknown."""
    from recsys.experiments import FEW_EXPECTED

    if ratio is None:
        return (
            "Whether readers came to arms as they should is not checked: the configuration does not"
            " tell the shares of this experiment."
        )
    told = ", ".join(
        f"{name} {got:,} (expected {want:,.0f})"
        for name, got, want in zip(names, readers, ratio.expected, strict=True)
    )
    if ratio.p != ratio.p:
        return (
            f"Too few readers to tell whether they come as shares say: {told}; it takes"
            f" {FEW_EXPECTED:.0f} expected in each arm."
        )
    if ratio.mismatched:
        return (
            f"SAMPLE RATIO MISMATCH, p = {ratio.p:.1e}: {told}. Do not trust these results: readers"
            f" who are missing or too many are seldom like the others. Likely causes:"
            f" {'; '.join(CAUSES)}."
        )
    if ratio.days:
        days = ", ".join(map(date, ratio.days))
        return (
            f"Readers came as shares say on the whole (p = {ratio.p:.2f}), but not on {days}: look"
            " at what happened then before you trust the results."
        )
    return f"Readers came to arms as their shares say (p = {ratio.p:.2f})."


def on_time(days: float, end: int, until: int) -> str:
    """Return whether it ran for long enough; empty where it did. Times are UTC seconds."""
    said = []
    if end > until:
        left = (end - until) / DAY
        said.append(f"It is to run until {day(end)}, {left:.1f} days more.")
    if days < WEEK:
        said.append(
            f"It has run for {length(days)}. Weekdays and weekends have other readers: let it run"
            " for whole weeks, whatever it shows by now."
        )
    return " ".join(said)


def on_crossing(crossed: int, readers: int) -> str:
    """Return what was done with readers of two arms; empty where there are none."""
    if not crossed:
        return ""
    told = (
        f"{crossed:,} of {readers:,} readers were shown two arms, as when somebody gives consent"
        " halfway; they count in the first, for that was a fair draw."
    )
    if crossed <= CROSSING * readers:
        return told
    return (
        f"{told} So many make differences look smaller than they are: were shares, salt or arms"
        " changed while it ran? Begin anew under another id."
    )


def on_size(
    arm: str, base: str, effect: float, needed: tuple[float, float], readers: int, days: float
) -> str:
    """Return how many readers it takes to find ``effect``, and how long that will be still."""
    once, always = needed
    if once != once:
        return ""
    left = (always - readers) * days / readers if readers else 0.0
    more = f", some {left:,.0f} days more at this pace" if left >= 1 and days >= 1 else ""
    return (
        f"To find a difference of {effect:.0%} between {arm} and {base} takes about"
        f" {_round(once):,} readers in all for one look at a planned end, {_round(always):,} for"
        f" looking at any time; there are {readers:,}{more}."
    )


def on_nothing(start: int, now: int) -> str:
    """Return why there is nothing to report."""
    if start > now:
        return f"Nobody has been shown anything: it begins at {day(start)}."
    return (
        "Nobody has been shown anything by any arm: `recsys serve` must run with this"
        " configuration, and pages must name a session or a visitor and report what is seen."
    )


def on_strays(arms: Sequence[str]) -> str:
    """Return what the store knows and the configuration does not; empty where there is nothing."""
    if not arms:
        return ""
    return (
        f"The store also knows of {', '.join(arms)}, which the configuration does not name: not"
        " counted here. Arms that change while an experiment runs make it another one."
    )


def length(days: float) -> str:
    """Return for how long it ran."""
    return f"{days:.1f} days" if days >= 1 else "less than a day"


def date(at: int) -> str:
    """Return the day of a time, UTC seconds."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def interval(found: "Interval") -> str:
    """Return the bounds of a difference."""
    return f"{found.low:+.4f} to {found.high:+.4f}"


def _round(count: float) -> int:
    """Return a number with two digits that count: it is no more than a guess."""
    return int(float(f"{count:.1e}"))

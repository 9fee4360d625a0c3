"""Says when each job is due, from expressions as in a crontab."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from recsys.config import within
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

USUAL: Mapping[str, str] = {
    "retrain": "15 * * * *",
    "retention": "10 4 * * *",
    "backup": "40 3 * * *",
    "report": "20 5 * * *",
}
"""When jobs are due where nobody says otherwise."""
JOBS = tuple(USUAL)
"""Work that is done on a schedule, by name."""
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class JobSettings:
    """A table [jobs.NAME]."""

    cron: str | None = None
    """When it is due, as in a crontab; a sixth field in front counts seconds. Never where empty.
    Where unset: retrain `15 * * * *`, retention `10 4 * * *`, backup `40 3 * * *`, report
    `20 5 * * *`."""
    timeout: float = 14_400.0
    """Seconds after which the schedule ends a run that is still at it."""
    stale_after: int = 3
    """An alert goes out where so many runs in a row should have succeeded and none did; 0 for
    never."""

    def __post_init__(self) -> None:
        within("timeout", self.timeout, 1.0, 604_800.0)
        within("stale_after", self.stale_after, 0, 1_000)
        if self.cron:
            trigger(self.cron, "UTC")


@dataclass(frozen=True, slots=True)
class Jobs:
    """The table [jobs]."""

    timezone: str = "UTC"
    """In which clocks and calendars are read, as `Asia/Tokyo`."""
    misfire_grace: float = 86_400.0
    """Seconds for which a run that was missed, while nobody kept the schedule, is made up for."""
    jitter: float = 0.0
    """Seconds at most by which runs are delayed by chance, so that machines do not begin as one."""
    retrain: JobSettings = field(default_factory=JobSettings)
    retention: JobSettings = field(default_factory=JobSettings)
    backup: JobSettings = field(default_factory=JobSettings)
    report: JobSettings = field(default_factory=JobSettings)

    def __post_init__(self) -> None:
        within("misfire_grace", self.misfire_grace, 0.0, 31_536_000.0)
        within("jitter", self.jitter, 0.0, 3_600.0)
        try:
            ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError) as error:
            raise ConfigError(
                f"timezone = {self.timezone!r}: is unknown here; expected one as 'Asia/Tokyo'"
            ) from error

    def of(self, job: str) -> JobSettings:
        """Return the settings of a job, with the usual times where none are set."""
        settings: JobSettings = getattr(self, job)
        return replace(settings, cron=USUAL[job]) if settings.cron is None else settings

    def scheduled(self) -> tuple[str, ...]:
        """Return the jobs that are ever due."""
        return tuple(job for job in JOBS if self.of(job).cron)

    def due(self, job: str, after: float) -> int | None:
        """Return when a job is first due after a moment, both UTC seconds; None for never."""
        cron = self.of(job).cron
        return due(trigger(cron, self.timezone), after) if cron else None

    def upcoming(self, job: str, began: int | None, now: float) -> int | None:
        """Return when a job begins whose last run began at ``began``, all in UTC seconds.

        However many runs were missed since, that is one moment in the past, unless all were missed
        longer ago than ``misfire_grace``. A job that has never run (None) is due at once.
        """
        if began is None:
            return int(now) if self.of(job).cron else None
        return self.due(job, max(min(began, now), now - self.misfire_grace))

    def stale(self, job: str, succeeded: int) -> int | None:
        """Return from when on a job that last succeeded at ``succeeded`` is stale; None for never.

        So many runs have had their whole interval by then.
        """
        settings, moment = self.of(job), succeeded
        if not settings.stale_after:
            return None
        for _ in range(settings.stale_after + 1):
            following = self.due(job, moment)
            if following is None:
                return None
            moment = following
        return moment


def due(trigger: BaseTrigger, after: float) -> int | None:
    """Return the first moment after ``after`` at which a trigger fires, both UTC seconds."""
    start = datetime.fromtimestamp(int(after) + 1, UTC)
    fires = trigger.get_next_fire_time(None, start)
    return int(fires.timestamp()) if fires else None


@functools.lru_cache(maxsize=64)
def trigger(cron: str, timezone: str) -> BaseTrigger:
    """Return when a crontab expression fires; raises ``ConfigError`` where it is none.

    It means what it does in crontab(5), where APScheduler's own reading differs: 0 and 7 are
    Sunday, and where both a day of the month and one of the week are named, either will do.
    """
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger

    fields = cron.split()
    try:
        if len(fields) not in (5, 6):
            raise ValueError(f"found {len(fields)} fields")
        second, minute, hour, day, month, weekday = ["0", *fields][-6:]
        common = {"second": second, "minute": minute, "hour": hour, "month": month}
        named = {"day": day, "day_of_week": _weekdays(weekday)}
        # A field that begins with a star restricts nothing, says crontab(5) of ``*/2`` too.
        either = not day.startswith("*") and not weekday.startswith("*")
        choices = [{name: value} for name, value in named.items()] if either else [named]
        fires = [CronTrigger(**common, **choice, timezone=timezone) for choice in choices]
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"cron = {cron!r}: {error}; expected minute, hour, day, month and weekday, as"
            " '15 4 * * mon-fri'"
        ) from error
    return OrTrigger(fires) if either else fires[0]


def _weekdays(text: str) -> str:
    """Return days of the week, counted from Sunday or named, as names."""
    if text == "*":
        return text
    found: list[str] = []
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first = 0 if low == "*" else _weekday(low)
        last = 6 if low == "*" or (step and not high) else _weekday(high or low)
        last += 7 if last < first else 0  # as fri-mon; and 5-7 ends with Sunday
        found += [DAYS[day % 7] for day in range(first, last + 1, int(step or 1))]
    return ",".join(dict.fromkeys(found))


def _weekday(text: str) -> int:
    if text in DAYS:
        return DAYS.index(text)
    if text.isascii() and text.isdigit() and int(text) <= 7:
        return int(text)
    raise ValueError(f"{text!r} is no day of the week")


@dataclass(frozen=True, slots=True)
class Backups:
    """The table [backup]."""

    directory: str = ""
    """Where `recsys job backup` keeps them, better on another disk; VAR/backups where empty."""
    keep: int = 7
    """How many stay, the newest; 0 for all of them."""
    keyring: bool = True
    """Put the secrets into them; where not, keep a copy of the keyring elsewhere."""

    def __post_init__(self) -> None:
        within("keep", self.keep, 0, 100_000)


@dataclass(frozen=True, slots=True)
class Reports:
    """The table [report]."""

    days: float = 2.0
    """Days before the end that `recsys job report` replays; it learns from what was before."""
    questions: int = 5_000
    """About how many openings it asks about; 0 for all."""
    keep: int = 30
    """How many stay, the newest; 0 for all of them."""

    def __post_init__(self) -> None:
        within("days", self.days, 0.01, 365.0)
        within("questions", self.questions, 0, 1_000_000_000)
        within("keep", self.keep, 0, 100_000)

"""Shows how often cards are clicked, by what and since when, and what of it may be chance."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from data.performance import TIMES, Dimension, Rate, click_rates, events_of_boxes
from recsys.policy import PLACEMENTS
from service.desk import charts
from service.desk.differences import verdict
from service.desk.kept import kept
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings

DAY = 86_400
USUAL, LONGEST = 7, 92
"""Days that are shown unless somebody asks for others, and how many may be asked for."""
HOURLY = 2
"""Days up to which hours are drawn, and no longer days."""
MOST = 2_000_000
"""Events that a page counts at most: half a minute of one core, which answers readers too."""
SHOWN = 30
"""Rows of a table; the groups with the most cards are kept."""
TABLES = {
    Dimension.SLOT: "Slot",
    Dimension.SOURCE: "Source",
    Dimension.SITE: "Site of the card",
    Dimension.PAGE: "Site of the page",
    Dimension.PLACEMENT: "Placement",
    Dimension.BUNDLE: "Bundle",
    Dimension.ARM: "Arm of an experiment",
}
LINES = 6
"""Groups that are drawn over time, each by itself: those with the most cards."""
FILTERS = {"page": Dimension.PAGE, "placement": Dimension.PLACEMENT}
NOTHING = {
    Dimension.SLOT: "not told",
    Dimension.PAGE: "no site",
    Dimension.ARM: "in no experiment",
}
"""What groups are called that have no name; cards of before this was kept have none."""


@dataclass(frozen=True, slots=True)
class Range:
    """The days that were asked for, UTC seconds."""

    since: int
    until: int

    @property
    def days(self) -> int:
        """How many they are."""
        return (self.until - self.since) // DAY

    @property
    def step(self) -> Dimension:
        """By what time is told."""
        return Dimension.HOUR if self.days <= HOURLY else Dimension.DAY


@dataclass(frozen=True, slots=True)
class Table:
    """One way to tell cards apart."""

    dimension: Dimension
    title: str
    rates: tuple[Rate, ...]
    left_out: int
    top: float
    """Where the scale of its bars ends."""


@dataclass(frozen=True, slots=True)
class Course:
    """One group over time."""

    group: Rate
    """Named by its first value alone; the rest is that of its first step."""
    rates: tuple[Rate, ...]
    drawing: str


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/clicks``."""

    @kept
    def counted(
        since: int,
        until: int,
        step: Dimension,
        apart: Dimension | None,
        only: tuple[tuple[Dimension, str], ...],
    ) -> list[tuple[Rate, ...]]:
        courses = [(apart, step)] if apart else []
        groupings = [(), (step,), *((dimension,) for dimension in TABLES), *courses]
        return click_rates(holder.store, since, until, *groupings, only=dict(only))

    @kept
    def told(since: int, until: int, only: tuple[tuple[Dimension, str], ...]) -> int:
        return events_of_boxes(holder.store, since, until, dict(only))

    @desk.get("/clicks")
    def clicks() -> Response:
        asked, errors = read_range(request.args, int(time.time()))
        only = {d: request.args[n][:64] for n, d in FILTERS.items() if request.args.get(n)}
        many = told(asked.since, asked.until, tuple(only.items()))
        if many > MOST:
            errors["since"] = (
                f"Boxes told of {many:,} events in these days. Up to {MOST:,} are counted here:"
                " choose fewer days, one site or one placement."
            )
        wanted = request.args.get("apart", "")
        apart = Dimension(wanted) if wanted in set(TABLES) else None
        overall, over_time, *tables = (
            counted(asked.since, asked.until, asked.step, apart, tuple(only.items()))
            if many <= MOST
            else [() for _ in range(2 + len(TABLES) + bool(apart))]
        )
        by = dict(zip(TABLES, tables, strict=False))
        step = TIMES[asked.step]
        return page(
            "clicks.html",
            422 if errors else 200,
            errors=errors,
            asked=asked,
            given={
                "since": _day(asked.since),
                "until": _day(asked.until - DAY),
                "apart": apart or "",
                **{name: only.get(dimension, "") for name, dimension in FILTERS.items()},
            },
            sites={site: settings.site_name(site) for site in holder.sites()},
            placements=sorted({*settings.policy.placements, *PLACEMENTS}),
            overall=overall[0] if overall else None,
            over_time=over_time,
            drawing=_drawn(over_time, step),
            courses=_courses(tables[-1], step) if apart else [],
            named_time=lambda rate: charts.date(int(rate.of[-1]), step),
            tables=[_table(dimension, rates) for dimension, rates in by.items() if rates],
            verdict=verdict(by),
            named=_namer(settings),
            titles=TABLES,
            percent=charts.percent,
            points=points,
            span=charts.span,
        )


def read_range(given: Mapping[str, str], now: int) -> tuple[Range, dict[str, str]]:
    """Return the days ``since`` to ``until``, both of them whole, and by field what is wrong.

    Where something is, or nothing is given, they are the last ``USUAL`` days, today among them.
    """
    today = now // DAY * DAY
    usual = Range(today - (USUAL - 1) * DAY, today + DAY)
    errors: dict[str, str] = {}

    def read(name: str, otherwise: int) -> int:
        text = given.get(name, "").strip()
        try:
            moment = datetime.strptime(text, "%Y-%m-%d") if text else None
            return int(moment.replace(tzinfo=UTC).timestamp()) if moment else otherwise
        except ValueError:
            errors[name] = f"{text[:40]!r} is no day, as 2026-11-25."
            return otherwise

    until = read("until", today)
    since = read("since", min(until, today) - (USUAL - 1) * DAY)
    if not errors and since > until:
        errors["since"] = "The first day is after the last one."
    elif not errors and (until - since) // DAY >= LONGEST:
        errors["since"] = f"These are more than {LONGEST} days."
    return (usual, errors) if errors else (Range(since, until + DAY), {})


def points(share: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.2f}".replace("-", "−")


def _table(dimension: Dimension, rates: tuple[Rate, ...]) -> Table:
    most = sorted(rates, key=lambda rate: -rate.impressions)[:SHOWN]
    shown = tuple(rate for rate in rates if rate in most)
    # What is too little to go by must not squeeze all the rest.
    sure = [rate.high for rate in shown if not rate.few] or [rate.rate for rate in shown]
    top = charts.ceiling(max(sure))
    return Table(dimension, TABLES[dimension], shown, len(rates) - len(shown), top)


def _courses(rates: tuple[Rate, ...], step: int) -> list[Course]:
    """Return the groups with the most cards over time, on one scale."""
    groups: dict[str | int, list[Rate]] = {}
    for rate in rates:
        groups.setdefault(rate.of[0], []).append(rate)
    size = {value: sum(rate.impressions for rate in own) for value, own in groups.items()}
    most = set(sorted(size, key=lambda value: -size[value])[:LINES])
    high = [rate.high for value in most for rate in groups[value] if not rate.few]
    top = charts.ceiling(max(high, default=0.0))
    times = [int(rate.of[-1]) for rate in rates] or [0]
    within = min(times), max(times)
    return [
        Course(
            dataclasses.replace(own[0], of=(value,)),
            tuple(own),
            _drawn(tuple(own), step, top, within),
        )
        for value, own in groups.items()
        if value in most
    ]


def _drawn(
    over_time: tuple[Rate, ...],
    step: int,
    top: float = 0.0,
    within: tuple[int, int] | None = None,
) -> str:
    known = [rate for rate in over_time if not rate.few]
    if not known:
        return ""
    best, worst = (choose(known, key=lambda rate: rate.rate) for choose in (max, min))
    said = (
        f"Click rate over time, {len(known)} points: lowest {charts.percent(worst.rate)} on"
        f" {charts.date(int(worst.of[-1]), step)}, highest {charts.percent(best.rate)} on"
        f" {charts.date(int(best.of[-1]), step)}. The table below has all of them."
    )
    at, values, low, high = zip(
        *((int(rate.of[-1]), rate.rate, rate.low, rate.high) for rate in known), strict=True
    )
    return charts.line(at, values, low, high, step=step, said=said, top=top, within=within)


def _namer(settings: Settings) -> Callable[[Dimension, Rate], str]:
    def named(dimension: Dimension, rate: Rate) -> str:
        (value,) = rate.of
        if not value:
            return NOTHING.get(dimension, "not told")
        if dimension in (Dimension.SITE, Dimension.PAGE):
            return settings.site_name(str(value))
        return str(value).replace("_", "-") if dimension == Dimension.SOURCE else str(value)

    return named


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"

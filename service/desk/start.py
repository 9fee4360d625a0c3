"""Tells on one page what needs somebody's attention."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, url_for

from data import openings, rules, runs
from data.pulse import pulse
from recsys.rules import Action, Rule
from service.desk.kept import SECONDS, kept
from service.desk.pages import DAY, page
from service.holder import Holder, State
from service.settings import Settings

OLD = 36 * 3_600
"""Seconds after which a bundle is called old: a day's training has been missed."""
QUIET = 3_600
"""Seconds without an event after which somebody should ask why."""

UNSEEN = 3
"""Days of articles that are counted where no box has shown them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know."""

    kind: str
    """``bad``, ``warn`` or ``idle``; ``word`` says it too."""
    word: str
    said: str
    leads: str
    """Address of the page where it can be seen or mended."""
    to: str
    """What the link says."""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/``."""

    @kept
    def unseen(until: int) -> tuple[int, int]:
        found = openings.unseen(holder.store, until - UNSEEN * DAY, until, 0)
        return sum(site.unseen for site in found), sum(site.published for site in found)

    @desk.get("/")
    def start() -> Response:
        now = int(time.time())
        standing = rules.active(holder.store, now)
        experiment = settings.experiment
        notices = [
            *_of_service(holder.state, now),
            *_of_store(holder, now),
            *_of_jobs(holder),
            *_of_rules(standing, now),
        ]
        if experiment and experiment.start <= now < (experiment.end or now + 1):
            said = f"The experiment {experiment.id} runs with {len(experiment.arms)} arms."
            notices.append(Notice("idle", "running", said, url_for("desk.health"), "Health"))
        return page(
            "start.html",
            notices=notices,
            standing=len(standing),
            state=holder.state,
            unseen=unseen(now // SECONDS * SECONDS),
            days=UNSEEN,
        )


def _of_service(state: State, now: int) -> Iterator[Notice]:
    bundles, health = url_for("desk.bundles"), url_for("desk.health")
    if not state.bundle:
        said = "Nothing has been learned yet: boxes show the store's articles as they come."
        yield Notice("bad", "no bundle", said, bundles, "Bundles")
    elif now - state.bundle_created > OLD:
        said = f"The bundle in service is {_hours(now - state.bundle_created)} old."
        yield Notice("warn", "old bundle", said, bundles, "Bundles")
    if state.refused:
        said = f"The bundle {state.refused} cannot be served: {state.refused_because}."
        yield Notice("bad", "refused", said, bundles, "Bundles")
    if state.error:
        yield Notice("bad", "failing", f"The last look failed: {state.error}.", health, "Health")


def _of_store(holder: Holder, now: int) -> Iterator[Notice]:
    health, told = url_for("desk.health"), pulse(holder.store, now)
    if not told.articles:
        said = "The store has no articles: nothing can be recommended."
        yield Notice("bad", "empty", said, health, "Health")
    if told.events and now - told.happened > QUIET:
        said = f"No event has come for {_hours(now - told.happened)}."
        yield Notice("warn", "quiet", said, health, "Health")


def _of_jobs(holder: Holder) -> Iterator[Notice]:
    health = url_for("desk.health")
    for job, run in sorted(runs.last(holder.store).items()):
        if run.status in ("failed", "killed", "held"):
            kind = "warn" if run.status == "held" else "bad"
            yield Notice(kind, run.status, f"The last {job}: {run.summary}.", health, "Health")


def _of_rules(standing: tuple[Rule, ...], now: int) -> Iterator[Notice]:
    stops = [rule for rule in standing if rule.action == Action.STOP and rule.active(now)]
    ending = [rule for rule in standing if rule.end <= now + DAY]
    planned = [rule for rule in standing if not rule.begun(now)]
    for found, word, one, many in (
        (stops, "stopped", "A story is stopped on every site", "stories are stopped on every site"),
        (ending, "ending", "A rule ends within a day", "rules end within a day"),
        (planned, "planned", "A rule will begin to count later", "rules will begin to count later"),
    ):
        if len(found) == 1:
            address = url_for("desk.rules_one", id=found[0].id)
            why = f"{one}: {found[0].reason or 'no reason was given'}."
            yield Notice("warn", word, why, address, f"Rule {found[0].id}")
        elif found:
            yield Notice("warn", word, f"{len(found)} {many}.", url_for("desk.rules"), "Rules")


def _hours(seconds: int) -> str:
    hours = seconds // 3_600
    return f"{hours:,} hours" if hours != 1 else "an hour"

"""Shows how the service and its store fare, as far as this worker can tell."""

import time
from typing import Any

from flask import Blueprint, Response

from data import runs
from data.pulse import pulse
from data.store import Store
from service import metrics
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings

SHOWN = 3
"""Runs of each job that are shown."""
KINDS = {"done": "good", "held": "warn", "failed": "bad", "killed": "bad"}
"""How a run looks that ended so."""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/health``."""

    @desk.get("/health", endpoint="health")
    def health() -> Response:
        return page(
            "health.html",
            state=holder.state,
            pulse=pulse(holder.store, int(time.time())),
            runs=_runs(holder.store),
            experiment=settings.experiment,
            counted=_counted(),
        )


def _runs(store: Store) -> list[dict[str, Any]]:
    """Return the last runs of each job, the newest first, with when it last succeeded."""
    done = runs.last(store, "done")
    found = []
    for job, last in sorted(runs.last(store).items()):
        succeeded = done[job].ended if job in done else 0
        for run in runs.recent(store, job, SHOWN):
            well = succeeded if run.id == last.id else None
            took = run.ended - run.started if run.ended else None
            kind = KINDS.get(run.status, "idle")
            found.append({"run": run, "kind": kind, "took": took, "succeeded": well})
    return found


def _counted() -> dict[str, str]:
    """Return in words what all workers have counted since they started."""
    total = metrics.total
    answers, seconds = (
        total(f"recsys_request_seconds_{part}", route="/v1/recommendations")
        for part in ("count", "sum")
    )
    slates, filled = (total(f"recsys_slate_fill_ratio_{part}") for part in ("count", "sum"))
    return {
        "Requests answered": f"{total('recsys_requests_total'):,.0f}",
        "Boxes answered": f"{answers:,.0f}"
        + (f", in {1_000 * seconds / answers:,.1f} ms on average" if answers else ""),
        "Slots filled": f"{filled / slates:.1%}" if slates else "no box was asked for yet",
        "Boxes left empty by a failure": f"{total('recsys_engine_failures_total'):,.0f}",
        "Events accepted": f"{total('recsys_events_total', result='accepted'):,.0f}",
        "Refreshes that failed": f"{total('recsys_refresh_failures_total'):,.0f}",
    }

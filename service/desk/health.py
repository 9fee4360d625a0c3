"""Shows how the service and its store fare, as far as this worker can tell."""

import time

from flask import Blueprint, Response

from data.pulse import pulse
from service import metrics
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/health``."""

    @desk.get("/health", endpoint="health")
    def health() -> Response:
        return page(
            "health.html",
            state=holder.state,
            pulse=pulse(holder.store, int(time.time())),
            experiment=settings.experiment,
            counted=_counted(),
        )


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

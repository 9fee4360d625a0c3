"""Counts what operators watch, summed over all workers of a run."""

import os

from flask import Blueprint, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("recsys_requests", "Requests answered.", ["route", "method", "status"])
SECONDS = Histogram(
    "recsys_request_seconds",
    "Time to answer, in seconds.",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
FILL = Histogram(
    "recsys_slate_fill",
    "Items given as a share of those asked for.",
    buckets=(0.0, 0.25, 0.5, 0.75, 0.99, 1.0),
)
ITEMS = Counter("recsys_items", "Items given, by the source that proposed them.", ["source"])
ENGINE_FAILURES = Counter("recsys_engine_failures", "Requests answered empty after an exception.")
REFRESH_FAILURES = Counter("recsys_refresh_failures", "Refreshes that failed.", ["what"])
SWAPS = Counter("recsys_bundle_swaps", "Bundles taken into service, counted in each worker.")
BUNDLE_AGE = Gauge(
    "recsys_bundle_age_seconds",
    "Age of the oldest bundle that a live worker serves; 0 without a bundle.",
    [],
    multiprocess_mode="livemax",
)


BUNDLE_REFUSED = Gauge(
    "recsys_bundle_refused",
    "1 while a worker refuses the bundle that is current and serves an older one.",
    [],
    multiprocess_mode="livemax",
)
EVENTS = Counter("recsys_events", "Events posted, by what became of them.", ["result"])
SPOOL_ROWS = Gauge(
    "recsys_spool_rows",
    "Events that wait on this machine until the store is back.",
    [],
    multiprocess_mode="livemostrecent",
)
SPOOL_BYTES = Gauge(
    "recsys_spool_bytes",
    "What these take on the disk.",
    [],
    multiprocess_mode="livemostrecent",
)
SPOOL_DELIVERED = Counter("recsys_spool_delivered", "Events that waited and are in the store now.")
SPOOL_REJECTED = Counter("recsys_spool_rejected", "Events that waited and the store refused.")


def blueprint() -> Blueprint:
    """Return the route that Prometheus scrapes."""
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)

    return pages


def registry() -> CollectorRegistry:
    """Return where the counts are: those of all workers of this run."""
    # One process sees only its own counts; the files of this run hold those of all workers.
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    found = CollectorRegistry()
    MultiProcessCollector(found)
    return found


def total(name: str, **labels: str) -> float:
    """Return what a sample, as ``recsys_items_total``, adds up to over all labels but the given."""
    return sum(
        sample.value
        for metric in registry().collect()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )

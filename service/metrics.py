"""Counts what operators watch, summed over all workers of a run."""

import hmac
import os
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Blueprint, Response, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from recsys.types import Event
from service import counts
from service.problems import answer

FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
"""Bounds of the buckets of answers, in seconds."""
FASTER = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1)
"""Of the stages of one."""

# Requests.
REQUESTS = Counter("recsys_requests", "Requests answered.", ["route", "method", "status"])
SECONDS = Histogram(
    "recsys_request_seconds", "Time to answer, in seconds.", ["route"], buckets=FAST
)
IN_PROGRESS = Gauge(
    "recsys_requests_in_progress",
    "Requests being answered now, but for those of this page: threads that are busy.",
    multiprocess_mode="livesum",
)
THREADS = Gauge(
    "recsys_threads", "Threads that can answer, in all workers.", multiprocess_mode="livesum"
)
WORKERS = Gauge("recsys_workers", "Worker processes that live.", multiprocess_mode="livesum")
WORKER_STARTS = Counter("recsys_worker_starts", "Workers that have started since the service has.")
READY = Gauge(
    "recsys_ready",
    "1 where every worker has looked for its bundle and its store, as /readyz tells.",
    multiprocess_mode="livemin",
)
BUILD_INFO = Gauge(
    "recsys_build_info",
    "1 for the version that runs.",
    ["version", "python"],
    multiprocess_mode="livemax",
)

# Answers.
STAGE_SECONDS = Histogram(
    "recsys_stage_seconds",
    "Time that a stage of an answer to a page takes, in seconds.",
    ["stage"],
    buckets=FASTER,
)
FILL = Histogram(
    "recsys_slate_fill_ratio",
    "Items given as a share of those asked for.",
    buckets=(0.0, 0.25, 0.5, 0.75, 0.99, 1.0),
)
ITEMS = Counter("recsys_items", "Items given, by the source that proposed them.", ["source"])
SITE_ITEMS = Counter(
    "recsys_site_items",
    "Items given, by their own site; other: sites that the configuration does not name.",
    ["site"],
)
# Looked up by label for each card and stage of each answer; there are few sources and sites.
_of_stage = cache(STAGE_SECONDS.labels)
_of_source = cache(ITEMS.labels)
_of_site = cache(SITE_ITEMS.labels)
ENGINE_FAILURES = Counter("recsys_engine_failures", "Requests answered empty after an exception.")

# Freshness: moments in UTC seconds, of the worker that is furthest behind; 0 before the first.
REFRESHED = Gauge(
    "recsys_refreshed_timestamp_seconds",
    "When pointer and store were last looked at.",
    multiprocess_mode="livemin",
)
REFRESH_SECONDS = Histogram(
    "recsys_refresh_seconds",
    "Time that a look at pointer and store takes, in seconds.",
    buckets=(0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60),
)
REFRESH_FAILURES = Counter("recsys_refresh_failures", "Refreshes that failed.", ["what"])
STORE_FOLLOWED = Gauge(
    "recsys_store_followed_timestamp_seconds",
    "When everything that the store had was last taken up.",
    multiprocess_mode="livemin",
)
NEWEST_EVENT = Gauge(
    "recsys_newest_event_timestamp_seconds",
    "When the newest event happened that trends know of.",
    multiprocess_mode="livemin",
)
BUNDLE_CREATED = Gauge(
    "recsys_bundle_created_timestamp_seconds",
    "When the bundle in service was made; 0 where a worker serves without one.",
    multiprocess_mode="livemin",
)
BUNDLE_REFUSED = Gauge(
    "recsys_bundle_refused",
    "1 while a worker refuses the bundle that is current and serves an older one.",
    multiprocess_mode="livemax",
)
SWAPS = Counter("recsys_bundle_swaps", "Bundles taken into service, counted in each worker.")
ROLLBACKS = Counter(
    "recsys_rollbacks", "Bundles that the service took back after they were published.", ["reason"]
)

# Unattended work, as its records in the store tell it.
JOB_SUCCESS = Gauge(
    "recsys_job_last_success_timestamp_seconds",
    "When a job last ended well, UTC seconds.",
    ["job"],
    multiprocess_mode="livemax",
)
JOB_FAILED = Gauge(
    "recsys_job_last_run_failed",
    "1 where the last run of a job failed or was killed; a bundle that the gate held is neither.",
    ["job"],
    multiprocess_mode="livemax",
)
JOB_RUNNING = Gauge(
    "recsys_job_running", "1 while a job runs.", ["job"], multiprocess_mode="livemax"
)
JOB_SECONDS = Gauge(
    "recsys_job_last_duration_seconds",
    "How long the last run of a job took that came to an end.",
    ["job"],
    multiprocess_mode="livemostrecent",
)

# What readers did, and what publishers sent.
EVENTS = Counter("recsys_events", "Events posted, by what became of them.", ["result"])
FEEDBACK = Counter(
    "recsys_feedback",
    "Events taken about cards, by kind and by the source of the card; repeats count again.",
    ["kind", "source"],
)
ARTICLES = Counter("recsys_articles", "Articles sent, by what became of them.", ["result"])
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

# Workers.
CPU_SECONDS = Counter("recsys_cpu_seconds", "Processor time that workers have taken, in seconds.")
MEMORY_BYTES = Gauge(
    "recsys_worker_memory_bytes",
    "Memory of all workers. Shared memory counts in each: bundles are mapped, not copied.",
    ["kind"],
    multiprocess_mode="livesum",
)
OPEN_FILES = Gauge(
    "recsys_open_files", "Files and connections open in all workers.", multiprocess_mode="livesum"
)


FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")
"""Headers by which a proxy says that somebody outside asks."""


def blueprint(bundle: Callable[[], str], policy: str, token: str) -> Blueprint:
    """Return the route that Prometheus scrapes; ``bundle`` and ``policy`` name what is in service.

    It is for those who reach this port itself. What comes through a proxy comes from anywhere: it
    needs the token, and where there is a token everybody does.
    """
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    def metrics() -> Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and not hmac.compare_digest(given.encode(), token.encode()):
            return answer(401, "The metrics need the token of this service.")
        if not token and any(name in request.headers for name in FORWARDED):
            return answer(
                403,
                "The metrics are for those who reach this port without a proxy;"
                " set RECSYS_METRICS_TOKEN to read them through one.",
            )
        found = CollectorRegistry()
        found.register(_Counted())
        found.register(InService(bundle, policy))
        return Response(generate_latest(found), content_type=CONTENT_TYPE_LATEST)

    return pages


class _Counted(Collector):
    """What all workers of this run have counted, as of one moment."""

    def collect(self) -> Iterable[Metric]:
        """Return the counts; one process by itself knows only its own."""
        if counts.FOLDER not in os.environ:
            return list(REGISTRY.collect())
        with counts.reading():
            return list(MultiProcessCollector(None).collect())


class InService(Collector):
    """What this worker serves at the moment: names, which would pile up in counters."""

    def __init__(self, bundle: Callable[[], str], policy: str) -> None:
        self._bundle, self._policy = bundle, policy

    def collect(self) -> Iterator[Metric]:
        """Return one family; its label is empty without a bundle."""
        family = GaugeMetricFamily(
            "recsys_bundle_info", "1 for what is in service.", labels=["bundle", "policy"]
        )
        family.add_metric([self._bundle(), self._policy], 1)
        yield family


@dataclass(frozen=True, slots=True)
class Described:
    """A metric for people; a histogram is scraped under its name and three endings."""

    name: str
    """As it is scraped."""
    kind: str
    labels: tuple[str, ...]
    help: str


def described() -> list[Described]:
    """Return every metric of the service by name, for documents and for rules that are checked."""
    counted = [one for one in globals().values() if isinstance(one, MetricWrapperBase)]
    found = [
        Described(
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            tuple(metric._labelnames),
            family.documentation,
        )
        for metric in counted
        for family in metric.describe()
    ]
    found += [
        Described(family.name, family.type, tuple(family.samples[0].labels), family.documentation)
        for family in InService(str, "").collect()
    ]
    return sorted(found, key=lambda one: one.name)


def total(name: str, **labels: str) -> float:
    """Return what a sample, as ``recsys_items_total``, adds up to over all labels but the given."""
    return sum(
        sample.value
        for metric in _Counted().collect()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def count_answer(
    items: Iterable[Mapping[str, Any]],
    asked: int,
    stages: Mapping[str, float],
    sites: Collection[str],
) -> None:
    """Count the answer to a page: ``items`` as it tells them, and its stages in seconds."""
    items = list(items)
    FILL.observe(len(items) / asked)
    for source, many in Tally(item["source"] for item in items).items():
        _of_source(source).inc(many)
    for site, many in Tally(i["site"] if i["site"] in sites else "other" for i in items).items():
        _of_site(site).inc(many)
    for stage, seconds in stages.items():
        _of_stage(stage).observe(seconds)


def count_feedback(events: Iterable[Event]) -> None:
    """Count events that were taken about cards: what click rates are made of."""
    cards = Tally((event.kind.name.lower(), event.source) for event in events if event.slate)
    for (kind, source), many in cards.items():
        FEEDBACK.labels(kind, source or "unknown").inc(many)

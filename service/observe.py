"""Gives each request an id, one log line, a span where wanted, and its place in the metrics."""

import re
import time
import uuid
from functools import cache

import structlog
from flask import Flask, Response, g, request

from service import spans
from service.metrics import IN_PROGRESS, REQUESTS, SECONDS

SLOW = 1.0
"""Seconds from which on a request is called slow in the log."""
ASKED_BY_MACHINES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that are asked every few seconds: logged only where they fail."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_answered = cache(REQUESTS.labels)
_taken = cache(SECONDS.labels)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger()


def register(app: Flask) -> None:
    """Watch every request of ``app``.

    A line names the route, never the address: a query string may hold a visitor's id.
    """

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        g.began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        if _route() not in ASKED_BY_MACHINES:
            g.in_progress = True
            IN_PROGRESS.inc()
            g.span = spans.begin(_method(), _route(), request.headers, g.request_id)
            if g.span:
                structlog.contextvars.bind_contextvars(trace_id=g.span.trace_id)

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        route, method, status = _route(), _method(), response.status_code
        _answered(route, method, str(status)).inc()
        _taken(route).observe(seconds)
        response.headers["X-Request-ID"] = g.request_id
        line = {"route": route, "method": method, "status": status, "ms": round(1e3 * seconds, 2)}
        if seconds >= SLOW:
            log.warning("request", **line, slow=True)
        elif status >= 500:
            log.warning("request", **line)
        elif route in ASKED_BY_MACHINES:
            log.debug("request", **line)
        else:
            log.info("request", **line)
        if span := g.pop("span", None):
            span.end(status)
        return response

    @app.teardown_request
    def left(_: BaseException | None) -> None:
        if g.pop("in_progress", False):
            IN_PROGRESS.dec()
        if span := g.pop("span", None):  # whatever made the answer failed itself
            span.end(500)


def _route() -> str:
    return request.url_rule.rule if request.url_rule else "unknown"


def _method() -> str:
    # Methods are free text in HTTP: an unknown one must not become a label of its own.
    return request.method if request.method in METHODS else "-"

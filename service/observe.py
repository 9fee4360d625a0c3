"""Gives each request an id, one log line and its place in the metrics."""

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

from service.metrics import REQUESTS, SECONDS

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

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule else "unknown"
        # Methods are free text in HTTP: an unknown one must not become a label of its own.
        method = request.method if request.url_rule else "-"
        REQUESTS.labels(route, method, str(response.status_code)).inc()
        SECONDS.labels(route).observe(seconds)
        response.headers["X-Request-ID"] = g.request_id
        log.info(
            "request",
            route=route,
            method=request.method,
            status=response.status_code,
            ms=round(seconds * 1e3, 2),
        )
        return response

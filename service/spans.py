"""Sends spans of requests, of their stages and of the store to OpenTelemetry, where that is wanted.

It is wanted where the environment names a receiver (``OTEL_EXPORTER_OTLP_ENDPOINT``) and the extra
``otel`` is installed; else nothing of it is imported. Names are those of routes and stages: spans
hold no address, no statement and no reader. https://opentelemetry.io/docs/specs/semconv/http/
"""

import os
import re
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import structlog
from sqlalchemy import Engine, event

from service.stages import Stages

PATIENCE = 2.0
"""Seconds that a worker which stops waits for its last spans to be taken."""
WANTED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
log = structlog.get_logger()
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?(\w+)", re.IGNORECASE)
_sdk: Any = None
"""What of OpenTelemetry is in use; None while nobody wants spans."""


class _Sdk:
    def __init__(self) -> None:
        from opentelemetry import context, trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        name = os.environ.get("OTEL_SERVICE_NAME", "recsys")
        told = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version("recsys")})
        self.provider = TracerProvider(resource=told, shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self.provider.get_tracer("recsys", version("recsys"))
        self.propagator = TraceContextTextMapPropagator()
        self.context, self.trace = context, trace
        self.failed = trace.Status(trace.StatusCode.ERROR)


class Begun:
    """The span of a request that is being answered; the spans of its parts lie within."""

    def __init__(self, name: str, headers: Mapping[str, str], attributes: dict[str, Any]) -> None:
        # The caller's traceparent (W3C) is the parent. Baggage is not read: it may hold anything.
        parent = _sdk.propagator.extract({k.lower(): v for k, v in headers.items()})
        kind = _sdk.trace.SpanKind.SERVER
        self._span = _sdk.tracer.start_span(name, parent, kind, attributes)
        self._token = _sdk.context.attach(_sdk.trace.set_span_in_context(self._span, parent))

    @property
    def trace_id(self) -> str:
        """Of the trace that it belongs to, 32 hex digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def end(self, status: int) -> None:
        """End it with the HTTP status of the answer, in the thread that began it."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(_sdk.failed)
        self._span.end()
        _sdk.context.detach(self._token)


def start() -> bool:
    """Send spans from now on if that is wanted; call it once a process, after the fork.

    Whatever is wrong with the receiver is logged and holds up no answer.
    """
    global _sdk
    if _sdk is not None or not any(map(os.environ.get, WANTED)):
        return _sdk is not None
    try:
        _sdk = _Sdk()
    except ImportError:
        log.warning("no spans are sent", reason="needs the extra: pip install 'recsys[otel]'")
        return False
    event.listen(Engine, "before_cursor_execute", _before)
    event.listen(Engine, "after_cursor_execute", _after)
    event.listen(Engine, "handle_error", _failed)
    return True


def stop() -> None:
    """Send what is left, as far as the receiver takes it at once; later calls do nothing."""
    global _sdk
    if _sdk is None:
        return
    event.remove(Engine, "before_cursor_execute", _before)
    event.remove(Engine, "after_cursor_execute", _after)
    event.remove(Engine, "handle_error", _failed)
    ended, _sdk = _sdk, None
    # A receiver that is away must not keep a worker from stopping: the exporter tries for long.
    last = threading.Thread(target=ended.provider.shutdown, daemon=True)
    last.start()
    last.join(PATIENCE)


def begin(method: str, route: str, headers: Mapping[str, str], request_id: str) -> Begun | None:
    """Begin the span of a request, None where nobody wants spans."""
    if _sdk is None:
        return None
    attributes = {
        "http.request.method": method,
        "http.route": route,
        "recsys.request_id": request_id,
    }
    return Begun(f"{method} {route}", headers, attributes)


def stages(watch: Stages) -> None:
    """Tell the stages of an answer as spans of the request that is being answered."""
    if _sdk is None or not _sdk.trace.get_current_span().is_recording():
        return
    ahead = time.time_ns() - time.perf_counter_ns()
    for name, begin, end in watch.laps:
        _sdk.tracer.start_span(name, start_time=begin + ahead).end(end + ahead)


def past(name: str, began: int, **attributes: str) -> None:
    """Tell what began at ``began`` (nanoseconds of ``time.time_ns``) and has just ended."""
    if _sdk is not None:
        _sdk.tracer.start_span(name, attributes=attributes, start_time=began).end()


def _before(_: Any, __: Any, statement: str, ___: Any, context: Any, ____: bool) -> None:
    # Statements of the refresh thread are of no request: a span each second would drown the others.
    if context is None or not _sdk.trace.get_current_span().is_recording():
        return
    operation = statement.split(None, 1)[0].upper()
    table = _TABLE.search(statement)
    summary = f"{operation} {table[1]}" if table else operation
    attributes = {
        "db.system.name": context.dialect.name,
        "db.operation.name": operation,
        "db.query.summary": summary,
    }
    kind = _sdk.trace.SpanKind.CLIENT
    context.recsys_span = _sdk.tracer.start_span(summary, kind=kind, attributes=attributes)


def _after(_: Any, __: Any, ___: Any, ____: Any, context: Any, _____: bool) -> None:
    span = getattr(context, "recsys_span", None)
    if span is not None:
        span.end()


def _failed(failure: Any) -> None:
    span = getattr(failure.execution_context, "recsys_span", None)
    if span is not None and span.is_recording():
        span.set_status(_sdk.failed)
        span.end()

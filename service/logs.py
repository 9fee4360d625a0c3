"""Writes every log line as one JSON object, gunicorn's own included, without what readers told."""

import logging
import os
import re
import sys
import traceback
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from recsys.errors import ConfigError, RecsysError

LEVEL = "RECSYS_LOG"
"""Variable of the least level that is written."""
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# gunicorn repeats what it could not read, and from whom; Flask and gunicorn name whole addresses.
_REPEATED = (
    (re.compile(r"(Invalid request) from ip=\S*: ([A-Za-z ]*).*", re.DOTALL), r"\1: \2"),
    (re.compile(r"(Error handling request|Exception on) .*", re.DOTALL), r"\1"),
    (re.compile(r"\?\S*|(?<=/v1/visitors/)\S+"), ""),
)

_CAUSES = 10


def _failure(exc_info: ExcInfo) -> str:
    """Return the traceback of an error and of its causes.

    Words are kept of our own errors and the system's only: others repeat the value they choked on,
    which may be a key, a reader's id or a body. The lines of code say where to look.
    """
    error: BaseException | None = exc_info[1]
    told: list[str] = []
    while error and len(told) < _CAUSES:
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        words = f": {error}" if isinstance(error, RecsysError | OSError) else ""
        told.append("".join(traceback.format_tb(error.__traceback__)) + name + words)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nwhich came of\n\n".join(told)


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(_failure),
]


def level() -> int:
    """Return the least level to write, ``info`` by default; raises ``ConfigError``."""
    named = os.environ.get(LEVEL, "") or "info"
    if named.lower() not in LEVELS:
        raise ConfigError(f"{LEVEL} is {named!r}; expected one of {', '.join(LEVELS)}")
    return LEVELS[named.lower()]


def configure() -> None:
    """Send structlog to standard error as JSON; call it once a process, after the fork."""
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(level()),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
    )


def gunicorn_config() -> dict[str, Any]:
    """Return the ``logconfig_dict`` that gives gunicorn's lines the same shape."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_SHARED, _without_repeats],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=lambda e, **_: orjson.dumps(e).decode()),
        ],
    }
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": handler},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            # gunicorn's debugging lines name whole addresses.
            "gunicorn.error": {
                "level": max(level(), logging.INFO),
                "handlers": ["stderr"],
                "propagate": False,
            },
            # Each try to reach a receiver is a warning there, and each batch it never got an error.
            "opentelemetry": {"level": "ERROR"},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def _without_repeats(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    said = str(event["event"])
    for pattern, kept in _REPEATED:
        said = pattern.sub(kept, said)
    event["event"] = said.strip()
    return event

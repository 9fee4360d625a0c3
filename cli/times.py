"""Reads the times that people type: a moment, or how long from now."""

import re
from datetime import UTC, datetime

from cli.setup import parse_time
from recsys.errors import DataError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def span(text: str, option: str) -> int:
    """Return the seconds of a span as ``90m`` or ``3d``; raises ``DataError`` where it is none."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise DataError(f"{option} {text!r} is no span of time; expected one as 30m, 24h, 7d or 2w")
    return int(found[1]) * UNITS[found[2]]


def moment(text: str, option: str, now: int) -> int:
    """Return UTC seconds of an ISO 8601 time, or of ``+SPAN`` from ``now``.

    Raises ``DataError`` where it is neither.
    """
    if text.startswith("+"):
        return now + span(text[1:], option)
    return parse_time(text, option)


def shown(at: int) -> str:
    """Return UTC seconds as people read them, to the minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"

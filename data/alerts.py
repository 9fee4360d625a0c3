"""Tells people, over a webhook, that something needs them, and when it is well again.

A POST of JSON: ``text`` is a sentence that Slack, Mattermost and the like show as it is; the other
fields are for programs::

    {"text": "recsys on web-1: retrain failed: the store … failed: disk is full",
     "event": "job.failed", "subject": "retrain", "state": "firing", "at": "2026-11-25T03:15:09Z",
     "host": "web-1", "detail": {"run": "18…", "summary": "…"}}

``state`` is ``resolved`` where a subject is well again, and ``detail`` depends on the event.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from recsys.config import within
from recsys.errors import ConfigError

TRIES = 3
PAUSE = 1.0
"""Seconds before the second try; twice that before the third."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """The table [alerts]."""

    # Whoever knows the address may post: it is in no message, no log line and no traceback.
    webhook: str = field(default="", repr=False)
    """Address that alerts are posted to as JSON (Slack, Mattermost, your own); a secret, so rather
    in `$RECSYS_WEBHOOK`, which goes first. No alerts where both are empty."""
    timeout: float = 10.0
    """Seconds that it may take to answer; there are three tries."""
    remind: float = 24.0
    """Hours after which an alert is repeated if nothing has become better."""

    def __post_init__(self) -> None:
        if self.webhook and not _is_address(self.webhook):
            raise ConfigError(
                "webhook = '…': expected an http or https address, here and in $RECSYS_WEBHOOK"
            )
        within("timeout", self.timeout, 0.1, 300.0)
        within("remind", self.remind, 0.0, 8_760.0)


def alert(
    alerts: Alerts,
    event: str,
    subject: str,
    sentence: str,
    *,
    at: int,
    resolved: bool = False,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Post one alert and return whether it was received; never raises, and logs no address.

    ``event`` is what happened, as ``bundle.rolled_back``, ``subject`` what it happened to, and
    ``sentence`` tells both to people. ``detail`` must be fit for JSON and hold no reader's id. It
    may take ``TRIES`` times the timeout: not for a thread that others wait for.
    """
    if not alerts.webhook:
        return False
    import structlog

    log = structlog.get_logger(__name__)
    host = socket.gethostname()
    body = {
        "text": f"recsys on {host}: {sentence}",
        "event": event,
        "subject": subject,
        "state": "resolved" if resolved else "firing",
        "at": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "host": host,
        "detail": dict(detail or {}),
    }
    reason = ""
    for turn in range(TRIES):
        if turn:
            time.sleep(PAUSE * 2 ** (turn - 1))
        reason = _post(alerts.webhook, alerts.timeout, orjson.dumps(body))
        if not reason:
            log.info("alert sent", alert=event, subject=subject)
            return True
    log.error("alert not sent", alert=event, subject=subject, sentence=sentence, reason=reason)
    return False


def _post(address: str, timeout: float, body: bytes) -> str:
    """Return why an alert was not received, in words that hold no address; empty where it was."""
    import httpx  # a tenth of a second to load, which every command would wait for

    headers = {"content-type": "application/json", "user-agent": "recsys"}
    try:
        # Its body is not read: a server that never ends it has said all that is asked.
        with httpx.stream(
            "POST", address, content=body, headers=headers, timeout=timeout
        ) as answer:
            return "" if answer.is_success else f"its server says {answer.status_code}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return type(error).__name__  # their words may repeat it


def _is_address(text: str) -> bool:
    try:
        parsed = urlsplit(text)
    except ValueError:
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.hostname)

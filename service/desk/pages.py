"""Draws the desk's pages in one frame, and lists them once."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup

from data.scope import Scope
from service import headers
from service.desk import session


@dataclass(frozen=True, slots=True)
class Listed:
    """A page that the navigation leads to."""

    endpoint: str
    title: str
    role: Scope = Scope.VIEWER
    """Who sees it."""


PAGES = (
    Listed("desk.start", "Overview"),
    Listed("desk.now", "Now"),
    Listed("desk.box", "Box"),
    Listed("desk.clicks", "Clicks"),
    Listed("desk.unseen", "Unseen"),
    Listed("desk.rules", "Rules"),
    Listed("desk.tone", "Tone"),
    Listed("desk.bundles", "Bundles"),
    Listed("desk.health", "Health"),
    Listed("desk.keys", "Keys", Scope.ADMIN),
    Listed("desk.log", "Audit log", Scope.ADMIN),
)
"""In the order of the navigation. Pages below one, as ``desk.rules_new``, begin with its name."""

DAY = 86_400
_LAST = 253_402_300_799
"""The last second that a date can tell; whatever ends later never ends."""


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return the page of ``templates/desk/``; it gets ``person``, ``csrf`` and the navigation.

    ``error`` or ``errors`` (by field) among the values is told by the title too.
    """
    person = session.person()
    here = (request.endpoint or "").split("_")[0]
    body = render_template(
        f"desk/{template}",
        person=person,
        csrf=person.csrf if person else "",
        pages=[one for one in PAGES if person and person.may(one.role)],
        here=here,
        **values,
    )
    response = Response(body, status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = headers.DESK
    return response


def register(desk: Blueprint) -> None:
    """Teach templates to write times and numbers."""
    desk.add_app_template_filter(when, "when")
    desk.add_app_template_filter(ends, "ends")
    desk.add_app_template_filter(local, "local")
    desk.add_app_template_filter(size, "size")
    desk.add_app_template_filter(figure, "figure")


def when(at: int) -> Markup:
    """Return a time (UTC seconds) as people write it, with the whole of it for machines."""
    if not ends(at):
        return Markup("never") if at else Markup("–")
    moment = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%-d %b %Y, %H:%M} UTC"
    )


def ends(at: int) -> bool:
    """Return whether a time is one that a date can tell: neither 0 nor never."""
    return 0 < at < _LAST


def local(at: int) -> str:
    """Return a time as ``datetime-local`` takes it, in UTC; empty for 0 and never."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}" if ends(at) else ""


def size(count: float) -> str:
    """Return bytes as people write them."""
    return f"{count / 1e6:,.1f} MB"


def figure(value: float | None) -> str:
    """Return a number of any size as people read it, a dash for none."""
    if value is None:
        return "–"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"

"""Shows an admin who did what, and when."""

from flask import Blueprint, Response, request

from data import audit
from data.scope import Scope
from service.desk.pages import page
from service.desk.session import role
from service.holder import Holder
from service.settings import Settings

MOST = 50
"""Entries of one page."""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/log``."""

    @desk.get("/log", endpoint="log")
    @role(Scope.ADMIN)
    def entries() -> Response:
        before, of = request.args.get("before", type=_number), request.args.get("of", "")
        found = audit.entries(holder.store, MOST + 1, before, subject=of)
        return page(
            "log.html",
            entries=found[:MOST],
            older=found[MOST - 1].seq if len(found) > MOST else None,
            before=before,
            of=of,
        )


def _number(text: str) -> int:
    if len(text) > 18:  # more digits than the column has
        raise ValueError(text)
    return int(text)

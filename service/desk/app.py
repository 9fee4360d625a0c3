"""Puts the desk together: whoever adds a group of pages adds it here."""

from http import HTTPStatus

import structlog
from flask import Blueprint, Response, abort, request
from werkzeug.exceptions import HTTPException

from recsys.errors import RecsysError
from service.desk import (
    audited,
    box,
    bundles,
    clicks,
    health,
    keys,
    login,
    now,
    pages,
    rules,
    session,
    start,
    tones,
    unseen,
)
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings

GROUPS = login, start, now, box, clicks, unseen, rules, tones, bundles, health, keys, audited
log = structlog.get_logger()


def blueprint(holder: Holder, settings: Settings) -> Blueprint:
    """Return the pages under ``/desk/``; every one but the sign-in needs a key with a role."""
    desk = Blueprint("desk", __name__, url_prefix="/desk")
    pages.register(desk)
    session.guard(desk, holder)
    for group in GROUPS:
        group.register(desk, holder, settings)

    @desk.route("/<path:rest>", methods=["GET", "POST"])
    def nowhere(rest: str) -> Response:
        abort(404, f"The desk has no page {request.path!r}.")

    @desk.errorhandler(HTTPException)
    def expected(error: HTTPException) -> Response:
        if error.response is not None:
            return error.response  # type: ignore[return-value]
        status = error.code or 500
        if status < 400:
            return error.get_response()  # type: ignore[return-value]
        response = _failed(status, error.description or "")
        if status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="recsys"'
        return response

    @desk.errorhandler(RecsysError)
    def away(error: RecsysError) -> Response:
        log.warning("desk page failed", reason=str(error))
        response = _failed(
            503, "The store cannot be reached or written now. Boxes go on from memory."
        )
        response.headers["Retry-After"] = "5"
        return response

    @desk.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("desk page failed", exc_info=error)
        return _failed(500, "The desk failed on this page; the service's log says why.")

    return desk


def _failed(status: int, detail: str) -> Response:
    return page("error.html", status, heading=HTTPStatus(status).phrase, detail=detail)

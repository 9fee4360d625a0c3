"""Answers every failure in one shape, RFC 9457 problem details, so that clients parse only one."""

from http import HTTPStatus
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class FieldError(BaseModel):
    """One parameter that cannot be used."""

    field: str = Field(description="Name of the parameter.")
    message: str = Field(description="What was expected.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field("about:blank", description="The kind of problem; about:blank: see status.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, for people.")
    request_id: str = Field(description="The id under which the log knows this request.")
    errors: list[FieldError] = Field([], description="The parameters at fault.")


DESCRIBED = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
"""A problem among the responses of an operation."""


def answer(status: int, detail: str, **members: Any) -> Response:
    """Return a problem as a response; ``members`` are further members of it."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": g.get("request_id", ""),
        "errors": [],
        **members,
    }
    response = Response(orjson.dumps(body), status, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def away(detail: str) -> Response:
    """Return a 503: the store cannot be had for a moment."""
    response = answer(503, detail)
    response.headers["Retry-After"] = "5"
    return response


def invalid(error: ValidationError) -> Response:
    """Return a 422 that names each parameter at fault."""
    errors = [
        {"field": ".".join(map(str, e["loc"])) or "query", "message": _sentence(e["msg"])}
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    detail = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
    return answer(422, detail, errors=errors)


def register(app: Flask) -> None:
    """Make every error of ``app``, expected or not, a problem."""
    app.register_error_handler(HTTPException, _expected)
    app.register_error_handler(Exception, _unexpected)


def _expected(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response
    status = error.code or 500
    if status < 400:
        return error.get_response()
    response = answer(status, error.description or HTTPStatus(status).phrase)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.error("request failed", exc_info=error)
    return answer(500, "The service failed on this request; its log says why.")


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ").strip()

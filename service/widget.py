"""Hands out the one file that publishers paste into their pages."""

from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.utils import send_file

SCRIPT = Path(__file__).parent / "static" / "widget.js"


def blueprint() -> Blueprint:
    """Return the route ``/widget.js``."""
    pages = Blueprint("widget", __name__)

    @pages.get("/widget.js")
    def widget() -> Response:
        # An hour in caches, then one conditional request: a corrected widget reaches readers soon.
        response = send_file(SCRIPT, request.environ, "text/javascript", max_age=3600)
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return pages

"""Hands out the one file that publishers paste into their pages."""

import functools
import gzip
import io
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.utils import send_file

SCRIPT = Path(__file__).parent / "static" / "widget.js"
TYPE = "text/javascript"
AGE = 3600
"""Seconds in caches, then one conditional request: a corrected widget reaches readers soon."""


def blueprint() -> Blueprint:
    """Return the route ``/widget.js``."""
    pages = Blueprint("widget", __name__)

    @pages.get("/widget.js")
    def widget() -> Response:
        if request.accept_encodings.quality("gzip") > 0:
            # Every page of every site asks for it, and packed it is a third.
            changed = SCRIPT.stat().st_mtime_ns
            content, tag = io.BytesIO(_packed(changed)), f"{changed:x}-gzip"
            response = send_file(content, request.environ, TYPE, max_age=AGE, etag=tag)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = send_file(SCRIPT, request.environ, TYPE, max_age=AGE)
        response.vary.add("Accept-Encoding")
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return pages


@functools.lru_cache(maxsize=1)
def _packed(_changed: int) -> bytes:
    return gzip.compress(SCRIPT.read_bytes(), 9, mtime=0)

"""Tells browsers what an answer may do, so that a hostile title stays text."""

from flask import Flask, Response

DATA = "default-src 'none'; frame-ancestors 'none'"
"""For answers that are not pages: nothing may run or load."""
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""For our pages: own scripts and styles only, none of them inline."""
FRAMED = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: http: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors *"
)
"""For the box as a page: it runs nothing and may stand in any page."""
DOCS = PAGE.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""For the API's browsable page: Swagger UI sets styles on elements."""
DRAWING = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For SVG files opened on their own."""


def register(app: Flask) -> None:
    """Add the security headers; a view that set its own policy keeps it."""

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", DATA)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin")
        return response

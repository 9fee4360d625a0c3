"""Tells browsers what an answer may do, so that a hostile title stays text."""

from flask import Flask, Response, request

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
DESK = PAGE.replace(" data:", "") + "; require-trusted-types-for 'script'; trusted-types 'none'"
"""For the editors' desk, whose scripts may not even make elements of text.

Whoever sets it also gets that nothing of the answer is kept or shared.
"""

NEITHER = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
"""What of a browser no answer of ours asks for."""
YEAR = 365 * 86_400
DEFAULTS = (
    ("Content-Security-Policy", DATA),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Permissions-Policy", NEITHER),
)
"""What every answer says unless its view said otherwise."""


def register(app: Flask) -> None:
    """Add the security headers; a view that set its own policy keeps it.

    Whether a request came over https the last trusted proxy says (``limits.trusted_proxies``), or
    one on this machine. It must set ``X-Forwarded-Proto`` and hand on ``Host`` as the browser sent
    it: ``X-Forwarded-Host`` is believed of nobody, since many proxies hand it on from anybody.
    """

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        if headers.get("Content-Security-Policy") == DESK:
            headers["Cache-Control"] = "no-store"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Referrer-Policy"] = "same-origin"
        # Headers are a list: a look at all of them for each default would cost more than the rest.
        given = {name.lower() for name in headers.keys()}  # noqa: SIM118
        for name, value in DEFAULTS:
            if name.lower() not in given:
                headers.add(name, value)
        if response.mimetype == "text/html":
            # Who opens a page of ours, or is opened by it, shall not reach into it.
            headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if request.is_secure:
            # Of this host only: what other hosts of the publisher do is not ours to say.
            headers.setdefault("Strict-Transport-Security", f"max-age={YEAR}")
        return response

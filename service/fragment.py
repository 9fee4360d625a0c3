"""Draws the box on the server, for pages without script."""

from urllib.parse import urljoin

from flask import Response, render_template, request
from flask_openapi3 import APIBlueprint
from pydantic import Field

from service import headers
from service.holder import Holder
from service.problems import DESCRIBED
from service.recommendations import TAG, answer
from service.settings import Settings, Site
from service.wire import Ask

HEADING = "Articles, Offers & Useful Resources"
LINE = "A mix of what’s trending on our other sites"
WIDTHS = 320, 480, 640, 960


class Framed(Ask):
    """What a page tells, and how its box is worded."""

    heading: str = Field("", max_length=120, description="Above the cards, instead of our words.")
    line: str = Field("", max_length=200, description="Below the heading.")
    sponsored: str = Field("", max_length=40, description="On cards that are paid for.")
    bare: bool = Field(
        False, description="Only the section, for a server that puts it into a page of its own."
    )


def blueprint(holder: Holder, settings: Settings) -> APIBlueprint:
    """Return the route ``GET /v1/widget.html``."""
    api = APIBlueprint("fragment", __name__, abp_tags=[TAG], url_prefix="/v1")

    @api.get("/widget.html", responses={200: {"content": {"text/html": {}}}, 422: DESCRIBED})
    def fragment(query: Framed) -> Response:
        """The box as a page, for an iframe or a server-side include

        It holds no script, so nothing is reported. Where there is nothing to show it is empty.
        """
        shown = answer(query, holder, settings)
        name = query.site or shown["article"].partition("/")[0]
        body = render_template(
            "fragment.html",
            site=settings.sites.get(name, Site()),
            heading=query.heading or HEADING,
            line=query.line or LINE,
            told=query,
            paid=query.sponsored.strip(),
            slate=shown["slate"].partition(".")[0],
            items=[_absolute(item) for item in shown["items"]],
            style=_address("/static/fragment.css"),
        )
        response = Response(body, mimetype="text/html")
        response.headers["Content-Security-Policy"] = headers.FRAMED
        response.headers["Cache-Control"] = "no-store"
        return response

    return api


def _absolute(item: dict[str, str]) -> dict[str, str]:
    """Return an item whose addresses hold wherever it is put in, with sizes of its picture."""
    image = _address(item["image"]) if item["image"] else ""
    sizes = [f"{image.replace('{width}', str(width))} {width}w" for width in WIDTHS]
    return {
        **item,
        "url": _address(item["url"]),
        "image": image.replace("{width}", "480"),
        "srcset": ", ".join(sizes) if "{width}" in image else "",
    }


def _address(path: str) -> str:
    return urljoin(request.host_url, path)

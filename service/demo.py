"""Shows the network's articles as pages with the widget under each, to see the whole at work."""

import dataclasses
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, abort, render_template, request

from data.addresses import safe
from recsys.types import Article, ArticleId, Card
from service import headers
from service.holder import Holder
from service.settings import Settings, Site

LOOKS = 5
READERS = [f"reader-{n}" for n in range(300)]
"""Names of the sample network; the bundle knows only their pseudonyms."""
FRONT, TEASERS = 25, 3


def blueprint(holder: Holder, settings: Settings) -> Blueprint:
    """Return the pages under ``/demo/``."""
    pages = Blueprint("demo", __name__, url_prefix="/demo")

    @pages.get("/")
    def network() -> Response:
        fronts = [
            {**site, "articles": [_shown(a) for a in holder.store.latest(site["id"], TEASERS)]}
            for site in _sites(holder, settings)
        ]
        return _page("network", holder, settings, fronts=[f for f in fronts if f["articles"]])

    @pages.get("/<site>/")
    def front(site: str) -> Response:
        known = {one["id"] for one in _sites(holder, settings)}
        if site not in known:
            abort(404, f"The network has no site {site!r}.")
        articles = [_shown(article) for article in holder.store.latest(site, FRONT)]
        return _page("site", holder, settings, site, articles=articles)

    @pages.get("/<site>/<path:key>")
    def article(site: str, key: str) -> Response:
        found = holder.store.article(ArticleId(site, key))
        if found is None:
            abort(404, f"{settings.site_name(site)} has no article {key!r}.")
        return _page("article", holder, settings, site, article=_shown(found))

    @pages.get("/image/<site>/<path:key>.svg")
    def image(site: str, key: str) -> Response:
        from data.sample import art  # only the demo needs it

        found = holder.store.article(ArticleId(site, key))
        if found is None:
            abort(404, f"{settings.site_name(site)} has no article {key!r}.")
        response = Response(art.svg(found), mimetype="image/svg+xml")
        response.headers["Content-Security-Policy"] = headers.DRAWING
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    return pages


def card(shown: Card, visitor: str = "") -> Card:
    """Return a card that leads to the article's page here, with the picture drawn here."""
    id = ArticleId(shown.site, shown.key)
    return dataclasses.replace(shown, url=_link(_path(id), visitor), image=_image(id, shown.image))


def _page(
    template: str, holder: Holder, settings: Settings, site: str = "", **values: Any
) -> Response:
    reader = request.args.get("as", "")[:128]
    sites = _sites(holder, settings)
    look = next((one["look"] for one in sites if one["id"] == site), "")
    body = render_template(
        f"demo/{template}.html",
        sites=sites,
        site=site,
        name=settings.site_name(site),
        look=look,
        told=settings.sites.get(site, Site()),
        reader=reader,
        readers=list(dict.fromkeys([*holder.readers(READERS), *filter(None, [reader])])),
        link=lambda path: _link(path, reader),
        today=f"{datetime.now(UTC):%A, %-d %B %Y}",
        **values,
    )
    response = Response(body, mimetype="text/html")
    response.headers["Content-Security-Policy"] = headers.PAGE
    response.headers["Cache-Control"] = "no-store"
    return response


def _sites(holder: Holder, settings: Settings) -> list[dict[str, str]]:
    return [
        {"id": id, "name": settings.site_name(id), "look": f"look-{place % LOOKS}"}
        for place, id in enumerate(holder.sites())
    ]


def _shown(article: Article) -> dict[str, Any]:
    at = datetime.fromtimestamp(min(max(article.published, 0), int(time.time())), UTC)
    return {
        "url": _link(_path(article.id), request.args.get("as", "")[:128]),
        "canonical": article.url if safe(article.url) else "",
        "key": article.key,
        "title": article.title,
        "section": article.section,
        "language": article.language,
        "authors": ", ".join(article.authors),
        "tags": article.tags,
        "sponsored": article.sponsored,
        "image": _image(article.id, article.image),
        "paragraphs": [p.strip() for p in article.body.split("\n\n") if p.strip()],
        "iso": at.isoformat(),
        "date": f"{at:%-d %B %Y, %H:%M}",
    }


def _path(id: ArticleId) -> str:
    return f"/demo/{quote(id.site, safe='')}/{quote(id.key)}"


def _image(id: ArticleId, image: str) -> str:
    return f"/demo/image/{quote(id.site, safe='')}/{quote(id.key)}.svg" if image else ""


def _link(path: str, visitor: str) -> str:
    return f"{path}?{urlencode({'as': visitor})}" if visitor else path

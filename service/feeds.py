"""Gives the mix of a site to feed readers and newsletter tools: RSS, Atom and JSON Feed."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode, urljoin

import orjson
from flask import Response, abort, render_template, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from data.teasers import teasers
from recsys.types import Query
from service.holder import Holder
from service.mix import Entry, absolute, mix, tag
from service.problems import DESCRIBED
from service.recommendations import cards
from service.settings import Settings, Site
from service.wire import MAX_ITEMS, Parameters

TAG = Tag(name="feeds", description="The mix for feed readers and newsletters.")
TYPES = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped."""


class Named(BaseModel):
    """Which feed."""

    site: str = Field(max_length=64)
    format: Literal["rss", "atom", "json"]


class Wanted(Parameters):
    """How long a feed is, and how it is worded."""

    n: int = Field(20, ge=1, le=MAX_ITEMS, description="How many items to give.")
    title: str = Field("", max_length=120, description="Of the feed, instead of our words.")
    sponsored: str = Field(
        "Sponsored", min_length=1, max_length=40, description="Before titles that are paid for."
    )


@dataclass(frozen=True, slots=True)
class Item:
    """One article as every format tells it."""

    entry: Entry
    title: str
    """It says first whether the article is paid for."""
    categories: Sequence[str]
    """So does the first of these."""
    source_id: str
    source_url: str
    """Of the feed of its site."""


@dataclass(frozen=True, slots=True)
class Feed:
    """All that a feed says, whatever the format."""

    id: str
    title: str
    about: str
    name: str
    """Of the site."""
    home: str
    """Address of its front page."""
    language: str
    url: str
    """Of this very answer."""
    others: Mapping[str, str]
    """Addresses of the same feed in other formats, by media type."""
    items: Sequence[Item]
    updated: datetime
    """When the newest of them was published."""


def blueprint(holder: Holder, settings: Settings) -> APIBlueprint:
    """Return the routes ``GET /v1/feeds/{site}.rss``, ``.atom`` and ``.json``."""
    api = APIBlueprint("feeds", __name__, abp_tags=[TAG], url_prefix="/v1")
    described = {"content": {kind: {} for kind in TYPES.values()}}

    @api.get(
        "/feeds/<site>.<any(rss,atom,json):format>",
        responses={200: described, 404: DESCRIBED, 422: DESCRIBED},
    )
    def feed(path: Named, query: Wanted) -> Response:
        """The mix of one site's front page as a feed

        RSS 2.0, Atom and JSON Feed 1.1 hold the same items. An item keeps its id for good; who
        sends `If-None-Match` is told when nothing has changed. What is paid for says so in its
        title and among its categories.
        """
        # Before the first article nobody knows the sites, so none is unknown.
        known = holder.sites() or [path.site]
        if path.site not in known:
            abort(404, f"The network has no site {path.site!r}; it has {', '.join(known)}.")
        made = _feed(path, query, holder, settings)
        body = _json(made) if path.format == "json" else _xml(made, path.format)
        response = Response(body, mimetype=TYPES[path.format])
        # Asked about each time, which the ETag makes cheap: a stopped story must not live on.
        response.headers["Cache-Control"] = "public, no-cache"
        # No Last-Modified: a mix changes without anything in it being new, so a reader who knows
        # only a date would miss what came in.
        response.add_etag()
        return response.make_conditional(request)

    @api.after_request
    def share(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return api


def _feed(path: Named, query: Wanted, holder: Holder, settings: Settings) -> Feed:
    engine, base = holder.engine, request.host_url
    asked = Query(site=path.site, now=int(time.time()), n=query.n)
    entries, _ = mix(
        engine,
        asked,
        lambda ids: teasers(holder.store, ids),
        base,
        settings.site_name,
        cards(engine.card, settings),
    )
    name, told = settings.site_name(path.site), settings.sites.get(path.site, Site())
    parameters = urlencode(query.model_dump(exclude_unset=True))
    addresses = {
        format: _address(base, path.site, format) + (f"?{parameters}" if parameters else "")
        for format in TYPES
    }
    return Feed(
        id=tag(path.site),
        title=query.title or f"{name}: a mix from all our sites",
        about=f"What readers of {name} may want to read now, from all sites of the network.",
        name=name,
        home=absolute(base, told.url) or base,
        language=told.language,
        url=addresses.pop(path.format),
        others={TYPES[format]: url for format, url in addresses.items()},
        items=[_item(entry, query.sponsored.strip() or "Sponsored", base) for entry in entries],
        updated=max((entry.at for entry in entries), default=datetime.fromtimestamp(0, UTC)),
    )


def _item(entry: Entry, label: str, base: str) -> Item:
    card = entry.card
    paid = label if card.sponsored else ""
    return Item(
        entry=entry,
        title=f"{paid}: {card.title}" if paid else card.title,
        categories=list(dict.fromkeys(filter(None, (paid, card.section, *card.tags)))),
        source_id=tag(card.site),
        source_url=_address(base, card.site, "rss"),
    )


def _address(base: str, site: str, format: str) -> str:
    return urljoin(base, f"/v1/feeds/{quote(site, safe='')}.{format}")


def _xml(feed: Feed, format: str) -> str:
    text = render_template(
        f"feed/{format}.xml", feed=feed, rfc822=lambda at: format_datetime(at, usegmt=True)
    )
    return _NOT_XML.sub("", text)


def _json(feed: Feed) -> bytes:
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "description": feed.about,
        "language": feed.language,
        "authors": [{"name": feed.name, "url": feed.home}],
    }
    items = [_filled(_plain(item)) for item in feed.items]
    return orjson.dumps(_filled(body) | {"items": items})


def _plain(item: Item) -> dict[str, Any]:
    entry, card = item.entry, item.entry.card
    return {
        "id": entry.id,
        "url": card.url,
        "title": item.title,
        "content_text": entry.teaser or card.title,  # the format wants a content
        "summary": entry.teaser,
        "image": card.image,
        "date_published": entry.at.isoformat(),
        "authors": [{"name": name} for name in card.authors],
        "tags": item.categories,
        "language": card.language,
        "_recsys": {
            "site": card.site,
            "site_name": entry.site_name,
            "section": card.section,
            "sponsored": card.sponsored,
            "reason": entry.reason,
        },
    }


def _filled(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members that say something: the format has no empty ones."""
    return {name: value for name, value in members.items() if value}

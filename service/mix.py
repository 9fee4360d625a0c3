"""Gives the mix to what leaves our pages: feeds and newsletters."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urljoin, urlsplit

from data.addresses import safe
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.types import ArticleId, Card, Query

PLACEMENT = "newsletter"
WIDTH = "960"
"""Of pictures that come in several, in pixels."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One article of the mix; its addresses hold wherever it is read."""

    card: Card
    site_name: str
    teaser: str
    """Its first words; empty where it has no text."""
    reason: str
    """Why it is in the mix, for people."""

    @property
    def id(self) -> str:
        """A name that stays while titles and addresses change (a tag URI, RFC 4151)."""
        return tag(self.card.site, self.card.key)

    @property
    def at(self) -> datetime:
        """When it was published."""
        return datetime.fromtimestamp(self.card.published, UTC)


def tag(*parts: str) -> str:
    """Return the tag URI of a site, or of an article by its site and key."""
    return "tag:recsys,2026:" + "/".join(quote(part, safe="") for part in parts)


def mix(
    engine: Engine,
    query: Query,
    first_words: Callable[[Sequence[ArticleId]], Mapping[ArticleId, str]],
    base: str,
    named: Callable[[str], str],
    draw: Callable[[ArticleId], Card] | None = None,
) -> tuple[list[Entry], list[str]]:
    """Return what the engine gives for a newsletter, and notes on what was unusual.

    Addresses that are paths are joined to ``base``; what has no address to follow is left out.
    ``first_words`` looks texts up, ``named`` tells what readers call a site, ``draw`` makes cards
    (the engine's by default). Nothing is left to chance: nobody reports what is seen in a mail, so
    no trial would teach.
    """
    slate = dataclasses.replace(engine, policy=engine.policy.still()).recommend(
        dataclasses.replace(query, placement=PLACEMENT)
    )
    notes, entries, astray = list(slate.notes), [], []
    try:
        begins = first_words([item.article for item in slate.items])
    except DataError as error:  # titles are in memory, and better than nothing
        begins = {}
        notes.append(f"without first words: {error}")
    draw = draw or engine.card
    for item in slate.items:
        card = draw(item.article)
        url = absolute(base, card.url)
        if not url:
            astray.append(f"{item.article} at {card.url[:80]!r}")
            continue
        image = absolute(base, card.image.replace("{width}", WIDTH))
        card = dataclasses.replace(card, url=url, image=image)
        begin = begins.get(item.article, "")
        entries.append(Entry(card, named(card.site), begin, item.reason))
    if astray:
        notes.append(
            f"left out {len(astray)} whose address leads nowhere from outside, as {astray[0]}; "
            "a path needs the address of the service"
        )
    return entries, notes


def absolute(base: str, address: str) -> str:
    """Return an address that holds anywhere, empty where there is none or it is not http(s)."""
    try:
        url = urljoin(base, address) if safe(address) else ""
        parts = urlsplit(url)
        return url if parts.scheme in ("http", "https") and parts.hostname else ""
    except ValueError:  # a port or an IPv6 host that is none
        return ""

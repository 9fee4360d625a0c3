"""Translates between HTTP and the engine's values, and describes both for the API document."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

import orjson
from flask import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from data.addresses import safe
from recsys.types import ArticleId, Card, Item, Query, Slate
from service.settings import Settings

MAX_ITEMS = 50
MAX_HISTORY = 50
MAX_CONTEXT = 8
_CIRCUMSTANCE = re.compile(r"[\w-]{1,32}:[\w .-]{1,64}")
Lookup = Callable[[str], ArticleId | None]


class Parameters(BaseModel):
    """Query parameters; unknown ones are refused, so that a misspelt one cannot go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    @functools.cache
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the schema, made once: flask-openapi3 asks for it on every request."""
        return super().model_json_schema(*args, **kwargs)


class Ask(Parameters):
    """What a page tells about itself and its reader."""

    site: str = Field("", max_length=64, description="Site of the page; taken from `article`.")
    key: str = Field("", max_length=512, description="Key of the page's article; needs `site`.")
    article: str = Field("", max_length=577, description="The page's article, as `site/key`.")
    url: str = Field("", max_length=2048, description="Address of the page, where no key is known.")
    visitor: str = Field(
        "", max_length=128, description="Id of a reader; it counts only together with `consent`."
    )
    consent: bool = Field(
        False,
        description="Whether the reader allows to be known again; without it `visitor` is "
        "neither used nor kept.",
    )
    session: str = Field(
        "",
        max_length=128,
        description="Id of this visit, as events tell it. It is not kept; of a reader who is not "
        "known it decides the arm of an experiment.",
    )
    history: str = Field(
        "",
        max_length=8192,
        description=f"Articles read in this session, oldest first: `site/key,site/key`. "
        f"The last {MAX_HISTORY} count.",
    )
    context: str = Field(
        "",
        max_length=512,
        description="Coarse circumstances that events tell too, as `device:phone,region:kansai`: "
        f"what readers in the same ones open now counts for more. At most {MAX_CONTEXT}.",
    )
    n: int = Field(6, ge=1, le=MAX_ITEMS, description="How many items to give.")
    placement: str = Field(
        "",
        max_length=32,
        pattern=r"^[\w-]*$",
        description="Where the box stands: `article`, `home`, `newsletter`, or a name that the "
        "policy knows. By default `article` for the page of one, else `home`.",
    )
    explain: bool = Field(
        False,
        description="Also tell in `trace` what decided: the seed, every candidate with the "
        "score of each source, what filters and editors took out, what quotas moved. Needs a key "
        "with the scope `viewer`, and "
        "together with `visitor` the scope `visitors` too.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Only with `explain`: repeats what chance decided.",
    )

    @field_validator("article")
    @classmethod
    def _article(cls, value: str) -> str:
        if value:
            ArticleId.parse(value)
        return value

    @field_validator("history")
    @classmethod
    def _history(cls, value: str) -> str:
        for part in filter(None, value.split(",")):
            ArticleId.parse(part)
        return value

    @field_validator("context")
    @classmethod
    def _context(cls, value: str) -> str:
        parts = value.split(",") if value else []
        if len(parts) > MAX_CONTEXT:
            raise ValueError(f"holds {len(parts)} circumstances, at most {MAX_CONTEXT} are allowed")
        for part in parts:
            if not _CIRCUMSTANCE.fullmatch(part):
                raise ValueError(f"{part!r} is not of the form name:value")
        return value

    @model_validator(mode="after")
    def _one_article(self) -> Self:
        given = [name for name in ("key", "article", "url") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"give one of key, article and url, not {' and '.join(given)}")
        if self.key and not self.site:
            raise ValueError("key needs site: a key names an article within its site only")
        return self


class CardOut(BaseModel):
    """What a page needs to draw an article."""

    site: str
    key: str
    site_name: str
    url: str = Field(description="Absolute http(s), or a path on this service.")
    title: str
    section: str = Field(description="Shown above the title; may be empty.")
    language: str
    image: str = Field(description="Absolute http(s), a path on this service, or empty.")
    sponsored: bool
    published: int = Field(description="UTC seconds.")


class ItemOut(CardOut):
    """One card."""

    position: int = Field(description="Its slot, from 0; events about it name it.")
    score: float
    propensity: float = Field(
        description="Probability of this card in this slot, given those above it; 1 where nothing "
        "was left to chance."
    )
    source: str = Field(description="The source that ranked it highest.")
    reason: str = Field(description="Why it is shown, for people.")


class Answer(BaseModel):
    """A slate of links for one page."""

    slate: str = Field(
        description="Signed name of this slate, as `ID.PAYLOAD.MAC`; events about its cards bring "
        "it back as it is."
    )
    article: str = Field(description="The page's article as `site/key`, where it is known.")
    bundle: str = Field(description="The bundle that made it; `none` before the first training.")
    policy: str = Field(description="Digest of the policy that made it.")
    arm: str = Field(
        description="`EXPERIMENT/ARM` that made it; empty where the reader takes part in none."
    )
    notes: list[str] = Field(description="What was unusual, for people.")
    items: list[ItemOut]


def parse_query(
    ask: Ask, now: int, seed: int, find_url: Lookup, pseudonym: Callable[[str], str]
) -> tuple[Query, list[str]]:
    """Return the engine's query and notes on what the page named but nobody knows or may use."""
    notes: list[str] = []
    article = None
    if ask.article:
        article = ArticleId.parse(ask.article)
    elif ask.key:
        article = ArticleId(ask.site, ask.key)
    elif ask.url:
        article = find_url(ask.url)
        if article is None:
            notes.append("no article is known by this url")
    if ask.visitor and not ask.consent:
        notes.append("visitor was not used: it needs consent=1")
    history = [ArticleId.parse(part) for part in ask.history.split(",") if part]
    query = Query(
        site=ask.site or (article.site if article else ""),
        now=now,
        article=article,
        visitor=pseudonym(ask.visitor) if ask.consent else "",
        history=tuple(history[-MAX_HISTORY:]),
        n=ask.n,
        context=tuple(filter(None, ask.context.split(","))),
        seed=seed,
        placement=ask.placement,
    )
    return query, notes


def dump_slate(
    slate: Slate,
    article: str,
    card: Callable[[ArticleId], Card],
    settings: Settings,
    notes: list[str],
    sign: Callable[[Slate], str],
) -> dict[str, Any]:
    """Return the answer to a page about ``article`` (``site/key``), as ``Answer`` describes it.

    ``sign`` makes the token of the slate as it is drawn.
    """
    items: list[dict[str, Any]] = []
    drawn: list[Item] = []
    for item in slate.items:
        shown = dump_card(card(item.article), settings)
        if shown is None:
            notes = [*notes, f"left out {item.article}: its url is neither http(s) nor a path"]
            continue
        items.append(
            {
                **shown,
                "position": len(items),
                "score": round(float(item.score), 6),
                "propensity": round(float(item.propensity), 6),
                "source": item.source,
                "reason": item.reason,
            }
        )
        drawn.append(item)
    return {
        "slate": sign(dataclasses.replace(slate, items=tuple(drawn))),
        "article": article,
        "bundle": slate.bundle_id,
        "policy": slate.policy_id,
        "notes": [*notes, *slate.notes],
        "items": items,
    }


def dump_card(shown: Card, settings: Settings) -> Mapping[str, Any] | None:
    """Return a card as ``CardOut`` describes it, None where its address is not safe to follow."""
    return _dumped(shown, settings.site_name(shown.site))


@functools.lru_cache(20_000)
def _dumped(shown: Card, site_name: str) -> Mapping[str, Any] | None:
    """Return what ``dump_card`` does: it takes longer than to rank, and most cards come again."""
    if not safe(shown.url):
        return None
    return {
        "site": shown.site,
        "key": shown.key,
        "site_name": site_name,
        "url": shown.url,
        "title": shown.title,
        "section": shown.section,
        "language": shown.language,
        "image": shown.image if safe(shown.image) else "",
        "sponsored": shown.sponsored,
        "published": shown.published,
    }


def respond(body: dict[str, Any], status: int = 200) -> Response:
    """Return a JSON response that is never kept: a withdrawn article is gone within seconds."""
    response = Response(orjson.dumps(body), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response

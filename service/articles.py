"""Takes what editors publish and take down, so that it counts within seconds."""

import difflib
import time
from typing import Any

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field

from data.access import ApiKey
from data.audit import record
from data.importers import rows
from data.importers.rows import ARTICLE_COLUMNS, Fault
from data.scope import Scope
from recsys.errors import RecsysError
from recsys.types import Article, ArticleId
from service import access, metrics
from service.events import Refused
from service.holder import Holder
from service.problems import DESCRIBED, answer, away
from service.settings import Settings
from service.wire import respond

TAG = Tag(name="articles", description="What may be recommended.")
MOST = 500


class Batch(BaseModel):
    """Articles to add or to describe anew."""

    model_config = ConfigDict(extra="forbid")

    articles: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MOST,
        description="Each holds site, key, url, title and published, and as known body, section, "
        "tags, authors, language, image, sponsored, tone (grave, light, neutral; without one "
        "the classifier judges) and expires.",
    )


class Put(BaseModel):
    """What became of a batch."""

    new: int
    changed: int
    same: int
    refused: list[Refused]


class Name(BaseModel):
    """Which article."""

    site: str = Field(max_length=64)
    key: str = Field(max_length=512)


class Withdrawn(BaseModel):
    """What a withdrawal did."""

    withdrawn: bool = Field(description="False where it had been withdrawn before.")


def blueprint(holder: Holder, settings: Settings) -> APIBlueprint:
    """Return the routes ``PUT /v1/articles`` and ``DELETE /v1/articles/{site}/{key}``."""
    api = APIBlueprint(
        "articles", __name__, abp_tags=[TAG], url_prefix="/v1", abp_security=access.SECURITY
    )
    refusals = dict.fromkeys((401, 403, 413, 422, 503), DESCRIBED)

    # Before the body is read: nobody without a key makes the service parse megabytes.
    @api.before_request
    def guard() -> None:
        g.key = access.require(holder, Scope.ARTICLES)

    @api.put("/articles", responses={200: Put, **refusals})
    def put(body: Batch) -> Response:
        """Add articles, or describe known ones anew

        Needs a key with the scope `articles`. A new article is recommended within two seconds,
        before anyone has read it; putting a withdrawn one brings it back. The same description
        again changes nothing. Rows that are refused are named, and the rest is kept; only where
        none can be used, the answer is 422.
        """
        key: ApiKey = g.key
        made = [_article(row, key, settings) for row in body.articles]
        good = [article for article in made if isinstance(article, Article)]
        refused = [
            {"row": place, "field": fault.field, "message": fault.reason}
            for place, fault in enumerate(made)
            if isinstance(fault, Fault)
        ]
        metrics.ARTICLES.labels("refused").inc(len(refused))
        if not good:
            errors = [
                {"field": f"articles.{r['row']}.{r['field']}", "message": r["message"]}
                for r in refused
            ]
            said = f"{errors[0]['field']}: {errors[0]['message']}"
            return answer(422, f"None of the articles can be used: {said}", errors=errors)
        try:
            counts = holder.store.put_articles(good, revive=True)
        except RecsysError:
            return away("The store cannot be written now; send it again.")
        for result in ("new", "changed", "same"):
            metrics.ARTICLES.labels(result).inc(getattr(counts, result))
        holder.nudge()
        return respond(
            {"new": counts.new, "changed": counts.changed, "same": counts.same, "refused": refused}
        )

    @api.delete(
        "/articles/<site>/<path:key>", responses={200: Withdrawn, 404: DESCRIBED, **refusals}
    )
    def withdraw(path: Name) -> Response:
        """Take an article down

        Needs a key with the scope `articles`. It is gone from every answer within two seconds, and
        importing an old file does not bring it back.
        """
        key: ApiKey = g.key
        if not key.may(Scope.ARTICLES, path.site):
            return answer(403, f"The key may not write for the site {path.site!r}.")
        id = ArticleId(path.site, path.key)
        try:
            if not holder.store.knows(id):
                return answer(404, f"There is no article {str(id)!r}.")
            now, who = int(time.time()), access.actor(key)
            down = holder.store.withdraw(
                [id],
                now,
                lambda connection: record(connection, who, "article.withdraw", str(id), now),
            )
        except RecsysError:
            return away("The store cannot be written now; send it again.")
        holder.nudge()
        return respond({"withdrawn": bool(down)})

    return api


def _article(row: dict[str, Any], key: ApiKey, settings: Settings) -> Article | Fault:
    for name in row:
        if name not in ARTICLE_COLUMNS:
            near = difflib.get_close_matches(name, ARTICLE_COLUMNS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return Fault(name[:64], f"is unknown{hint}")
    made = rows.article(row)
    if isinstance(made, Fault):
        return made
    if settings.sites and made.site not in settings.sites:
        return Fault("site", f"{made.site!r} is not a site of this network")
    if not key.may(Scope.ARTICLES, made.site):
        return Fault("site", f"the key may not write for the site {made.site!r}")
    return made

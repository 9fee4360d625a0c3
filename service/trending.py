"""Says what trends, for a page's own list or for editors."""

import time

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from recsys.types import TrendQuery, Window
from service.holder import Holder
from service.problems import DESCRIBED
from service.recommendations import cards
from service.settings import Settings
from service.wire import MAX_ITEMS, CardOut, Parameters, dump_card, respond

TAG = Tag(name="trending", description="What readers open now.")


class Wanted(Parameters):
    """Which trends."""

    site: str = Field("", max_length=64, description="Only this site's articles.")
    exclude_site: str = Field("", max_length=64, description="None of this site's.")
    section: str = Field("", max_length=200, description="Only of this section.")
    language: str = Field("", max_length=35, description="Only in this language.")
    window: Window = Field(
        "fast",
        description="`fast`: the last minutes; `slow`: the last hours; `rising`: the one over the "
        "other. The clocks are set by `[train] trend_half_lives`.",
    )
    n: int = Field(10, ge=1, le=MAX_ITEMS, description="How many to give.")


class TrendOut(CardOut):
    """One article that trends."""

    score: float = Field(description="What it is ranked by: a share of openings, or a ratio.")
    voices: float = Field(
        description="Readers on the window's clock, decayed; who only lands on a page counts 0.25."
    )
    rising: float = Field(description="Share now over share in the last hours; 1 is steady.")


class Trends(BaseModel):
    """What trends, best first."""

    as_of: int = Field(description="UTC seconds.")
    items: list[TrendOut]


def blueprint(holder: Holder, settings: Settings) -> APIBlueprint:
    """Return the route ``GET /v1/trending``."""
    api = APIBlueprint("trending", __name__, abp_tags=[TAG], url_prefix="/v1")

    @api.get("/trending", responses={200: Trends, 422: DESCRIBED})
    def trending(query: Wanted) -> Response:
        """What trends

        One reader is one voice. Clicks in boxes count against how often an article was shown. An
        unknown site, section or language has no trends.
        """
        engine, now = holder.engine, int(time.time())
        draw = cards(engine.card, settings)
        items = []
        for trend in engine.trending(TrendQuery(now, **query.model_dump())):
            card = dump_card(draw(trend.article), settings)
            if card is not None:
                numbers = (trend.score, trend.voices, trend.rising)
                names = ("score", "voices", "rising")
                told = {n: round(v, 6) for n, v in zip(names, numbers, strict=True)}
                items.append({**card, **told})
        return respond({"as_of": now, "items": items})

    @api.after_request
    def share(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return api

"""Shows what readers open now on each site, and leads to what an editor may do about it."""

import time
from typing import Any

import numpy as np
from flask import Blueprint, Response, request

from data.openings import HOUR, hourly, readers
from data.performance import Dimension, Rate, click_rates, events_of_boxes
from recsys.engine import Engine
from recsys.types import ArticleId, Trend, TrendQuery, Window
from service.desk import charts
from service.desk.kept import SECONDS, kept
from service.desk.pages import page
from service.holder import Holder
from service.settings import Settings

WINDOWS: dict[Window, str] = {
    "fast": "Now",
    "slow": "These hours",
    "rising": "Rising",
}
SHOWN = 8
"""Trends of each site."""
HOURS = 24
MOST = 2_000_000
"""Events of boxes from which on click rates of sites are left to the page of clicks."""
LITTLE = 50.0
"""Decayed impressions below which nothing is said of an article's click rate."""


def register(desk: Blueprint, holder: Holder, settings: Settings) -> None:
    """Add ``/desk/now``."""

    @kept
    def opened(wanted: tuple[ArticleId, ...], until: int) -> dict[ArticleId, np.ndarray]:
        return hourly(holder.store, wanted, until, HOURS)

    @kept
    def came(until: int) -> dict[str, int]:
        return readers(holder.store, until - HOUR, until)

    @kept
    def clicked(until: int) -> dict[str, Rate] | None:
        since = until - HOURS * HOUR
        if events_of_boxes(holder.store, since, until) > MOST:
            return None
        (rates,) = click_rates(holder.store, since, until, (Dimension.PAGE,))
        return {str(rate.of[0]): rate for rate in rates}

    @desk.get("/now")
    def now() -> Response:
        given = request.args.get("window", "fast")
        window: Window = given if given in WINDOWS else "fast"
        engine, moment = holder.engine, int(time.time())
        # To the minute: who reloads asks the same again, and is answered from memory.
        until = moment // SECONDS * SECONDS + SECONDS
        found = {
            site: engine.trending(TrendQuery(moment, site, window=window, n=SHOWN))
            for site in holder.sites()
        }
        ids = tuple(sorted({trend.article for trends in found.values() for trend in trends}))
        counts, last_hour, rates = opened(ids, until), came(until), clicked(until)
        sites = [
            {
                "id": site,
                "name": settings.site_name(site),
                "readers": last_hour.get(site, 0),
                "rate": rates.get(site) if rates else None,
                "trends": [_shown(engine, trend, counts[trend.article]) for trend in trends],
            }
            for site, trends in found.items()
        ]
        return page(
            "now.html",
            sites=sites,
            many=rates is None,
            window=window,
            windows=WINDOWS,
            moment=moment,
            hours=[charts.date(until - (HOURS - n) * HOUR, HOUR) for n in range(HOURS)],
            percent=charts.percent,
        )


def _shown(engine: Engine, trend: Trend, counts: np.ndarray) -> dict[str, Any]:
    view = engine.live.view
    row = view.catalogue.ids.row(str(trend.article))
    told = counts.tolist()
    ends = f"{min(told)} to {max(told)}, in the last one {told[-1]}"
    said = f"Readers by the hour, {HOURS} hours: {ends}"
    return {
        "trend": trend,
        "card": engine.card(trend.article),
        "counts": told,
        "drawing": charts.sparkline(told, said),
        "rate": float(view.click_rate[row]) if view.exposure[row] >= LITTLE else None,
    }

"""What a service asks all day is answered from an index, on either database."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event

from data import exposures, openings, performance
from data.performance import Dimension
from data.store import Mark, Store
from recsys.types import Article, ArticleId, Event, Kind

NOW = 1_763_000_000  # in the midst of November 2025
DAY, MONTH = 86_400, 30 * 86_400
EVENTS, ARTICLES = 30_000, 3_000


def article(n: int) -> Article:
    site = ("daily", "guide", "culture")[n % 3]
    return Article(site, f"a-{n}", f"https://{site}.example/{n}", f"Title {n}", NOW - n * 1_000)


def happened(n: int) -> Event:
    """Return one of a row of events that end now and began two months ago."""
    at, boxed = NOW - 2 * MONTH + n * (2 * MONTH // EVENTS), n % 5 == 0
    own: dict[str, Any] = {"visitor": f"v{n % 2_000}"} if n % 2 else {"session": f"s{n}"}
    if boxed:
        own |= {"slate": f"sl{n}", "position": 0, "arm": f"x/{'ab'[n % 2]}" if n % 50 == 0 else ""}
    kind = Kind.IMPRESSION if boxed else Kind.CLICK
    return Event(f"e{n}", kind, article(n % ARTICLES).id, at, **own)


@pytest.fixture(scope="module")
def full(module_url: str) -> Iterator[Store]:
    with Store.open(module_url) as store:
        store.put_articles(map(article, range(ARTICLES)))
        store.put_events(map(happened, range(EVENTS)))
        with store.writing() as connection:
            connection.exec_driver_sql("ANALYZE")
        yield store


ASKED: dict[str, Callable[[Store], object]] = {
    "what came after a mark": lambda s: s.changes(Mark(ARTICLES - 5, EVENTS - 50, 0)),
    "what came after the first of all": lambda s: s.changes(Mark(5, 5, 0), most=500),
    "the latest of a site": lambda s: s.latest("daily", 20),
    "what is scheduled": lambda s: s.scheduled(NOW - 3_000),
    "one article": lambda s: s.article(ArticleId("daily", "a-3")),
    "articles again": lambda s: s.put_articles(map(article, range(20))),
    "what is held of a reader": lambda s: s.held("v7"),
    "forgetting a reader": lambda s: s.erase("v9", NOW),
    "deleting what is old": lambda s: s.prune_events(happened(40).at),
    "the click rates of a day": lambda s: performance.click_rates(
        s, NOW - DAY, NOW, (Dimension.SLOT,), (Dimension.SITE,)
    ),
    "how much click rates would read": lambda s: performance.events_of_boxes(s, NOW - DAY, NOW),
    "who opened some articles lately": lambda s: openings.hourly(s, [article(3).id], NOW, 3),
    "readers of the last hours": lambda s: openings.readers(s, NOW - 7_200, NOW),
    "the readers of an experiment": lambda s: exposures.exposures(s, ["x/a", "x/b"]),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
def test_an_index_answers(full: Store, ask: Callable[[Store], object]) -> None:
    said: list[tuple[str, Any]] = []

    def note(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        table = re.search(r"\b(events|articles)\b", statement)
        if table and re.match("SELECT|DELETE|WITH", statement) and "pg_class" not in statement:
            said.append((statement, parameters))

    with full.reading() as connection:
        engine = connection.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            ask(full)
        finally:
            event.remove(engine, "before_cursor_execute", note)
    assert said
    with full.writing() as connection:
        for statement, parameters in said:
            steps = plan(connection, statement, parameters)
            assert any(re.search("index|using", step, re.I) for step in steps), (statement, steps)
            assert not [step for step in steps if whole(step)], (statement, steps)


def plan(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """Return the steps in which the database would do it, as it says them."""
    words = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{words} {statement}", parameters).all()
    return [row[-1] for row in rows]


def whole(step: str) -> bool:
    """Return whether a step reads all of articles, of events, or of a part of these."""
    return bool(re.search(r"(Seq Scan on|^SCAN) (events|articles)", step))

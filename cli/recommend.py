"""``recsys recommend``: one slate in the terminal."""

import dataclasses
import time
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import asking
from cli.engines import open_engine
from cli.setup import Setup, parse_time


def recommend(
    context: typer.Context,
    article: asking.Article = "",
    visitor: asking.Visitor = "",
    site: asking.Site = "",
    history: asking.History = "",
    n: asking.Number = 6,
    placement: asking.Placement = "",
    now: asking.Now = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what the box would hold, with the source of each card.

    \b
      recsys recommend --article daily/a-1 --visitor reader-7 -n 10
      recsys recommend --site guide --history guide/kyoto,guide/nara --json

    Why each card stands where it does tells: recsys explain
    """
    setup: Setup = context.obj
    moment = parse_time(now, "--now") if now else int(time.time())
    engine, notes = open_engine(setup, moment)
    query = asking.query(
        setup,
        engine,
        moment,
        article=article,
        visitor=visitor,
        site=site,
        history=history,
        n=n,
        placement=placement,
    )
    slate = engine.recommend(query)
    slate = dataclasses.replace(slate, notes=(*notes, *slate.notes))
    if json:
        typer.echo(orjson.dumps(_plain(engine, slate), option=orjson.OPT_INDENT_2).decode())
        return
    out = Console(highlight=False)
    if slate.items:
        out.print(_table(setup, engine, slate, moment))
    else:
        out.print("No article is eligible.")
    for note in slate.notes:
        out.print(f"note: {note}", soft_wrap=True, markup=False)


def _table(setup: Setup, engine: Any, slate: Any, now: int) -> Table:
    table = Table("", "site", "title", "source", "reason", "score", "age")
    table.columns[0].justify = table.columns[5].justify = table.columns[6].justify = "right"
    for rank, item in enumerate(slate.items, start=1):
        card = engine.card(item.article)
        title = Text(card.title)
        if card.sponsored:
            title.append(" (sponsored)", "dim")
        table.add_row(
            str(rank),
            Text(setup.site_name(card.site)),  # text, not markup: a name may hold [brackets]
            title,
            item.source,
            item.reason,
            f"{item.score:.4f}",
            _age(now - card.published),
        )
    return table


def _plain(engine: Any, slate: Any) -> dict[str, Any]:
    items = [
        {
            **dataclasses.asdict(engine.card(item.article)),
            **dataclasses.asdict(item),
            "article": str(item.article),
        }
        for item in slate.items
    ]
    return {**dataclasses.asdict(slate), "items": items}


def _age(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return "now"

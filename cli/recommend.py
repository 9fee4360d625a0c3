"""``recsys recommend``: one slate in the terminal."""

import dataclasses
import time
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.engines import open_engine
from cli.setup import Setup, parse_time
from recsys.errors import DataError
from recsys.types import ArticleId, Query


def recommend(
    context: typer.Context,
    article: Annotated[
        str,
        typer.Option(help="The article on the page: site/key, or its address.", show_default=False),
    ] = "",
    visitor: Annotated[
        str, typer.Option(help="Pseudonymous id of the reader.", show_default=False)
    ] = "",
    site: Annotated[
        str, typer.Option(help="Site of the page; that of the article by default.")
    ] = "",
    history: Annotated[
        str,
        typer.Option(
            help="Articles read in this visit, oldest first: a/1,b/2.", show_default=False
        ),
    ] = "",
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=50, help="How many.")] = 6,
    now: Annotated[
        str, typer.Option(help="Answer as of this time (ISO 8601).", show_default=False)
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show what the box would hold, with the source of each card.

    \b
      recsys recommend --article daily/a-1 --visitor reader-7 -n 10
      recsys recommend --site guide --history guide/kyoto,guide/nara --json
    """
    setup: Setup = context.obj
    moment = parse_time(now, "--now") if now else int(time.time())
    engine, notes = open_engine(setup, moment)
    page = _article(engine, article)
    query = Query(
        site=site or (page.site if page else ""),
        now=moment,
        article=page,
        visitor=setup.load_keyring().visitor(visitor),
        history=tuple(_id(one.strip(), "--history") for one in history.split(",") if one.strip()),
        n=n,
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


def _article(engine: Any, text: str) -> ArticleId | None:
    if not text:
        return None
    found: ArticleId | None = engine.find_url(text)
    if found is None and (text.startswith("/") or "://" in text):
        raise DataError(f"--article {text!r} is the address of no known article")
    return found or _id(text, "--article")


def _id(text: str, option: str) -> ArticleId:
    try:
        return ArticleId.parse(text)
    except ValueError as error:
        raise DataError(f"{option} {text!r} is not of the form site/key") from error


def _table(setup: Setup, engine: Any, slate: Any, now: int) -> Table:
    table = Table("", "site", "title", "source", "reason", "score", "age")
    table.columns[0].justify = table.columns[5].justify = table.columns[6].justify = "right"
    for rank, item in enumerate(slate.items, start=1):
        card = engine.card(item.article)
        name = setup.sites[card.site].name if card.site in setup.sites else ""
        title = Text(card.title)
        if card.sponsored:
            title.append(" (sponsored)", "dim")
        table.add_row(
            str(rank),
            Text(name or card.site),  # text, not markup: a name may hold [brackets]
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

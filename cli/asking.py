"""Turns what a person says of a page and its reader into the query that the page would ask."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.setup import Setup
from recsys.errors import DataError
from recsys.types import ArticleId, Query

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from recsys.engine import Engine

Article = Annotated[
    str, typer.Option(help="The article on the page: site/key, or its address.", show_default=False)
]
Visitor = Annotated[str, typer.Option(help="Pseudonymous id of the reader.", show_default=False)]
Site = Annotated[
    str, typer.Option(help="Site of the page; that of the article by default.", show_default=False)
]
History = Annotated[
    str,
    typer.Option(help="Articles read in this visit, oldest first: a/1,b/2.", show_default=False),
]
Number = Annotated[int, typer.Option("-n", "--number", min=1, max=50, help="How many.")]
Placement = Annotated[
    str,
    typer.Option(
        help="Where the box stands: article, home, newsletter, or a name of the policy's.",
        show_default=False,
    ),
]
Now = Annotated[str, typer.Option(help="Answer as of this time (ISO 8601).", show_default=False)]


def query(
    setup: Setup,
    engine: "Engine",
    now: int,
    *,
    article: str = "",
    visitor: str = "",
    site: str = "",
    history: str = "",
    n: int = 6,
    placement: str = "",
    seed: int = 0,
) -> Query:
    """Return what the page would ask; raises ``DataError`` for an article that cannot be named."""
    page = _article(engine, article)
    return Query(
        site=site or (page.site if page else ""),
        now=now,
        article=page,
        visitor=setup.load_keyring().visitor(visitor),
        history=tuple(_id(one.strip(), "--history") for one in history.split(",") if one.strip()),
        n=n,
        placement=placement,
        seed=seed,
    )


def _article(engine: "Engine", text: str) -> ArticleId | None:
    if not text:
        return None
    found = engine.find_url(text)
    if found is None and (text.startswith("/") or "://" in text):
        raise DataError(f"--article {text!r} is the address of no known article")
    return found or _id(text, "--article")


def _id(text: str, option: str) -> ArticleId:
    try:
        return ArticleId.parse(text)
    except ValueError as error:
        raise DataError(f"{option} {text!r} is not of the form site/key") from error

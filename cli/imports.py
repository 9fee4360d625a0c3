"""Brings articles and events from files, feeds and public data sets into the store."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console

from cli.consoles import counting
from cli.setup import Setup
from data.importers.formats import Format, format_of
from recsys.errors import ConfigError, DataError
from recsys.types import ArticleId

if TYPE_CHECKING:
    from data.importers.run import Summary
    from data.store import Counts

# Importers and store are loaded by the commands: they take a second, and other commands should not
# wait for them.
app = typer.Typer(help="Bring articles and events into the store.", no_args_is_help=True)

Files = Annotated[
    list[str],
    typer.Argument(help="JSON Lines, CSV or Parquet; globs; - is standard input.", metavar="FILE"),
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="Instead of what the suffix says; standard input is jsonl by default.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")]
DatasetName = StrEnum("DatasetName", ["globo", "bbc", "mind", "adressa"])


@app.command(
    # Not the docstring: the screen would break lines where the source does.
    help="Import articles; the same file twice changes nothing, and bad rows are set aside."
    "\n\nColumns: site, key, url, title, published; if you have them, body, section, tags, authors,"
    " language, image, sponsored, tone (grave, light or nothing), expires. Times are ISO 8601 or"
    " epoch seconds or milliseconds. In CSV, | parts tags and authors.",
    epilog="Example: recsys import articles 'export/*.jsonl' with lines such as"
    ' {"site": "daily", "key": "17", "url": "/17", "title": "Snow in Kyoto",'
    ' "published": "2026-11-23T18:00:00Z"}',
)
def articles(
    context: typer.Context, names: Files, format: FormatOption = None, json: AsJson = False
) -> None:
    """Import articles."""
    from data.importers.run import import_articles

    _import_files(context.obj, names, format, json, import_articles)


@app.command(
    help="Import events; the same file twice changes nothing, and bad rows are set aside."
    "\n\nColumns: kind (impression, click, read, comment, like or share), site, key, at; if you"
    " have them, id, visitor, session, seen_on (the site that showed the link), dwell (seconds),"
    " slate, position (from 0), propensity, context (such as device:phone|region:kansai), arm (the"
    " EXPERIMENT/ARM that made the slate). Times are ISO 8601 or epoch seconds or milliseconds."
    " Without an id, events are one where kind, visitor, session, article, time, slate and position"
    " are the same.",
    epilog="Example: recsys import events clicks.csv with the first line"
    " kind,site,key,at,visitor,session",
)
def events(
    context: typer.Context, names: Files, format: FormatOption = None, json: AsJson = False
) -> None:
    """Import events."""
    from data.importers.run import import_events

    setup: Setup = context.obj
    one = functools.partial(import_events, keyring=setup.load_keyring())
    _import_files(setup, names, format, json, one)


@app.command(
    help="Import the articles of an RSS or Atom feed."
    "\n\nA feed on the web must be on the public internet, and so must whatever it redirects to:"
    " an address of this machine or its network is refused, unless --allow-private says that the"
    " feed is your own. Proxies are not used: what comes through one goes in as a file, or as"
    " standard input with -.",
    epilog="Example: recsys import feed https://example.org/rss.xml --site daily",
)
def feed(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Its http(s) address, or a file.", metavar="SRC")],
    site: Annotated[str, typer.Option(help="Id of the site whose articles these are.")],
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="The feed is on your own network.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Import the articles of an RSS or Atom feed."""
    from data.importers import feed as feeds
    from data.importers.run import import_articles
    from data.store import Store

    setup: Setup = context.obj
    now = int(time.time())
    with Store.open(_store(setup)) as store:

        def published(key: str) -> int | None:
            known = store.article(ArticleId(site, key))
            return known.published if known else None

        batch, notes = feeds.read(source, site, now, published, allow_private)
        summary = import_articles(store, [batch], source.split("?")[0], setup.var, now)
    summary.notes += notes
    _print([summary], json)


@app.command(epilog="Example: recsys import dataset globo ~/data/globo")
def dataset(
    context: typer.Context,
    name: Annotated[DatasetName, typer.Argument(help="Which one.")],
    directory: Annotated[Path, typer.Argument(help="Where its files are.", metavar="DIR")],
    json: AsJson = False,
) -> None:
    """Import a public data set in the layout in which it was published."""
    from data.importers.datasets import DATASETS
    from data.importers.run import import_articles, import_events
    from data.store import Store

    setup: Setup = context.obj
    now = int(time.time())
    found, happened = DATASETS[name](directory)
    with Store.open(_store(setup)) as store:
        with counting(f"{name} articles") as progress:
            first = import_articles(store, found, name, setup.var, now, progress)
        with counting(f"{name} events") as progress:
            second = import_events(
                store, happened, name, setup.var, now, progress, keyring=setup.load_keyring()
            )
    if not first.read + second.read:
        raise DataError(f"there is no row in {directory}")
    _print([summary for summary in (first, second) if summary.read], json)


def _import_files(
    setup: Setup,
    names: Sequence[str],
    format: Format | None,
    json: bool,
    one: Callable[..., "Summary"],
) -> None:
    from data.importers import files
    from data.store import Store

    now = int(time.time())
    found = files.expand(names)
    for name in found:
        format_of(name, format)
    done = []
    with Store.open(_store(setup)) as store:
        for name in found:
            with counting(name) as progress:
                done.append(one(store, files.read(name, format), name, setup.var, now, progress))
    _print(done, json)


def _store(setup: Setup) -> str:
    if not setup.store.url:
        try:
            setup.var.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make {setup.var}: {error.strerror}") from error
    return setup.store_url


def _print(done: Sequence["Summary"], json: bool) -> None:
    if json:
        answer = {"imports": [_plain(summary) for summary in done]}
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    console = Console(highlight=False)
    for summary in done:
        for line in _lines(summary):
            console.print(line, soft_wrap=True, markup=False)


def _plain(summary: "Summary") -> dict[str, Any]:
    plain = dataclasses.asdict(summary)
    return plain | {"rejects": str(summary.rejects) if summary.rejects else None}


def _lines(summary: "Summary") -> Iterable[str]:
    counts = [
        f"{_counted(of)} {what}"
        for of, what in ((summary.articles, "articles"), (summary.events, "events"))
        if of.new + of.changed + of.same
    ]
    yield f"{summary.source}: {summary.read:,} rows; {'; '.join(counts) or 'nothing to import'}"
    if summary.repeated:
        yield f"  {summary.repeated:,} described an article that a later row describes again"
    for name, nearest in summary.unknown.items():
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        yield f"  column {name!r} is unknown and was left out{hint}"
    for note in summary.notes:
        yield f"  {note}"
    if summary.rejects:
        yield f"  {summary.rejected:,} rows rejected; why stands in {summary.rejects}"


def _counted(counts: "Counts") -> str:
    parts = (counts.new, "new"), (counts.changed, "changed"), (counts.same, "unchanged")
    return ", ".join(f"{number:,} {word}" for number, word in parts if number)

"""``recsys digest``: the mix as a newsletter, for a site or for one reader."""

import dataclasses
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console

from cli.engines import open_engine
from cli.files import write
from cli.setup import Setup, parse_time, require_known
from recsys.errors import DataError
from recsys.types import Query
from service.settings import Site

if TYPE_CHECKING:  # the mathematics takes seconds to load, and --help should not wait for it
    from cli.letters import Letter
    from service.mix import Entry


class Format(StrEnum):
    """How a digest is written."""

    TEXT = "text"
    HTML = "html"
    EML = "eml"


def digest(
    context: typer.Context,
    site: Annotated[
        str,
        typer.Option(help="Whose newsletter it is; a reader's may do without.", show_default=False),
    ] = "",
    visitor: Annotated[
        str,
        typer.Option(
            help="Id under which the publisher knows a reader: a digest for them alone.",
            show_default=False,
        ),
    ] = "",
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=50, help="How many.")] = 8,
    format: Annotated[
        Format, typer.Option(help="eml is one mail that holds both, to nobody in particular.")
    ] = Format.TEXT,
    output: Annotated[
        Path | None,
        typer.Option(help="Write it here, not to the terminal.", show_default=False),
    ] = None,
    subject: Annotated[
        str,
        typer.Option(help="The site and the first title by default.", show_default=False),
    ] = "",
    service: Annotated[
        str,
        typer.Option(
            help="Address of the service, for articles whose address is a path on it.",
            show_default=False,
        ),
    ] = "",
    now: Annotated[str, typer.Option(help="As of this time (ISO 8601).", show_default=False)] = "",
    json: Annotated[bool, typer.Option("--json", help="Print what it holds as JSON.")] = False,
) -> None:
    """Write the mix of a site, or of one reader, as a newsletter.

    The mix is that of the placement "newsletter", with nothing left to
    chance. A reader's own holds nothing that they have opened. What is
    paid for says so. Sending it is up to your mail program.

    \b
      recsys digest --site daily
      recsys digest --site daily --format html --output daily.html
      recsys digest --site daily --visitor reader-17 -n 5 --format eml --output mail.eml
      recsys digest --site daily --service http://127.0.0.1:8000   (the sample network)
    """
    from cli import letters

    setup: Setup = context.obj
    if not (site or visitor):
        raise DataError("a digest is for somebody: name --site, or --visitor, or both")
    moment = parse_time(now, "--now") if now else int(time.time())
    reader = setup.load_keyring().visitor(visitor)
    entries, notes = _mix(setup, Query(site, moment, visitor=reader, n=n), service)
    letter = letters.compose(
        entries, setup.sites.get(site, Site()), setup.site_name(site), moment, subject
    )
    if json:
        content = _json(letter, site, moment, entries, notes)
    elif format == Format.EML:
        content = letters.mail(letter)
    else:
        content = (letters.html if format == Format.HTML else letters.text)(letter).encode()
    aside = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    if output:
        write(output, content)
        aside.print(f"{output} is written.")
    else:
        typer.echo(content, nl=False)
    for note in () if json else notes:
        aside.print(f"note: {note}")


def _mix(setup: Setup, query: Query, service: str) -> "tuple[list[Entry], list[str]]":
    from data.store import Store
    from data.teasers import teasers
    from service.mix import absolute, mix

    if service and not absolute(service, "/"):
        raise DataError(f"--service {service!r} is no address; expected https://recs.example")
    engine, notes = open_engine(setup, query.now)
    known = list(setup.sites) or sorted(engine.live.view.catalogue.sites)
    if query.site and known:  # before the first article nobody knows the sites
        require_known("--site", [query.site], known)
    with Store.open(setup.store_url) as store:
        entries, unusual = mix(
            engine,
            query,
            lambda ids: teasers(store, ids),
            service,
            setup.site_name,
        )
    return entries, [*notes, *unusual]


def _json(
    letter: "Letter", site: str, now: int, entries: "Sequence[Entry]", notes: Sequence[str]
) -> bytes:
    items = [
        {
            "article": f"{entry.card.site}/{entry.card.key}",
            **dataclasses.asdict(entry.card),
            "site_name": entry.site_name,
            "teaser": entry.teaser,
            "reason": entry.reason,
        }
        for entry in entries
    ]
    body = {"subject": letter.subject, "site": site, "now": now, "notes": notes, "items": items}
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

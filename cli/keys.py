"""``recsys keys``: who may write to the service, and what slates are signed with."""

import dataclasses
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.setup import Setup
from data.scope import Scope
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:
    from data.access import ApiKey

app = typer.Typer(
    help="Keys of the systems that may write: make, list, revoke.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.command(epilog="Example: recsys keys create cms --scope articles --site daily")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is good for; may be repeated.")],
    site: Annotated[
        list[str] | None, typer.Option(help="A site it may write to; all by default.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a key and print its token, this once: only a hash of it is kept.

    \b
      articles   PUT /v1/articles, DELETE /v1/articles/SITE/KEY
      events     POST /v1/events for many readers, as servers do
      visitors   GET and DELETE /v1/visitors/ID

    Send it as the header "Authorization: Bearer TOKEN". A running service knows
    it within a second or two.
    """
    from data import access
    from data.store import Store

    setup: Setup = context.obj
    for one in site or ():
        if setup.sites and one not in setup.sites:
            raise ConfigError(f"--site {one!r} is unknown; known: {', '.join(setup.sites)}")
    with Store.open(setup.store_url) as store:
        key, token = access.create(store, name, scope, site or (), int(time.time()))
    if json:
        typer.echo(orjson.dumps({"token": token, **_plain(key)}).decode())
        return
    typer.echo(token)
    Console(stderr=True).print(
        "This token is not kept and cannot be shown again: put it where it is needed now.",
        soft_wrap=True,
    )


@app.command("list")
def list_(context: typer.Context, json: AsJson = False) -> None:
    """List all keys, without their tokens."""
    from data import access
    from data.store import Store

    with Store.open(context.obj.store_url) as store:
        found = access.keys(store)
    if json:
        typer.echo(orjson.dumps([_plain(key) for key in found]).decode())
        return
    table = Table("id", "name", "scopes", "sites", "created", "revoked")
    for key in found:
        moments = [_date(at) if at else "" for at in (key.created, key.revoked)]
        table.add_row(
            key.id, Text(key.name), ", ".join(key.scopes), ", ".join(key.sites) or "all", *moments
        )
    Console(highlight=False).print(table if found else "There is no key yet: recsys keys create")


@app.command()
def revoke(
    context: typer.Context, id: Annotated[str, typer.Argument(help="As `recsys keys list` says.")]
) -> None:
    """Make a key useless; a running service refuses it within a second or two."""
    from data import access
    from data.store import Store

    with Store.open(context.obj.store_url) as store:
        if not access.revoke(store, id, int(time.time())):
            raise DataError(f"there is no key {id!r} in use; see recsys keys list")
    typer.echo(f"{id} is revoked")


@app.command("rotate-slates")
def rotate_slates(context: typer.Context) -> None:
    """Sign slates with a new key from now on.

    What was signed with the key before is still accepted, what is older is
    not. A running service takes the change up within a second or two.
    """
    from data import keyring

    setup: Setup = context.obj
    fresh = keyring.rotate(setup.keyring, int(time.time()))
    typer.echo(f"{len(fresh.slates)} keys verify; slates are now signed with {fresh.slates[0].id}")


def _plain(key: "ApiKey") -> dict[str, Any]:
    secret = ("digest", "previous")
    return {name: value for name, value in dataclasses.asdict(key).items() if name not in secret}


def _date(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"

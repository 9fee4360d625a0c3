"""``recsys keys``: who may write to the service, and what slates are signed with."""

import dataclasses
import time
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import times
from cli.audit import actor
from cli.setup import Setup
from data.scope import Scope
from recsys.errors import ConfigError, DataError

if TYPE_CHECKING:
    from data.access import ApiKey

app = typer.Typer(
    help="Keys of systems that may write and of people at the desk: make, list, rotate, revoke.",
    no_args_is_help=True,
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
    expires: Annotated[
        str, typer.Option(help="When it stops being good: ISO 8601, or +90d; never by default.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Make a key and print its token, this once: only a hash of it is kept.

    \b
      articles   PUT /v1/articles, DELETE /v1/articles/SITE/KEY
      events     POST /v1/events for many readers, as servers do
      visitors   GET and DELETE /v1/visitors/ID
      viewer     sees the desk, GET /v1/rules, explains answers
      editor     makes rules and undoes them, and what a viewer may
      admin      rolls bundles back, reads the audit log, and what an editor may

    Send it as the header "Authorization: Bearer TOKEN". A running service knows
    it within a second or two.
    """
    from data import access
    from data.store import Store

    setup: Setup = context.obj
    for one in site or ():
        if setup.sites and one not in setup.sites:
            raise ConfigError(f"--site {one!r} is unknown; known: {', '.join(setup.sites)}")
    now = int(time.time())
    until = times.moment(expires, "--expires", now) if expires else None
    with Store.open(setup.store_url) as store:
        key, token = access.create(store, name, scope, site or (), now, until, actor())
    if json:
        typer.echo(orjson.dumps({"token": token, **_plain(key)}).decode())
        return
    _show_once(token)


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
    table = Table("id", "name", "scopes", "sites", "created", "expires", "revoked")
    for key in found:
        told = (key.created, key.expires, key.revoked)
        moments = [times.shown(at) if at else "" for at in told]
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
        if not access.revoke(store, id, int(time.time()), actor()):
            raise DataError(f"there is no key {id!r} in use; see recsys keys list")
    typer.echo(f"{id} is revoked")


@app.command(epilog="Example: recsys keys rotate 1f2e3d4c --grace 7d")
def rotate(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="As `recsys keys list` says.")],
    grace: Annotated[
        str, typer.Option(help="How long the old token stays good, as 30m, 24h or 7d; 0s: not.")
    ] = "24h",
    json: AsJson = False,
) -> None:
    """Give a key a new token and print it, this once; name, scopes and sites stay.

    The old token stays good for a while, so that nobody has to change it at the
    very moment. A second rotation ends it at once.
    """
    from data import access
    from data.store import Store

    now, kept = int(time.time()), times.span(grace, "--grace")
    with Store.open(context.obj.store_url) as store:
        token = access.rotate(store, id, now, kept, actor())
    if json:
        said = {"token": token, "id": id, "previous_until": now + kept}
        typer.echo(orjson.dumps(said).decode())
        return
    _show_once(token)


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


def _show_once(token: str) -> None:
    typer.echo(token)
    Console(stderr=True).print(
        "This token is not kept and cannot be shown again: put it where it is needed now.",
        soft_wrap=True,
    )


def _plain(key: "ApiKey") -> dict[str, Any]:
    secret = ("digest", "previous")
    return {name: value for name, value in dataclasses.asdict(key).items() if name not in secret}

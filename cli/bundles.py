"""Lets a person see, check and roll back trained bundles."""

import datetime
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from cli import gated
from cli.audit import actor
from cli.setup import Setup
from recsys import manifest, shelf
from recsys.errors import RecsysError
from recsys.manifest import Manifest

if TYPE_CHECKING:
    from data.audit import Entry

app = typer.Typer(help="See, check and roll back trained bundles.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Id = Annotated[str, typer.Argument(help="A bundle's id; the current one by default.")]


@app.command("list")
def list_(context: typer.Context, json: AsJson = False) -> None:
    """List the bundles, newest first, with what the gate said of each.

    It says passed, forced (it had not passed), first (there was nothing to hold
    it against) or not judged (it is older than the gate).
    """
    root = _root(context)
    past = shelf.history(root)
    found = shelf.list_bundles(root)
    damaged = shelf.unreadable(root)
    if json:
        rows = [{**_summary(m), "current": m.id == (past or [""])[0]} for m in found]
        _print_json({"bundles": rows, "damaged": damaged})
        return
    table = Table(Column("", no_wrap=True), Column("bundle, by time (UTC)", no_wrap=True))
    for name in ("articles", "readers", "MB"):
        table.add_column(name, justify="right")
    table.add_column("gate")
    for m in found:
        place = past.index(m.id) if m.id in past else -1
        table.add_row(
            {0: "current", 1: "before"}.get(place, ""),
            m.id,
            *(f"{m.shapes.get(name, 0):,}" for name in ("articles", "visitors")),
            f"{_bytes(m) / 1e6:,.1f}",
            f"[yellow]{m.judged}[/]" if m.verdict.get("forced") else m.judged,
        )
    for id in damaged:
        table.add_row("[red]damaged[/]", id)
    _print(table if table.row_count else f"no bundles in {root}; make one: recsys train")


@app.command()
def show(context: typer.Context, id: Id = "", json: AsJson = False) -> None:
    """Show where a bundle comes from, what is in it, and what the gate said of it.

    Also whether somebody forced it, or went back from it to the one before, and
    why.

    \b
      recsys bundles show
      recsys bundles show 20261124T041500Z-6f1c2a90de --json
    """
    root = _root(context)
    stated = manifest.read(shelf.folder(root, id or shelf.current(root)))
    gone_back = _rollbacks(context, stated.id)
    if json:
        files = {name: file._asdict() for name, file in stated.files.items()}
        back = [{"at": e.at, "by": e.actor, "to": e.subject, **e.detail} for e in gone_back]
        told = {"recipe": stated.recipe, "verdict": stated.verdict, "rollbacks": back}
        _print_json({**_summary(stated), **told, "files": files})
        return
    facts = Table("bundle", stated.id)
    for name, value in _facts(stated).items():
        facts.add_row(name, value)
    for entry in gone_back:
        facts.add_row("[yellow]rolled back[/]", escape(_told(entry)))
    _print(facts)
    if stated.verdict:
        _print(gated.checks(stated.verdict))
        for sentence in gated.said(stated.verdict):
            _print(escape(sentence))
    files = Table("file", "bytes", "SHA-256")
    for name, file in sorted(stated.files.items()):
        files.add_row(name, f"{file.bytes:,}", f"{file.sha256[:16]}…")
    _print(files)


@app.command()
def verify(context: typer.Context, id: Id = "", json: AsJson = False) -> None:
    """Check every byte of a bundle against its manifest."""
    root = _root(context)
    stated = manifest.verify(shelf.folder(root, id or shelf.current(root)))
    if json:
        _print_json({"id": stated.id, "files": len(stated.files), "sound": True})
    else:
        _print(f"bundle {stated.id} is sound: {len(stated.files)} files, {_size(stated)}")


@app.command()
def rollback(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, for those who come later.")] = "",
    json: AsJson = False,
) -> None:
    """Make the bundle current that was so before; again goes one further back.

    \b
      recsys bundles rollback --reason "half the cards are of last week"
    """
    from data import depot
    from data.audit import record
    from data.store import Store

    setup: Setup = context.obj
    root, spare = setup.bundles, setup.spared
    if setup.depot.url:  # what is current there may not have come here yet
        depot.pull(setup.depot.url, root, spare)
    left = shelf.current(root)
    now = depot.rollback(root, setup.depot.url, left, spare)
    detail = {"left": left, "why": reason} if reason else {"left": left}
    try:
        with Store.open(setup.store_url) as store, store.writing() as connection:
            record(connection, actor(), "bundle.rollback", now, int(time.time()), **detail)
    except RecsysError as error:  # the way back must be open while the store is away
        _print_warning(f"done, but not in the audit log: {error}")
    if json:
        _print_json({"current": now, "left": left})
    else:
        _print(f"bundle {now} is current again; left {left}")


def _rollbacks(context: typer.Context, id: str) -> "Sequence[Entry]":
    """Return when a bundle was gone back from, nothing where the store cannot tell."""
    from data.audit import rollbacks
    from data.store import Store

    setup: Setup = context.obj
    try:
        with Store.open(setup.store_url) as store:
            return rollbacks(store, id)
    except RecsysError as error:
        _print_warning(f"it is not known whether it was rolled back: {error}")
        return ()


def _told(entry: "Entry") -> str:
    """Return when, by whom and why a bundle was gone back from."""
    why = ", ".join(f"{name} {value}" for name, value in entry.detail.items() if name != "left")
    return f"{_time(entry.at)} by {entry.actor} to {entry.subject}{f': {why}' if why else ''}"


def _root(context: typer.Context) -> Any:
    setup: Setup = context.obj
    return setup.bundles


def _facts(stated: Manifest) -> dict[str, str]:
    return {
        "made": _time(stated.created),
        "data until": _time(stated.data_until),
        "store read to": ", ".join(f"{name} {value}" for name, value in stated.mark.items()),
        "made after": stated.parent or "none",
        "gate": stated.judged,
        "recipe": stated.config_hash,
        "code": stated.code_version,
        "embedder": stated.embedder,
        "learned": _learned(stated),
        **{name: f"{value:,}" for name, value in stated.shapes.items()},
        **{name: f"{value:,g}" for name, value in stated.metrics.items()},
        "size": _size(stated),
    }


def _summary(stated: Manifest) -> dict[str, Any]:
    return {
        "id": stated.id,
        "created": stated.created,
        "data_until": stated.data_until,
        "mark": stated.mark,
        "parent": stated.parent,
        "gate": stated.judged,
        "config_hash": stated.config_hash,
        "code_version": stated.code_version,
        "embedder": stated.embedder,
        "learned": stated.learned,
        "shapes": stated.shapes,
        "metrics": stated.metrics,
        "bytes": _bytes(stated),
    }


def _learned(stated: Manifest) -> str:
    """Return whether it was built upon an earlier bundle."""
    upon, anew = stated.learned.get("upon", 0), stated.learned.get("anew", 0)
    if not upon:
        return "from scratch"
    return f"upon what was known {_time(upon)}; from scratch {_time(anew)}"


def _bytes(stated: Manifest) -> int:
    return sum(file.bytes for file in stated.files.values())


def _size(stated: Manifest) -> str:
    return f"{_bytes(stated) / 1e6:,.1f} MB"


def _time(at: int) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=at)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _print(what: Any) -> None:
    Console(highlight=False, soft_wrap=isinstance(what, str)).print(what)


def _print_warning(said: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"warning: {said}", markup=False)


def _print_json(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())

"""Lets a person see, check and roll back trained bundles."""

import datetime
import time
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from cli.audit import actor
from cli.setup import Setup
from recsys import manifest, shelf
from recsys.errors import RecsysError
from recsys.manifest import Manifest

app = typer.Typer(help="See, check and roll back trained bundles.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Id = Annotated[str, typer.Argument(help="A bundle's id; the current one by default.")]


@app.command("list")
def list_(context: typer.Context, json: AsJson = False) -> None:
    """List the bundles, newest first."""
    root = _root(context)
    past = shelf.history(root)
    found = shelf.list_bundles(root)
    damaged = shelf.unreadable(root)
    if json:
        rows = [{**_summary(m), "current": m.id == (past or [""])[0]} for m in found]
        _print_json({"bundles": rows, "damaged": damaged})
        return
    table = Table("", Column("bundle, by time (UTC)", no_wrap=True))
    for name in ("articles", "readers", "stories", "size"):
        table.add_column(name, justify="right")
    for m in found:
        place = past.index(m.id) if m.id in past else -1
        table.add_row(
            {0: "current", 1: "before"}.get(place, ""),
            m.id,
            *(f"{m.shapes.get(name, 0):,}" for name in ("articles", "visitors", "stories")),
            _size(m),
        )
    for id in damaged:
        table.add_row("[red]damaged[/]", id)
    _print(table if table.row_count else f"no bundles in {root}; make one: recsys train")


@app.command()
def show(context: typer.Context, id: Id = "", json: AsJson = False) -> None:
    """Show where a bundle comes from and what is in it."""
    root = _root(context)
    stated = manifest.read(shelf.folder(root, id or shelf.current(root)))
    if json:
        files = {name: file._asdict() for name, file in stated.files.items()}
        _print_json({**_summary(stated), "files": files})
        return
    facts = Table("bundle", stated.id)
    for name, value in _facts(stated).items():
        facts.add_row(name, value)
    _print(facts)
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
def rollback(context: typer.Context, json: AsJson = False) -> None:
    """Make the bundle current that was so before; again goes one further back."""
    from data.audit import record
    from data.store import Store

    root = _root(context)
    left = shelf.current(root)
    now = shelf.rollback(root)
    try:
        with Store.open(context.obj.store_url) as store, store.writing() as connection:
            record(connection, actor(), "bundle.rollback", now, int(time.time()), left=left)
    except RecsysError as error:  # the way back must be open while the store is away
        _print_warning(f"done, but not in the audit log: {error}")
    if json:
        _print_json({"current": now, "left": left})
    else:
        _print(f"bundle {now} is current again; left {left}")


def _root(context: typer.Context) -> Any:
    setup: Setup = context.obj
    return setup.bundles


def _facts(stated: Manifest) -> dict[str, str]:
    return {
        "made": _time(stated.created),
        "data until": _time(stated.data_until),
        "store read to": ", ".join(f"{name} {value}" for name, value in stated.mark.items()),
        "made after": stated.parent or "none",
        "recipe": stated.config_hash,
        "code": stated.code_version,
        "embedder": stated.embedder,
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
        "config_hash": stated.config_hash,
        "code_version": stated.code_version,
        "embedder": stated.embedder,
        "shapes": stated.shapes,
        "metrics": stated.metrics,
        "bytes": _bytes(stated),
    }


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

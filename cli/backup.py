"""``recsys backup`` and ``recsys restore``: an installation as a directory, and back."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console

from cli import times
from cli.audit import actor
from cli.setup import Setup, load
from recsys.errors import RecsysError

if TYPE_CHECKING:
    from data.backup import Backup, Report
    from data.store import Store

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def backup(
    context: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Where backups are kept; VAR/backups by default.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int, typer.Option(min=0, help="How many to keep there, the newest; 0: all of them.")
    ] = 0,
    without_keyring: Annotated[
        bool, typer.Option("--without-keyring", help="Leave the secrets out: keep them elsewhere.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Copy everything this installation is, while it runs.

    The store as of one moment (its tables as Parquet files, for SQLite and
    PostgreSQL alike), the current bundle and those before it, events that wait
    in the spool, the keyring, and the configuration. A backup has its name only
    once it is whole and its checksums are written.

    \b
      recsys backup                        into VAR/backups
      recsys backup /mnt/backups --keep 14
      recsys backup --without-keyring      where others may read

    It holds readers' data and, unless told otherwise, the secrets, and is not
    encrypted: only its owner may read it, and the disk that it lies on should
    be encrypted. A backup on the same disk is none against the loss of it.
    """
    from data.store import Store

    setup: Setup = context.obj
    target = directory or setup.backups
    with Store.open(setup.store_url) as store, _telling("backing up") as report:
        now = int(time.time())
        made, stated = backed_up(
            setup, store, target, now, keyring=not without_keyring, keep=keep, report=report
        )
    if json:
        _print_json({"backup": str(made), **_plain(stated)})
        return
    _say(f"{made}: {_summary(stated)}")
    for id in stated.damaged:
        _warn(f"bundle {id} is damaged and was left out; see: recsys bundles verify {id}")


def backed_up(
    setup: Setup,
    store: "Store",
    target: Path,
    now: int,
    *,
    keyring: bool,
    keep: int,
    report: "Report | None" = None,
) -> "tuple[Path, Backup]":
    """Copy everything this installation is into ``target``, and check the copy."""
    from data import backup as backups

    report = report or backups.silent
    made = backups.backup(
        store,
        setup.var,
        setup.keyring if keyring else None,
        target,
        now,
        config=setup.config,
        depot=setup.depot.url,
        spare=setup.spared,
        keep=keep,
        report=report,
    )
    return made, backups.verify(made, report)


def restore(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="A backup, or a directory of backups: its newest.")
    ],
    erasures: Annotated[
        Path | None,
        typer.Option(
            metavar="FROM",
            help="Who was erased after the backup: what `recsys visitors erased --json` printed,"
            " or a later backup.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check every byte of it, and restore nothing.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Put a backup up in an empty place: an empty VAR, and an empty store.

    Into which database, the configuration says (\\[store] url), the backup's own
    where there is none: from SQLite to PostgreSQL and back is possible. Stop
    services and schedules before, and start them after. All of it is restored
    or nothing.

    \b
      recsys restore /mnt/backups --check
      recsys --var var-new restore /mnt/backups/20261124T031500Z
      recsys restore /mnt/backups --erasures erased.json

    Readers who were erased after the backup are in it. Where the store of then
    can still be read, `recsys visitors erased --json > erased.json` tells who
    they are (by pseudonym), and --erasures forgets them again.
    """
    from data import backup as backups
    from data import restore as restoring
    from data.store import Store

    setup: Setup = context.obj
    with _telling("restoring") as report:
        found = backups.find(source)
        if check:
            stated = backups.verify(found, report)
            if json:
                _print_json({"backup": str(found), "sound": True, **_plain(stated)})
            else:
                _say(f"{found} is sound: {_summary(stated)}")
            return
        erased = restoring.erasures_in(erasures) if erasures else []
        configured = setup.config is not None
        if not configured and (found / backups.CONFIG).exists():
            setup = load(found / backups.CONFIG, setup.var)
        with Store.open(setup.store_url) as store:
            done = restoring.restore(
                found,
                store,
                setup.var,
                setup.keyring,
                int(time.time()),
                actor(),
                erased=erased,
                configured=configured,
                report=report,
            )
    _refill(setup)
    if json:
        told = dataclasses.asdict(done) | {"backup": _plain(done.backup)}
        _print_json({"source": str(found), **told})
        return
    stated = done.backup
    _say(f"restored {found}: {_summary(stated)}")
    _say(f"What came after {times.shown(stated.created)} UTC is lost. Now: recsys doctor")
    if not setup.keyring.exists():
        _warn(
            f"there is no keyring; put your copy to {setup.keyring} before anything starts, or"
            " every known reader is a stranger"
        )
    if erasures:
        _say(f"erased again: {done.erased:,} readers with {done.events:,} events")
    else:
        since = f"{times.shown(stated.created).replace(' ', 'T')}"
        _warn(
            "readers who were erased after the backup are back; where the lost store can still be"
            f" read: recsys visitors erased --since {since} --json > erased.json, and here:"
            " recsys visitors erase --from erased.json"
        )


def _refill(setup: Setup) -> None:
    """Make the restored bundle current in the depot, too, as services look there."""
    from data import depot
    from recsys import shelf

    current = next(iter(shelf.history(setup.bundles)), "")
    if not setup.depot.url or not current:
        return
    try:
        depot.push(setup.bundles, current, setup.depot.url)
    except RecsysError as error:
        _warn(f"{current} is not current in the depot: {error}; once it is there: recsys train")


@contextmanager
def _telling(what: str) -> "Iterator[Report]":
    with Console(stderr=True, highlight=False).status(what) as status:
        yield lambda part: status.update(f"{what}: {part}")


def _summary(stated: "Backup") -> str:
    rows = ", ".join(f"{stated.rows.get(name, 0):,} {name}" for name in ("articles", "events"))
    bundle = f"bundle {stated.bundle} and {len(stated.bundles) - 1} more" if stated.bundle else ""
    return (
        f"{rows}, {bundle or 'no bundle'}, {stated.bytes / 1e6:,.1f} MB,"
        f" as of {times.shown(stated.created)} UTC"
    )


def _plain(stated: "Backup") -> dict[str, Any]:
    told = {name: getattr(stated, name) for name in stated.__slots__ if name != "files"}
    return {**told, "files": len(stated.files), "bytes": stated.bytes}


def _say(text: str) -> None:
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def _warn(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"warning: {text}", markup=False)


def _print_json(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())

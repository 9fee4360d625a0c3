"""Looks at what stands in files: the configuration, the keyring, bundles and the spool."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cli.checks.finding import Finding, fault, ok, warn
from cli.setup import Setup
from data import keyring as keyrings
from recsys import bundle as bundles
from recsys import shelf
from recsys.errors import BundleMissing, ConfigError, RecsysError


def configuration(setup: Setup) -> Iterator[Finding]:
    """Where the settings are from; that they can be read is known by now."""
    if setup.config is None:
        step = f"write {setup.var / 'recsys.toml'}, with a table [sites.ID] for each of your sites"
        yield warn("configuration", "there is none, so everything has its default", step)
        return
    yield ok("configuration", f"{setup.config} can be read, and nothing in it is unknown")
    password = urlsplit(setup.store.url).password if "://" in setup.store.url else None
    mode = stat.S_IMODE(setup.config.stat().st_mode)
    if (password or setup.alerts.webhook) and mode & stat.S_IROTH:
        yield warn(
            "configuration",
            f"{setup.config} holds a secret, and everybody on this machine may read it",
            f"chmod o= {setup.config}; or name files and variables as the README says",
        )


def sites(setup: Setup) -> Iterator[Finding]:
    """Whether pages may say what readers do."""
    if not setup.sites:
        step = "add [sites.ID] with name, url and language for each site"
        yield warn("sites", "no site is configured: events of any page are believed", step)
        return
    mute = [id for id, site in setup.sites.items() if not (site.url or site.origins)]
    plain = [
        id
        for id, site in setup.sites.items()
        if any(address.startswith("http://") for address in (site.url, *site.origins))
    ]
    for id in mute:
        step = f'[sites.{id}] url = "https://…", or origins'
        yield fault("sites", f"{id} has no origin, so events of its pages are refused", step)
    if plain:
        step = "serve them over https, and name them so"
        yield warn("sites", f"not encrypted: {', '.join(plain)}", step)
    if not mute and not plain:
        yield ok("sites", f"{len(setup.sites)} with origins: {', '.join(setup.sites)}")


def keyring(setup: Setup) -> Iterator[Finding]:
    """Whether the secrets are there, and nobody else's to read."""
    path = setup.keyring
    if not path.exists():
        step = "restore your copy, or let the first command that needs one make it: recsys serve"
        yield warn(
            "keyring", f"there is no {path}; with a new one every reader is a stranger", step
        )
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        step = f"chmod 600 {path}"
        yield fault("keyring", f"{path} has mode {mode:04o}: others may read the secrets", step)
    try:
        ring = keyrings.load(path, int(time.time()))
    except ConfigError as error:
        yield fault("keyring", str(error), "restore it from a backup: recsys restore")
        return
    if not mode & stat.S_IRWXO:
        keys = ", ".join(key.id for key in ring.slates)
        said = f"{ring.fingerprint}, signing with {keys}; the same on every replica"
        yield ok("keyring", said)


def bundle(setup: Setup, now: int) -> Iterator[Finding]:
    """Whether the bundle that is served is what was written, and can be used here."""
    root = setup.bundles
    try:
        id = shelf.current(root)
        stated = bundles.verify(shelf.folder(root, id))
        bundles.open_bundle(shelf.folder(root, id))
    except BundleMissing as error:
        if setup.depot.url and not shelf.history(root):
            step = "start a service, or: recsys train"
            yield warn("bundle", f"none was fetched from the depot to {root} yet", step)
        else:
            yield fault("bundle", str(error), "recsys train; or recsys bundles rollback")
        return
    except RecsysError as error:
        yield fault("bundle", str(error), "recsys bundles rollback; or recsys train")
        return
    except OSError as error:
        step = "let this user read it: chown, chmod"
        yield fault("bundle", f"{error.filename} cannot be read: {error.strerror}", step)
        return
    yield ok("bundle", f"{id} is sound: {len(stated.files)} files")
    damaged = shelf.unreadable(root)
    for other, reason in damaged.items():
        step = f"remove it: rm -r {root / other}"
        yield warn("bundle", f"another one cannot be gone back to: {reason}", step)
    yield from _age(setup, id, stated.created, now)


def _age(setup: Setup, id: str, created: int, now: int) -> Iterator[Finding]:
    hours = (now - created) / 3600
    said = f"{id} is {hours:,.1f} hours old"
    if hours < -0.1:
        step = "set this machine's clock by NTP; a bundle of the future hides all that is newer"
        yield fault("bundle age", f"{id} is of the future by {-hours:,.1f} hours", step)
    elif (stale := setup.jobs.stale("retrain", created)) is not None and now > stale:
        cron = setup.jobs.of("retrain").cron
        step = "see why: recsys job log; and train: recsys job retrain"
        yield warn("bundle age", f"{said}, and [jobs.retrain] is due at {cron!r}", step)
    else:
        yield ok("bundle age", said)


def spool(setup: Setup) -> Iterator[Finding]:
    """Whether events wait for the store."""
    from service.spool import Spool

    if not (setup.spool / "events.db").exists():
        yield ok("spool", "no events wait")
        return
    queue = Spool(setup.spool, int(setup.spooling.megabytes * 1e6))
    try:
        depth = queue.depth()
    except RecsysError as error:
        yield fault("spool", str(error), f"look at {setup.spool}; a full disk, or other rights?")
        return
    finally:
        queue.close()
    share = depth.bytes / (setup.spooling.megabytes * 1e6)
    said = f"{depth.rows:,} events wait, {share:.0%} of the room"
    step = "a running service delivers them once the store is back: see the finding `store`"
    if share > 0.5:
        yield fault("spool", said, f"{step}; or give it room: [spool] megabytes")
    elif depth.rows:
        yield warn("spool", said, step)
    else:
        yield ok("spool", "no events wait")
    rejects = setup.spool / "rejects.jsonl"
    if rejects.exists() and rejects.stat().st_size:
        step = f"read {rejects}, and remove it"
        yield warn("spool", f"the store refused {_lines(rejects):,} events for good", step)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def telling(setup: Setup) -> Iterator[Finding]:
    """Whether anybody hears of what goes wrong at night."""
    address = setup.alerts.webhook
    if not address:
        step = "[alerts] webhook, or $RECSYS_WEBHOOK"
        yield warn("webhook", "nobody is told when a job fails or a bundle is taken back", step)
    elif address.startswith("http://"):
        yield warn("webhook", "alerts go out unencrypted", "name an https address")
    else:
        yield ok("webhook", f"alerts go to {urlsplit(address).hostname}")

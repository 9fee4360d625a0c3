"""Knows which of the bundles in a directory is current, and which were so before."""

import os
import re
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from recsys import manifest
from recsys.errors import BundleCorrupt, BundleError, BundleMissing
from recsys.manifest import Manifest

ASIDE = ".new-"
"""How the names of things begin that are being written and are not yet whole."""


def publish(root: Path, id: str) -> None:
    """Make the bundle ``id`` of ``root`` the current one, at once and durably.

    Raises ``BundleMissing`` where there is no such bundle.
    """
    if not (folder(root, id) / manifest.NAME).is_file():
        raise BundleMissing(f"there is no bundle {id!r} in {root}; see: recsys bundles list")
    _point(root, [id, *(old for old in history(root) if old != id)])


def rollback(root: Path) -> str:
    """Make the bundle current that was so before, and return its id; again goes one further back.

    Raises ``BundleMissing`` where there is none before.
    """
    before = earlier(root)
    if not before:
        left = (history(root) or ["none"])[0]
        raise BundleMissing(f"no bundle was current before {left!r}; see: recsys train")
    _point(root, before)
    return before[0]


def earlier(root: Path) -> list[str]:
    """Return the bundles that can be gone back to, the last one that was current first."""
    return [old for old in history(root)[1:] if (root / old / manifest.NAME).is_file()]


def current(root: Path) -> str:
    """Return the id of the current bundle.

    Raises ``BundleMissing`` where none has been published, ``BundleCorrupt`` where the pointer
    holds anything but ids.
    """
    lines = _pointer(root)
    if not lines:
        raise BundleMissing(f"no bundle has been published in {root}; make one: recsys train")
    if not _plain(lines[0]):
        raise BundleCorrupt(
            f"the pointer {root / 'current'} is damaged: {lines[0][:40]!r} is not the id of a"
            " bundle; make a new one: recsys train"
        )
    return lines[0]


def folder(root: Path, id: str) -> Path:
    """Return the directory of the bundle ``id``, which may not exist.

    Raises ``BundleMissing`` for an id that no bundle can have, such as a path.
    """
    if not _plain(id):
        raise BundleMissing(f"{id!r} is not the id of a bundle; see: recsys bundles list")
    return root / id


def history(root: Path) -> list[str]:
    """Return the ids that the pointer ``root/current`` holds, the current one first."""
    return [line for line in _pointer(root) if _plain(line)]


def list_bundles(root: Path) -> list[Manifest]:
    """Return the manifests of the bundles in ``root``, newest first; unreadable ones are left out.

    ``unreadable`` tells which those are.
    """
    found = [_try_read(folder) for folder in _folders(root)]
    return sorted((m for m in found if isinstance(m, Manifest)), key=lambda m: (-m.created, m.id))


def unreadable(root: Path) -> dict[str, str]:
    """Return for each bundle in ``root`` that cannot be read the reason."""
    found = {folder.name: _try_read(folder) for folder in _folders(root)}
    return {name: str(m) for name, m in found.items() if isinstance(m, BundleError)}


def prune(root: Path, keep: int, spare: Collection[str] = ()) -> None:
    """Remove bundles but the current one and those current before it, ``keep`` ≥ 1 in all.

    Those named in ``spare`` stay too, whenever they were current.

    A service that still has a removed bundle open keeps it until it moves on: the files are gone
    from the directory only.
    """
    kept = history(root)[: max(keep, 1)]
    if not kept:
        return
    kept += spare
    for folder in _folders(root):
        if folder.name not in kept and (folder / manifest.NAME).is_file():
            shutil.rmtree(folder, ignore_errors=True)


def clean(root: Path) -> None:
    """Remove what an interrupted ``write`` left in ``root``; only for the holder of its lock."""
    for aside in root.glob(f"{ASIDE}*"):
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk, so that a power cut cannot undo it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(id: str) -> bool:
    return _ID.fullmatch(id) is not None


_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def _pointer(root: Path) -> list[str]:
    try:
        return (root / "current").read_text(encoding="utf-8", errors="replace").split()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _point(root: Path, ids: list[str]) -> None:
    # one file holds the pointer and its past, so that no crash can part them
    aside = root / f"{ASIDE}{secrets.token_hex(4)}"
    aside.write_text("\n".join(ids[:_REMEMBERED]) + "\n", encoding="utf-8")
    sync(aside)
    aside.replace(root / "current")
    sync(root)


_REMEMBERED = 100


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _try_read(folder: Path) -> Manifest | BundleError:
    try:
        return manifest.read(folder)
    except BundleError as error:
        return error

"""Knows which of the bundles in a directory is current, and which were so before."""

import dataclasses
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recsys import manifest
from recsys.errors import BundleCorrupt, BundleError, BundleMissing, Busy
from recsys.manifest import Manifest

ASIDE = ".new-"
"""How the names of things begin that are being written and are not yet whole."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """What the file ``current`` holds; one file, so that no crash can part pointer and past."""

    ids: tuple[str, ...] = ()
    """Of bundles: the current one first, then those that were current before it."""
    left: str = ""
    """The bundle that the last step went back from; empty where that step was a publication."""

    @classmethod
    def parse(cls, text: str) -> "Pointer":
        """Read a pointer; what is neither an id nor a mark is left out."""
        words = text.split()
        left = (word.removeprefix(_LEFT) for word in words if word.startswith(_LEFT))
        return cls(tuple(filter(_plain, words)), next(filter(_plain, left), ""))

    def dump(self) -> str:
        """Return the pointer as text."""
        lines = self.ids[:_REMEMBERED] + ((_LEFT + self.left,) if self.left else ())
        return "\n".join(lines) + "\n"

    def forward(self, id: str) -> "Pointer":
        """Return the pointer once ``id`` is published."""
        return Pointer((id, *(old for old in self.ids if old != id)))

    def back(self, exists: Callable[[str], bool], left: str = "") -> "Pointer":
        """Return the pointer one step back, at a bundle that ``exists``.

        Raises ``BundleMissing`` where there is none, and ``Busy`` where ``left`` is given and not
        current: somebody has moved the pointer meanwhile.
        """
        current = (self.ids or ("none",))[0]
        if left and left != current:
            raise Busy(f"bundle {left!r} is no longer current, somebody made it {current!r}")
        before = tuple(old for old in self.ids[1:] if exists(old))
        if not before:
            raise BundleMissing(f"no bundle was current before {current!r}; see: recsys train")
        return Pointer(before, current)


_LEFT = "-"  # no id begins so: whoever reads ids only, as older versions do, passes it over
_REMEMBERED = 100


def publish(root: Path, id: str) -> None:
    """Make the bundle ``id`` of ``root`` the current one, at once and durably.

    Raises ``BundleMissing`` where there is no such bundle.
    """
    if not holds(root, id):
        raise BundleMissing(f"there is no bundle {id!r} in {root}; see: recsys bundles list")
    with _moving(root):
        _point(root, pointer(root).forward(id))


def rollback(root: Path, left: str = "") -> str:
    """Make the bundle current that was so before, and return its id; again goes one further back.

    Raises ``BundleMissing`` where there is none before, and ``Busy`` where ``left`` is given and
    another one is current: somebody else was faster.
    """
    with _moving(root):
        moved = pointer(root).back(lambda old: holds(root, old), left)
        _point(root, moved)
    return moved.ids[0]


def adopt(root: Path, moved: Pointer) -> None:
    """Point where the pointer of another place points; its first bundle must be here."""
    with _moving(root):
        if _read(root) != moved.dump():  # also where it is damaged
            _point(root, moved)


def earlier(root: Path) -> list[str]:
    """Return the bundles that can be gone back to, the last one that was current first."""
    return [old for old in history(root)[1:] if holds(root, old)]


def current(root: Path) -> str:
    """Return the id of the current bundle.

    Raises ``BundleMissing`` where none has been published, ``BundleCorrupt`` where the pointer
    holds anything but ids.
    """
    lines = _read(root).split()
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


def holds(root: Path, id: str) -> bool:
    """Return whether the bundle ``id`` lies in ``root``, be it damaged."""
    return (folder(root, id) / manifest.NAME).is_file()


def history(root: Path) -> list[str]:
    """Return the ids that the pointer ``root/current`` holds, the current one first."""
    return list(pointer(root).ids)


def pointer(root: Path) -> Pointer:
    """Return the pointer ``root/current``; an empty one where there is none."""
    return Pointer.parse(_read(root))


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


def judge(root: Path, id: str, verdict: Mapping[str, Any]) -> Manifest:
    """Write what the gate said of the bundle ``id`` into its manifest, and return that.

    A bundle's size is known when it is written, and its id says nothing of the verdict. Raises as
    ``manifest.read``.
    """
    place = folder(root, id) / manifest.NAME
    stated = dataclasses.replace(manifest.read(place.parent), verdict=verdict)
    aside = root / f"{ASIDE}{secrets.token_hex(4)}"
    aside.write_bytes(stated.dump())
    sync(aside)
    aside.replace(place)
    sync(place.parent)
    return stated


def discard(root: Path, id: str) -> None:
    """Remove the bundle ``id``, which must not be current; only for the holder of the lock."""
    aside = folder(root, id).rename(root / f"{ASIDE}{secrets.token_hex(4)}")  # none is half there
    shutil.rmtree(aside, ignore_errors=True)


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


def _read(root: Path) -> str:
    try:
        return (root / "current").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


@contextmanager
def _moving(root: Path) -> Iterator[None]:
    # Not the trainer's lock, which is held for as long as it trains: ways back must not wait.
    try:
        with FileLock(root / ".current.lock", timeout=10):
            yield
    except Timeout as error:
        raise Busy(f"another process is moving {root / 'current'}; try again") from error


def _point(root: Path, moved: Pointer) -> None:
    aside = root / ".current.new"
    aside.write_text(moved.dump(), encoding="utf-8")
    sync(aside)
    aside.replace(root / "current")
    sync(root)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _try_read(folder: Path) -> Manifest | BundleError:
    try:
        return manifest.read(folder)
    except BundleError as error:
        return error

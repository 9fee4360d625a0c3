"""Keeps bundles in an object store or shared folder, of which every replica takes a copy."""

import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from data.places import PIECE, Place, readable
from recsys import manifest, shelf
from recsys.errors import BundleCorrupt, BundleError, BundleMissing, Busy
from recsys.manifest import Manifest
from recsys.shelf import Pointer

KEEP = 5
"""Bundles that stay, here and there: the current one and those that were current before it."""
ASIDE = ".pull-"
"""How directories begin that are being filled; a trainer's own are ``shelf.ASIDE``."""
_SEEN = ".depot"
"""File of the depot's pointer as it was when it was last taken over."""
_POINTER = "current"


@dataclass(frozen=True, slots=True)
class Depot:
    """The table [bundles]."""

    url: str = ""
    """Folder that trainer and services share bundles by, as `s3://bucket/recsys`, `gs://…` or
    `file:///mnt/bundles`; where empty, they share the directory in `var`."""


def push(root: Path, id: str, url: str, spare: Collection[str] = ()) -> None:
    """Copy the bundle ``id`` of ``root`` to a depot and make it current there.

    Its manifest comes after all other files, and the pointer last, so that nobody can see a part.
    Of the bundles there ``KEEP`` stay, and those that ``spare`` names. Only for the one process
    that trains. Raises ``BundleError`` where the bundle is not sound or the depot fails, and
    ``ConfigError`` where the address is of no use; what was current there stays so.
    """
    folder = shelf.folder(root, id)
    stated = manifest.verify(folder)
    with _opened(url) as place:
        for name in (*sorted(stated.files), manifest.NAME):
            place.put(folder / name, f"{id}/{name}")
        # Read as late as can be: somebody may have rolled back while files went up.
        moved = place.pointer().forward(id)
        place.write(_POINTER, moved.dump().encode())
        place.prune({*moved.ids[:KEEP], *spare})


def pull(url: str, root: Path, spare: Collection[str] = ()) -> str:
    """Make current in ``root`` what is current in a depot, and return its id.

    What is missing here is fetched, with the bundles that ``spare`` names, and every byte checked
    before any of it can be seen; the pointer moves last. Where the depot's pointer is the one that
    was taken over before, nothing is done: what was published here since is on its way there.
    Raises ``BundleMissing`` where nothing has been published there, ``BundleCorrupt`` where what
    is there is damaged, ``BundleError`` where the depot is away, ``Busy`` where another process is
    fetching, and ``ConfigError`` where the address is of no use; what is here then stays current.
    """
    with _opened(url) as place:
        found = place.pointer()
        if not found.ids:
            raise BundleMissing(f"no bundle has been published in {place}; make one: recsys train")
        here = shelf.history(root)[:1]
        if _seen(root) == found.dump() and here and _all_here(root, (*here, *spare)):
            return here[0]
        root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(root / ".depot.lock", timeout=0):
                for left in root.glob(f"{ASIDE}*"):
                    shutil.rmtree(left, ignore_errors=True)
                _fetch(place, found.ids[0], root)
                shelf.adopt(root, found)
                (root / _SEEN).write_text(found.dump(), encoding="utf-8")
                _prune(root, found, spare)
                for id in spare:  # last: an arm's bundle that is gone holds up nothing else
                    _fetch(place, id, root)
        except Timeout as error:
            raise Busy(f"another process is fetching into {root}") from error
    return found.ids[0]


def rollback(root: Path, url: str = "", left: str = "", spare: Collection[str] = ()) -> str:
    """Make current the bundle that was so before, in the depot first where there is one.

    Returns its id. Raises as ``shelf.rollback`` and ``pull`` do.
    """
    if not url:
        return shelf.rollback(root, left)
    with _opened(url) as place:
        moved = place.pointer().back(lambda id: place.has(f"{id}/{manifest.NAME}"), left)
        place.write(_POINTER, moved.dump().encode())
    with suppress(Busy):  # whoever is fetching now sees it next
        pull(url, root, spare)
    return moved.ids[0]


def earlier(root: Path, url: str = "") -> list[str]:
    """Return the bundles that can be gone back to, the last one that was current first.

    With a depot these are those it remembers: what is not here is fetched on the way back.
    """
    return shelf.history(root)[1:] if url else shelf.earlier(root)


class _Place(Place):
    """The folder of a depot."""

    def pointer(self) -> Pointer:
        """Return what the depot points at; raises ``BundleCorrupt`` where that cannot be read."""
        try:
            text = self.read(_POINTER).decode("utf-8", "replace")
        except FileNotFoundError:
            return Pointer()
        found = Pointer.parse(text)
        if text.split()[:1] != list(found.ids[:1]) or not text.endswith("\n"):
            raise BundleCorrupt(
                f"the pointer {self}/{_POINTER} is damaged; make a new bundle: recsys train"
            )
        return found

    def get(self, name: str, target: Path, most: int) -> None:
        """Copy a file, and no more of it than its manifest says: a disk has an end."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.fs.open_input_stream(self.at(name)) as stream, target.open("wb") as written:
            while most > 0 and (piece := stream.read(min(most, PIECE))):
                written.write(piece)
                most -= len(piece)

    def prune(self, kept: Collection[str]) -> None:
        """Remove bundles that are not ``kept``, and what an interrupted push has left."""
        from pyarrow.fs import FileSelector

        for found in self.fs.get_file_info(FileSelector(self.path, allow_not_found=True)):
            if _ID.fullmatch(found.base_name) and found.base_name not in kept:
                if self.has(f"{found.base_name}/{manifest.NAME}"):  # first: it is no bundle then
                    self.fs.delete_file(self.at(f"{found.base_name}/{manifest.NAME}"))
                self.fs.delete_dir(self.at(found.base_name))


_ID = re.compile(r"\d{8,}T\d{6}Z-[0-9a-f]{10}")
"""Names that ``Manifest.sealed`` gives: whatever else lies in a bucket is not ours to remove."""


@contextmanager
def _opened(url: str) -> Iterator[_Place]:
    place = _Place(url, "[bundles] url")
    with readable(place, "depot", BundleError):
        yield place


def _fetch(place: _Place, id: str, root: Path) -> None:
    """Copy a bundle that is missing into ``root``: whole and checked to the byte, or not at all."""
    if shelf.holds(root, id):
        return
    aside = root / f"{ASIDE}{secrets.token_hex(4)}"
    folder = aside / shelf.folder(root, id).name
    try:
        place.get(f"{id}/{manifest.NAME}", folder / manifest.NAME, _MANIFEST)
        stated: Manifest = manifest.read(folder)
        for name, file in stated.files.items():
            place.get(f"{id}/{name}", folder / name, file.bytes)
        manifest.vouch(folder, manifest.marks(folder, manifest.verify(folder)))
        for path in [*folder.rglob("*"), folder]:
            shelf.sync(path)
        if (root / id).exists():  # without a manifest, or it would be here
            (root / id).rename(aside / "damaged")
        folder.rename(root / id)
        shelf.sync(root)
    except FileNotFoundError as error:
        raise BundleCorrupt(f"bundle {id} in {place} lacks a file: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


_MANIFEST = 16 << 20
"""Bytes that no manifest reaches."""


def _prune(root: Path, found: Pointer, spare: Collection[str]) -> None:
    # A trainer that shares the directory may have written what it is about to publish.
    made = {bundle.id: bundle.created for bundle in shelf.list_bundles(root)}
    newer = [id for id, created in made.items() if created > made.get(found.ids[0], 0)]
    shelf.prune(root, KEEP, [*spare, *newer])


def _all_here(root: Path, ids: Collection[str]) -> bool:
    return all(shelf.holds(root, id) for id in ids)


def _seen(root: Path) -> str:
    try:
        return (root / _SEEN).read_text(encoding="utf-8")
    except OSError:
        return ""

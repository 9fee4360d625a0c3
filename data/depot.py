"""Keeps bundles in an object store or shared folder, of which every replica takes a copy."""

import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from recsys import manifest, shelf
from recsys.errors import BundleCorrupt, BundleError, BundleMissing, Busy, ConfigError
from recsys.manifest import Manifest
from recsys.shelf import Pointer

if TYPE_CHECKING:  # a fifth of a second to load, which every command would wait for
    from pyarrow.fs import FileSystem

KEEP = 5
"""Bundles that stay, here and there: the current one and those that were current before it."""
ASIDE = ".pull-"
"""How directories begin that are being filled; a trainer's own are ``shelf.ASIDE``."""
_SEEN = ".depot"
"""File of the depot's pointer as it was when it was last taken over."""
_POINTER = "current"
_PIECE = 1 << 20


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


class _Place:
    """A folder of a file system; names are relative to it."""

    def __init__(self, url: str) -> None:
        from pyarrow import ArrowException

        self._shown = _shown(url)
        try:
            self._fs, self._path = _resolve(url)
        except (ArrowException, ImportError, ValueError) as error:
            raise ConfigError(
                f"[bundles] url = {self._shown!r} is not usable: {error}; expected the address of"
                " a folder, as s3://bucket/recsys or file:///mnt/bundles"
            ) from error

    def __str__(self) -> str:
        return self._shown

    def pointer(self) -> Pointer:
        """Return what the depot points at; raises ``BundleCorrupt`` where that cannot be read."""
        try:
            with self._fs.open_input_stream(self._at(_POINTER)) as stream:
                text = stream.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return Pointer()
        found = Pointer.parse(text)
        if text.split()[:1] != list(found.ids[:1]) or not text.endswith("\n"):
            raise BundleCorrupt(
                f"the pointer {self}/{_POINTER} is damaged; make a new bundle: recsys train"
            )
        return found

    def has(self, name: str) -> bool:
        return bool(self._fs.get_file_info(self._at(name)).is_file)

    def write(self, name: str, content: bytes) -> None:
        """Write a file at once: an object store shows an object when it is whole."""
        whole = self._fs.type_name != "local"
        path = self._at(name)
        aside = path if whole else f"{path}{secrets.token_hex(4)}"
        self._make_folder(path)
        with self._fs.open_output_stream(aside) as stream:
            stream.write(content)
        if not whole:
            self._fs.move(aside, path)

    def put(self, source: Path, name: str) -> None:
        path = self._at(name)
        self._make_folder(path)
        with source.open("rb") as read, self._fs.open_output_stream(path) as stream:
            shutil.copyfileobj(read, stream, _PIECE)

    def get(self, name: str, target: Path, most: int) -> None:
        """Copy a file, and no more of it than its manifest says: a disk has an end."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._fs.open_input_stream(self._at(name)) as stream, target.open("wb") as written:
            while most > 0 and (piece := stream.read(min(most, _PIECE))):
                written.write(piece)
                most -= len(piece)

    def prune(self, kept: Collection[str]) -> None:
        """Remove bundles that are not ``kept``, and what an interrupted push has left."""
        from pyarrow.fs import FileSelector

        for found in self._fs.get_file_info(FileSelector(self._path, allow_not_found=True)):
            if _ID.fullmatch(found.base_name) and found.base_name not in kept:
                if self.has(f"{found.base_name}/{manifest.NAME}"):  # first: it is no bundle then
                    self._fs.delete_file(self._at(f"{found.base_name}/{manifest.NAME}"))
                self._fs.delete_dir(self._at(found.base_name))

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _make_folder(self, path: str) -> None:
        if self._fs.type_name not in _FLAT:
            self._fs.create_dir(path.rpartition("/")[0], recursive=True)


_FLAT = frozenset({"s3", "gcs", "abfs"})
"""Object stores: they have no folders that one must make."""
_ID = re.compile(r"\d{8,}T\d{6}Z-[0-9a-f]{10}")
"""Names that ``Manifest.sealed`` gives: whatever else lies in a bucket is not ours to remove."""


@contextmanager
def _opened(url: str) -> Iterator[_Place]:
    """Turn whatever a file system says into a ``BundleError`` that names the depot."""
    from pyarrow import ArrowException

    place = _Place(url)
    try:
        yield place
    except (OSError, ArrowException) as error:
        # S3 errors repeat the whole answer; their first line says enough.
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BundleError(
            f"the depot {place} failed: {reason}; check that it is up and that this machine may"
            " read and write there, and try again"
        ) from error


def _resolve(url: str) -> "tuple[FileSystem, str]":
    """Return a file system and the folder in it; Arrow's own where it has one, else fsspec's."""
    import fsspec
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    if "://" not in url:
        raise ValueError("it names no file system")
    if urlsplit(url).scheme in _ARROW:
        system, path = FileSystem.from_uri(url)
    else:
        other, path = fsspec.core.url_to_fs(url)
        system = PyFileSystem(FSSpecHandler(other))
    if not path.strip("/"):
        raise ValueError("it names no folder")
    return system, path.rstrip("/")


_ARROW = frozenset({"s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss", "file"})


def _shown(url: str) -> str:
    """Return an address without what may be a secret: user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


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
        manifest.verify(folder)
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

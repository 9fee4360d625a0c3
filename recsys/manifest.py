"""Says what a bundle holds and proves that its files are what was written."""

import dataclasses
import datetime
import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from recsys.errors import BundleCorrupt, BundleIncompatible, BundleMissing

FORMAT = 5
"""Rises when an older version could not read a newer bundle."""
READABLE = (3, 4, FORMAT)
"""What this version reads: a new release must serve on from the bundle of the one before."""
NAME = "manifest.json"
CHECKED = ".checked.json"
"""File in a bundle's directory that says which files were found sound; no part of the bundle."""
TRUSTED = 86_400
"""Seconds for which that is believed: a disk may rot."""
UNSAVED = "unsaved"
"""The id of a bundle that lives in memory only."""


class File(NamedTuple):
    """What one file of a bundle must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where a bundle comes from and what belongs to it; times in UTC seconds."""

    format: int = FORMAT
    id: str = UNSAVED
    created: int = 0
    data_until: int = 0
    mark: Mapping[str, int] = field(default_factory=dict)
    """How far the store had been read: article_revision, event_seq, erasure_seq."""
    config_hash: str = ""
    code_version: str = ""
    parent: str = ""
    """The bundle that was current when this one was made; empty for the first."""
    embedder: str = ""
    shapes: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """How it was made, to make a rival of it that has not seen the future; empty before format 4.
    """
    learned: Mapping[str, Any] = field(default_factory=dict)
    """``anew``: when its embedder and tastes were last learned from scratch; ``upon``: until when
    the bundle knew that it was built upon, 0 where upon none; ``corrections``: a digest of editors'
    words on tones. UTC seconds; empty before format 5."""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    """What the gate said when it was let through; empty where none was asked."""
    files: Mapping[str, File] = field(default_factory=dict)

    @property
    def judged(self) -> str:
        """What the gate said in a word or two: passed, forced, not judged; first with no rival."""
        if not self.verdict:
            return "not judged"
        if self.verdict.get("forced"):
            return "forced"
        return "passed" if self.verdict.get("champion") else "first"

    def sealed(self, files: Mapping[str, File]) -> "Manifest":
        """Return the manifest with its files, and the id that follows from its content.

        Neither parent nor verdict have a part in the id: the same data and recipe give the same
        bundle, whatever it was compared with and how busy the machine was.
        """
        content = dataclasses.replace(self, id="", parent="", verdict={}, files=files)
        name = f"{_stamp(self.created)}-{hashlib.sha256(content.dump()).hexdigest()[:10]}"
        return dataclasses.replace(self, id=name, files=files)

    def dump(self) -> bytes:
        """Return the manifest as JSON, its last key the SHA-256 of all the rest."""
        values = dataclasses.asdict(self)
        values["files"] = {n: file._asdict() for n, file in sorted(self.files.items())}
        for name, since in _SINCE.items():
            if self.format < since:  # to the byte as it was written
                del values[name]
        return _json({**values, "sha256": hashlib.sha256(_json(values)).hexdigest()})


_SINCE = {"recipe": 4, "verdict": 4, "learned": 5}


def read(folder: Path) -> Manifest:
    """Read and check the manifest of the bundle in ``folder``.

    Raises ``BundleMissing`` without one, ``BundleIncompatible`` for another format, and
    ``BundleCorrupt`` where it is not, to the byte, what was written for this folder's name.
    """
    path = folder / NAME
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleMissing(f"there is no bundle in {folder}; see: recsys bundles list") from error
    try:
        values: dict[str, Any] = json.loads(raw)
        found = values["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise _corrupt(folder, f"{NAME} is not a manifest") from error
    if found not in READABLE:
        raise BundleIncompatible(
            f"bundle {folder.name} has format {found!r}; this version reads"
            f" {', '.join(map(str, READABLE))}:"
            " train anew with: recsys train"
        )
    try:
        values.pop("sha256")
        manifest = TypeAdapter(Manifest).validate_python(values)
    except (KeyError, ValidationError) as error:
        raise _corrupt(folder, f"{NAME} lacks or misstates a field") from error
    for name in manifest.files:
        if not _SAFE.fullmatch(name):
            raise _corrupt(folder, f"{NAME} names the file {name!r}, outside of the bundle")
    if manifest.dump() != raw:
        raise _corrupt(folder, f"{NAME} differs from its own checksum")
    if manifest.id != folder.name:
        raise _corrupt(folder, f"its manifest is that of {manifest.id!r}")
    return manifest


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Raise ``BundleCorrupt`` where a file is missing or has another length; reads no content."""
    for name, file in manifest.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            raise _corrupt(folder, f"{name} is missing")
        if size != file.bytes:
            raise _corrupt(folder, f"{name} has {size} bytes, expected {file.bytes}")


def verify(folder: Path) -> Manifest:
    """Check every byte of the bundle in ``folder`` and that no stray file lies there.

    Raises as ``read`` does.
    """
    manifest = read(folder)
    check_sizes(folder, manifest)
    for name, path in sorted(walk(folder).items()):
        if name not in manifest.files:
            raise _corrupt(folder, f"{name} does not belong to it")
        if path.is_symlink() or describe(path) != manifest.files[name]:
            raise _corrupt(folder, f"the content of {name} differs from its checksum")
    return manifest


Marks = Mapping[str, Sequence[int]]


def marks(folder: Path, manifest: Manifest) -> Marks:
    """Return for each file of a bundle what changes with it: inode, mode, size, and times."""
    found = {name: (folder / name).lstat() for name in sorted(manifest.files)}
    return {
        name: [s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns]
        for name, s in found.items()
    }


def verify_once(folder: Path, now: int) -> Manifest:
    """Check the bundle in ``folder`` as ``verify`` does, or know that this was done lately.

    A large bundle takes seconds to hash, which each worker would do anew. So whoever has done it
    leaves a note, which holds for ``TRUSTED`` seconds, and for files that nobody has touched since:
    a file's time of change can be set by no program. ``now`` is in UTC seconds. Raises as ``read``.
    """
    manifest = read(folder)
    check_sizes(folder, manifest)
    found = marks(folder, manifest)
    if set(walk(folder)) == set(manifest.files) and _vouched(folder, found, now):
        return manifest
    verify(folder)
    vouch(folder, found)
    return manifest


def vouch(folder: Path, found: Marks) -> None:
    """Note that the files of a bundle, ``found`` so, are sound; where nobody may write, do not."""
    aside = folder / f"{CHECKED}.{secrets.token_hex(4)}"
    try:
        aside.write_bytes(_json(found))
        aside.replace(folder / CHECKED)
    except OSError:
        return


def _vouched(folder: Path, found: Marks, now: int) -> bool:
    note = folder / CHECKED
    try:
        told, written = json.loads(note.read_bytes()), note.stat().st_mtime_ns
    except (OSError, ValueError):
        return False
    # Two changes within one tick of the system's clock look like one.
    settled = all(written - changed > TICK for *_, changed in found.values())
    return bool(settled and told == found and abs(now - written / 1e9) < TRUSTED)


TICK = 20_000_000
"""Nanoseconds; ten times what file systems count in."""


def walk(folder: Path) -> dict[str, Path]:
    """Return the files under ``folder`` but manifest and note, by their name in the bundle."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    own = {n: path for n, path in files.items() if n != NAME and not n.startswith(CHECKED)}
    return {name: path for name, path in own.items() if not path.is_dir()}


def describe(path: Path) -> File:
    """Return size and SHA-256 of a file."""
    with path.open("rb") as stream:
        return File(path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())


_SAFE = re.compile(r"(?:[a-z0-9_][a-z0-9_.-]*/)?[a-z0-9_][a-z0-9_.-]*")


def _corrupt(folder: Path, what: str) -> BundleCorrupt:
    return BundleCorrupt(
        f"bundle {folder.name} is damaged: {what}; go back with: recsys bundles rollback,"
        " or train anew with: recsys train"
    )


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=1, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _stamp(at: int) -> str:
    # datetime knows only the years 1 to 9999, and a bundle's time may be any the caller gave
    days, seconds = divmod(at, 86_400)
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days)
    return f"{day:%Y%m%d}T{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}Z"

"""Reads and writes files in a folder of whatever file system an address names."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from recsys.errors import ConfigError, RecsysError

if TYPE_CHECKING:  # a fifth of a second to load, which every command would wait for
    from pyarrow.fs import FileSystem

PIECE = 1 << 20
"""Bytes that are copied at once."""


class Place:
    """A folder of a file system; names are relative to it, and ``setting`` tells who named it.

    Raises ``ConfigError`` where the address is of no use.
    """

    def __init__(self, url: str, setting: str) -> None:
        from pyarrow import ArrowException

        self._shown = shown(url)
        try:
            self.fs, self.path = resolve(url)
        except (ArrowException, ImportError, ValueError) as error:
            raise ConfigError(
                f"{setting} = {self._shown!r} is not usable: {error}; expected the address of"
                " a folder, as s3://bucket/recsys or file:///mnt/bundles"
            ) from error

    def __str__(self) -> str:
        return self._shown

    def at(self, name: str) -> str:
        """Return the path of a name in the file system."""
        return f"{self.path}/{name}"

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        return bool(self.fs.get_file_info(self.at(name)).is_file)

    def read(self, name: str) -> bytes:
        """Return what is in a file; raises ``FileNotFoundError`` where there is none."""
        with self.fs.open_input_stream(self.at(name)) as stream:
            content: bytes = stream.read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file at once: an object store shows an object when it is whole."""
        whole = self.fs.type_name != "local"
        path = self.at(name)
        aside = path if whole else f"{path}{secrets.token_hex(4)}"
        self.make_folder(name)
        with self.fs.open_output_stream(aside) as stream:
            stream.write(content)
        if not whole:
            self.fs.move(aside, path)

    def put(self, source: Path, name: str) -> None:
        """Copy a file of this machine there."""
        self.make_folder(name)
        with source.open("rb") as read, self.fs.open_output_stream(self.at(name)) as stream:
            shutil.copyfileobj(read, stream, PIECE)

    def make_folder(self, name: str) -> None:
        """Make the folder in which ``name`` is to be, where the file system has folders."""
        if self.fs.type_name not in _FLAT:
            self.fs.create_dir(self.at(name).rpartition("/")[0], recursive=True)


_FLAT = frozenset({"s3", "gcs", "abfs"})
"""Object stores: they have no folders that one must make."""


@contextmanager
def readable(place: Place, what: str, kind: type[RecsysError]) -> Iterator[None]:
    """Turn whatever a file system says into an error of a ``kind`` that names the place."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        # S3 errors repeat the whole answer; their first line says enough.
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise kind(
            f"the {what} {place} failed: {reason}; check that it is up and that this machine may"
            " read and write there, and try again"
        ) from error


def resolve(url: str) -> "tuple[FileSystem, str]":
    """Return a file system and the folder in it; Arrow's own where it has one, else fsspec's.

    Raises ``ValueError``, ``ImportError`` or an error of Arrow's where the address is of no use.
    """
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


def shown(url: str) -> str:
    """Return an address without what may be a secret: user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

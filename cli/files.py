"""Writes what a command made: the whole file or nothing."""

import os
import tempfile
from pathlib import Path

from recsys.errors import DataError


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, making its directory; raises ``DataError`` if that fails.

    A reader sees the file as it was or as it will be, even when this process is killed halfway.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as half:
            try:
                half.write(content)
                half.flush()
                os.fsync(half.fileno())
                Path(half.name).chmod(0o666 & ~_umask())
                Path(half.name).replace(path)
            except BaseException:
                Path(half.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Keeps the files in which workers count: one set for each, and one for all that are gone.

Whoever starts workers imports this and not ``metrics``: a process that imports that is counted in.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""What prometheus_client reads when it is first imported."""
PREFIX = "recsys-metrics-"
MEMORY = "/dev/shm"  # noqa: S108
"""A file system in memory, on Linux."""
YOUNG = 60.0
"""Seconds in which a run may still be about to begin."""
PATIENCE = 5.0
"""Seconds that a dead worker's counts wait for those who read; then they stay where they are."""


def begin() -> Path:
    """Make a place for the counts of a run, and drop those of runs that were killed.

    Call it before workers start. The place is in memory unless ``TMPDIR`` names another: whoever
    counts in a file that a full disk has no room for is killed (SIGBUS).
    """
    memory = MEMORY if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=memory))
    for left in folder.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            # Younger ones may be about to be locked by those who made them.
            if left != folder and time.time() - left.stat().st_mtime > YOUNG:
                os.close(_lock(left))
                shutil.rmtree(left)
    _lock(folder)
    os.environ[FOLDER] = str(folder)
    return folder


def _lock(folder: Path) -> int:
    """Lock a run's folder until this process and its workers are gone; ``OSError`` where it is.

    They share the open file, so that the last of them to end unlocks it.
    """
    run = os.open(folder / "run", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(run, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(run)
        raise
    return run


@contextmanager
def reading(timeout: float = -1) -> Iterator[Path]:
    """Keep files from being merged while they are read, and the other way round.

    Raises ``filelock.Timeout`` where that takes more than ``timeout`` seconds; below 0: waits.
    """
    folder = Path(os.environ[FOLDER])
    with FileLock(folder / "lock", timeout=timeout):
        yield folder


def forget(pid: int) -> None:
    """Drop the gauges of a worker that is gone and add its counts to those of all that are.

    A service that runs for a year has many workers: each would leave files for every scrape to
    read.
    """
    from prometheus_client.mmap_dict import MmapedDict
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)
    try:
        with reading(PATIENCE) as folder:
            for kind in ("counter", "histogram"):
                left = folder / f"{kind}_{pid}.db"
                if not left.exists():
                    continue
                gone = MmapedDict(str(folder / f"{kind}_gone.db"))
                for key, value, _, _ in MmapedDict.read_all_values_from_file(str(left)):
                    gone.write_value(key, gone.read_value(key)[0] + value, 0.0)
                gone.close()
                left.unlink()
    except (Timeout, OSError):
        return  # what is left where it is counts all the same

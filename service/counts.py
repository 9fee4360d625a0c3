"""Keeps the files in which workers count: one set for each, and one for all that are gone.

Whoever starts workers imports this and not ``metrics``: a process that imports that is counted in.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""What prometheus_client reads when it is first imported."""
PATIENCE = 5.0
"""Seconds that a dead worker's counts wait for those who read; then they stay where they are."""


def begin() -> Path:
    """Make a place for the counts of a run; call it before workers start."""
    folder = tempfile.mkdtemp(prefix="recsys-metrics-")
    os.environ[FOLDER] = folder
    return Path(folder)


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

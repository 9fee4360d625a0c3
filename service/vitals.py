"""Takes this worker's pulse: memory, processor time and open files."""

import os
import platform
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from service import metrics

PROCESS = Path("/proc/self")


class Vitals:
    """What a worker takes of its machine, told to the metrics with each ``take``."""

    def __init__(self) -> None:
        self._processor = 0.0

    def take(self) -> None:
        """Measure now; meant for each refresh, and worth some microseconds."""
        used = time.process_time()
        metrics.CPU_SECONDS.inc(used - self._processor)
        self._processor = used
        with suppress(OSError):  # elsewhere than on Linux there is no such place
            pages = [int(word) for word in (PROCESS / "statm").read_text().split()[1:3]]
            resident, shared = (count * os.sysconf("SC_PAGE_SIZE") for count in pages)
            metrics.MEMORY_BYTES.labels("shared").set(shared)
            metrics.MEMORY_BYTES.labels("private").set(resident - shared)
            metrics.OPEN_FILES.set(len(os.listdir(PROCESS / "fd")))  # noqa: PTH208


def started(threads: int) -> None:
    """Count this process among the workers, with as many threads."""
    metrics.WORKERS.set(1)
    metrics.THREADS.set(threads)
    metrics.WORKER_STARTS.inc()
    metrics.BUILD_INFO.labels(version("recsys"), platform.python_version()).set(1)

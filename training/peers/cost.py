"""Measures what a fit costs, C libraries included, which Python's own tracing does not see."""

import re
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

Result = TypeVar("Result")
PROC = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Measured(Generic[Result]):
    """What some work brought, and what it cost."""

    result: Result
    seconds: float
    peak_bytes: int
    """Resident memory at its highest, less what was resident before."""


def measured(work: Callable[[], Result]) -> Measured[Result]:
    """Do ``work`` and measure it.

    Where the system cannot start the peak anew (Linux can: ``clear_refs`` in proc(5)), only memory
    above the highest that the process ever held is seen.
    """
    before = _restarted_peak()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    return Measured(result, seconds, max(0, _peak() - before))


def _restarted_peak() -> int:
    with suppress(OSError):
        (PROC / "clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    try:
        status = (PROC / "status").read_text()
    except OSError:
        status = ""
    if found := re.search(r"VmHWM:\s+(\d+) kB", status):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

"""Says to load balancers that this service is about to stop, while it still answers."""

import mmap

_BYTE = mmap.mmap(-1, 1)
"""Shared by the first process, which is told to stop, and its workers, which are asked."""


def begin() -> None:
    """Have ``/readyz`` say so from now on, in all workers."""
    _BYTE[0] = 1


def begun() -> bool:
    """Return whether the service is about to stop."""
    return _BYTE[0] == 1

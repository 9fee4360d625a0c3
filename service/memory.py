"""Keeps a worker's memory to what it uses: glibc holds on to what many threads gave back."""

import ctypes
import sys

ARENAS = 2
"""Heaps that all threads of a worker share; glibc would have eight for each core."""
_M_ARENA_MAX = -8
"""From malloc.h."""


def bound() -> None:
    """Let threads share few heaps, from here on; to be called before they are started.

    Each heap keeps what its threads have ever needed at once. With a dozen of them a worker grows
    for hours before it has seen its most, and threads that mostly wait for Python's lock gain
    nothing from heaps of their own. Does nothing where the C library is not glibc.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(_M_ARENA_MAX, ARENAS)


def settle() -> None:
    """Give back what is free; for when much was dropped at once, as after a bundle's swap.

    It takes some milliseconds, in which other threads go on.
    """
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None

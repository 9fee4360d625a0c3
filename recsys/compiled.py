"""Compiles loops over candidates: for a few hundred rows a call of numpy costs more than its work.

Compiled code is kept beside the source, else in the user's cache, or where ``NUMBA_CACHE_DIR``
says; where nothing can be written it is made anew by each process.
"""

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np

from recsys.arrays import Float32, Float64, Int32, Int64

Kernel = Callable[..., Any]
"""Its arguments are of any type that it was written for; each mixture is compiled by itself."""


def kernel(function: Kernel) -> Kernel:
    """Return a function compiled on its first call; while it runs other threads may.

    Arguments are C-contiguous arrays, numbers, truth values, and tuples of these with names. It
    divides as numpy does, and forms sums in the order written.
    """
    return _compiled(function, False)


def loose(function: Kernel) -> Kernel:
    """Return a function compiled as by ``kernel`` that may form sums in any order, many at once."""
    return _compiled(function, {"reassoc", "contract", "nsz"})


def _compiled(function: Kernel, fastmath: Any) -> Kernel:
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        return cast(Kernel, numba.njit(function, cache=True, **settings))
    except RuntimeError:  # no place to keep it
        return cast(Kernel, numba.njit(function, **settings))


@kernel
def order(scores: Float64, rows: Int32) -> Int64:
    """Return int64[m]: how to sort m scores ≥ 0, best first, ties by row."""
    # The bits of a float32 ≥ 0 rise with it: one sort of integers, and what is equal by then is
    # put in order one by one.
    bits = scores.astype(np.float32).view(np.int32)
    keys = np.empty(len(scores), np.int64)
    for place in range(len(keys)):
        keys[place] = (np.int64(0x7FFFFFFF - bits[place]) << 32) | place
    keys.sort()
    for place in range(len(keys)):
        keys[place] &= 0x7FFFFFFF
    for place in range(1, len(keys)):
        key, before = keys[place], place - 1
        while before >= 0 and (
            scores[keys[before]] < scores[key]
            or (scores[keys[before]] == scores[key] and rows[keys[before]] > rows[key])
        ):
            keys[before + 1] = keys[before]
            before -= 1
        keys[before + 1] = key
    return keys


@kernel
def slots(most: int) -> Int32:
    """Return an empty table for ``slot`` that has room for ``most`` keys."""
    size = 16
    while size < 2 * most:
        size *= 2
    return np.full(size, -1, np.int32)


@kernel
def slot(table: Int32, keys: Int32, key: int) -> int:
    """Return where a key is in a table of ``slots``, or where it belongs: there it is -1.

    The table holds places in ``keys``; whoever adds a key writes its place where it belongs.
    """
    last = len(table) - 1
    found = (key * 0x9E3779B1 >> 7) & last
    while table[found] >= 0 and keys[table[found]] != key:
        found = (found + 1) & last
    return found


@loose
def dot(left: Float32, right: Float32) -> np.float32:
    """Return the inner product of two vectors of one length."""
    total = np.float32(0.0)
    for place in range(len(left)):
        total += left[place] * right[place]
    return total


@loose
def logs(line: Float32) -> None:
    """Put the natural logarithm in the place of each number > 0, f32[m], many at once.

    They are off by no more than 2e-7 or a part in 10 millions. The polynomial is that of Cephes
    (Moshier, 1992) for numbers between √½ and √2.
    """
    bits, powers = line.view(np.int32), np.empty(len(line), np.float32)
    for place in range(len(line)):
        power = (bits[place] - np.int32(0x3F3504F3)) >> np.int32(23)
        powers[place] = power
        bits[place] -= power << np.int32(23)
    for place in range(len(line)):
        x, power = line[place] - np.float32(1), powers[place]
        rest = np.float32(7.0376836292e-2)
        rest = rest * x - np.float32(1.1514610310e-1)
        rest = rest * x + np.float32(1.1676998740e-1)
        rest = rest * x - np.float32(1.2420140846e-1)
        rest = rest * x + np.float32(1.4249322787e-1)
        rest = rest * x - np.float32(1.6668057665e-1)
        rest = rest * x + np.float32(2.0000714765e-1)
        rest = rest * x - np.float32(2.4999993993e-1)
        rest = rest * x + np.float32(3.3333331174e-1)
        rest = (rest * x - np.float32(0.5)) * x * x
        line[place] = x + rest + power * np.float32(0.6931471805599453)

"""Keeps what the store was asked for a minute, so that reloading a page does not ask it again."""

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from cachetools import TTLCache, cached

SECONDS = 60
MOST = 64
"""Answers that are kept at a time, for each question in each worker."""
P = ParamSpec("P")
T = TypeVar("T")


def kept(ask: Callable[P, T]) -> Callable[P, T]:
    """Return ``ask`` so that it answers from memory for ``SECONDS``.

    Who asks while somebody else waits for the same answer waits for that one. What fails is asked
    again.
    """
    cache: TTLCache[object, T] = TTLCache(MOST, SECONDS)
    return cached(cache, condition=threading.Condition())(ask)

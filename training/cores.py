"""Spreads work on many texts over the cores: a text is read by itself, whoever reads it."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

FEWEST = 5_000
"""Items below which one process is done sooner than others are started."""
PARTS = 4
"""Parts for each process: they take turns, as some texts are long."""


def spread(work: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> list[Any]:
    """Return what ``work`` makes of ``items``, in order, a part at a time by all cores.

    Others are forks of this process: nothing is sent to them, and what they return is copied back.
    They must compute by themselves, for threads of this process are not there.
    """
    cores = len(os.sched_getaffinity(0))
    if cores == 1 or len(items) < FEWEST:
        return [work(items)]
    bounds = np.linspace(0, len(items), cores * PARTS + 1).astype(int).tolist()
    _JOB.append(lambda first, last: work(items[first:last]))
    try:
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(cores, mp_context=fork) as others:
            return list(others.map(_part, bounds[:-1], bounds[1:]))
    finally:
        _JOB.pop()


_JOB: list[Callable[[int, int], Any]] = []


def _part(first: int, last: int) -> Any:
    return _JOB[-1](first, last)

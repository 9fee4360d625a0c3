"""Says how far a ratio of sums over readers may be trusted, from a few sums of products."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtr, ndtri

from recsys.experiments import FEW, FEW_CLICKING

WIDE = -float(ndtri(0.025))
"""Standard errors that an interval of 95 % goes to either side."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one group's rate is above that of all other cards together."""

    by: float
    low: float
    high: float
    p: float
    """Of no difference at all, two-sided, for one look at one comparison."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Over the readers of a group: clicks c and cards n of each in it, and in all (``c_``)."""

    readers: int
    clicking: int
    only: int
    """Readers who saw no other card."""
    only_clicking: int
    """Readers who clicked, and no other card."""
    c: int
    n: int
    cc: int
    cn: int
    nn: int
    c_c: int
    c_n: int
    n_c: int
    n_n: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Sums":
        """Return the sums of a row; PostgreSQL has them as decimals."""
        return cls(**{name: int(row[name]) for name in cls.__slots__})

    def within(self, rate: float) -> float:
        """Return the sum of ``(c - rate · n)²``."""
        return _product(self.cc, self.cn, self.cn, self.nn, rate, rate)

    def across(self, rate: float, other: float) -> float:
        """Return the sum of ``(c - rate · n) (C - other · N)``, with C and N of all cards."""
        return _product(self.c_c, self.c_n, self.n_c, self.n_n, rate, other)


def _product(cc: int, cn: int, nc: int, nn: int, a: float, b: float) -> float:
    return cc - b * cn - a * nc + a * b * nn


def few(readers: int, clicking: int) -> bool:
    """Return whether so many readers, and so many of them who clicked, are too few for intervals.

    What is said here assumes many, as for arms of an experiment.
    """
    return readers < FEW or clicking < FEW_CLICKING


def bounds(own: Sums, rate: float) -> tuple[float, float]:
    """Return Wilson's interval for as many independent cards as these are worth.

    That many would have the variance that the ratio has over readers (linearised); never more than
    there are. Where that variance is 0, nothing is known of what hangs together, and each reader
    counts as one card. Korn and Graubard (1998); Wilson (1927).
    """
    variance = max(own.within(rate), 0.0) / own.n**2
    if own.readers > 1:
        variance *= own.readers / (own.readers - 1)
    tiny = 1e-12 / own.n
    worth = min(own.n, rate * (1 - rate) / variance) if variance > tiny else own.readers
    share = WIDE**2 / worth
    middle = (rate + share / 2) / (1 + share)
    half = math.sqrt(share * (rate * (1 - rate) + share / 4)) / (1 + share)
    return max(0.0, middle - half), min(1.0, middle + half)


def gap(own: Sums, whole: Sums) -> Gap | None:
    """Compare a group with all other cards; one reader may have seen both, so they covary."""
    n, c = whole.n - own.n, whole.c - own.c
    readers, clicking = whole.readers - own.only, whole.clicking - own.only_clicking
    if few(own.readers, own.clicking) or few(readers, clicking):
        return None
    mine, theirs = own.c / own.n, c / n
    own_with_rest = own.across(mine, theirs) - _product(
        own.cc, own.cn, own.cn, own.nn, mine, theirs
    )
    rest = whole.within(theirs) - 2 * own.across(theirs, theirs) + own.within(theirs)
    variance = own.within(mine) / own.n**2 - 2 * own_with_rest / (own.n * n) + rest / n**2
    error = math.sqrt(max(variance, 0.0) * whole.readers / (whole.readers - 1))
    by = mine - theirs
    p = float(2 * ndtr(-abs(by) / error)) if error > 0 else float(by == 0)
    return Gap(by, by - WIDE * error, by + WIDE * error, p)

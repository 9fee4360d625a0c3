"""Every failure that a caller may want to tell apart.

::

    RecsysError
    ├── ConfigError            a setting or policy is wrong: names the key
    ├── DataError              a row, file or table is wrong: names the place
    ├── UnknownArticle         an id that neither the bundle nor the store knows
    ├── Busy                   another process holds what this one needs
    ├── Held                   the gate kept a bundle from being published: holds the verdict
    ├── LibraryMissing         the system lacks a shared library: names the package
    └── BundleError
        ├── BundleMissing      no bundle has been published
        ├── BundleCorrupt      a file differs from its manifest
        └── BundleIncompatible made by a version that this one cannot read

A message states the thing, its value and what was expected, and where there is one the next step.
"""

from collections.abc import Mapping
from typing import Any


def reason_of(error: BaseException) -> str:
    """Return what may be told of an error to whoever reads logs and health pages.

    Ours are written for people. The words of others may hold an address with a password, a key or a
    reader, so only their kind is told.
    """
    return str(error) if isinstance(error, RecsysError) else type(error).__name__


class RecsysError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigError(RecsysError):
    """A setting or policy is wrong."""


class DataError(RecsysError):
    """A row, file or table is wrong."""


class UnknownArticle(RecsysError):
    """An article id that neither the bundle nor the store knows."""


class Busy(RecsysError):
    """Another process holds a lock that this one needs."""


class Held(RecsysError):
    """The gate found a trained bundle worse than the one in service, and nothing was published."""

    def __init__(self, message: str, verdict: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.verdict = verdict
        """What was compared and found, as plain values."""


class LibraryMissing(RecsysError):
    """The system lacks a shared library that an optional part needs."""


class BundleError(RecsysError):
    """A bundle cannot be used."""


class BundleMissing(BundleError):
    """No bundle has been published yet."""


class BundleCorrupt(BundleError):
    """A bundle's files differ from its manifest."""


class BundleIncompatible(BundleError):
    """A bundle was written in a format that this version does not read."""

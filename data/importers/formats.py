"""Tells how a file is written, without loading what it takes to read it."""

from enum import StrEnum
from pathlib import Path

from recsys.errors import DataError

STDIN = "-"


class Format(StrEnum):
    """How a file is written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


SUFFIXES = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
}


def format_of(name: str, given: Format | None = None) -> Format:
    """Return the format of a file by its suffix, unless one is given.

    Raises ``DataError`` for an unknown suffix.
    """
    if given or name == STDIN:
        return given or Format.JSONL
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise DataError(f"cannot tell the format of {name}: expected {known}; or say --format")
    return SUFFIXES[suffix]

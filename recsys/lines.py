"""Finds the lines of a TOML document on which its settings stand, which no parser of ours tells."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Keys = tuple[str | int, ...]
"""Keys that lead to a setting; a number, from 0, is a table of an array."""


@functools.lru_cache(8)
def located(text: str) -> Mapping[Keys, int]:
    """Return for each table and key of a valid TOML document the line from 1 on which it begins.

    What stands within a value, such as an inline table, is where the value begins. A table that
    only its parts name is where the first of them is.
    """
    found: dict[Keys, int] = {}
    last: dict[Keys, int] = {}

    def inside(path: Keys) -> Keys:
        """Return the last table of an array, where it is one."""
        return (*path, last[path]) if path in last else path

    table: Keys = ()
    for line, statement in _statements(text):
        value = tomllib.loads(statement)
        if not statement.lstrip().startswith("["):
            for path in _paths(value):
                found.setdefault((*table, *path), line)
            continue
        table = ()
        for key in (key for key in max(_paths(value), key=len) if isinstance(key, str)):
            table = (*inside(table), key)
            found.setdefault(table, line)
        if statement.lstrip().startswith("[["):
            last[table] = last.get(table, -1) + 1
            table = inside(table)
        found[table] = line
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the headers and assignments of a valid document, each with its first line.

    One ends with the first line at which it is complete: who knows TOML best tells when that is.
    """
    held, begun = "", 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        begun, held = (begun, f"{held}\n{line}") if held else (number, line)
        try:
            if tomllib.loads(held):
                yield begun, held
        except tomllib.TOMLDecodeError:
            continue
        held = ""


def _paths(value: Any) -> Iterator[Keys]:
    """Yield the keys that lead to each part of a value."""
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        yield (key,)
        for path in _paths(part):
            yield (key, *path)

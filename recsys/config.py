"""Reads frozen dataclasses from TOML tables, so a misspelt key fails by name and is not ignored."""

import dataclasses
import difflib
import math
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from recsys.errors import ConfigError

T = TypeVar("T")


def load_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises ``ConfigError`` naming the file and line where it cannot be read or parsed.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def parse(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Build the dataclass ``cls`` from a TOML table; missing keys keep their defaults.

    ``where`` names the table in messages, as ``recsys.toml [policy]``.
    Raises ``ConfigError`` for an unknown key (naming the nearest known one) or a wrong value.
    """
    _refuse_unknown(cls, table, where)
    try:
        return TypeAdapter(cls).validate_python(dict(table))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise ConfigError(f"{where}: {key} is missing") from error
        raise ConfigError(f"{where}: {key} = {first['input']!r}: {first['msg']}") from error


def overlaid(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with some of its keys changed, at any depth."""
    return {
        **table,
        **{
            key: overlaid(table[key], value)
            if isinstance(value, Mapping) and isinstance(table.get(key), Mapping)
            else value
            for key, value in changes.items()
        },
    }


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise ``ConfigError`` unless ``low <= value <= high`` and finite; for checks in a dataclass.

    TOML knows ``inf`` and ``nan``, and either would turn every score into nan.
    """
    if not low <= value <= high or value == math.inf:
        bounds = f"between {low:g} and {high:g}" if high < math.inf else f"{low:g} or more"
        bounds += ", not infinite" if value == math.inf else ""
        raise ConfigError(f"{name} = {value!r}: expected {bounds}")


def _refuse_unknown(cls: Any, table: Mapping[str, Any], where: str) -> None:
    hints = typing.get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")
        if not isinstance(value, Mapping):
            continue
        if dataclasses.is_dataclass(hints[key]):
            _refuse_unknown(hints[key], value, f"{where} {key}")
        elif dataclasses.is_dataclass(inner := (typing.get_args(hints[key]) or (None,))[-1]):
            for name, table in value.items():
                if isinstance(table, Mapping):
                    _refuse_unknown(inner, table, f"{where} {key} {name}")

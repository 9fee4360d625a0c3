"""Reads frozen dataclasses from TOML tables, so that all that is wrong is told with its line."""

import dataclasses
import difflib
import functools
import math
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from recsys.errors import ConfigError
from recsys.lines import Keys, located

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A table of a file, as messages name it: ``recsys.toml line 12 [policy.sponsored]``."""

    file: str
    path: Keys = ()
    text: str = dataclasses.field(default="", repr=False)
    """The file, to count lines in; a message does without where it is empty."""
    over: "Place | None" = None
    """A table whose settings hold where this one says nothing."""

    def __truediv__(self, key: str | int) -> "Place":
        """Return the table under a key."""
        return dataclasses.replace(
            self, path=(*self.path, key), over=self.over / key if self.over else None
        )

    def line(self, *keys: str | int) -> int:
        """Return the line from 1 of a setting; of the table that lacks it; 0 where unknown."""
        known, path = located(self.text), (*self.path, *keys)
        while path not in known and path:
            path = path[:-1]
        return known.get(path, 0)

    def above(self, base: "Place") -> "Place":
        """Return this table where another one's settings hold if neither it nor its own say any."""
        return dataclasses.replace(self, over=self.over.above(base) if self.over else base)

    def of(self, *keys: str | int) -> "Place":
        """Return the table that says what a setting under ``keys`` is: this, or the one below."""
        if self.over is None or not self.text or (*self.path, *keys) in located(self.text):
            return self
        return self.over.of(*keys)

    def __str__(self) -> str:
        """Return the table's name in the file, ``[policy.sites."my site"]``."""
        keys = [key for key in self.path if isinstance(key, str)]
        name = ".".join(key if _BARE.fullmatch(key) else f'"{key}"' for key in keys)
        brackets = ("[[", "]]") if isinstance(next(reversed(self.path), ""), int) else ("[", "]")
        return name.join(brackets) if name else ""


_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or odd, in a file."""

    file: str
    line: int
    """From 1; 0 where unknown."""
    table: str
    message: str

    @classmethod
    def of(cls, where: Place, message: str, *keys: str | int) -> "Problem":
        """Return what is wrong with the setting under ``keys`` of a table, or with all of it."""
        where = where.of(*keys)
        return cls(where.file, where.line(*keys), str(where), message)

    def __str__(self) -> str:
        line = f" line {self.line}" if self.line else ""
        table = f" {self.table}" if self.table else ""
        return f"{self.file}{line}{table}: {self.message}"


class Misread(ConfigError):
    """All that is wrong in a file; its message has a line for each."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Problems:
    """Collects what is wrong, so that whoever mends a file hears of everything at once.

    ``with problems:`` keeps what ``Misread`` tells from getting out of the block.
    """

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, where: Place, message: str, *keys: str | int) -> None:
        """Note what is wrong with the setting under ``keys`` of a table, once."""
        self._found[Problem.of(where, message, *keys)] = None

    def settle(self) -> None:
        """Raise ``Misread`` where anything was wrong, in the order of lines."""
        if self._found:
            raise Misread(tuple(sorted(self._found, key=lambda problem: problem.line)))

    def __enter__(self) -> "Problems":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Misread):
            return False
        self._found.update(dict.fromkeys(error.problems))
        return True


def load_toml(path: Path) -> tuple[dict[str, Any], Place]:
    """Return the tables of a TOML file, and the place of all of them.

    Raises ``ConfigError`` naming the file and line where it cannot be read or parsed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), Place(str(path), text=text)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def parse(cls: type[T], table: Any, where: Place) -> T:
    """Build the dataclass ``cls`` from a TOML table; missing keys keep their defaults.

    Tables within it may be made already. Raises ``Misread`` with everything that is wrong: unknown
    keys (naming the nearest known one), wrong values, and what ``cls`` itself refuses.
    """
    problems = Problems()
    if not isinstance(table, Mapping):
        problems.add(where, f"expected a table, found {table!r}")
        problems.settle()
    hints = typing.get_type_hints(cls, include_extras=True)
    required = {
        field.name
        for field in dataclasses.fields(cast(Any, cls))
        if field.default is field.default_factory is dataclasses.MISSING
    }
    values = {}
    for key, value in table.items():
        if key not in hints:
            problems.add(where, _unknown(key, list(hints), where), key)
        else:
            with problems:
                values[key] = _value(hints[key], value, where, key)
    for name in sorted(required - set(table)):
        problems.add(where, f"{name} is missing")
    while required <= set(values):
        try:
            made = cls(**values)
        except ConfigError as error:
            # It begins with the setting that it is about: without that one, what is wrong with the
            # others is found as well.
            name = str(error).partition(" = ")[0]
            problems.add(where, str(error), *([name] if name in values else []))
            if values.pop(name, problems) is problems:
                break
        else:
            problems.settle()
            return made
    problems.settle()
    raise AssertionError("something was wrong, and nobody said what")


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


def flat(made: Any, without: str = "") -> dict[str, Any]:
    """Return the settings of a dataclass by dotted path, but for the field ``without``."""

    def settings(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if dataclasses.is_dataclass(value):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if not isinstance(value, Mapping):
            yield path, value
            return
        for key, part in value.items():
            if key != without or path:
                yield from settings(part, f"{path}.{key}" if path else key)

    return dict(settings(made, ""))


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise ``ConfigError`` unless ``low <= value <= high`` and finite; for checks in a dataclass.

    TOML knows ``inf`` and ``nan``, and either would turn every score into nan.
    """
    if not low <= value <= high or value == math.inf:
        bounds = f"between {low:g} and {high:g}" if high < math.inf else f"{low:g} or more"
        bounds += ", not infinite" if value == math.inf else ""
        raise ConfigError(f"{name} = {value!r}: expected {bounds}")


def _value(hint: Any, value: Any, where: Place, key: str) -> Any:
    """Return the value of one setting as its type has it."""
    if dataclasses.is_dataclass(hint):
        made = isinstance(value, cast(type, hint))
        return value if made else parse(cast(type, hint), value, where / key)
    inner = (typing.get_args(hint) or (None,))[-1]
    if isinstance(inner, type) and dataclasses.is_dataclass(inner) and isinstance(value, Mapping):
        problems, tables = Problems(), {}
        for name, table in value.items():
            with problems:
                tables[name] = _value(inner, table, where / key, name)
        problems.settle()
        return tables
    try:
        return _adapter(hint).validate_python(value)
    except ValidationError as error:
        problems = Problems()
        for wrong in error.errors():
            name = ".".join(str(part) for part in (key, *wrong["loc"]))
            problems.add(where, f"{name} = {wrong['input']!r}: {wrong['msg']}", key)
        problems.settle()


_adapter = functools.lru_cache(None)(TypeAdapter)


def _unknown(key: str, known: list[str], where: Place) -> str:
    named = "table [{}]" if not where.path else "key {!r}"
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"unknown {named.format(key)}; {hint}"

"""Tells every setting of ``recsys.toml``, from the dataclasses that read it."""

import ast
import dataclasses
import inspect
import itertools
import types
import typing
from collections import Counter
from collections.abc import Iterator, Mapping

from cli.setup import Tables
from fromcode.tables import table
from recsys.arms import Experiment
from recsys.policy import Policy

ROOTS = {"policy": Policy, "experiment": Experiment}
"""Tables that are read in a way of their own."""
KEYS = {"policy.sections": "NAME"}
"""What stands for any name in a table of tables, where that is no ID."""


def tables() -> dict[str, type]:
    """Return the class of each table, ``policy.sites.ID``, in the order of the file.

    Placements, and the policy of an arm, hold what ``policy`` holds and are not told again.
    """
    found: dict[str, type] = {}
    order = ("policy", "train")
    fields = {field.name: ROOTS.get(field.name) for field in dataclasses.fields(Tables)}
    hints = typing.get_type_hints(Tables)
    for name in sorted(fields, key=lambda n: order.index(n) if n in order else len(order)):
        for path, cls in _within(name, fields[name] or hints[name]):
            found.setdefault(path, cls)
    return found


def rows() -> list[str]:
    """Return a row for each setting, as the README's table and the site's hold it."""
    return [f"| `{name}` | {default} | {help} |" for name, default, help in settings()]


def settings() -> Iterator[tuple[str, str, str]]:
    """Yield name, default and help of each setting; the help is the string below its field."""
    for path, cls in tables().items():
        helps = _helps(cls)
        name = f"[[{path}]]" if path == "experiment.arms" else f"[{path}]"
        for field in dataclasses.fields(cls):
            if (shown := _default(field)) is not None:
                yield f"{name} {field.name}", shown, helps[field.name]


def markdown() -> str:
    """Return a section for each table."""
    parts, told = [], list(settings())
    for path, cls in tables().items():
        name = f"[[{path}]]" if path == "experiment.arms" else f"[{path}]"
        own = [
            (f"`{full.removeprefix(name + ' ')}`", default, help)
            for full, default, help in told
            if full.startswith(name + " ")
        ]
        # In full: who looks for `[policy] max_age` finds it.
        own = [(f"`{name} {key.strip('`')}`", default, help) for key, default, help in own]
        if own:
            intro = inspect.getdoc(cls) or ""
            first = intro.partition("\n\n")[0].replace("``", "`")
            parts += [f"## `{name}`", " ".join(first.split())]
            parts.append(table(("setting", "default", "what it does"), own))
    return "\n\n".join(parts)


def _within(path: str, kind: object) -> Iterator[tuple[str, type]]:
    """Yield the table of a type, and those of its fields."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if kind is Policy and path != "policy":
            return
        yield path, kind
        hints = typing.get_type_hints(kind)
        alike = Counter(inner for inner in hints.values() if dataclasses.is_dataclass(inner))
        for name, inner in hints.items():
            # Tables that say the same of different things are told once.
            yield from _within(f"{path}.{'NAME' if alike[inner] > 1 else name}", inner)
    elif origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _within(f"{path}.{KEYS.get(path, 'ID')}", arguments[1])
    elif origin in (tuple, typing.Union, types.UnionType):
        for inner in arguments:
            yield from _within(path, inner)


def _helps(cls: type) -> dict[str, str]:
    """Return the strings below the fields of a class."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(help.value.value.split()).replace("``", "`")
        for field, help in itertools.pairwise(body.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(help, ast.Expr)
        and isinstance(help.value, ast.Constant)
        and isinstance(help.value.value, str)
    }


def _default(field: dataclasses.Field) -> str | None:
    """Return how a default is shown; None for a table, whose own settings are listed."""
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif (value := field.default) is dataclasses.MISSING:
        return "required"
    if dataclasses.is_dataclass(value) or isinstance(value, dict):
        return None
    return f"`{list(value) if isinstance(value, tuple) else value!r}`"

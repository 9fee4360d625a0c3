"""Tells the tables of the store, the files of a bundle, metrics, alerts and exit codes."""

import ast
import inspect
import itertools
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fromcode.tables import cell, table

ROOT = Path(__file__).parent.parent.parent


def columns() -> str:
    """Return a section for each table of the store, with the reason that stands above a column."""
    from data import schema

    parts = []
    for one in schema.metadata.sorted_tables:
        said = _comments(Path(schema.__file__), one.name)
        rows = [
            (
                f"`{column.name}`{' (key)' if column.primary_key else ''}",
                cell(str(column.type)),
                "yes" if column.nullable else "",
                cell(said.get(column.name, "")),
            )
            for column in one.columns
        ]
        parts += [f"### `{one.name}`", table(("column", "type", "may be null", "why"), rows)]
        indexes = [
            f"`{index.name}` ({', '.join(column.name for column in index.columns)}"
            f"{', unique' if index.unique else ''})"
            for index in sorted(one.indexes, key=lambda index: str(index.name))
        ]
        if indexes:
            parts.append(f"Indexes: {', '.join(indexes)}.")
    return "\n\n".join(parts)


def _comments(path: Path, name: str) -> dict[str, str]:
    """Return by column the comment above it in the source of the table ``name``."""
    lines, found, above, inside = path.read_text("utf-8").splitlines(), {}, [], False
    for line in lines:
        if line.startswith(f"{name} = Table("):
            inside = True
        elif inside and line == ")":
            break
        elif inside and (comment := re.match(r"    # (.*)", line)):
            above.append(comment[1])
        elif inside and (column := re.match(r'    Column\("(\w+)"', line)):
            found[column[1]], above = " ".join(above), []
        elif inside and not line.startswith("     "):
            above = []
    return found


def bundle_files() -> str:
    """Return the files of a bundle, from an empty one that was written."""
    import numpy as np

    from recsys import bundle

    with tempfile.TemporaryDirectory() as folder:
        written = bundle.write(bundle.Bundle.empty(), Path(folder))
        rows = []
        for path in sorted(p for p in written.rglob("*") if p.is_file()):
            shape = ""
            if path.suffix == ".npy":
                array = np.load(path)
                shape = f"{array.dtype}, {array.ndim} dimension{'s' * (array.ndim != 1)}"
            rows.append((f"`{path.relative_to(written).as_posix()}`", shape))
    return table(("file", "holds"), rows)


def manifest() -> str:
    """Return the fields of a bundle's manifest."""
    from recsys.manifest import Manifest

    body = ast.parse(inspect.getsource(Manifest)).body[0]
    assert isinstance(body, ast.ClassDef)
    rows = []
    for field, below in itertools.pairwise([*body.body, ast.Pass()]):
        if isinstance(field, ast.AnnAssign):
            said = ast.literal_eval(below.value) if _is_text(below) else ""
            rows.append(
                (f"`{ast.unparse(field.target)}`", f"`{ast.unparse(field.annotation)}`", cell(said))
            )
    return table(("field", "type", "what it says"), rows)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def metric_names() -> list[tuple[str, str, str, str]]:
    """Return name as it is scraped, type, labels and help of every metric of the service."""
    from prometheus_client import REGISTRY

    import service.app  # noqa: F401  (every part of the service registers its own)

    found = {}
    for collector in {id(c): c for c in REGISTRY._collector_to_names}.values():
        name = getattr(collector, "_name", "")
        if not name.startswith("recsys_"):
            continue
        kind = str(collector._type)
        shown = f"{name}_total" if kind == "counter" else name
        labels = ", ".join(f"`{label}`" for label in collector._labelnames)
        found[shown] = (shown, kind, labels, cell(collector._documentation))
    return [found[name] for name in sorted(found)]


def metrics() -> str:
    """Return the table of metrics."""
    rows = [(f"`{name}`", kind, labels, said) for name, kind, labels, said in metric_names()]
    return table(("metric", "type", "labels", "what it counts"), rows)


def errors() -> str:
    """Return every failure that is raised on purpose, with what it means."""
    from recsys import errors as module

    rows = [
        (f"`{name}`", cell((inspect.getdoc(one) or "").partition("\n\n")[0]))
        for name, one in inspect.getmembers(module, inspect.isclass)
        if one.__module__ == module.__name__
    ]
    return table(("error", "when"), rows)


def modules() -> str:
    """Return a section for each module of the engine, for mkdocstrings to fill."""
    paths = sorted((ROOT / "recsys").glob("*.py"))
    names = [path.stem for path in paths if path.stem != "__init__"]
    return "\n\n".join(f"::: recsys.{name}" for name in names)


def alerts() -> Iterator[dict[str, Any]]:
    """Yield the rules of ``deploy/prometheus/alerts.yml`` that raise an alert."""
    import yaml

    path = ROOT / "deploy/prometheus/alerts.yml"
    if path.exists():
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)

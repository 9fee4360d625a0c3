"""Tells the HTTP API from the document that the service itself hands out."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fromcode.tables import cell, table

METHODS = ("get", "put", "post", "delete", "patch")


def document() -> dict[str, Any]:
    """Return the OpenAPI document of a service that has read nothing."""
    from service.app import create_app
    from service.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        app = create_app(
            Settings(here / "bundles", f"sqlite:///{here / 'recsys.db'}", here / "keyring.json")
        )
        found: dict[str, Any] = app.api_doc  # type: ignore[attr-defined]
        return found


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and operation of each route of a document."""
    for path, item in api["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def markdown() -> str:
    """Return a section for each route, and one for each value that bodies hold."""
    api = document()
    parts = []
    for method, path, operation in operations(api):
        parts += [f"## `{method} {path}`", f"{operation.get('summary', '').strip()}."]
        parts.append(_prose(operation.get("description", "")))
        if operation.get("security"):
            parts.append("Needs a key: `Authorization: Bearer TOKEN`.")
        rows = [_parameter(api, one) for one in operation.get("parameters", [])]
        if rows:
            parts.append(table(("parameter", "in", "type", "default", "what it says"), rows))
        for kind, body in operation.get("requestBody", {}).get("content", {}).items():
            parts.append(f"Body, `{kind}`: {_type(body.get('schema', {}))}.")
        answers = [_answer(*one) for one in sorted(operation.get("responses", {}).items())]
        parts.append(table(("status", "answer"), answers))
    parts.append("## Values")
    for name, schema in sorted(api["components"]["schemas"].items()):
        parts += [f"### {name}", _prose(schema.get("description", ""))]
        if "enum" in schema:
            parts.append(f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.")
        must = schema.get("required", [])
        rows = [
            (f"`{field}`{' ●' if field in must else ''}", _type(one), _said(one))
            for field, one in schema.get("properties", {}).items()
        ]
        if rows:
            parts.append(table(("field", "type", "what it says"), rows))
    return "\n\n".join(filter(None, parts))


def _parameter(api: dict[str, Any], one: dict[str, Any]) -> tuple[str, ...]:
    schema = one["schema"]
    default = schema.get("default")
    shown = "required" if one.get("required") else "" if default in (None, "") else f"`{default}`"
    return f"`{one['name']}`", one["in"], _type(schema), shown, _said(schema)


def _answer(status: str, told: dict[str, Any]) -> tuple[str, str]:
    kinds = [
        f"{_type(body.get('schema', {}))} (`{kind}`)"
        for kind, body in told.get("content", {}).items()
    ]
    return f"`{status}`", ", ".join(kinds) or cell(told.get("description", ""))


def _said(schema: dict[str, Any]) -> str:
    limits = [
        f"{word} {schema[key]:,}"
        for key, word in (
            ("minimum", "at least"),
            ("maximum", "at most"),
            ("maxLength", "letters: at most"),
            ("maxItems", "items: at most"),
        )
        if key in schema
    ]
    text = cell(schema.get("description", "")).replace("<", "&lt;")
    return " ".join(filter(None, [text, f"({'; '.join(limits)})" if limits else ""]))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "allOf" in schema:
        return " and ".join(_type(one) for one in schema["allOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def _prose(text: str) -> str:
    lines = re.sub(r"<br\s*/?>", "\n", text).replace("{", "&#123;")
    parts = re.split(r"(`[^`]*`)", lines.strip())
    # Within code nothing is read as HTML, so what was escaped there is put back.
    return "".join(
        p.replace("&#123;", "{") if p.startswith("`") else p.replace("<", "&lt;") for p in parts
    )

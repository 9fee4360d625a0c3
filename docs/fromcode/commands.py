"""Tells each command of the command line, as its own ``--help`` does."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from cli.main import app
from fromcode.tables import cell, table

COMPLETION = ("--install-completion", "--show-completion")
"""Of every typer application, and no part of this one."""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield the words and the command of each, groups before what is in them."""
    yield from _under("recsys", typer.main.get_command(app))


def markdown() -> str:
    """Return a section for each command: what it does, its arguments and options."""
    parts = []
    for name, command in commands():
        depth = "##" if name.count(" ") < 2 else "###"
        if hasattr(command, "commands") and " " in name:
            parts += [f"{depth} {name}", _prose(command.help)]
            continue
        parts += [f"{depth} {name}", _prose(command.help), _usage(name, command)]
        if command.epilog:
            parts.append(_prose(command.epilog))
        rows = [_row(param) for param in command.params if is_ours(param)]
        if rows:
            parts.append(table(("argument or option", "default", "what it says"), rows))
    return "\n\n".join(filter(None, parts))


def is_ours(param: Any) -> bool:
    """Return whether a parameter is shown, and not one that every command has."""
    return not param.hidden and not set(param.opts) & {*COMPLETION, "--help"}


def _under(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from _under(f"{name} {word}", below)


def _usage(name: str, command: Any) -> str:
    arguments = [
        _argument(param) for param in command.params if param.param_type_name == "argument"
    ]
    rest = "COMMAND" if hasattr(command, "commands") else ""
    words = " ".join(filter(None, [name, "[OPTIONS]", *arguments, rest]))
    return f"```text\n{words}\n```"


def _argument(param: Any) -> str:
    dots = "..." if param.nargs != 1 else ""
    name = param.name.upper() + dots
    return name if param.required else f"[{name}]"


def _row(param: Any) -> tuple[str, str, str]:
    if param.param_type_name == "argument":
        name = f"`{_argument(param)}`"
    else:
        every = sorted(param.opts, key=len, reverse=True)
        name = ", ".join(f"`{word}`" for word in [*every, *param.secondary_opts])
        if getattr(param, "multiple", False):
            name += " (again and again)"
    return name, _default(param), cell(_markup(param.help or ""))


def _default(param: Any) -> str:
    if param.required:
        return "required"
    if getattr(param, "is_flag", False) or not param.show_default:
        return ""
    value = param.default() if callable(param.default) else param.default
    if value is None or value in ("", ()):
        return ""
    many = isinstance(value, (list, tuple))
    return f"`{', '.join(map(str, value)) if many else value}`"


def _prose(text: str | None) -> str:
    r"""Return a help text: what follows ``\b`` keeps its lines, as in a terminal."""
    parts = []
    for block in re.split(r"\n\s*\n", (text or "").strip("\n")):
        if block.lstrip().startswith("\b"):
            lines = block.lstrip().removeprefix("\b").strip("\n").splitlines()
            title = lines.pop(0) if lines and not lines[0].startswith(" ") else ""
            if title:
                parts.append(_markup(title))
            if lines:
                parts.append("```text\n" + "\n".join(lines) + "\n```")
        else:
            parts.append(_markup(" ".join(block.split())))
    return "\n\n".join(parts)


def _markup(text: str) -> str:
    """Return text in which HTML and words in capital letters stay what they are."""
    parts = re.split(r"(`[^`]*`)", text.replace("\\[", "["))
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;") for p in parts)

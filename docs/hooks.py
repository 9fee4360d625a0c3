"""Fills the pages of the site with what the code says of itself, each time it is built.

A page asks for it by a comment of its own line: ``<!-- made: commands -->`` for what a function of
``fromcode`` returns, ``<!-- file: DECISIONS.md -->`` for a file of the repository as it is.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from fromcode import commands, http, settings, store  # noqa: E402

REPOSITORY = HERE.parent
MADE: dict[str, Callable[[], str]] = {
    "commands": commands.markdown,
    "settings": settings.markdown,
    "http": http.markdown,
    "columns": store.columns,
    "bundle files": store.bundle_files,
    "manifest": store.manifest,
    "metrics": store.metrics,
    "errors": store.errors,
    "modules": store.modules,
}
ASKED = re.compile(r"^<!-- (made|file): (.+?) -->$", re.MULTILINE)
RUNNER = re.compile(r"^<!-- (?:needs|shown only|starts): .*? -->\n", re.MULTILINE)
"""What a page tells the test that runs its commands."""
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page with everything that it asks for; what nobody makes is an error."""
    return RUNNER.sub("", ASKED.sub(lambda asked: _filled(*asked.groups()), markdown))


def _filled(kind: str, name: str) -> str:
    if kind == "made":
        return MADE[name]()
    path = REPOSITORY / name
    text = LINK.sub(lambda link: _link(*link.groups(), path), path.read_text("utf-8"))
    # The page has a title of its own, and what has titles of the first level below it goes deeper.
    body = re.sub(r"\A# .*\n", "", text)
    if re.search(r"^# ", body, re.MULTILINE):
        body = re.sub(r"^(#+ )", r"#\1", body, flags=re.MULTILINE)
    return body


def _link(words: str, target: str, source: Path) -> str:
    """Return a link of a file as the site has it: to an address, or the name of a file."""
    if re.match(r"https?:|#", target):
        return f"[{words}]({target})"
    place = (source.parent / target).resolve().relative_to(REPOSITORY).as_posix()
    return f"`{place}`" if words.strip("`/") in place else f"{words} (`{place}`)"


def on_post_page(output: str, **_: Any) -> str:
    """Return a page whose search dialogue has a name, which the theme forgets."""
    return output.replace(
        'data-md-component="search" role="dialog"',
        'data-md-component="search" role="dialog" aria-label="Search"',
    )

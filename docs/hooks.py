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


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page with everything that it asks for; what nobody makes is an error."""
    return RUNNER.sub("", ASKED.sub(lambda asked: _filled(*asked.groups()), markdown))


def _filled(kind: str, name: str) -> str:
    if kind == "made":
        return MADE[name]()
    text = (REPOSITORY / name).read_text("utf-8")
    # The page has a title of its own, and what has titles of the first level below it goes deeper.
    body = re.sub(r"\A# .*\n", "", text)
    if re.search(r"^# ", body, re.MULTILINE):
        body = re.sub(r"^(#+ )", r"#\1", body, flags=re.MULTILINE)
    return body


def on_post_page(output: str, **_: Any) -> str:
    """Return a page whose search dialogue has a name, which the theme forgets."""
    return output.replace(
        'data-md-component="search" role="dialog"',
        'data-md-component="search" role="dialog" aria-label="Search"',
    )

"""Cleans what publishers send as text: HTML, control characters and stray whitespace."""

import html
import re

import nh3

# Controls, marks that reverse the direction of what follows, and byte order marks.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_BLOCK_END = re.compile(
    r"<br\s*/?>|</(?:p|div|h[1-6]|li|blockquote|section|article|tr|ul|ol|figure)\s*>", re.I
)
_PARAGRAPH = re.compile(r"\n\s*\n")


def line(text: str) -> str:
    """Return ``text`` on one line: without HTML and control characters, whitespace folded."""
    return text if _is_line(text) else " ".join(_plain(text).split())


def prose(text: str) -> str:
    """Return ``text`` without HTML and control characters; a blank line parts its paragraphs."""
    if all(map(_is_line, text.split("\n\n"))):
        return text
    marked = _BLOCK_END.sub("\n\n", text) if "<" in text else text
    folded = (" ".join(part.split()) for part in _PARAGRAPH.split(_plain(marked)))
    return "\n\n".join(part for part in folded if part)


def _is_line(text: str) -> bool:
    """Return whether a text is plainly what ``line`` would make of it, as most are."""
    return (
        # Of all that is white only the space is printable, and nothing of ``_CONTROL`` is.
        text.isprintable()
        and "  " not in text
        and text[:1].strip() == text[:1] != ""
        and text[-1] != " "
        and "<" not in text
        and "&" not in text
    )


def _plain(text: str) -> str:
    if "<" in text or "&" in text:
        text = html.unescape(nh3.clean(text, tags=set()))
    return _CONTROL.sub("", text)

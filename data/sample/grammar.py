"""Expands sentence templates, so that the writing lives in text files and not in code."""

import random
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

TEXT = Path(__file__).with_name("text")
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(#?)([^{}]*)\}")
NUMBER = re.compile(r"(\d+)-(\d+)(?:/(\d+))?$")
ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO](?!ne\b|nce\b|uropean))")


@cache
def sections(name: str) -> dict[str, tuple[str, ...]]:
    """Return the sections ``== heading`` of a text file, each as its lines.

    What stands before the first heading is for people.
    """
    found: dict[str, list[str]] = {}
    lines = None
    for line in (TEXT / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:].strip(), [])
        elif lines is not None and line.strip():
            lines.append(line.strip())
    return {heading: tuple(lines) for heading, lines in found.items()}


@cache
def words(name: str) -> tuple[tuple[str, ...], ...]:
    """Return a list of ``words.txt``, each line split into its fields."""
    return tuple(
        tuple(field.strip() for field in line.split("|")) for line in sections("words")[name]
    )


def expand(template: str, slots: Mapping[str, str], rng: random.Random) -> str:
    """Fill a template: ``[a|b]`` is a choice, ``{slot}`` a value, ``{#10-90/5}`` a number in steps.

    A slot that ``slots`` lacks is a word of the list of that name.
    """

    def choose(match: re.Match[str]) -> str:
        return rng.choice(match[1].split("|"))

    def fill(match: re.Match[str]) -> str:
        if match[1]:
            return _number(match[2], rng)
        value = slots.get(match[2])
        if value is None:
            value = expand(rng.choice(words(match[2]))[0], slots, rng)
        return value

    while "[" in template:
        template = CHOICE.sub(choose, template)
    text = ARTICLE.sub(r"\1n ", SLOT.sub(fill, template)).strip()
    return " ".join(text.split(" "))


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _number(spec: str, rng: random.Random) -> str:
    match = NUMBER.match(spec)
    if match is None:
        raise ValueError(f"number {spec!r} in a template is not of the form low-high/step")
    low, high, step = int(match[1]), int(match[2]), int(match[3] or 1)
    return f"{rng.randrange(low, high + 1, step):,}"

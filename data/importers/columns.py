"""Turns rows of events into columns for the store, and looks at what many rows share once.

It decides nothing of its own. What is not plainly right goes to ``rows`` by itself, which says
what a row must hold, and comes back as an event or a fault.
"""

import re
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np

from data.importers import rows
from data.importers.rows import DAY, KINDS, LAST, MILLISECONDS_FROM, Fault, moment
from data.importers.table import Table
from data.records import Columns, digest_of, event_columns
from recsys.types import Event

Column = list[Any]
Places = set[int]
"""Rows that are not plainly right."""
_ODD = object()
"""Stands for a value of a type that a column does not have."""


def events(table: Table, now: int) -> tuple[Columns, list[tuple[int, Fault]]]:
    """Return the columns of the events that a table describes, and what is wrong with the others.

    Faults are told by the row's place in the table. ``now`` is as in ``rows.events``; the outcome
    is the same as there, in the same order.
    """
    size, doubtful = len(table), set[int]()
    columns: dict[str, Column] = {}
    for name, (check, default) in _CHECKS.items():
        if name in table.columns:
            columns[name], odd = check(table.columns[name])
            doubtful |= odd
        else:
            columns[name] = [default] * size
            if name in _NEEDED:
                doubtful.update(range(size))
    at = np.array(columns["at"], np.int64)
    doubtful.update(np.flatnonzero(at > now + DAY).tolist())
    _identify(columns, doubtful)
    columns["kind"] = list(map(_KINDS.__getitem__, columns["kind"]))
    faults = _settle(columns, table, sorted(doubtful), now) if doubtful else []
    if faults:
        good = np.ones(size, bool)
        good[[place for place, _ in faults]] = False
        columns = {name: list(compress(values, good)) for name, values in columns.items()}
    return columns, faults


def _identify(columns: dict[str, Column], doubtful: Places) -> None:
    """Give each row that is not in doubt the digest of its id, and an id where it has none."""
    ids = columns["id"]
    if "" in ids:
        names = ("kind", "visitor", "session", "site", "key", "at", "slate", "position")
        parts = zip(*(columns[name] for name in names), strict=True)
        ids = [id or rows.identity(*own) for id, own in zip(ids, parts, strict=True)]
    # What is in doubt has no text that could be relied on, and gets its digest later.
    columns["id"] = (
        [b"" if n in doubtful else digest_of(id) for n, id in enumerate(ids)]
        if doubtful
        else list(map(digest_of, ids))
    )


def _settle(
    columns: dict[str, Column], table: Table, places: Sequence[int], now: int
) -> list[tuple[int, Fault]]:
    """Look at single rows; put those that are right into the columns and return what is wrong."""
    faults, right, found = [], [], []
    made = rows.events([table[place] for place in places], now)
    for place, one in zip(places, made, strict=True):
        if isinstance(one, Event):
            right.append(place)
            found.append(one)
        else:
            faults.append((place, one))
    for name, values in event_columns(found).items():
        for place, value in zip(right, values, strict=True):
            columns[name][place] = value
    return faults


Check = Callable[[Column], tuple[Column, Places]]
"""Returns the clean values of a column, and the rows of those that are not plainly right."""


def _texts(right: str, least: int = 0, most: int = 1_000) -> Check:
    """Check texts, or whole numbers that stand for some."""
    fits = re.compile(right).fullmatch

    def clean(value: Any) -> str:
        text = "" if value is None else str(value)
        if not (least <= len(text) <= most and fits(text)):
            raise ValueError
        return text

    def check(column: Column) -> tuple[Column, Places]:
        if right == _PLAIN and set(map(type, column)) == {str}:
            distinct = set(column)
            lengths = set(map(len, distinct))
            # Neither controls nor surrogates are printable; most texts are.
            if least <= min(lengths) and max(lengths) <= most and "".join(distinct).isprintable():
                return list(column), set()
        return _each(column, (str, int, type(None)), clean, "")

    return check


def _numbers(low: float, high: float, default: float) -> Check:
    def clean(value: Any) -> float:
        if value is None:
            return default
        if isinstance(value, str) and not _DECIMAL(value):
            raise ValueError
        number = float(value)
        if not low <= number <= high:
            raise ValueError
        return number

    def check(column: Column) -> tuple[Column, Places]:
        return _each(column, (float, int, str, type(None)), clean, default)

    return check


def _positions(column: Column) -> tuple[Column, Places]:
    def clean(value: Any) -> int:
        if value is None:
            return -1
        if isinstance(value, str) and not _WHOLE(value):
            raise ValueError
        if not -1 <= (number := int(value)) <= 32_767:
            raise ValueError
        return number

    return _each(column, (int, str, type(None)), clean, -1)


def _moments(column: Column) -> tuple[Column, Places]:
    kinds = set(map(type, column))
    if kinds == {str} and all(map(str.isdecimal, column)) and {4, 8}.isdisjoint(map(len, column)):
        column, kinds = list(map(int, column)), {int}
    if kinds == {int} and max(map(abs, column)) < 2**62:
        at = np.array(column, np.int64)
        at = np.where(np.abs(at) >= MILLISECONDS_FROM, at // 1000, at)
        odd = np.flatnonzero((at < 0) | (at > LAST))
        at[odd] = 0
        return at.tolist(), set(odd.tolist())

    def clean(value: Any) -> int:
        if not 0 <= (at := moment(value)) <= LAST:
            raise ValueError
        return at

    if not kinds.isdisjoint((bool, list, dict)):
        return [0] * len(column), set(range(len(column)))
    return _each(column, tuple(kinds), clean, 0)


def _contexts(column: Column) -> tuple[Column, Places]:
    def clean(value: Any) -> str:
        parts = [p.strip() for p in value.split("|")] if isinstance(value, str) else value or ()
        parts = [part for part in parts if part or not isinstance(value, str)]
        if len(parts) > 20 or not all(isinstance(p, str) and _CIRCUMSTANCE(p) for p in parts):
            raise ValueError
        return "|".join(parts)

    lists = [tuple(value) if type(value) is list else value for value in column]
    try:
        return _each(lists, (tuple, str, type(None)), clean, "")
    except TypeError:  # lists within lists
        return [""] * len(column), set(range(len(column)))


def _each(
    column: Column, kinds: tuple[type, ...], clean: Callable[[Any], Any], default: Any
) -> tuple[Column, Places]:
    """Clean each distinct value once; ``clean`` raises ``ValueError`` where it is not sure."""
    if not set(map(type, column)) <= set(kinds):
        column = [value if type(value) in kinds else _ODD for value in column]
    known, wrong = {_ODD: default}, {_ODD}
    for value in set(column) - wrong:
        try:
            known[value] = clean(value)
        except (ValueError, OverflowError):
            known[value] = default
            wrong.add(value)
    odd = {n for n, value in enumerate(column) if value in wrong} if wrong else set()
    return list(map(known.__getitem__, column)), odd


_PLAIN = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*"
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII).fullmatch
_WHOLE = re.compile(r"-1|0|[1-9][0-9]{0,4}", re.ASCII).fullmatch
_CIRCUMSTANCE = re.compile(
    r"[^|:\s\x00-\x1f\ud800-\udfff]{1,40}:[^|\x00-\x1f\ud800-\udfff]{0,80}"
).fullmatch
_SITE = r"[A-Za-z0-9._-]{1,64}"
_KINDS = {name: int(kind) for name, kind in KINDS.items()} | {"": 0}
_NEEDED = ("kind", "site", "key", "at")
_ID, _NAME = _texts(_PLAIN, most=128), _texts(_PLAIN, most=64)
_CHECKS: dict[str, tuple[Check, Any]] = {
    "id": (_ID, ""),
    "kind": (_texts("|".join(KINDS), 1), ""),
    "site": (_texts(_SITE, 1), ""),
    "key": (_texts(_PLAIN, 1, 512), ""),
    "at": (_moments, 0),
    "visitor": (_ID, ""),
    "session": (_ID, ""),
    "seen_on": (_texts(f"({_SITE})?"), ""),
    "dwell": (_numbers(0.0, 1e9, 0.0), 0.0),
    "slate": (_ID, ""),
    "position": (_positions, -1),
    "context": (_contexts, ""),
    "propensity": (_numbers(np.nextafter(0.0, 1.0), 1.0, 1.0), 1.0),
    "arm": (_ID, ""),
    "source": (_NAME, ""),
    "bundle": (_ID, ""),
    "placement": (_NAME, ""),
}
"""Of each column how it is checked, and what an absent value stands for."""
assert tuple(sorted(_CHECKS)) == tuple(sorted(rows.EVENT_COLUMNS))

"""Turns rows of events into columns for the store, and looks at what many rows share once.

It decides nothing of its own. What is in a column is checked as ``rows`` says, each distinct value
once; a row that is not plainly right goes there by itself, and comes back as an event or a fault.
"""

from collections.abc import Sequence
from datetime import date, datetime
from types import GenericAlias, NoneType
from typing import Any, NotRequired, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from data.importers import rows
from data.importers.rows import DAY, KINDS, EventRow, Fault
from data.importers.table import Table
from data.records import Columns, digest_of, event_columns, picked
from recsys.types import Event

Column = list[Any]
Places = set[int]
"""Rows that are not plainly right."""


def events(table: Table, now: int) -> tuple[Columns, list[tuple[int, Fault]]]:
    """Return the columns of the events that a table describes, and what is wrong with the others.

    Faults are told by the row's place in the table. ``now`` is as in ``rows.events``; the outcome
    is the same as there, in the same order.
    """
    size, doubtful = len(table), set[int]()
    columns: dict[str, Column] = {}
    for name in rows.EVENT_COLUMNS:
        columns[name], odd = _checked(name, table.columns.get(name) or [None] * size)
        doubtful |= odd
    doubtful |= {place for place, at in enumerate(columns["at"]) if at > now + DAY}
    _identify(columns)
    columns["kind"] = list(map(_KINDS.__getitem__, columns["kind"]))
    columns["context"] = list(map("|".join, columns["context"]))
    faults = _settle(columns, table, sorted(doubtful), now) if doubtful else []
    if not faults:
        return columns, faults
    wrong = {place for place, _ in faults}
    return picked(columns, [place not in wrong for place in range(size)]), faults


def _checked(name: str, column: Column) -> tuple[Column, Places]:
    """Return the clean values of a column, and the rows of those that are not plainly right."""
    types = _TYPES.get(name, _USUAL)
    if tuple in types:  # lists of texts are looked up as tuples
        column = [
            tuple(v) if type(v) is list and {str}.issuperset(map(type, v)) else v for v in column
        ]
    if not types.issuperset(map(type, column)):
        column = [value if type(value) in types else _ODD for value in column]
    distinct, absent = set(column), _ABSENT.get(name, "")
    known = _valid(_CHECKS[name], [*(distinct - {None, _ODD})])
    if name in EventRow.__optional_keys__:
        known[None] = absent
    wrong = distinct - known.keys()
    known |= dict.fromkeys(wrong, absent)
    odd = {n for n, value in enumerate(column) if value in wrong} if wrong else set[int]()
    return list(map(known.__getitem__, column)), odd


def _valid(check: TypeAdapter[Column], values: Column) -> dict[Any, Any]:
    """Return the clean values of those that are right."""
    try:
        return dict(zip(values, check.validate_python(values), strict=True))
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors(include_url=False, include_input=False)}
        return _valid(check, [value for n, value in enumerate(values) if n not in wrong])


def _identify(columns: dict[str, Column]) -> None:
    """Give each row the digest of its id, and an id where it has none."""
    ids = columns["id"]
    if "" in ids:
        names = ("kind", "visitor", "session", "site", "key", "at", "slate", "position")
        parts = zip(*(columns[name] for name in names), strict=True)
        ids = [id or rows.identity(*own) for id, own in zip(ids, parts, strict=True)]
    columns["id"] = list(map(digest_of, ids))


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


def _check(name: str) -> TypeAdapter[Column]:
    """Return what checks the values of a column as ``rows`` checks one."""
    said = EventRow.__annotations__[name]
    if get_origin(said) is NotRequired:
        (said,) = get_args(said)
    return TypeAdapter(GenericAlias(list, (said,)), config=EventRow.__pydantic_config__)


_CHECKS = {name: _check(name) for name in rows.EVENT_COLUMNS}
_KINDS = {name: int(kind) for name, kind in KINDS.items()} | {"": 0}
_USUAL = {str, int, NoneType}
_NUMBERS = _USUAL | {float}
_TYPES: dict[str, set[type]] = {
    "at": _NUMBERS | {date, datetime},
    "dwell": _NUMBERS,
    "propensity": _NUMBERS,
    "context": {str, tuple, NoneType},
}
"""Types of which equal values mean the same in a column: 1 and 1.0 are equal, but not as texts."""
_ABSENT = {"at": 0, "dwell": 0.0, "position": -1, "propensity": 1.0}
"""What stands in a column where a row says nothing, if not an empty text."""
_ODD = object()
"""Stands for a value of another type."""

"""Rows kept by column: what thousands of rows have in common is then looked at once."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, overload


class Table(Sequence[dict[str, Any]]):
    """Rows by column; one becomes a dict, without its absent values, when somebody asks for it.

    Absent values are None, and a column in which all are absent is none.
    """

    def __init__(self, columns: Mapping[str, list[Any]], size: int) -> None:
        self._size = size
        self.columns = {
            name: values for name, values in columns.items() if values.count(None) < size
        }

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> "Table":
        """Return the table of some rows."""
        if isinstance(rows, cls):
            return rows
        names = dict.fromkeys(chain.from_iterable(rows))
        return cls({name: [row.get(name) for row in rows] for name in names}, len(rows))

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(self._size))]
        if not -self._size <= place < self._size:
            raise IndexError(place)
        return {
            name: values[place]
            for name, values in self.columns.items()
            if values[place] is not None
        }


def names_of(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the columns that any of some rows has."""
    return set(rows.columns) if isinstance(rows, Table) else set[str]().union(*rows)

"""Maps external ids to rows and back, so that the mathematics sees only dense integers."""

from collections.abc import Iterable, Iterator

import numpy as np

from recsys.arrays import Int32


class Vocabulary:
    """An immutable, ordered set of external ids; an id's position is its row.

    Raises ``ValueError`` when an id occurs twice.
    """

    __slots__ = ("_keys", "_rows")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = tuple(keys)
        self._rows = {key: row for row, key in enumerate(self._keys)}
        if len(self._rows) != len(self._keys):
            twice = next(key for row, key in enumerate(self._keys) if self._rows[key] != row)
            raise ValueError(f"id {twice!r} occurs twice; expected distinct ids")

    def row(self, key: str) -> int:
        """Return the row of one id, -1 where unknown."""
        return self._rows.get(key, -1)

    def rows(self, keys: Iterable[str]) -> Int32:
        """Return the rows of ids as int32[m], -1 where unknown."""
        get = self._rows.get
        return np.fromiter((get(key, -1) for key in keys), dtype=np.int32)

    def extended(self, keys: Iterable[str]) -> "Vocabulary":
        """Return a new vocabulary with further ids after the present ones."""
        return Vocabulary((*self._keys, *keys))

    def __getitem__(self, row: int) -> str:
        return self._keys[row]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

"""Maps external ids to rows and back, so that the mathematics sees only dense integers."""

from collections.abc import Iterable, Iterator

import numpy as np

from recsys.arrays import Int32


class Vocabulary:
    """An immutable, ordered set of external ids; an id's position is its row.

    Raises ``ValueError`` when an id occurs twice.
    """

    __slots__ = ("_base", "_keys", "_rows")

    def __init__(self, keys: Iterable[str] = (), *, base: "Vocabulary | None" = None) -> None:
        """Hold ``keys`` after those of ``base``, which is shared and not copied."""
        self._base = base
        self._keys = tuple(keys)
        start = len(base) if base is not None else 0
        self._rows = {key: row for row, key in enumerate(self._keys, start)}
        twice = {key for row, key in enumerate(self._keys, start) if self._rows[key] != row}
        if base is not None:
            twice.update(key for key in self._keys if key in base)
        if twice:
            raise ValueError(f"id {min(twice)!r} occurs twice; expected distinct ids")

    def row(self, key: str) -> int:
        """Return the row of one id, -1 where unknown."""
        row = self._rows.get(key, -1)
        return self._base.row(key) if row < 0 and self._base is not None else row

    def rows(self, keys: Iterable[str]) -> Int32:
        """Return the rows of ids as int32[m], -1 where unknown."""
        return np.fromiter((self.row(key) for key in keys), dtype=np.int32)

    def extended(self, keys: Iterable[str]) -> "Vocabulary":
        """Return a new vocabulary with further ids after the present ones.

        It shares the first vocabulary that it grew from, so that following a stream of new ids
        costs only as much as there are new ones.
        """
        if self._base is None:
            return Vocabulary(keys, base=self if self._keys else None)
        return Vocabulary((*self._keys, *keys), base=self._base)

    def __getitem__(self, row: int) -> str:
        if self._base is None:
            return self._keys[row]
        start = len(self._base)
        return self._base[row] if row < start else self._keys[row - start]

    def __len__(self) -> int:
        return len(self._keys) + (len(self._base) if self._base is not None else 0)

    def __iter__(self) -> Iterator[str]:
        if self._base is not None:
            yield from self._base
        yield from self._keys

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.row(key) >= 0

"""Maps external ids to rows and back, so that the mathematics sees only dense integers."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from recsys.arrays import Int32


class Vocabulary:
    """An immutable, ordered set of external ids; an id's position is its row.

    Raises ``ValueError`` when an id occurs twice.
    """

    __slots__ = ("_base", "_count", "_keys", "_rows")

    def __init__(
        self, keys: Iterable[str] = (), *, base: "Vocabulary | Packed | None" = None
    ) -> None:
        """Hold ``keys`` after those of ``base``, which is shared and not copied."""
        self._base = base
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}
        self._count = 0
        """How many of the keys are its own: vocabularies that grew from it hold more of them."""
        self._take(list(keys))

    def row(self, key: str) -> int:
        """Return the row of one id, -1 where unknown."""
        row = self._rows.get(key, -1)
        if row < 0:
            return self._base.row(key) if self._base is not None else -1
        return row if row < len(self) else -1

    def rows(self, keys: Iterable[str]) -> Int32:
        """Return the rows of ids as int32[m], -1 where unknown."""
        return np.fromiter((self.row(key) for key in keys), dtype=np.int32)

    def extended(self, keys: Iterable[str]) -> "Vocabulary":
        """Return a new vocabulary with further ids after the present ones.

        It shares what this one holds, so that following a stream of new ids costs only as much as
        there are new ones.
        """
        if self._base is None:
            return Vocabulary(keys, base=self if self._count else None)
        if self._count < len(self._keys):  # another one has grown from this before
            return Vocabulary((*islice(self._keys, self._count), *keys), base=self._base)
        grown = Vocabulary(base=self._base)
        grown._keys, grown._rows, grown._count = self._keys, self._rows, self._count
        grown._take(list(keys))
        return grown

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the ids as arrays, for a bundle: see ``Packed``."""
        if isinstance(self._base, Packed) and not self._count:
            return self._base.arrays()
        return Packed.of(self).arrays()

    def _take(self, keys: list[str]) -> None:
        fresh = {key: row for row, key in enumerate(keys, len(self))}
        twice = {key for row, key in enumerate(keys, len(self)) if fresh[key] != row}
        twice.update(key for key in keys if key in self)
        if twice:
            raise ValueError(f"id {min(twice)!r} occurs twice; expected distinct ids")
        self._keys += keys
        self._rows.update(fresh)
        self._count += len(keys)

    def __getitem__(self, row: int) -> str:
        start = len(self._base) if self._base is not None else 0
        if self._base is not None and row < start:
            return self._base[row]
        if row - start >= self._count:
            raise IndexError(f"row {row} of {len(self)}")
        return self._keys[row - start]

    def __len__(self) -> int:
        return self._count + (len(self._base) if self._base is not None else 0)

    def __iter__(self) -> Iterator[str]:
        if self._base is not None:
            yield from self._base
        yield from islice(self._keys, self._count)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.row(key) >= 0


class Hashed:
    """Finds rows by the hashes of their keys, in two arrays that may be mapped from a file.

    So all processes of a machine share them, and nothing is read when they are opened.
    """

    __slots__ = ("_hashes", "_rows")

    def __init__(self, hash: np.ndarray, row: np.ndarray) -> None:
        """Take ``hash`` uint64[n], sorted, and of each the ``row`` int32[n]."""
        # Items of a memoryview are Python's own numbers: that is what bisect is quick with.
        self._hashes, self._rows = hash.data, row.data

    @classmethod
    def of(cls, keys: Iterable[str]) -> "Hashed":
        """Index keys by their positions."""
        hashes = np.fromiter(map(_hash, keys), np.uint64)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], order.astype(np.int32))

    def find(self, key: str, same: Callable[[int], bool]) -> int:
        """Return the first row whose hash is that of ``key`` and which is the ``same``, else -1."""
        wanted = _hash(key)
        for place in range(bisect_left(self._hashes, wanted), len(self._hashes)):
            if self._hashes[place] != wanted:
                break
            if same(self._rows[place]):
                return int(self._rows[place])
        return -1

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the index as arrays, for a bundle."""
        return {"hash": np.asarray(self._hashes), "row": np.asarray(self._rows)}


class Packed:
    """Distinct ids in one run of bytes, each found by its hash: a vocabulary that can be mapped."""

    __slots__ = ("_found", "_starts", "_text")

    def __init__(
        self, text: np.ndarray, start: np.ndarray, hash: np.ndarray, row: np.ndarray
    ) -> None:
        """Take ``text`` uint8[b], the places ``start`` int64[n + 1] of ids in it, and the index."""
        self._text, self._starts = text.data, start.data
        self._found = Hashed(hash, row)

    @classmethod
    def of(cls, keys: Iterable[str]) -> "Packed":
        """Pack keys, which must be distinct."""
        known = list(keys)
        parts = [_bytes(key) for key in known]
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        text = np.frombuffer(b"".join(parts), np.uint8)
        return cls(text, start, **Hashed.of(known).arrays())

    def row(self, key: str) -> int:
        """Return the row of one id, -1 where unknown."""
        return self._found.find(key, lambda row: self[row] == key)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of it as arrays, for a bundle."""
        own = {"text": np.asarray(self._text), "start": np.asarray(self._starts)}
        return own | self._found.arrays()

    def __getitem__(self, row: int) -> str:
        text = self._text[self._starts[row] : self._starts[row + 1]]
        return str(text, "utf-8", "surrogatepass")

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _hash(key: str) -> int:
    # Not the quickest one: nobody may choose ids that all have the same hash.
    return int.from_bytes(hashlib.blake2b(_bytes(key), digest_size=8).digest(), "little")

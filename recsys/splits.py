"""Parts the time of a history into what is learned from and what is replayed."""

from typing import Literal

from recsys.errors import DataError

Split = Literal["one cut", "rolling", "per day"]

DAY = 86_400


def windows(split: Split, cut: int, end: int, every: int = DAY) -> tuple[tuple[int, int], ...]:
    """Return the cut and the end of each window, UTC seconds; together they are [``cut``, ``end``).

    With ``one cut`` there is one. ``rolling`` learns anew every ``every`` seconds from all that
    came before (Hyndman and Athanasopoulos, 2021, section 5.10), and ``per day`` at each midnight
    UTC. Raises ``DataError`` where ``cut`` is not before ``end`` or ``every`` not above 0.

    >>> windows("rolling", 0, 250, every=100)
    ((0, 100), (100, 200), (200, 250))
    """
    if cut >= end:
        raise DataError(f"cut = {cut} is not before the end, {end}")
    if every <= 0:
        raise DataError(f"every = {every}: expected seconds above 0")
    if split == "one cut":
        starts = [cut]
    elif split == "rolling":
        starts = list(range(cut, end, every))
    else:
        starts = [cut, *range(cut - cut % DAY + DAY, end, DAY)]
    return tuple(zip(starts, [*starts[1:], end], strict=True))

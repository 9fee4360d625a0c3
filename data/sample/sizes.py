"""Names how large a sample network may be, without loading what it takes to make one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network."""

    articles: int
    readers: int
    events: int
    """About so many."""


SIZES = {
    "tiny": Size(200, 150, 5_000),
    "small": Size(3_000, 4_000, 180_000),
    "medium": Size(20_000, 40_000, 2_000_000),
    "large": Size(100_000, 300_000, 20_000_000),
    "huge": Size(1_000_000, 1_500_000, 100_000_000),
}

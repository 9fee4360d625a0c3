"""What a plan rests on: figures that benchmarks have recorded, and assumptions.

A figure is assumed where nobody here can measure it, and provisional where its benchmark has not
been recorded yet: what it holds then was taken by hand.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from measure import held


@dataclass(frozen=True)
class Place:
    """Where RESULTS.md has a figure: a cell of a section's tables, or a number in its sentences."""

    section: str
    """Its name in the comment around it."""
    row: str = ""
    column: str = ""
    """Patterns of the cell's row and column; the first row that fits counts."""
    under: str = ""
    """What stands above the table, where a section has several of a kind."""
    said: str = ""
    """Pattern whose group is the number, in place of a cell."""
    turned: Callable[[float], float] = lambda value: value
    """What makes the figure of the number."""


@dataclass(frozen=True)
class Figure:
    """One number that the plan rests on."""

    name: str
    value: float
    """What holds until a benchmark says otherwise."""
    unit: str
    what: str
    place: Place | None = None
    kind: str = "provisional"
    """Where the value is from."""


def assumed(name: str, value: float, unit: str, what: str) -> Figure:
    """Return a figure that nobody here can measure."""
    return Figure(name, value, unit, what, kind="assumption")


FIGURES = (
    assumed("articles", 10e6, "articles", "that may be shown"),
    assumed("readers", 100e6, "readers", "who are known"),
    assumed("rate", 50_000, "answers/s", "at the busiest hour; an answer for each page opened"),
    assumed("peak", 2.5, "times", "the busiest hour over the mean"),
    assumed("cards", 6, "cards", "in an answer"),
    assumed("seen", 0.6, "of the cards", "half visible for a second, and told"),
    assumed("clicked", 0.03, "of the answers", "with a click"),
    assumed("busy", 0.6, "of a machine", "used at the peak, so that one may fail"),
    assumed("cores", 16, "cores", "of a machine"),
    assumed("memory", 64, "GiB", "of a machine"),
    assumed("window", 30, "days", "of openings that a training reads"),
    assumed("night", 3, "hours", "that a training may take"),
    assumed("kept", 395, "days", "that events are kept"),
    assumed("core_hour", 0.04, "USD", "of a core for an hour"),
    assumed("gib_hour", 0.005, "USD", "of a GiB of memory for an hour"),
    assumed("disk_month", 0.10, "USD", "of a GiB of fast disk for a month"),
    assumed("object_month", 0.023, "USD", "of a GiB in an object store for a month"),
    assumed("egress", 0.05, "USD", "of a GiB sent to readers"),
    assumed("log_rate", 20_000, "events/s", "per core of a replicated event log and its consumers"),
    assumed("link", 10, "Gbit/s", "from the object store to a machine"),
    assumed("proxy_rate", 5_000, "requests/s", "per core that ends TLS and packs answers"),
    Figure(
        "serve",
        300,
        "answers/s",
        "per core, of 100,000 articles",
        Place("serving", r"^ours \| 16 ", "CPU ms", turned=lambda ms: 1000 / ms),
    ),
    Figure(
        "growth",
        1.3,
        "times",
        "what an answer costs at ten times the articles",
        Place("serving-sizes", r"^1,000,000 articles \| 16 ", "CPU to the first"),
    ),
    Figure(
        "api",
        3_000,
        "events/s",
        "per core through the API into PostgreSQL",
        Place("ingestion by API", r"^PostgreSQL \| \d\d+ \| 16 ", "ours", turned=lambda n: n / 2),
    ),
    Figure(
        "sqlite",
        10_000,
        "events/s",
        "that one SQLite takes through the API",
        Place("ingestion by API", r"^SQLite \| \d\d+ \| 16 ", "ours"),
    ),
    Figure(
        "postgres",
        30_000,
        "rows/s",
        "that one PostgreSQL takes, indexes and all",
        Place("ingestion", r"^PostgreSQL.*events", "ours"),
    ),
    Figure("follow", 60_000, "events/s", "that a core can add to a worker's live state"),
    Figure("refresh", 0.065, "s", "to bring the live state up to date at 1,000,000 articles"),
    Figure(
        "private",
        150,
        "MB",
        "of a worker's own at 1,000,000 articles",
        Place("startup", r"^recsys, 1,000,000", "a second one"),
    ),
    Figure("article_bytes", 2_900, "bytes", "of a bundle for each article"),
    Figure("reader_bytes", 333, "bytes", "of a bundle for each known reader"),
    Figure("row_bytes", 278, "bytes", "of an event in a database, with its indexes"),
    Figure("parquet_bytes", 20, "bytes", "of an event in Parquet"),
    Figure(
        "fit",
        60,
        "core-s",
        "to train on a million events, on one machine",
        Place("spark", said=r"takes ([\d.]+) s here", turned=lambda s: 2 * s),
    ),
    Figure(
        "spark",
        120,
        "core-s",
        "the same on Spark",
        Place("spark", said=r"([\d.]+) s by Spark", turned=lambda s: 2 * s),
    ),
    Figure("embed", 1.0, "core-ms", "to embed an article"),
    Figure(
        "index",
        60,
        "core-s",
        "to build the index of 1,000,000 vectors",
        Place("index-network", r"^ours ", "CPU s", under="### 1,000,000 vectors"),
    ),
    Figure("index_bytes", 270, "bytes", "of the index for each article"),
    Figure("sign", 5, "µs", "to sign a slate"),
    Figure("packed", 1_099, "bytes", "of an answer, packed", Place("widget", "answer", "gzip")),
)


def read(results: str, own: Mapping[str, float]) -> list[Figure]:
    """Return the figures: given by hand, else recorded in RESULTS.md, else as they stand here."""
    found = []
    for figure in FIGURES:
        if figure.name in own:
            figure = replace(figure, value=own[figure.name], kind="given")
        elif figure.place and (value := number(results, figure.place)) is not None:
            value = figure.place.turned(value)
            figure = replace(figure, value=value, kind=f"`{figure.place.section}`")
        found.append(figure)
    return found


def number(results: str, place: Place) -> float | None:
    """Return the number at a place: the first of a cell, or what its sentences say."""
    text = held(results, place.section)
    if place.under:
        text = text.partition(place.under)[2]
    if place.said:
        found = re.search(place.said, text)
        return float(found[1].replace(",", "")) if found else None
    head: list[str] = []
    for line in text.splitlines():
        cells = [one.strip() for one in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif re.search(place.row, " | ".join(cells) + " "):
            for name, cell in zip(head, cells, strict=False):
                digits = re.search(r"-?[\d,]*\.?\d+", cell)
                if re.search(place.column, name) and digits:
                    return float(digits[0].replace(",", ""))
    return None

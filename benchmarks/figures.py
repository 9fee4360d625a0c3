"""What a plan rests on: figures that benchmarks have recorded, and assumptions.

A figure is assumed where nobody here can measure it, and provisional where its benchmark has not
been recorded yet: what it holds then was taken by hand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Figure:
    """One number that the plan rests on."""

    name: str
    value: float
    """What holds until a benchmark says otherwise."""
    unit: str
    what: str
    place: tuple[str, str, str] | None = None
    """Where RESULTS.md has it: name of the section, and patterns of row and column."""
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
    Figure("serve", 300, "answers/s", "per core, of 100,000 articles"),
    Figure("growth", 1.3, "times", "what an answer costs at ten times the articles"),
    Figure("api", 3_000, "events/s", "per core through the API into PostgreSQL"),
    Figure("postgres", 30_000, "rows/s", "that one PostgreSQL takes, indexes and all"),
    Figure("sqlite", 10_000, "events/s", "that one SQLite takes through the API"),
    Figure("follow", 28_000, "events/s", "that a core can add to a worker's live state"),
    Figure("refresh", 0.065, "s", "to bring the live state up to date at 1,000,000 articles"),
    Figure("private", 150, "MB", "of a worker's own at 1,000,000 articles"),
    Figure("article_bytes", 2_900, "bytes", "of a bundle for each article"),
    Figure("reader_bytes", 333, "bytes", "of a bundle for each known reader"),
    Figure("row_bytes", 278, "bytes", "of an event in a database, with its indexes"),
    Figure("parquet_bytes", 20, "bytes", "of an event in Parquet"),
    Figure("fit", 60, "core-s", "to train on a million events, on one machine"),
    Figure("spark", 120, "core-s", "the same on Spark"),
    Figure("embed", 1.0, "core-ms", "to embed an article"),
    Figure("graph", 300, "core-s", "to build the index of 1,000,000 vectors"),
    Figure("graph_bytes", 536, "bytes", "of the index for each article"),
    Figure("sign", 5, "µs", "to sign a slate"),
    Figure("packed", 1_099, "bytes", "of an answer, packed", ("widget", r"answer", r"gzip")),
    Figure("script", 7_452, "bytes", "of widget.js, packed", ("widget", r"widget\.js", r"gzip")),
)


def read(results: str, own: Mapping[str, float]) -> list[Figure]:
    """Return the figures: given by hand, else recorded in RESULTS.md, else as they stand here."""
    found = []
    for figure in FIGURES:
        if figure.name in own:
            figure = replace(figure, value=own[figure.name], kind="given")
        elif figure.place and (value := cell(results, *figure.place)) is not None:
            figure = replace(figure, value=value, kind=f"`{figure.place[0]}`")
        found.append(figure)
    return found


def cell(results: str, section: str, line: str, column: str) -> float | None:
    """Return the first number of a cell of a section's tables, by patterns of row and column."""
    part = re.search(rf"<!-- {section} -->(.*?)<!-- end of {section} -->", results, re.S)
    head: list[str] = []
    for text in part[1].splitlines() if part else ():
        cells = [one.strip() for one in text.strip().strip("|").split("|")]
        if not text.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif re.search(line, " | ".join(cells)):
            for name, value in zip(head, cells, strict=False):
                number = re.search(r"-?[\d,]*\.?\d+", value)
                if re.search(column, name) and number:
                    return float(number[0].replace(",", ""))
    return None

"""Reads the BBC's full texts as a network of five sites (Greene and Cunningham, 2006)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.importers.files import Batch, parquet_batches

FILE = "articles.parquet"
COLUMNS = ["key", "section", "title", "body"]
START = 1_104_537_600
"""2005-01-01 00:00 UTC. The data have no dates: each site's n-th article counts as published n
hours after this, so that the sites publish side by side for three weeks."""
STEP = 3_600


def read(directory: Path) -> tuple[Iterator[Batch], Iterator[Batch]]:
    """Return the articles in ``directory/articles.parquet``, each section a site; nobody reads.

    Raises ``DataError``, while it is read, where the file is damaged or lacks a column.
    """
    return _articles(directory), iter(())


def _articles(directory: Path) -> Iterator[Batch]:
    published: Counter[str] = Counter()
    number = 0
    for table, done in parquet_batches(directory / FILE, COLUMNS):
        rows, lines = list[dict[str, Any]](), list[int]()
        for row in table.to_pylist():
            number += 1
            section = row["section"]
            lines.append(number)
            rows.append(
                row
                | {
                    "site": f"bbc-{section}",
                    "url": f"/bbc/{row['key']}",
                    "published": START + published[section] * STEP,
                    "language": "en",
                }
            )
            published[section] += 1
        yield Batch(rows, lines, done=done)

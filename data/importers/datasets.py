"""Names the public data sets that can be imported as they were published."""

from collections.abc import Callable, Iterator
from pathlib import Path

from data.importers import adressa, bbc, globo, mind
from data.importers.files import Batch

DATASETS: dict[str, Callable[[Path], tuple[Iterator[Batch], Iterator[Batch]]]] = {
    "globo": globo.read,
    "bbc": bbc.read,
    "mind": mind.read,
    "adressa": adressa.read,
}
"""Each turns a directory into batches of article rows and batches of event rows."""

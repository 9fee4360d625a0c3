"""Makes files of events and articles as publishers may export them."""

import time
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

NOW = int(time.time())
WORDS = ("river", "station", "paper", "morning", "lantern", "harbour", "kitchen", "temple")
FORMATS = ("parquet", "csv", "jsonl")


def happened(count: int) -> pa.Table:
    """Return events as a publisher may export them: half by known readers, a third in boxes."""
    draw = np.random.default_rng(7)
    boxed = np.arange(count) % 3 == 0
    readers = [f"{n:032x}" for n in draw.integers(0, 2**62, max(1, count // 20))]
    who = draw.integers(0, len(readers), count)
    return pa.table(
        {
            "id": [draw.bytes(16).hex() for _ in range(count)],
            "kind": np.where(boxed, "impression", "click"),
            "site": ["daily"] * count,
            "key": [f"2026/{n}" for n in draw.integers(0, 5_000, count)],
            "at": NOW - count + np.arange(count),
            "visitor": [readers[n] if i % 2 else "" for i, n in enumerate(who)],
            "session": [f"{n // 6:032x}" for n in range(count)],
            "slate": [f"{n // 18:032x}" if n % 3 == 0 else "" for n in range(count)],
            "position": np.where(boxed, np.arange(count) % 6, -1),
        }
    )


def written(count: int) -> pa.Table:
    """Return articles of some 3,000 characters."""
    draw = np.random.default_rng(11)
    bodies = [" ".join(draw.choice(WORDS, 450)) for _ in range(count)]
    return pa.table(
        {
            "site": ["daily"] * count,
            "key": [f"2026/{n}" for n in range(count)],
            "url": [f"https://daily.example/{n}" for n in range(count)],
            "title": [body[:60].strip() for body in bodies],
            "published": NOW - count + np.arange(count),
            "body": bodies,
        }
    )


def write(table: pa.Table, file: Path) -> None:
    """Write a table in the format of the file's suffix."""
    match file.suffix:
        case ".parquet":
            pq.write_table(table, file)
        case ".csv":
            pc.write_csv(table, file)
        case ".jsonl":
            with file.open("wb") as lines:
                for batch in table.to_batches(10_000):
                    lines.writelines(orjson.dumps(row) + b"\n" for row in batch.to_pylist())

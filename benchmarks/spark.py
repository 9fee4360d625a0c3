"""Prints how long this machine and a Spark on it take to learn of growing numbers of events.

Both learn what a bundle is made of (training.parts.Parts: vectors, signatures, tones, tastes,
trends, what is read together, what was read) of the same Parquet, each in a process of its own that
tells its peak of memory. Of one sample network all articles are taken, and all events of as many
readers, drawn by hash, as make the number. The reference is the local engine. What texts take is
the same at every size, and told apart.

On one machine Spark pays for its start and for moving rows between Java and Python, and gains
nothing: it will be slower. What it is for is told by the slopes: a line is laid through the seconds
that events take, and from it comes where a cluster of more cores would overtake the local engine,
if cores add up as they do not quite, and how many events fill the memory of one machine.

Needs PySpark (pip install -e '.[spark]') and Java 17 or newer. As it stands it takes some 20
minutes; ``--events 2000000,20000000 --repeats 1`` about as long, and 12 GB of memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Beside this lies a training.py, which is not the package.
sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import parser, peak, ratios, spread, table, tell, turned

from data import lake
from data.sample.generate import generate
from data.sample.sizes import Size
from data.store import Mark
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import NEVER, Article, Kind, Tone
from training.fit import learn_parts
from training.recipe import Recipe
from training.spark import engine, facts
from training.spark.session import Cluster, opened
from training.spark.sources import Parquet
from training.stages import Report, Stage, stage

END = 1_760_000_000 // 3600 * 3600
TEXTS = ("content vectors", "fingerprints", "tones", "texts")
"""Beginnings of the stages that only texts take."""
GIB = 2**30
BLANK = {"position": -1, "propensity": 1.0, "expires": NEVER, "sponsored": False}
"""What the store has where nothing is known, if it is not 0."""


def main() -> None:
    """Measure as the command line says."""
    known = parser(__doc__)
    known.add_argument("--events", default="200000,2000000", help="numbers of events, by commas")
    known.add_argument("--articles", type=int, default=20_000, help="of a network made for this")
    known.add_argument("--readers", type=int, default=200_000, help="of the same")
    known.add_argument("--network", type=Path, help="one made before: recsys sample generate")
    known.add_argument("--repeats", type=int, default=3, help="runs of each, in turns")
    known.add_argument("--master", default="local[2]", help="Spark's cluster")
    known.add_argument("--memory", default="8g", help="of Spark's driver")
    known.add_argument("--one", help=argparse.SUPPRESS)
    known.add_argument("--lake", help=argparse.SUPPRESS)
    known.add_argument("--until", type=int, help=argparse.SUPPRESS)
    given = known.parse_args()
    if given.one:
        print(json.dumps(ONE[given.one](given)))
        return
    sizes = sorted(int(size) for size in given.events.split(","))
    with tempfile.TemporaryDirectory() as folder:
        place = given.network
        if place is None:
            place = Path(folder) / "network"
            generate(place, Size(given.articles, given.readers, max(sizes)), 1, END)
        rows = []
        for size in sizes:
            landed = Path(folder) / f"lake{size}"
            count, until = land(place, landed, size)
            runs = {"local": [], "spark": []}
            for turn in range(given.repeats):
                for name in turned(("local", "spark"), turn):
                    runs[name].append(alone(name, given, landed, until))
            rows.append((count, runs))
            said = {name: [round(run["events"], 1) for run in of] for name, of in runs.items()}
            print(f"{count:,} events: {said}", flush=True)
    tell("spark", "Spark beside the local engine", told(rows), given.record)


def alone(name: str, given: argparse.Namespace, landed: Path, until: int) -> dict:
    """Return what a process of its own took, in seconds and GiB."""
    words = [
        sys.executable,
        __file__,
        "--one",
        name,
        "--lake",
        landed.as_uri(),
        "--until",
        str(until),
    ]
    words += ["--master", given.master, "--memory", given.memory]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def told(rows: list) -> str:
    """Return the table and what it says."""
    lines, seconds = [], {"local": [], "spark": []}
    for count, runs in rows:
        of = {
            (name, what): [run[what] for run in runs[name]]
            for name in runs
            for what in ("read", "texts", "events", "start", "memory")
        }
        lines.append(
            [
                f"{count:,}",
                *(spread(of[name, "events"], 1) for name in ("local", "spark")),
                spread(ratios(of["spark", "events"], of["local", "events"]), 1),
                *(spread(of[name, "texts"], 1) for name in ("local", "spark")),
                *(spread(of[name, "read"], 1) for name in ("local", "spark")),
                f"{np.median(of['spark', 'start']):.1f}",
                *(f"{max(of[name, 'memory']):.1f}" for name in ("local", "spark")),
            ]
        )
        for name in seconds:
            both = np.array(of[name, "events"]) + np.array(of[name, "read"])
            seconds[name].append(float(np.median(both)))
    columns = ["events", "local s", "Spark s", "ratio", "texts, local s", "texts, Spark s"]
    columns += ["read, local s", "read, Spark s", "Spark's start s", "local GiB"]
    columns += ["Spark's Python GiB"]
    text = table(columns, lines)
    counts = np.array([count for count, _ in rows], float)
    if len(rows) < 2:
        return text
    local, spark = (np.polyfit(counts, seconds[name], 1) for name in ("local", "spark"))
    start = float(np.median([run["start"] for _, runs in rows for run in runs["spark"]]))
    said = [
        f"Reading and learning of a million events more takes {local[0] * 1e6:.1f} s here and"
        f" {spark[0] * 1e6:.1f} s by Spark on the same two cores; before the first event, Spark has"
        f" spent {max(spark[1], 0) + start:.0f} s."
    ]
    for cores in (8, 32, 128):
        gain = local[0] - spark[0] * 2 / cores
        behind = max(spark[1], 0) + start - max(local[1], 0)
        said.append(
            f"With {cores} cores, if they add up, Spark is ahead from"
            f" {behind / gain / 1e6:,.0f} million events on."
            if gain > 0
            else f"With {cores} cores Spark is never ahead in time."
        )
    memory = [max(run["memory"] for run in runs["local"]) * GIB for _, runs in rows]
    each = np.polyfit(counts, memory, 1)
    if each[0] > 0:
        ends = ", ".join(
            f"{size} GiB at {(size * GIB - each[1]) / each[0] / 1e6:,.0f} million"
            for size in (8, 64, 512)
        )
        said.append(f"The local engine takes {each[0]:,.0f} bytes an event: it fills {ends}.")
    return f"{text}\n\n" + " ".join(said)


def noted(into: dict) -> Report:
    """Return a report that adds up seconds by what they were spent on."""

    def report(step: Stage) -> None:
        if step.done:
            kind = "texts" if step.name.startswith(TEXTS) else "events"
            kind = "read" if step.name == "read" else kind
            into[kind] = into.get(kind, 0.0) + step.seconds

    return report


def locally(given: argparse.Namespace) -> dict:
    """Learn on this machine."""
    spent: dict = {"start": 0.0}
    report = noted(spent)
    with stage("read", report):
        articles, visitors, interactions = columns(Path(given.lake.removeprefix("file://")))
    learn_parts(articles, visitors, interactions, Recipe(), given.until, report=report)
    return {**spent, "memory": peak()}


def by_spark(given: argparse.Namespace) -> dict:
    """Learn by Spark."""
    began = time.perf_counter()
    spent: dict = {}
    settings = {"spark.driver.memory": given.memory, "spark.sql.shuffle.partitions": "16"}
    with opened(Cluster(given.master, settings)) as session:
        spent["start"] = time.perf_counter() - began
        report = noted(spent)
        with stage("read", report):
            known = facts.read(session, Parquet(given.lake), given.until)
        engine.learn_parts(known, Recipe(), given.until, report=report)
    return {**spent, "memory": peak()}


ONE = {"local": locally, "spark": by_spark}


def land(network: Path, folder: Path, most: int) -> tuple[int, int]:
    """Write a network's articles and some readers' events as a lake.

    Returns how many events, and a moment after all of them.
    """
    articles = pq.read_table(network / "articles.parquet")
    revisions = pa.array(range(len(articles)), pa.int64())
    articles = articles.append_column("revision", revisions).append_column(
        "withdrawn", pa.nulls(len(articles), pa.int64())
    )
    shape = lake.schema("articles")
    known = pa.table([_column(articles, f) for f in shape], schema=shape)
    files = [_write(folder, "articles/month=2025-10/1.parquet", known)]
    source = pq.ParquetFile(network / "events.parquet")
    share, seq, until = min(1.0, most / source.metadata.num_rows), 0, END
    shape = lake.schema("events")
    for number, batch in enumerate(source.iter_batches(1_000_000)):
        found = pa.table(batch)
        found = found.filter(_drawn(found["visitor"].fill_null(""), share))
        numbers = pa.array(np.arange(seq, seq + len(found)))
        own = {
            "seq": numbers,
            "id": pc.cast(pc.cast(numbers, pa.string()), pa.binary()),
            "kind": pa.array([Kind[k.upper()] for k in found["kind"].to_pylist()], pa.int16()),
        }
        rows = [own[f.name] if f.name in own else _column(found, f) for f in shape]
        name = f"events/day=2025-10-{number % 28 + 1:02}/{number}.parquet"
        files.append(_write(folder, name, pa.table(rows, schema=shape)))
        seq += len(found)
        until = max(until, pc.max(found["at"]).as_py() + 1)
    mark = Mark(len(articles), seq)
    listed = {"format": 1, "mark": asdict(mark), "turn": 1, "files": [asdict(f) for f in files]}
    (folder / lake.LIST).write_bytes(orjson.dumps(listed))
    return seq, until


def _drawn(visitors: pa.ChunkedArray, share: float) -> pa.Array:
    """Return who is in the sample: by hash of the name, whole readers each."""
    coded = visitors.combine_chunks().dictionary_encode()
    drawn = np.array(
        [int.from_bytes(name.encode()[-6:], "big") * 2654435761 % 2**32 < share * 2**32
         for name in coded.dictionary.to_pylist()]
    )  # fmt: skip
    return pa.array(drawn[coded.indices.to_numpy()])


def _column(found: pa.Table, of: pa.Field) -> pa.Array:
    """Return a column as the store has it: with nothing missing, and empty where it is unknown."""
    if of.name not in found.column_names:
        return pa.array([""] * len(found), of.type)
    column = found[of.name]
    if pa.types.is_string(column.type):
        return pc.fill_null(column, "")
    if not of.nullable and not pa.types.is_nested(column.type):
        column = pc.fill_null(column, BLANK.get(of.name, 0))
    return column.cast(of.type)


def _write(folder: Path, name: str, rows: pa.Table) -> lake.File:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, compression="zstd", row_group_size=250_000)
    return lake.File(name.partition("/")[0], name, "2025-10-01", len(rows))


def columns(folder: Path) -> tuple[list[Article], Vocabulary, Interactions]:
    """Read a lake as the store is read: articles by publication, events by time."""
    rows = pq.read_table(folder / "articles", partitioning=None).to_pylist()
    rows.sort(key=lambda row: (row["published"], row["site"], row["key"]))
    articles = [
        Article(**{
            name: tuple(row[name]) if name in ("tags", "authors")
            else Tone(row[name]) if name == "tone" else row[name]
            for name in Article.__slots__
        })
        for row in rows
    ]  # fmt: skip
    place = {f"{article.site}/{article.key}": row for row, article in enumerate(articles)}
    found = pq.read_table(folder / "events", partitioning=None).sort_by("seq")
    order = np.argsort(found["at"].to_numpy(), kind="stable")
    named = {}
    for name in ("visitor", "session", "slate"):
        coded = found[name].combine_chunks().dictionary_encode()
        names = coded.dictionary.to_pylist()
        code = np.cumsum([known != "" for known in names], dtype=np.int32) - 1
        code[[row for row, known in enumerate(names) if not known]] = -1
        named[name] = code[coded.indices.to_numpy()]
        if name == "visitor":
            visitors = Vocabulary(filter(None, names))
    coded = pc.binary_join_element_wise(found["site"], found["key"], "/")
    coded = coded.combine_chunks().dictionary_encode()
    row = np.array([place[id] for id in coded.dictionary.to_pylist()], np.int32)
    parts = (
        named["visitor"],
        named["session"],
        row[coded.indices.to_numpy()],
        found["kind"].to_numpy().astype(np.int8),
        found["at"].to_numpy(),
        found["dwell"].to_numpy().astype(np.float32),
        named["slate"],
        found["position"].to_numpy().astype(np.int16),
        found["propensity"].to_numpy().astype(np.float32),
    )
    return articles, visitors, Interactions(*(part[order] for part in parts))


if __name__ == "__main__":
    main()

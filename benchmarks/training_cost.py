"""Measures a whole training against the bare fits that it cannot do without.

In the store are 100,000 articles and some 20 million events of a sample network, or a part of its
readers. Ours is all that ``recsys train`` does: the snapshot, the fit, the ranker, writing and
publishing, with and without the gate. The reference is what nobody can do without who wants such a
bundle, on the same machine in the same run: ``implicit`` on the very same matrix, with the same
factors, iterations and threads, and scikit-learn's tf-idf (words and pairs) with its truncated SVD
of the same texts. Each runs in a process of its own, so that its peak of memory is its own.

``--half`` measures half of the readers too: what doubling the events costs. ``--incremental``
trains until some days before the end, and then all: once from the bundle in service, and once anew.
"""

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import measure
import numpy as np
import pyarrow.parquet as pq
from implicit.cpu.als import AlternatingLeastSquares
from running import generate
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from data.importers.files import read
from data.importers.run import import_articles
from data.schema import events
from data.store import Store
from recsys import metrics
from recsys.embed import text_of
from recsys.history import History
from recsys.inference import bootstrap
from recsys.policy import Policy
from recsys.replay import replay
from recsys.served import EngineSystem
from recsys.types import Kind
from recsys.weights import confidence
from training.gate import Gate
from training.learn import learn
from training.recipe import Recipe
from training.run import run
from training.stages import Stage

WORK = Path(tempfile.gettempdir()) / "recsys-training"
END = 1_795_564_800
"""When the network ends, as `recsys sample generate` is told."""


def fill(network: Path, var: Path, share: float) -> None:
    """Put a network into a store under ``var``: its articles, and ``share`` of its readers.

    Events are written past the importer, and without the indexes that only other commands use: how
    long an import takes is the matter of ``ingestion.py``.
    """
    var.mkdir(parents=True)
    url, articles = f"sqlite:///{var / 'recsys.db'}", str(network / "articles.parquet")
    with Store.open(url) as store:
        import_articles(store, read(articles), "articles", var, int(time.time()))
    raw = sqlite3.connect(var / "recsys.db")
    raw.execute("PRAGMA synchronous = OFF")
    for index in events.indexes:
        raw.execute(f"DROP INDEX IF EXISTS {index.name}")
    names = [column.name for column in events.columns]
    statement = f"INSERT INTO events VALUES ({', '.join('?' * len(names))})"
    seq = 0
    with raw:
        for columns in _columns(network / "events.parquet", share):
            count = len(columns["at"])
            numbers = range(seq + 1, seq + count + 1)
            columns["seq"], columns["id"] = numbers, [n.to_bytes(16, "big") for n in numbers]
            blank = {name: [""] * count for name in names if name not in columns}
            raw.executemany(statement, zip(*((columns | blank)[n] for n in names), strict=True))
            seq += count
        raw.execute("UPDATE clocks SET value = ? WHERE name = 'event_seq'", (seq,))
    raw.close()


def _columns(path: Path, share: float) -> Iterator[dict[str, Any]]:
    kinds = {kind.name.lower(): int(kind) for kind in Kind}
    for batch in pq.ParquetFile(path).iter_batches(200_000):
        table = {name: batch[name].to_pylist() for name in batch.schema.names}
        table["kind"] = [kinds[kind] for kind in table["kind"]]
        if share < 1:
            readers = zip(table["visitor"], table["session"], strict=True)
            kept = np.array([_drawn(visitor or session, share) for visitor, session in readers])
            table = {n: [v for v, k in zip(c, kept, strict=True) if k] for n, c in table.items()}
        yield table


def _drawn(name: str, share: float) -> bool:
    return hashlib.blake2b(name.encode(), digest_size=2).digest() < int(65_536 * share).to_bytes(2)


DAY = 86_400
CORES = len(os.sched_getaffinity(0))
GATE = Gate(event_age=1e9, article_age=1e9)
"""The sample's time is not the clock's."""


def main() -> None:
    """Fill stores, measure and tell."""
    known = measure.parser(__doc__)
    known.add_argument("--network", type=Path, help="from `recsys sample generate`; made if absent")
    known.add_argument("--articles", type=int, default=100_000, help="of the network that is made")
    known.add_argument("--readers", type=int, default=1_000_000)
    known.add_argument("--events", type=int, default=20_000_000)
    known.add_argument("--share", type=float, default=1.0, help="of the readers to learn from")
    known.add_argument("--work", type=Path, default=WORK, help="where stores and bundles are put")
    known.add_argument("--half", action="store_true", help="measure half of the readers, too")
    known.add_argument("--gate", action="store_true", help="train once more, through the gate")
    known.add_argument("--incremental", action="store_true", help="build upon a bundle, too")
    known.add_argument("--quality", action="store_true", help="ask both of these the next day")
    known.add_argument("--days", type=float, default=3.0, help="between these trainings")
    known.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = known.parse_args()
    if given.one:
        task, var, options = given.one
        print(json.dumps(TASKS[task](Path(var), **json.loads(options))))
        return
    network = given.network or given.work / "network"
    if not (network / "events.parquet").exists():
        sizes = (f"--{name}={getattr(given, name)}" for name in ("articles", "readers", "events"))
        generate(network, *sizes, "--end", "2026-11-25T00:00Z")
    shares = [given.share / 2, given.share] if given.half else [given.share]
    totals = []
    for share in shares:
        var = given.work / f"share-{share:g}"
        if not (var / "filled").exists():
            shutil.rmtree(var, ignore_errors=True)
            fill(network, var, share)
            (var / "filled").touch()
        totals.append(_whole(given, var, share))
    if given.half:
        print(f"Doubling the events takes {totals[1] / totals[0]:.2f} times as long.")
    if given.incremental:
        _incremental(given, var)
    if given.quality:
        _quality(given, var)


def _whole(given: argparse.Namespace, var: Path, share: float) -> float:
    """Measure a training from scratch beside the bare fits, and return its seconds."""
    shutil.rmtree(var / "whole", ignore_errors=True)
    bare = _alone("bare", var)
    ours = _alone("train", var, root="whole")
    rows = [
        [f"bare {name}", f"{seconds:.1f}", "", f"{bare['peak']:.1f}"]
        for name, seconds in bare["seconds"].items()
    ]
    rows += [
        [
            step["name"],
            f"{step['seconds']:.1f}",
            f"{step['seconds'] / ours['total']:.0%}",
            step["peak"],
        ]
        for step in ours["stages"]
    ]
    reference = sum(bare["seconds"].values())
    rows.append(["training", f"{ours['total']:.1f}", "100%", f"{ours['peak']:.1f}"])
    rows.append(["training / bare", f"{ours['total'] / reference:.2f}", "", ""])
    if given.gate:  # the first one is in service now
        gated = _alone("train", var, root="whole", gate=True, full=True, later=60)
        own = sum(s["seconds"] for s in gated["stages"] if s["name"].startswith("gate"))
        rows.append(["through the gate", f"{gated['total']:.1f}", "", f"{gated['peak']:.1f}"])
        rows.append(["of that the gate", f"{own:.1f}", f"{own / gated['total']:.0%}", ""])
    text = measure.table(("stage", "seconds", "share", "peak GiB"), rows)
    title = f"Training: {ours['articles']:,} articles, {ours['events']:,} events, {CORES} cores"
    measure.tell(f"training-{share:g}", title, text, given.record)
    return float(ours["total"])


def _incremental(given: argparse.Namespace, var: Path) -> None:
    """Measure a training that builds upon one of some days before, beside one from scratch."""
    back = -int(given.days * DAY)
    for root in ("upon", "anew"):
        shutil.rmtree(var / root, ignore_errors=True)
    _alone("train", var, root="upon", later=back)
    upon = _alone("train", var, root="upon")
    anew = _alone("train", var, root="anew", full=True)
    by_name = {step["name"]: step["seconds"] for step in anew["stages"]}
    rows = [
        [s["name"], f"{by_name.get(s['name'], 0):.1f}", f"{s['seconds']:.1f}"]
        for s in upon["stages"]
    ]
    rows.append(["all", f"{anew['total']:.1f}", f"{upon['total']:.1f}"])
    rows.append(["ratio", "1", f"{upon['total'] / anew['total']:.2f}"])
    text = measure.table(("stage", "from scratch, s", "upon the last, s"), rows)
    measure.tell(
        "training-incremental", f"Training again after {given.days:g} days", text, given.record
    )


def _quality(given: argparse.Namespace, var: Path) -> None:
    found = _alone("quality", var, days=given.days)
    rows = [[name, *(f"{value:.4f}" for value in values)] for name, values in found.items()]
    columns = ("next click", "from scratch", "upon the last", "difference", "low", "high")
    text = measure.table(columns, rows)
    measure.tell(
        "training-quality", "What building upon a bundle costs of quality", text, given.record
    )


def bare(var: Path) -> dict[str, Any]:
    """Fit implicit and scikit-learn, and nothing else."""
    recipe = Recipe()
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        known = store.snapshot(END)
    facts, size = known.interactions, (len(known.visitors), len(known.articles))
    matrix = facts.matrix(confidence(facts, recipe.weights, END), size)
    matrix.data = 1.0 + recipe.alpha * matrix.data
    texts = [text_of(article) for article in known.articles]
    del known, facts
    began = time.perf_counter()
    with threadpool_limits(1, user_api="blas"):
        AlternatingLeastSquares(
            recipe.factors,
            regularization=recipe.regularization,
            iterations=recipe.iterations,
            num_threads=CORES,
        ).fit(matrix, show_progress=False)
    fitted = time.perf_counter()
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        stop_words="english",
        sublinear_tf=True,
        min_df=3,
        max_features=200_000,
        dtype=np.float32,
    )
    TruncatedSVD(recipe.dims, random_state=0).fit_transform(vectorizer.fit_transform(texts))
    embedded = time.perf_counter()
    return {
        "seconds": {"implicit": fitted - began, "tf-idf and SVD": embedded - fitted},
        "peak": measure.peak(),
    }


def train(
    var: Path, root: str, gate: bool = False, full: bool = False, later: int = 0
) -> dict[str, Any]:
    """Train as ``recsys train`` does, ``later`` than the end of the network (seconds)."""
    stages: list[dict[str, Any]] = []

    def report(step: Stage) -> None:
        if step.done:
            told = {"name": step.name, "seconds": step.seconds, "peak": f"{measure.peak():.1f}"}
            stages.append(told)
            print(step.name, round(step.seconds, 1), step.result, file=sys.stderr, flush=True)

    began = time.perf_counter()
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        bundle = run(
            store,
            var / root,
            Recipe(),
            END + later,
            gate=GATE if gate else None,
            force=gate,
            full=full,
            report=report,
        )
    taken = time.perf_counter() - began
    stages.append(
        {"name": "the rest", "seconds": taken - sum(s["seconds"] for s in stages), "peak": ""}
    )
    return {
        "stages": stages,
        "total": taken,
        "peak": measure.peak(),
        "events": int(bundle.manifest.metrics["events"]),
        "articles": len(bundle.catalogue),
    }


def quality(var: Path, days: float) -> dict[str, list[float]]:
    """Ask what was opened on the last day, of a bundle from scratch and of one built upon another.

    Values are means, their difference and its 95 % interval, bootstrapped over visits.
    """
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        known = store.snapshot(2**40)
    history = History(known.articles, known.visitors, known.interactions)
    end = int(history.interactions.at[-1]) + 1
    cut, recipe, answers = end - DAY, Recipe(), []
    before = int(cut - days * DAY)
    first = learn(history.before(before), recipe, before)
    for earlier in ([], [first]):
        made = learn(history.before(cut), recipe, cut, earlier=earlier)
        system = EngineSystem.of("engine", made, Policy(), history)
        share = history.share(5_000, [(cut, end)])
        answers.append(replay(system, history, cut=cut, end=end, task="next click", share=share))
    found = {}
    ranks = [metrics.ranks(each.lists, each.target) for each in answers]
    for name, of in (("HR@10", metrics.hits), ("MRR@10", metrics.reciprocal_ranks)):
        anew, upon = (of(rank, 10).astype(float) for rank in ranks)
        gain = bootstrap(upon - anew, answers[0].visit, seed=0)
        found[name] = [anew.mean(), upon.mean(), gain.mean, gain.low, gain.high]
    return found


def _alone(task: str, var: Path, **options: Any) -> dict[str, Any]:
    """Return what a task says that runs in a process of its own."""
    command = [sys.executable, __file__, "--one", task, str(var), json.dumps(options)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


TASKS = {"bare": bare, "train": train, "quality": quality}


if __name__ == "__main__":
    main()

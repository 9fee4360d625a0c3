"""Prints how long ranking takes: fusion, the features and the trees, for 300 candidates a question.

Usage: python benchmarks/ranker_speed.py [QUESTIONS]. A small sample network is generated, imported
and learned from, but for its last day; pages of that day ask. Times are of the processor, for one
thread does it all, and whatever else the machine is busy with does not count.
"""

import dataclasses
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from data.store import Store
from recsys.engine import Engine
from recsys.features import features
from recsys.history import History
from recsys.live import Live
from recsys.policy import Policy
from recsys.replay import Ask, Listed, replay
from recsys.served import EngineSystem
from training.fit import fit
from training.rank import with_ranker
from training.recipe import Recipe

RECSYS = str(Path(sys.executable).with_name("recsys"))
CANDIDATES = 300
DEPTH = 250
"""Candidates asked of each source, for the union to be large enough."""
DAY = 86_400


class Stopwatch(EngineSystem):
    """An engine that is timed while pages ask it."""

    def __init__(self, engine: Engine, history: History) -> None:
        super().__init__("stopwatch", engine, history)
        self.seconds: list[tuple[float, ...]] = []

    def tell(self, ask: Ask, k: int) -> Listed:
        """Time the ranking of exactly ``CANDIDATES``; pages with fewer are passed over."""
        engine, ranker = self.engine, self.engine.bundle.ranker
        start = time.thread_time()
        situation, proposals = engine.consider(self.query(ask, k))
        gathered = time.thread_time()
        fused = engine.fused(proposals)
        mixed = time.thread_time()
        if len(fused.rows) >= CANDIDATES:
            union, rows = (fused.rows, fused.scores), fused.rows[:CANDIDATES]
            table = features(engine.live, situation, proposals, union, rows)
            described = time.thread_time()
            ranker.probabilities(table)
            ranked = time.thread_time()
            marks = start, gathered, mixed, described, ranked
            self.seconds.append(tuple(np.diff(marks)))
        return Listed.bare(fused.rows[:k])


def main(questions: int) -> None:
    """Learn, ask and print."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        history = _history(Path(folder))
    now = int(history.interactions.at[-1]) - DAY
    past = history.before(now)
    bundle = fit(past.articles, past.visitors, past.interactions, Recipe(), now)
    bundle = with_ranker(bundle, history, Recipe(rank_questions=5_000), now)
    live = Live(bundle)
    engine = Engine(bundle, live, dataclasses.replace(Policy(), exploration=0.0), depth=DEPTH)
    watch = Stopwatch(engine, history)
    openings = len(history.interactions.reads().between(now, now + DAY))
    with threadpool_limits(1):
        share = min(1.0, questions / openings)
        replay(watch, history, cut=now, end=now + DAY, task="next click", share=share)
    taken = 1e3 * np.array(watch.seconds)
    trees = len(bundle.ranker.trees)
    print(f"{len(taken)} questions, {CANDIDATES} candidates each, {trees} trees")
    print(f"{'ms':>28} {'median':>8} {'p99':>8}")
    learned = taken[:, 2] + taken[:, 3]
    for name, column in (
        ("gathering candidates", taken[:, 0]),
        ("fusion", taken[:, 1]),
        ("features", taken[:, 2]),
        ("trees", taken[:, 3]),
        ("features and trees", learned),
    ):
        middle, rare = np.quantile(column, [0.5, 0.99])
        print(f"{name:>28} {middle:>8.2f} {rare:>8.2f}")


def _history(folder: Path) -> History:
    network = folder / "network"
    for command in (
        ("sample", "generate", str(network), "--end", "2026-11-23T18:00"),
        ("import", "articles", str(network / "articles.parquet")),
        ("import", "events", str(network / "events.parquet")),
    ):
        subprocess.run(
            [RECSYS, "--var", str(folder), *command], check=True, stdout=subprocess.DEVNULL
        )
    with Store.open(f"sqlite:///{folder / 'recsys.db'}") as store:
        known = store.snapshot(int(time.time()) + DAY * 365)
    return History(known.articles, known.visitors, known.interactions)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)

"""A small network that is the same in every process, and a way to train on it in another one."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from data.store import Mark
from recsys.ids import Vocabulary
from recsys.tables import Interactions
from recsys.types import Article, Kind

NOW = 1_507_690_800
TOPICS = ("harbour ferry tide pier", "temple maple garden tea", "striker goal league match")


@dataclass(frozen=True)
class Known:
    """What a store knew at one moment; it answers as a store does."""

    articles: list[Article]
    visitors: Vocabulary
    interactions: Interactions

    @property
    def mark(self) -> Mark:
        return Mark(article_revision=len(self.articles), event_seq=len(self.interactions))

    def snapshot(self, until: int) -> "Known":
        return Known(self.articles, self.visitors, self.interactions.before(until))


def events(*rows: tuple[int, int, Kind, int]) -> Interactions:
    """Interactions of (visitor, article, kind, at)."""
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Interactions(
        visitor=table[:, 0].astype(np.int32),
        session=np.full(len(table), -1, np.int32),
        article=table[:, 1].astype(np.int32),
        kind=table[:, 2].astype(np.int8),
        at=table[:, 3],
        value=np.zeros(len(table), np.float32),
        slate=np.full(len(table), -1, np.int32),
    )


def article(row: int, body: str) -> Article:
    url, title = f"https://x.example/{row}", f"Title {row}"
    return Article(f"site{row % 2}", f"a{row}", url, title, NOW - 9_000 + row, body=body)


def network(articles: int = 60, readers: int = 30, seed: int = 0) -> Known:
    """Articles on three topics and readers who read one topic each; the last five are unread."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(TOPICS[n % 3].split(), 40)) for n in range(articles)]
    rows = []
    for reader in range(readers):
        liked = np.arange(reader % 3, articles - 5, 3)
        for row in rng.choice(liked, 10, replace=False):
            rows.append((reader, int(row), Kind.CLICK, int(NOW - rng.integers(1, 9_000))))
    rows.sort(key=lambda row: row[3])
    return Known(
        [article(n, text) for n, text in enumerate(texts)],
        Vocabulary(f"reader{n}" for n in range(readers)),
        events(*rows),
    )


@pytest.fixture(scope="session")
def sample() -> Known:
    return network()


TRAIN = """
import resource, runpy, sys, time
from pathlib import Path
import structlog
from recsys.errors import RecsysError
from training.recipe import Recipe
from training.run import run

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
here, root, seed, mode = sys.argv[1:]
known = runpy.run_path(here)
if mode == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))

def pause(event, arguments):
    if event == "open" and str(arguments[0]).endswith("vectors.npy"):
        print("writing", flush=True)
        time.sleep(600)

if mode == "pause":
    sys.addaudithook(pause)
try:
    run(known["network"](seed=int(seed)), Path(root), Recipe(dims=8, factors=8), known["NOW"])
except RecsysError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def trainer():
    """Start a training run in a process of its own: ``mode`` is go, pause (in the midst of writing)
    or full (a disk on which no file may be larger than 2,000 bytes)."""
    started = []

    def start(root: Path, mode: str, seed: int = 0) -> subprocess.Popen:
        command = [sys.executable, "-c", TRAIN, __file__, str(root), str(seed), mode]
        started.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()

"""A small network that is the same in every process, a way to train on it, and what was found."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.store import Mark
from recsys.ids import Vocabulary
from recsys.policy import Policy
from recsys.tables import Interactions
from recsys.types import Article, Kind
from recsys.weights import Weights
from training.evaluation import (
    Asked,
    Contender,
    Difference,
    Evaluation,
    Example,
    Measure,
    Point,
    ShownCard,
)
from training.recipe import Recipe

NOW = 1_507_690_800
BAD = Recipe(
    dims=1,
    factors=1,
    iterations=1,
    neighbours=1,
    coread_width=1,
    rank_questions=0,
    weights=Weights(impression=5.0, click=0.0, read=0.0),
)
"""Made to learn nothing."""
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


MEANS = {"engine": 0.31, "engine, page only": 0.26, "co-visitation": 0.24, "latest": 0.05}
KINDS = {"engine": "engine", "engine, page only": "ablation"}
SEGMENTS = {
    "reader": ("known", "unknown"),
    "visit": ("1", "2", "3-4", "5 and more"),
    "age": ("under 1 h", "1-6 h", "older"),
    "site": ("daily", "culture"),
    "hour": tuple(f"{hour:02}" for hour in range(24)),
    "day": ("2017-10-11", "2017-10-12", "2017-10-13"),
}
ACCURACY = {"HR@10": 1.0, "MRR@10": 0.5, "nDCG@10": 0.6}
REST = {"Recall@10": 0.3, "coverage": 0.4, "Gini": 0.8, "diversity": 0.5, "other sites": 0.6}
SHARES = {"site": SEGMENTS["site"], "source": ("related", "trending")}


def found(
    means: dict[str, float] = MEANS, tasks: tuple[str, ...] = ("next click",), p: float = 0.001
) -> Evaluation:
    """What an evaluation may find: ``means`` are hit rates, all else follows from them."""
    first = next(iter(means))
    measures, differences, points = [], [], []
    for task in tasks:
        for at, (name, mean) in enumerate(means.items()):
            for metric, part in ACCURACY.items():
                value = mean * part
                bounds = value - 0.01, value + 0.01
                measures.append(Measure(task, name, metric, 900, value, *bounds))
                for segment, parts in SEGMENTS.items():
                    size = 900 // len(parts)
                    measures += [
                        Measure(task, name, metric, size, value, *bounds, segment, part)
                        for part in parts
                    ]
                gap = value - means[first] * part
                if name != first:
                    differences.append(
                        Difference(task, name, first, metric, gap, gap - 0.01, gap + 0.01, p / 3, p)
                    )
            measures += [
                Measure(task, name, metric, 900, value + at / 50) for metric, value in REST.items()
            ]
            measures += [
                Measure(task, name, f"{kind}: {part}", 900, 1 / len(parts))
                for kind, parts in {**SHARES, "hits by source": SHARES["source"]}.items()
                for part in parts
            ]
        for x in range(1, 6):
            points.append(Point(task, first, "calibration", x / 50, x / 60, x / 70, x / 40, 90))
            points.append(Point(task, first, "position", float(x), 0.1 / x, 0.05 / x, 0.2 / x, 90))
    card = ShownCard("culture", "The slow lantern", "related", "More like this", False)
    seen = dataclasses.replace(card, title="Ferries at night", opened=True)
    example = Example(tasks[0], NOW, "daily", "Tide", ("Pier",), "Ferries at night", (card, seen))
    return Evaluation(
        data="a made-up network",
        created=NOW + 86_400,
        cut=NOW,
        end=NOW + 3 * 86_400,
        split="one cut",
        seed=7,
        warm_up=3600,
        learned_events=12_345,
        replayed_events=6_789,
        asked=tuple(Asked(task, 900, 4_321) for task in tasks),
        bundle="20171011T030000Z-abcdef",
        recipe=dataclasses.asdict(Recipe()),
        policy=dataclasses.asdict(Policy()),
        systems=tuple(
            Contender(name, KINDS.get(name, "baseline"), 1.5, 20.0, 3_000_000) for name in means
        ),
        measures=tuple(measures),
        differences=tuple(differences),
        points=tuple(points),
        examples=(example,),
        notes=("The days were few.",),
    )


@pytest.fixture(scope="session")
def finding() -> Callable[..., Evaluation]:
    return found


SCRIPT = "<script>window.ran = 1</script>"
IMAGE = "\"onload=\"window.ran=1\" '><img src=x onerror='window.ran=1'>"
LONG = "港のフェリー、夜通し運航へ：" * 12
CLOSING = "]]></title></style></svg></details></table>"


def with_hostile_names(known: Evaluation) -> Evaluation:
    """The same with names of the worst kind wherever a name may stand."""
    names = {"engine": f"engine {SCRIPT}", "co-visitation": IMAGE, "latest": LONG + CLOSING}

    def renamed(values: tuple[Any, ...]) -> tuple[Any, ...]:
        swapped = []
        for value in values:
            changes = {
                field: names.get(getattr(value, field), getattr(value, field))
                for field in ("system", "against")
                if hasattr(value, field)
            }
            if getattr(value, "part", "") == "daily":
                changes["part"] = CLOSING + SCRIPT
            if getattr(value, "metric", "") == "site: daily":
                changes["metric"] = f"site: {IMAGE}{LONG}"
            swapped.append(dataclasses.replace(value, **changes))
        return tuple(swapped)

    cards = tuple(
        dataclasses.replace(card, title=SCRIPT + LONG, reason=IMAGE, source=CLOSING, site=SCRIPT)
        for card in known.examples[0].cards
    )
    example = dataclasses.replace(
        known.examples[0], title=IMAGE, visit=(LONG, SCRIPT), opened=CLOSING, cards=cards
    )
    missed = dataclasses.replace(
        example, title="", cards=tuple(dataclasses.replace(card, opened=False) for card in cards)
    )
    return dataclasses.replace(
        known,
        data=CLOSING + SCRIPT,
        bundle=IMAGE,
        split=SCRIPT,
        recipe={**known.recipe, "note": f'{SCRIPT}"\n[x]', SCRIPT: [IMAGE, None], "unset": None},
        notes=(SCRIPT, LONG),
        systems=tuple(
            dataclasses.replace(s, name=names.get(s.name, s.name)) for s in known.systems
        ),
        measures=renamed(known.measures),
        differences=renamed(known.differences),
        points=renamed(known.points),
        examples=(example, missed),
    )


@pytest.fixture(scope="session")
def hostile() -> Callable[[Evaluation], Evaluation]:
    return with_hostile_names


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
    path = str(arguments[0]) if event == "open" else ""
    if ".new-" in path and path.endswith("vectors.npy"):  # not where an earlier one is read
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

"""Prints how peers do with other settings than theirs, on the day before they are compared.

Usage: python benchmarks/peers_tuning.py DIR [PEER ...], where DIR holds clicks.parquet of
Globo.com. The first line of each peer is as tuned; each other line changes one setting of it.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from data.importers.globo import load_globo
from recsys import metrics
from recsys.history import History
from recsys.replay import replay
from training.peers import PEERS, installed

DAY = 86_400
END = 1_507_690_800
"""2017-10-11T03:00Z: what comes from here on is what peers are compared on."""
QUESTIONS = 6000
K = 10

LAST = (20_000, 100_000, 200_000)
NEIGHBOURS = (20, 50, 300)
FACTORS = (8, 32, 64)
GRID: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "V-SkNN": {"neighbours": (50, 200, 500, 1000), "sample": (500, 2000, 5000)},
    "implicit BM25": {
        "neighbours": NEIGHBOURS,
        "k1": (0.1, 0.4, 5.0, 100.0),
        "b": (0.0, 0.25, 0.5, 1.0),
        "last": LAST,
    },
    "implicit cosine": {"neighbours": NEIGHBOURS, "last": LAST},
    "implicit ALS": {
        "factors": FACTORS,
        "alpha": (10.0, 20.0, 80.0),
        "regularization": (0.005, 0.5, 5.0),
        "last": LAST,
    },
    "implicit BPR": {
        "factors": FACTORS,
        "learning_rate": (0.003, 0.03, 0.1),
        "regularization": (0.001, 0.03, 0.1),
        "iterations": (30, 300),
        "pull": (-1.0, 0.3, 3.0, 10.0),
        "last": LAST,
    },
    "LensKit ItemKNN": {"neighbours": NEIGHBOURS, "scored_by": (5, 100), "last": LAST},
    "LensKit UserKNN": {"neighbours": (30, 300, 1000, 3000), "last": LAST},
    "LensKit SLIM": {"l1": (0.1, 0.3, 3.0), "l2": (0.1, 10.0, 30.0), "last": LAST},
    "LensKit EASE": {"regularization": (10.0, 20.0, 100.0, 200.0, 500.0), "last": LAST},
    "LensKit ImplicitMF": {
        "factors": FACTORS,
        "regularization": (0.01, 1.0),
        "weight": (10.0, 100.0),
        "last": LAST,
    },
    "RecTools ItemKNN": {"neighbours": NEIGHBOURS, "last": LAST},
    "RecTools EASE": {
        "regularization": (20.0, 100.0, 200.0, 1000.0),
        "articles": (500, 1000),
        "last": LAST[:1],
    },
    "RecTools Popular": {"last": (5000, 10_000, *LAST)},
}


def main(folder: Path, names: list[str]) -> None:
    """Measure the peers ``names`` on the clicks in ``folder``."""
    known = load_globo(folder, END)
    history = History(known.articles, known.visitors, known.interactions)
    print("| peer | other setting | questions | HR@10 | MRR@10 | slowest fit, s |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in names:
        for setting in settings(name):
            print(
                f"| {name} | {described(setting)} | {measured(name, setting, history)} |",
                flush=True,
            )


def settings(name: str) -> Iterator[Mapping[str, float]]:
    """Yield nothing changed, then one setting at a time."""
    yield {}
    for key, values in GRID[name].items():
        for value in values:
            yield {key: value}


def described(setting: Mapping[str, float]) -> str:
    """Return ``setting`` in words."""
    return ", ".join(f"{key} {value:g}" for key, value in setting.items())


def measured(name: str, setting: Mapping[str, float], history: History) -> str:
    """Return the rest of the line."""
    cut = END - DAY
    past = history.interactions.before(cut)
    openings = len(history.interactions.reads().between(cut, END))
    peer = PEERS[name](past, len(history.articles), len(history.visitors), 0, **setting)
    share = QUESTIONS / openings
    found = replay(peer, history, cut=cut, end=END, task="next click", k=K, share=share)
    rank = metrics.ranks(found.lists, found.target)
    hits, reciprocal = metrics.hits(rank, K).mean(), metrics.reciprocal_ranks(rank, K).mean()
    return f"{len(rank):,} | {hits:.3f} | {reciprocal:.3f} | {peer.fit_seconds:.2f}"


if __name__ == "__main__":
    chosen = sys.argv[2:] or [name for name in GRID if name in installed()]
    main(Path(sys.argv[1]), chosen)

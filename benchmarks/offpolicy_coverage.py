"""Prints how often intervals of off-policy estimates hold what is true of sample networks.

Usage: python benchmarks/offpolicy_coverage.py [NETWORKS]. Each network is generated anew; its log
of slates is judged as recsys judge does it, and the truth behind it says what each ranking would
have earned with these slates and readers.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from data.sample import truth
from data.sample.generate import generate
from data.sample.sizes import Size
from recsys.baselines import MostPopular
from recsys.history import History
from recsys.ids import Vocabulary
from recsys.offpolicy import Estimate, estimates
from recsys.tables import Interactions
from recsys.types import NEVER, Article, ArticleId, Kind
from training.hindsight import hindsight, seen
from training.offpolicy import LoggedSlate, Target, click_rates, reranked, weighed

SIZE = Size(articles=300, readers=400, events=20_000)
END = 1_795_392_000
CLIP = 3.0
"""A slate of six gives weights of up to six."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The log of a network, and what is true of its slates."""

    history: History
    slates: tuple[LoggedSlate, ...]
    bias: np.ndarray
    attraction: dict[int, np.ndarray]
    """f64[m] of each slate's articles."""

    @classmethod
    def generated(cls, seed: int) -> "Network":
        """Generate one and read it back."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            generate(folder, SIZE, seed, END)
            known = truth.load(folder / "truth")
            table = pq.read_table(folder / "events.parquet")
            rows = pq.read_table(folder / "articles.parquet")
        columns = rows.select(["site", "key", "url", "title", "published", "expires"]).to_pylist()
        articles = [Article(**row | {"expires": row["expires"] or NEVER}) for row in columns]
        history = History(articles, *_events(table, known))
        slates = seen(history.interactions, 0, END)
        held = np.full((len(slates), 6), -1)
        for place, slate in enumerate(slates):
            held[place, : len(slate.rows)] = slate.rows
        drawn = known.attraction(np.array([slate.slate for slate in slates]), held)
        attraction = {s.slate: row[: len(s.rows)] for s, row in zip(slates, drawn, strict=True)}
        return cls(history, slates, known.position_bias, attraction)

    def value(self, target: Target) -> float:
        """Return the clicks that a target truly earns with a slate of shuffled cards."""
        earned = 0.0
        for slate in self.slates:
            rates = self.attraction[slate.slate][:, None] * self.bias[slate.slots]
            earned += float(np.sum(target(slate).chance * rates))
        return earned / len(self.slates)

    def targets(self, seed: int) -> Iterator[tuple[str, Target]]:
        """Yield rankings to judge: two that know taste, and one that has learned from the log."""
        rng = np.random.default_rng(seed)
        dimly = {
            slate: np.log(drawn) + rng.normal(0.0, 0.7, len(drawn))
            for slate, drawn in self.attraction.items()
        }
        yield "taste, dimly", reranked(lambda slate: dimly[slate.slate])
        yield "taste, reversed", reranked(lambda slate: -dimly[slate.slate])
        popular = MostPopular(len(self.history.articles))
        asked = {"cut": 0, "end": END, "fill": "order"}
        yield "most popular", hindsight(popular, self.history, self.slates, **asked)


def main(networks: int) -> None:
    """Measure on ``networks`` of them; Ctrl-C prints what was found so far."""
    truths: dict[str, list[float]] = defaultdict(list)
    found: dict[tuple[str, str], list[Estimate]] = defaultdict(list)
    with suppress(KeyboardInterrupt):
        judge(networks, truths, found)
    print(file=sys.stderr)
    print("| target | method | interval holds the truth | bias | width | true clicks a slate |")
    print("|---|---|---|---|---|---|")
    for (name, method), told in found.items():
        print(f"| {name} | {method} | {measured(told, np.array(truths[name][: len(told)]))} |")


def judge(
    networks: int,
    truths: dict[str, list[float]],
    found: dict[tuple[str, str], list[Estimate]],
) -> None:
    """Add what each network tells of each target to what is true and to what was found."""
    for seed in range(networks):
        network = Network.generated(seed)
        for name, target in network.targets(seed):
            truths[name].append(network.value(target))
            cards = weighed(network.slates, target, fit=click_rates)
            for estimate in estimates(cards):
                found[name, estimate.method].append(estimate)
            for estimate in estimates(cards, clip=CLIP)[1:]:
                found[name, f"{estimate.method}, clipped at {CLIP:g}"].append(estimate)
        print(f"\r{seed + 1} of {networks}", end="", file=sys.stderr, flush=True)


def measured(told: list[Estimate], true: np.ndarray) -> str:
    """Return the rest of a line, with the 95 % interval of a share and of a bias."""
    mean, low, high = (column(told, part) for part in ("mean", "low", "high"))
    hits = int(np.sum((low <= true) & (true <= high)))
    share = stats.binomtest(hits, len(true)).proportion_ci(method="wilson")
    off = mean - true
    spread = 1.96 * off.std(ddof=1) / np.sqrt(len(off)) if len(off) > 1 else np.nan
    return (
        f"{hits / len(true):.1%} ({share.low:.1%}-{share.high:.1%}) | {off.mean():+.4f} ± "
        f"{spread:.4f} | {np.mean(high - low):.3f} | {true.mean():.3f}"
    )


def column(told: list[Estimate], part: str) -> np.ndarray:
    """Return f64[n]: one number of each interval."""
    return np.array([getattr(estimate.clicks, part) for estimate in told])


def _events(table: pa.Table, known: truth.Truth) -> tuple[Vocabulary, Interactions]:
    rows = known.article_rows()
    numbers = {name: n for n, name in enumerate(known.slates["slate"].to_pylist())}
    visitors, sessions = (
        {value: n for n, value in enumerate(dict.fromkeys(filter(None, table[name].to_pylist())))}
        for name in ("visitor", "session")
    )
    ids = zip(table["site"].to_pylist(), table["key"].to_pylist(), strict=True)
    kinds = (Kind[name.upper()] for name in table["kind"].to_pylist())
    return Vocabulary(visitors), Interactions(
        visitor=np.array([visitors.get(v, -1) for v in table["visitor"].to_pylist()], np.int32),
        session=np.array([sessions.get(s, -1) for s in table["session"].to_pylist()], np.int32),
        article=np.array([rows[ArticleId(*id)] for id in ids], np.int32),
        kind=np.array(list(kinds), np.int8),
        at=table["at"].to_numpy(),
        value=table["dwell"].to_numpy(),
        slate=np.array([numbers.get(s, -1) for s in table["slate"].to_pylist()], np.int32),
        position=table["position"].to_numpy().astype(np.int16),
        propensity=table["propensity"].to_numpy(),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)

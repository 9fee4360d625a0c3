"""Prints how often an article's ten nearest neighbours are of its section, and how fast that goes.

Usage: python benchmarks/bbc_relatedness.py DIR, where DIR holds articles.parquet (key, section,
title, body) of the BBC news set (Greene and Cunningham, ICML 2006). No label is seen.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from recsys.embed import TfidfSvd, text_of
from recsys.index import ArticleIndex
from recsys.stories import group, signatures
from recsys.types import Article


def main(folder: Path, k: int = 10) -> None:
    """Measure on the articles in ``folder``."""
    rows = pq.read_table(folder / "articles.parquet").to_pylist()
    section = np.array([row["section"] for row in rows])
    texts = [text_of(Article("bbc", r["key"], "", r["title"], 0, body=r["body"])) for r in rows]
    with threadpool_limits(1):
        start = time.process_time()
        embedder = TfidfSvd.fit(texts)
        fitted = time.process_time()
        vectors = embedder.embed(texts)
        done = time.process_time()
    near, _ = ArticleIndex.build(vectors).neighbours(64)
    story = group(signatures(texts), near)
    precision = precision_at(k, near, story, section)
    print(f"articles {len(rows)}, of them copies {len(rows) - len(np.unique(story))}")
    counted = precision_at(k, near, np.arange(len(rows)), section)
    print(f"precision@{k} {precision:.4f} (copies excluded), {counted:.4f} (copies counted)")
    print(f"fit and embed {len(rows) / (done - start):.0f} documents per CPU second")
    print(f"embed alone {len(rows) / (done - fitted):.0f} documents per CPU second")


def precision_at(k: int, near: np.ndarray, story: np.ndarray, section: np.ndarray) -> float:
    """Return the share of an article's k nearest, copies of its story aside, in its section."""
    hits = []
    for row, found in enumerate(near):
        others = found[(found >= 0) & (story[found] != story[row])]
        # a story told twice is one neighbour
        _, first = np.unique(story[others], return_index=True)
        chosen = others[np.sort(first)][:k]
        hits.append(np.mean(section[chosen] == section[row]))
    return float(np.mean(hits))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

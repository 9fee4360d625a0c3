"""Nearest articles: how many are found, how fast and at what cost, by structure, and exactly.

Measured for each size: vectors of 64 dimensions, one thread, one query at a time as the service
asks, none of them in the index. Brute force is FAISS's flat index, the fastest there is here, with
NumPy's product and partition beside it; each structure takes turns with both. A structure is set to
the cheapest step of its ladder that finds 0.99 of the ten best of half the queries; recall and
times are those of the other half. Found is what scores as high as the tenth best, within 1e-6:
which of near-copies is named does not matter. Quantised structures name more candidates than ten,
which the full vectors put in order.

Building takes all cores. Memory is what a process of its own takes to open the saved structure and
to ask it 200 times: its own pages, and those of the file, which all workers share. Filtered search
is among eligible rows that have nothing in common, by a bitmap.

Vectors: --network FOLDER embeds the articles of a sample network (recsys sample generate) as
training does, and keeps them there as vectors.npy; --vectors FILE takes any f32[n, 64] of length 1;
with neither they are made up: stories within subjects, of unequal sizes, on axes that decay.

hnswlib and usearch are rows where they are installed: pip install -e '.[bench]'

Examples:
  python benchmarks/index.py --sizes 20000
  python benchmarks/index.py --structures ours 'IVF flat' 'HNSW32 flat' --sizes 200000
  python benchmarks/index.py --network var/huge --record
"""

import argparse
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import faiss
import measure
import numpy as np
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from recsys.embed import TfidfSvd, text_of, unit
from recsys.index import ArticleIndex
from recsys.types import Article

DIMS = 64
K = 10
NEIGHBOURS = 64
"""How many of each article training asks for."""
QUERIES = 1000
WANTED = 0.99
CLOSE = 1e-6
ROUNDS = 5
SELDOM = 10
"""Brute force answers one of so many queries of a round."""
IP = faiss.METRIC_INNER_PRODUCT
FLAT, NUMPY, OURS = "FAISS flat", "NumPy", "ours"
CALL = "IVF of ten vectors"
"""What calling FAISS costs by itself: no structure can be faster from Python."""
FILTERED = ("IVF flat", "HNSW32 flat")
CORES = len(os.sched_getaffinity(0))

Find = Callable[[np.ndarray, int], np.ndarray]
"""Takes one query f32[1, d] and how many to find, and returns rows int[n], -1 for none."""


@dataclass(frozen=True)
class Structure:
    """One way to find the nearest, and what it can be set to."""

    build: Callable[[np.ndarray], Any]
    find: Callable[[Any, int], Find]
    """Of the index and a step of the ladder."""
    save: Callable[[Any, str], object]
    openings: dict[str, Callable[[str, np.ndarray], Any]]
    """Ways to open what was saved, given the vectors too."""
    ladder: Sequence[int] = (0,)
    knob: str = ""
    candidates: int = K
    """How many are found; where they are more than ten, the full vectors say which are the best."""


def main() -> None:
    """Measure every size by every structure."""
    known = measure.parser(__doc__)
    known.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000, 1_000_000])
    known.add_argument("--structures", nargs="+", metavar="NAME", help="only these")
    known.add_argument("--network", type=Path, metavar="FOLDER", help="a sample network")
    known.add_argument("--vectors", type=Path, metavar="FILE", help="an .npy file")
    asked = known.parse_args()
    faiss.omp_set_num_threads(CORES)
    size = max(asked.sizes)
    available = structures(size)
    chosen = asked.structures or list(available)
    if strange := set(chosen) - set(available):
        sys.exit(f"unknown structures: {', '.join(strange)}; known: {', '.join(available)}")
    source, vectors = vectors_of(asked)
    order = np.random.default_rng(0).permutation(len(vectors))
    queries = np.ascontiguousarray(vectors[order[:QUERIES]])
    texts = []
    for size in asked.sizes:
        sample = np.ascontiguousarray(vectors[order[QUERIES : QUERIES + size]])
        if len(sample) < 0.99 * size:
            texts.append(f"There are only {len(vectors):,} vectors, too few for {size:,}.")
            continue
        texts += [f"### {len(sample):,} vectors", *told(sample, queries, chosen)]
    if missing := [name for name in ("hnswlib", "usearch") if not importlib.util.find_spec(name)]:
        texts.append(f"Left out, as they are not installed: {', '.join(missing)}.")
    name, title = source
    measure.tell(f"index-{name}", f"Nearest articles, {title}", "\n\n".join(texts), asked.record)


def told(vectors: np.ndarray, queries: np.ndarray, chosen: Sequence[str]) -> Iterator[str]:
    """Yield the tables of one size."""
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    least = flat.search(queries, K)[0][:, -1]
    brute: dict[str, Find] = {
        FLAT: lambda q, n: flat.search(q, n)[1][0],
        NUMPY: lambda q, n: product(vectors, q, n),
    }
    few = of_faiss("IVF1,Flat", [1])
    least_work = few.find(few.build(vectors[:K]), 1)
    rows, costs, built = [], [], {}
    pooled: dict[str, list[np.ndarray]] = {name: [] for name in (*brute, CALL)}
    known = structures(len(vectors))
    for name in chosen:
        structure = known[name]
        progress(f"{len(vectors):,} vectors: {name}")
        began, busy = time.perf_counter(), time.process_time()
        index = structure.build(vectors)
        began, busy = time.perf_counter() - began, time.process_time() - busy
        with threadpool_limits(1):
            step, find = tuned(structure, index, vectors, queries[::2], least[::2])
            found = recall(find, vectors, queries[1::2], least[1::2])
            times = by_turns({**brute, CALL: least_work, name: find}, queries[1::2])
        for reference in pooled:
            pooled[reference].append(times[reference])
        each = [faster(times[reference], times[name]) for reference in brute]
        setting = f"{structure.knob} {step}" if structure.knob else ""
        rows.append([name, setting, f"{found:.4f}", *per_query(times[name]), *each])
        size, openings = kept(name, structure, index, vectors, queries)
        costs += [[name, f"{began:,.1f}", f"{busy:,.1f}", size, *opening] for opening in openings]
        if name in (OURS, *FILTERED):
            built[name] = index
    exact = [[n, "", "", *per_query(np.hstack(t)), "", ""] for n, t in pooled.items()]
    asked = ["one query, one thread", "setting", "recall@10", "µs, median", "µs, p99"]
    yield measure.table([*asked, f"times as fast as {FLAT}", f"as {NUMPY}"], [*exact, *rows])
    yield measure.table(
        ["kept", "s to build", "CPU s", "MB", "opened", "ms", "own MB", "MB of files"], costs
    )
    if among := [name for name in FILTERED if name in built]:
        yield filtered(vectors, flat, queries, {name: (known[name], built[name]) for name in among})
    if OURS in built:
        yield everybody(vectors, built[OURS])


def filtered(
    vectors: np.ndarray,
    flat: faiss.Index,
    queries: np.ndarray,
    indexes: dict[str, tuple[Structure, Any]],
) -> str:
    """Return the table of searches that only some of the rows may answer."""
    rows = []
    for share in (0.5, 0.1, 0.01):
        progress(f"{len(vectors):,} vectors: {share:.0%} eligible")
        eligible = np.random.default_rng(1).random(len(vectors)) < share
        bits = np.packbits(eligible, bitorder="little")
        chosen = faiss.IDSelectorBitmap(len(eligible), faiss.swig_ptr(bits))
        few = np.flatnonzero(eligible)
        apart = faiss.IndexFlatIP(vectors.shape[1])
        apart.add(vectors[few])
        least = apart.search(queries, K)[0][:, -1]
        every = faiss.SearchParameters(sel=chosen)
        finds: dict[str, Find] = {
            FLAT: lambda q, n, p=every: flat.search(q, n, params=p)[1][0],
            "flat copy of the eligible": lambda q, n, a=apart, f=few: f[a.search(q, n)[1][0]],
        }
        settings = dict.fromkeys(finds, "")
        with threadpool_limits(1):
            for name, (structure, index) in indexes.items():
                choosing = replaced(structure, partial(selecting, chosen))
                step, find = tuned(choosing, index, vectors, queries[::2], least[::2])
                finds[name], settings[name] = find, f"{structure.knob} {step}"
            times = by_turns(finds, queries[1::2])
            rows += [
                [
                    f"{share:.0%}",
                    name,
                    settings[name],
                    f"{recall(find, vectors, queries[1::2], least[1::2]):.4f}",
                    *per_query(times[name]),
                    "" if name == FLAT else faster(times[FLAT], times[name]),
                ]
                for name, find in finds.items()
            ]
    asked = ["eligible", "structure", "setting", "recall@10", "µs, median", "µs, p99"]
    return measure.table([*asked, f"times as fast as {FLAT}"], rows)


def everybody(vectors: np.ndarray, index: ArticleIndex) -> str:
    """Return the table of what training asks: the nearest of each article, many at a time."""
    progress(f"{len(vectors):,} vectors: neighbours of each")
    few = np.sort(np.random.default_rng(2).permutation(len(vectors))[:1000])
    some = slice(0, 20_000)
    exact = ArticleIndex(vectors)
    with threadpool_limits(1):
        least = exact.search(vectors[few], NEIGHBOURS + 1)[1][:, -1:]
    found = index.search(vectors[few], NEIGHBOURS + 1)[0]
    score = np.einsum("nkd,nd->nk", vectors[found], vectors[few])
    hits = float(((score >= least - CLOSE) & (found >= 0)).mean())
    each = {}
    for name, one, rows in ((OURS, index, some), ("exactly", exact, few)):
        each[name] = []
        for threads in (1, CORES):
            with threadpool_limits(threads):
                asked = vectors[rows]
                one.search(asked[:100], NEIGHBOURS + 1)
                began = time.perf_counter()
                one.search(asked, NEIGHBOURS + 1)
                each[name].append((time.perf_counter() - began) / len(asked))
    return measure.table(
        [
            f"{NEIGHBOURS} neighbours of each, in batches",
            f"recall@{NEIGHBOURS + 1}",
            "µs each, one thread",
            f"{CORES} threads",
            "minutes for all",
        ],
        [
            [n, f"{r:.4f}", *(f"{t * 1e6:,.1f}" for t in s), f"{s[1] * len(vectors) / 60:,.2f}"]
            for (n, s), r in zip(each.items(), (hits, 1.0), strict=True)
        ],
    )


# Structures


def structures(size: int) -> dict[str, Structure]:
    """Return what is compared at a size, by name."""
    wide = [2**n for n in range(4, 11)]
    narrow = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
    cells = round(1.6 * sqrt(size))
    known = {
        OURS: Structure(
            build=ArticleIndex.build,
            find=lambda index, _: lambda q, n: index.search(q, n)[0][0],
            save=lambda index, path: index.save(Path(path)),
            openings={"mapped": lambda path, vectors: ArticleIndex.load(vectors, Path(path))},
        ),
        "HNSW16 flat": of_faiss("HNSW16,Flat", wide),
        "HNSW32 flat": of_faiss("HNSW32,Flat", wide),
        "HNSW32 SQ8": of_faiss("HNSW32,SQ8", wide[3:], 10 * K),
        "HNSW32 fp16": of_faiss("HNSW32,SQfp16", wide[1:], 2 * K),
        "IVF flat": of_faiss(f"IVF{cells},Flat", narrow),
        "IVF SQ8": of_faiss(f"IVF{cells},SQ8", narrow, 10 * K),
        "IVF fp16": of_faiss(f"IVF{cells},SQfp16", narrow, 2 * K),
    }
    if importlib.util.find_spec("hnswlib"):
        known["hnswlib"] = of_hnswlib(wide)
    if importlib.util.find_spec("usearch"):
        known["usearch f32"] = of_usearch("f32", wide)
        known["usearch i8"] = of_usearch("i8", wide[3:], 10 * K)
    return known


def of_faiss(factory: str, ladder: Sequence[int], candidates: int = K) -> Structure:
    """Return a structure that FAISS makes from a word."""

    def build(vectors: np.ndarray) -> faiss.Index:
        index = faiss.index_factory(vectors.shape[1], factory, IP)
        if factory.startswith("HNSW"):
            index.hnsw.efConstruction = 80
        else:
            index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, 64
        index.train(vectors)
        index.add(vectors)
        return index

    return Structure(
        build=build,
        find=partial(selecting, None),
        save=faiss.write_index,
        openings={
            "read": lambda path, _: faiss.read_index(path),
            "mapped": lambda path, _: faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC),
        },
        ladder=ladder,
        knob="ef" if factory.startswith("HNSW") else "probes",
        candidates=candidates,
    )


def selecting(chosen: faiss.IDSelector | None, index: faiss.Index, step: int) -> Find:
    """Return how to search a FAISS index among the rows of a selector, None for all."""
    if isinstance(index, faiss.IndexIVF):
        asked = faiss.SearchParametersIVF(nprobe=step, sel=chosen)
    else:
        asked = faiss.SearchParametersHNSW(efSearch=step, sel=chosen)
    return lambda q, n: index.search(q, n, params=asked)[1][0]


def of_hnswlib(ladder: Sequence[int]) -> Structure:
    """Return the graph of those who described it first."""
    import hnswlib

    def build(vectors: np.ndarray) -> hnswlib.Index:
        index = hnswlib.Index("ip", vectors.shape[1])
        index.init_index(len(vectors), ef_construction=80, M=32, random_seed=0)
        index.add_items(vectors, num_threads=CORES)
        return index

    def find(index: hnswlib.Index, step: int) -> Find:
        index.set_ef(step)
        return lambda q, n: index.knn_query(q, n, num_threads=1)[0][0].astype(np.int64)

    def read(path: str, _: np.ndarray) -> hnswlib.Index:
        index = hnswlib.Index("ip", DIMS)
        index.load_index(path)
        return index

    return Structure(build, find, lambda i, p: i.save_index(p), {"read": read}, ladder, "ef")


def of_usearch(dtype: str, ladder: Sequence[int], candidates: int = K) -> Structure:
    """Return the graph of usearch with numbers of a kind."""
    from usearch.index import Index

    def build(vectors: np.ndarray) -> Index:
        index = Index(
            ndim=vectors.shape[1], metric="ip", dtype=dtype, connectivity=32, expansion_add=80
        )
        index.add(np.arange(len(vectors)), vectors, threads=CORES)
        return index

    def find(index: Index, step: int) -> Find:
        index.expansion_search = step
        return lambda q, n: index.search(q[0], n, threads=1).keys.astype(np.int64)

    return Structure(
        build=build,
        find=find,
        save=lambda index, path: index.save(path),
        openings={
            "read": lambda path, _: Index.restore(path, view=False),
            "mapped": lambda path, _: Index.restore(path, view=True),
        },
        ladder=ladder,
        knob="ef",
        candidates=candidates,
    )


def replaced(structure: Structure, find: Callable[[Any, int], Find]) -> Structure:
    """Return a structure that searches otherwise, and tries for longer to find enough."""
    ladder = [*structure.ladder, *(structure.ladder[-1] * 2**n for n in range(1, 4))]
    return Structure(
        structure.build, find, structure.save, structure.openings, ladder, structure.knob
    )


def product(vectors: np.ndarray, query: np.ndarray, n: int) -> np.ndarray:
    """Return the best rows by NumPy: what one writes without any library."""
    score = vectors @ query[0]
    best = np.argpartition(score, len(score) - n)[-n:]
    return best[np.argsort(-score[best])]


# What is measured


def tuned(
    structure: Structure, index: Any, vectors: np.ndarray, queries: np.ndarray, least: np.ndarray
) -> tuple[int, Find]:
    """Return the first step of a ladder that finds enough, or the last that helps, and its find."""
    best, chosen = -1.0, None
    for step in structure.ladder:
        find = structure.find(index, step)
        if structure.candidates > K:
            find = partial(ordered, find, structure.candidates, vectors)
        found = recall(find, vectors, queries, least)
        # no step helps any longer: what is lost is lost to the graph or to the few bits
        if chosen and found < best + 0.001:
            break
        best, chosen = found, (step, find)
        if found >= WANTED:
            break
    assert chosen
    structure.find(index, chosen[0])  # some keep the setting in the index
    return chosen


def ordered(find: Find, many: int, vectors: np.ndarray, query: np.ndarray, n: int) -> np.ndarray:
    """Return the ``n`` best of ``many`` that are found, by their full vectors."""
    rows = find(query, many)
    return rows[np.argsort(-(vectors[rows] @ query[0]))[:n]]


def recall(find: Find, vectors: np.ndarray, queries: np.ndarray, least: np.ndarray) -> float:
    """Return the share of finds that score as high as the tenth best, ``least`` f32[q]."""
    hits = 0
    for query, score in zip(queries, least, strict=True):
        found = find(query[None], K)
        found = np.unique(found[found >= 0])
        hits += np.count_nonzero(vectors[found] @ query >= score - CLOSE)
    return hits / (K * len(queries))


def by_turns(finds: dict[str, Find], queries: np.ndarray) -> dict[str, np.ndarray]:
    """Return f64[rounds, q] seconds of queries one by one; the first round warms, uncounted."""
    took: dict[str, list[list[float]]] = {name: [] for name in finds}
    for turn in range(1 + ROUNDS):
        for name, find in finds.items():
            seconds = []
            for query in queries[:: SELDOM if name in (FLAT, NUMPY) else 1]:
                began = time.perf_counter_ns()
                find(query[None], K)
                seconds.append((time.perf_counter_ns() - began) / 1e9)
            if turn:
                took[name].append(seconds)
    return {name: np.array(seconds) for name, seconds in took.items()}


def per_query(seconds: np.ndarray) -> tuple[str, str]:
    """Return µs: the median with the least and largest of the rounds', and the 99th percentile."""
    rounds = np.median(seconds, axis=1) * 1e6
    return measure.spread(rounds, 1), f"{np.quantile(seconds, 0.99) * 1e6:,.0f}"


def faster(reference: np.ndarray, ours: np.ndarray) -> str:
    """Return how many times as fast ours is, by the medians of each round, with least and most."""
    medians = np.median(reference, axis=1), np.median(ours, axis=1)
    return measure.spread(measure.ratios(*medians), 1)


def kept(
    name: str, structure: Structure, index: Any, vectors: np.ndarray, queries: np.ndarray
) -> tuple[str, list[list[str]]]:
    """Return MB of an index on disk, and for each way to open it ms, own MB and those of files."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "index")
        structure.save(index, path)
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        np.save(Path(folder) / "vectors.npy", vectors)
        openings = []
        for way in structure.openings:
            # a process that has held nothing yet: what one gave back hides what opening takes
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                took = pool.apply(opened, (name, way, path, queries[:200]))
            openings.append([way, *(f"{value:,.1f}" for value in took)])
    return f"{size:,.1f}", openings


def opened(name: str, way: str, path: str, queries: np.ndarray) -> tuple[float, float, float]:
    """Return ms to open a saved index, and what MB of its own and of files it has after asking."""
    vectors = np.load(Path(path).with_name("vectors.npy"), mmap_mode="r").view(np.ndarray)
    structure = structures(len(vectors))[name]
    faiss.omp_set_num_threads(1)
    faiss.knn(queries, queries, K, metric=IP)
    before = resident()
    began = time.perf_counter()
    index = structure.openings[way](path, vectors)
    took = time.perf_counter() - began
    find = structure.find(index, structure.ladder[0])
    for query in queries:
        find(query[None], K)
    after = resident()
    return took * 1e3, after[0] - before[0], after[1] - before[1]


def resident() -> tuple[float, float]:
    """Return MB of this process's own memory, and of mapped files that are in it."""
    with Path("/proc/self/status").open() as status:
        fields = dict(line.split(":", 1) for line in status)
    own, files = (int(fields[name].split()[0]) / 1e3 for name in ("RssAnon", "RssFile"))
    return own, files


# Vectors


def vectors_of(asked: argparse.Namespace) -> tuple[tuple[str, str], np.ndarray]:
    """Return what to call the vectors, and f32[n, d]."""
    if asked.network:
        return ("network", "articles of a sample network (tf-idf, SVD)"), embedded(asked.network)
    if asked.vectors:
        vectors = np.ascontiguousarray(np.load(asked.vectors), np.float32)
        return (asked.vectors.stem, f"vectors of {asked.vectors.name}"), vectors
    return ("clustered", "made-up clusters"), clustered(max(asked.sizes) + QUERIES)


def clustered(count: int, seed: int = 0) -> np.ndarray:
    """Return f32[count, 64]: subjects, stories of 50 articles on average in each, unequally many.

    As near one another as real news: of 2,225, the first, tenth and 64th neighbour have a cosine of
    0.97, 0.96 and 0.92 in the median; those of the BBC set 0.97, 0.93 and 0.86.
    """
    rng = np.random.default_rng(seed)
    axes = (1 + np.arange(DIMS, dtype=np.float32)) ** -0.7
    subjects = rng.standard_normal((max(10, int(sqrt(count) / 3)), DIMS), np.float32)
    stories = subjects[rng.integers(0, len(subjects), max(20, count // 50))]
    stories += 0.7 * rng.standard_normal(stories.shape, np.float32)
    share = rng.pareto(1.5, len(stories)) + 0.1
    near = rng.choice(len(stories), count, p=share / share.sum())
    return unit(axes * (stories[near] + 0.4 * rng.standard_normal((count, DIMS), np.float32)))


_embedder: TfidfSvd


def embedded(folder: Path, batch: int = 5_000) -> np.ndarray:
    """Return f32[n, d] of the articles in ``folder``, embedded once and kept there."""
    path = folder / "vectors.npy"
    if not path.exists():
        global _embedder
        progress(f"embedding the articles of {folder}")
        table = pq.read_table(folder / "articles.parquet", columns=["title", "body"])
        every = table.take(list(range(0, len(table), -(-len(table) // 50_000))))
        _embedder = TfidfSvd.fit(texts(every), DIMS)
        parts = (table.slice(start, batch) for start in range(0, len(table), batch))
        with multiprocessing.get_context("fork").Pool(CORES) as pool:
            np.save(path, np.concatenate(list(pool.imap(embed, parts))))
    return np.load(path)


def embed(table: Any) -> np.ndarray:
    """Return f32[n, d] of a part of the articles; a process of its own for each core."""
    return _embedder.embed(texts(table))


def texts(table: Any) -> list[str]:
    """Return the texts of articles as training reads them."""
    rows = zip(table["title"].to_pylist(), table["body"].to_pylist(), strict=True)
    return [text_of(Article("", "", "", title, 0, body=body)) for title, body in rows]


def progress(text: str) -> None:
    """Say on standard error what is being measured."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

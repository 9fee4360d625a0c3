"""Makes of what `recsys train` made an installation with some times as many articles.

Training a million articles takes long, and what a service costs does not depend on what they say.
So each article is there several times, with a key and an address of its own, in a story of its own
and published a month earlier each time, its vector moved a little; half of the copies are read,
each round half as much. The store is copied as it is: what a service asks of it is what came after
the bundle. Usage: python benchmarks/enlarge.py VAR MADE --times 10.
"""

import argparse
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys import bundle as bundles
from recsys.bundle import Bundle
from recsys.coread import CoRead
from recsys.ids import Vocabulary
from recsys.index import ArticleIndex
from recsys.manifest import FORMAT
from recsys.tables import CATALOGUE_COLUMNS
from recsys.trending import PARTS, Trends

MONTH = 30 * 86_400
MOVED = 0.03
"""Standard deviation of what is added to each number of a vector."""


def main() -> None:
    """Copy the store, and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("var", type=Path, help="an installation with a bundle")
    parser.add_argument("made", type=Path, help="where to make the larger one")
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    options.made.mkdir(parents=True)
    for name in ("recsys.db", "recsys.toml", "keyring.json"):
        if (options.var / name).exists():
            shutil.copy(options.var / name, options.made)
    root = options.var / "bundles"
    bundle = enlarged(bundles.open_bundle(root / bundles.current(root)), options.times)
    folder = bundles.write(bundle, options.made / "bundles")
    bundles.publish(options.made / "bundles", folder.name)
    print(f"{folder}: {len(bundle.catalogue):,} articles")


def enlarged(bundle: Bundle, times: int) -> Bundle:
    """Return a bundle that has each article so many times."""
    draw = np.random.default_rng(1)
    count = len(bundle.catalogue)
    copies = range(times)

    def repeated(column: np.ndarray) -> np.ndarray:
        return np.concatenate([column] * times)

    def shifted(rows: np.ndarray) -> np.ndarray:
        parts = [np.where(rows >= 0, rows + copy * count, -1) for copy in copies]
        return np.concatenate(parts).astype(rows.dtype)

    cards = pa.concat_tables([_named(bundle.cards, copy) for copy in copies])
    ids = Vocabulary(pc.binary_join_element_wise(cards["site"], cards["key"], "/").to_pylist())
    columns = {name: repeated(getattr(bundle.catalogue, name)) for name in CATALOGUE_COLUMNS}
    columns["story"] = shifted(bundle.catalogue.story)
    columns["published"] -= np.repeat(np.arange(times), count) * MONTH
    vectors = repeated(bundle.vectors)
    vectors[count:] += draw.normal(0.0, MOVED, vectors[count:].shape).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-9))
    return dataclasses.replace(
        bundle,
        manifest=dataclasses.replace(bundle.manifest, format=FORMAT),
        catalogue=dataclasses.replace(bundle.catalogue, ids=ids, **columns),
        cards=cards,
        vectors=vectors,
        signatures=repeated(bundle.signatures),
        factors=dataclasses.replace(bundle.factors, articles=repeated(bundle.factors.articles)),
        index=ArticleIndex.build(vectors),
        related=shifted(bundle.related),
        related_scores=repeated(bundle.related_scores),
        trends=_trends(bundle, times, draw),
        coread=_coread(bundle, times),
        judged=repeated(bundle.judged),
    )


def _named(cards: pa.Table, copy: int) -> pa.Table:
    if not copy:
        return cards
    for name in ("key", "url"):
        column = pc.binary_join_element_wise(cards[name], f"copy-{copy}", "-")
        cards = cards.set_column(cards.schema.get_field_index(name), name, column)
    return cards


def _trends(bundle: Bundle, times: int, draw: np.random.Generator) -> Trends:
    arrays = bundle.trends.arrays()
    for part in PARTS:
        mass = arrays[f"{part}.mass"]
        read = [draw.random(mass.shape[1]) < 0.5 for _ in range(times - 1)]
        faded = [mass * kept * 0.5 ** (copy + 1) for copy, kept in enumerate(read)]
        arrays[f"{part}.mass"] = np.concatenate([mass, *faded], axis=1)
    return Trends.of_arrays(arrays)


def _coread(bundle: Bundle, times: int) -> CoRead:
    arrays = bundle.coread.arrays()
    count, pairs = len(bundle.catalogue), len(arrays["columns"])
    starts = [arrays["indptr"][1:] + copy * pairs for copy in range(times)]
    columns = [arrays["columns"] + copy * count for copy in range(times)]
    arrays["indptr"] = np.concatenate([[0], *starts]).astype(np.int64)
    arrays["columns"] = np.concatenate(columns).astype(np.int32)
    arrays["mass"] = np.concatenate([arrays["mass"]] * times, axis=1)
    return CoRead.of_arrays(arrays)


if __name__ == "__main__":
    main()

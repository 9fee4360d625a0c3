"""Everything that one training run learned, as one immutable directory that many workers share."""

import dataclasses
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys import embed, manifest
from recsys.arrays import Float32, Int8, Int32, Int64
from recsys.coread import CoRead
from recsys.embed import Embedder, TfidfSvd
from recsys.errors import BundleCorrupt, BundleError
from recsys.factors import Factors
from recsys.ids import Hashed, Packed, Vocabulary
from recsys.index import ArticleIndex
from recsys.manifest import Manifest, verify
from recsys.ranker import Ranker
from recsys.shelf import ASIDE, clean, current, list_bundles, publish, rollback, sync
from recsys.stories import WIDTH, Signatures
from recsys.tables import CATALOGUE_COLUMNS, Catalogue
from recsys.tone import ToneModel
from recsys.trending import Trends
from recsys.types import Card

__all__ = [
    "Bundle",
    "Manifest",
    "Reads",
    "clean",
    "current",
    "list_bundles",
    "open_bundle",
    "publish",
    "rollback",
    "verify",
    "write",
]


Digests = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """Which articles each reader has opened, oldest first, each once."""

    start: Int64
    """int64[V + 1]: where each reader's rows begin."""
    rows: Int32
    """int32[R]: article rows."""

    def of(self, visitor: int) -> Int32:
        """Return int32[m]: the articles of a reader's row; none for -1."""
        if visitor < 0 or visitor + 1 >= len(self.start):
            return self.rows[:0]
        return self.rows[int(self.start[visitor]) : int(self.start[visitor + 1])]


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """What the engine serves from: A articles, V readers, d content dims, f factors, k related."""

    manifest: Manifest
    catalogue: Catalogue
    cards: pa.Table
    """The fields of ``Card``, one row for each article."""
    visitors: Vocabulary
    vectors: Float32
    """f32[A, d] of ``embedder``."""
    signatures: Signatures
    """uint32[A, w] of ``stories.signatures``."""
    embedder: Embedder
    factors: Factors
    cold_map: Float32
    """f32[d + 1, f] of ``factors.cold_map``."""
    index: ArticleIndex
    related: Int32
    """int32[A, k]: nearest articles by content, -1 where there are fewer."""
    related_scores: Float32
    reads: Reads
    trends: Trends = field(repr=False)
    coread: CoRead = field(repr=False)
    tone: ToneModel = field(repr=False)
    judged: Int8
    """int8[A], codes into ``tables.TONES``: what ``tone`` thinks of each article."""
    ranker: Ranker | None = field(default=None, repr=False)
    """What corrects the fusion of sources; without one, fusion ranks alone."""
    digests: Digests = field(default_factory=lambda: np.empty(0, np.uint64), repr=False)
    """uint64[A]: digests of the articles' texts, for the next training; empty before format 5."""
    urls: Hashed | None = field(default=None, repr=False)
    """Rows by address; None before format 5, and until it was written."""

    @property
    def id(self) -> str:
        """The manifest's id."""
        return self.manifest.id

    def card(self, row: int) -> Card:
        """Return what a page needs to draw the article of a row."""
        values: dict[str, Any] = {n: self.cards[n][row].as_py() for n in CARD_FIELDS}
        for name in ("authors", "tags"):
            values[name] = tuple(values[name])
        return Card(**values)

    def find_url(self, url: str) -> int:
        """Return the row of the article at an address, -1 where it is unknown."""
        known = self.cards["url"]
        if self.urls is None:
            return int(pc.index(known, url).as_py())
        return self.urls.find(url, lambda row: bool(known[row].as_py() == url))

    @classmethod
    def empty(cls, dims: int = 64, factors: int = 64) -> "Bundle":
        """Return a bundle that knows nothing, for a service before the first training."""
        vectors = np.zeros((0, dims), np.float32)
        tastes = np.zeros((0, factors), np.float32)
        return cls(
            manifest=Manifest(id="none"),
            catalogue=Catalogue.empty(),
            cards=cards_of([]),
            visitors=Vocabulary(),
            vectors=vectors,
            signatures=np.zeros((0, WIDTH), np.uint32),
            embedder=TfidfSvd((), np.zeros(0, np.float32), np.zeros((0, dims), np.float32)),
            factors=Factors(tastes, tastes, np.zeros((factors, factors), np.float32)),
            cold_map=np.zeros((dims + 1, factors), np.float32),
            index=ArticleIndex(vectors),
            related=np.zeros((0, 1), np.int32),
            related_scores=np.zeros((0, 1), np.float32),
            reads=Reads(np.zeros(1, np.int64), np.zeros(0, np.int32)),
            trends=Trends(0, 0),
            coread=CoRead.empty(),
            tone=ToneModel.rules(),
            judged=np.zeros(0, np.int8),
        )


CARD_FIELDS: dict[str, pa.DataType] = {
    "site": pa.string(),
    "key": pa.string(),
    "url": pa.string(),
    "title": pa.string(),
    "section": pa.string(),
    "language": pa.string(),
    "image": pa.string(),
    "sponsored": pa.bool_(),
    "published": pa.int64(),
    "authors": pa.list_(pa.string()),
    "tags": pa.list_(pa.string()),
}
"""Columns of ``Bundle.cards``."""


def cards_of(articles: Any) -> pa.Table:
    """Return the table of cards of a sequence of articles (or cards)."""
    return pa.table(
        {n: pa.array([getattr(a, n) for a in articles], t) for n, t in CARD_FIELDS.items()}
    )


def write(bundle: Bundle, root: Path) -> Path:
    """Write a bundle into ``root`` as a directory named by its id, and return that directory.

    Nothing can be seen of it until it is whole: it is written and synced aside, then renamed. On
    any failure what was written goes away again. Where ``root`` already holds the same bundle,
    that one stays. It does not become current: see ``publish``.
    """
    root.mkdir(parents=True, exist_ok=True)
    aside = root / f"{ASIDE}{secrets.token_hex(4)}"
    try:
        aside.mkdir()
        _write_files(bundle, aside)
        files = {name: manifest.describe(path) for name, path in manifest.walk(aside).items()}
        draft = dataclasses.replace(
            bundle.manifest, embedder=bundle.embedder.name, shapes=_shapes(bundle)
        )
        sealed = draft.sealed(files)
        (aside / manifest.NAME).write_bytes(sealed.dump())
        for path in [*aside.rglob("*"), aside]:
            sync(path)
        target = root / sealed.id
        if _sound(target):
            return target
        if target.exists():
            shutil.rmtree(target.rename(f"{aside}-damaged"), ignore_errors=True)
        aside.rename(target)
        sync(root)
        manifest.vouch(target, manifest.marks(target, sealed))  # they have just been hashed
        return target
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def open_bundle(folder: Path) -> Bundle:
    """Open the bundle in ``folder``; its arrays are memory-mapped, so that workers share them.

    Checks the manifest and the sizes of files, not their content: that is ``verify``.
    Raises ``BundleMissing``, ``BundleIncompatible`` or ``BundleCorrupt``.
    """
    stated = manifest.read(folder)
    manifest.check_sizes(folder, stated)
    try:
        bundle = _read_files(folder, stated)
    except BundleError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, pa.ArrowException) as error:
        raise BundleCorrupt(f"bundle {folder.name} cannot be read: {error}") from error
    if _shapes(bundle) != dict(stated.shapes):
        raise BundleCorrupt(f"bundle {folder.name} has shapes other than its manifest says")
    return bundle


def _arrays(bundle: Bundle) -> Iterator[tuple[str, np.ndarray]]:
    for name in CATALOGUE_COLUMNS:
        yield f"catalogue.{name}", getattr(bundle.catalogue, name)
    for name in ("vectors", "signatures", "cold_map", "related", "related_scores", "judged"):
        yield name, getattr(bundle, name)
    if len(bundle.digests):
        yield "digests", bundle.digests
    for name in ("visitors", "articles", "gram"):
        yield f"factors.{name}", getattr(bundle.factors, name)
    yield "factors.scale", np.array([bundle.factors.alpha, bundle.factors.regularization])
    for name, array in bundle.catalogue.ids.arrays().items():
        yield f"ids.{name}", array
    for name, array in bundle.visitors.arrays().items():
        yield f"visitors.{name}", array
    for name, array in Hashed.of(bundle.cards["url"].to_pylist()).arrays().items():
        yield f"urls.{name}", array
    yield "reads.start", bundle.reads.start
    yield "reads.rows", bundle.reads.rows
    for part in ("trends", "coread"):
        for name, array in getattr(bundle, part).arrays().items():
            yield f"{part}.{name}", array


_NAMES = ("sites", "sections", "languages")
INDEX = "graph.faiss"
"""The file of the index's cells; it is named for what earlier releases search by."""
RANKER = "ranker"


def _write_files(bundle: Bundle, folder: Path) -> None:
    for name, array in _arrays(bundle):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    _write_table(folder / "cards.arrow", bundle.cards)
    for name in _NAMES:
        _write_strings(folder / f"{name}.arrow", getattr(bundle.catalogue, name))
    bundle.index.save(folder / INDEX)
    (folder / "embedder").mkdir()
    bundle.embedder.save(folder / "embedder")
    (folder / "tone").mkdir()
    bundle.tone.save(folder / "tone")
    if bundle.ranker is not None:
        (folder / RANKER).mkdir()
        bundle.ranker.save(folder / RANKER)


def _read_files(folder: Path, stated: Manifest) -> Bundle:
    arrays = {
        name.removesuffix(".npy"): _mapped(folder / name)
        for name in stated.files
        if name.endswith(".npy") and "/" not in name
    }

    def part(prefix: str) -> dict[str, Any]:
        start = f"{prefix}."
        return {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}

    cards = _read_table(folder / "cards.arrow")
    packed = "ids.text.npy" in stated.files  # since format 5
    names: dict[str, Any] = {name: _read_strings(folder / f"{name}.arrow") for name in _NAMES}
    tastes = part("factors")
    alpha, regularization = tastes.pop("scale").tolist()
    vectors = arrays["vectors"]
    ranked = any(name.startswith(f"{RANKER}/") for name in stated.files)
    return Bundle(
        manifest=stated,
        catalogue=Catalogue(
            ids=Vocabulary(base=Packed(**part("ids"))) if packed else _joined(cards),
            **names,
            **part("catalogue"),
        ),
        cards=cards,
        visitors=Vocabulary(base=Packed(**part("visitors")))
        if packed
        else _read_strings(folder / "visitors.arrow"),
        vectors=vectors,
        signatures=arrays["signatures"],
        embedder=embed.load(stated.embedder, folder / "embedder"),
        factors=Factors(**tastes, alpha=alpha, regularization=regularization),
        cold_map=arrays["cold_map"],
        index=ArticleIndex.load(vectors, folder / INDEX),
        related=arrays["related"],
        related_scores=arrays["related_scores"],
        reads=Reads(**part("reads")),
        trends=Trends.of_arrays(part("trends")),
        coread=CoRead.of_arrays(part("coread")),
        tone=ToneModel.load(folder / "tone"),
        judged=arrays["judged"],
        digests=arrays.get("digests", np.empty(0, np.uint64)),
        ranker=Ranker.load(folder / RANKER) if ranked else None,
        urls=Hashed(**part("urls")) if packed else None,
    )


def _joined(cards: pa.Table) -> Vocabulary:
    """Return the ids of articles, as bundles before format 5 keep them."""
    return Vocabulary(pc.binary_join_element_wise(cards["site"], cards["key"], "/").to_pylist())


def _shapes(bundle: Bundle) -> dict[str, int]:
    return {
        "articles": len(bundle.catalogue),
        "stories": _distinct(bundle.catalogue.story),
        "visitors": len(bundle.visitors),
        "reads": len(bundle.reads.rows),
        "dims": int(bundle.vectors.shape[1]),
        "factors": int(bundle.factors.articles.shape[1]),
        "related": int(bundle.related.shape[1]),
    }


def _distinct(story: Int32) -> int:
    """Return how many values there are: of codes by counting, hundreds of times sooner."""
    if len(story) and story.min() >= 0 and story.max() < 2 * len(story):
        return int(np.count_nonzero(np.bincount(story)))
    return len(np.unique(story))


def _mapped(path: Path) -> np.ndarray:
    # Private: nobody else would see what was written. Kernels know arrays that may be written by
    # another type, and would be compiled anew for each mixture of both.
    # The plain view: numpy's memmap class makes every slice of it slower.
    array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False).view(np.ndarray)
    return array


def _write_table(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def _read_table(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _write_strings(path: Path, values: Vocabulary) -> None:
    _write_table(path, pa.table({"id": pa.array(list(values), pa.string())}))


def _read_strings(path: Path) -> Vocabulary:
    return Vocabulary(_read_table(path)["id"].to_pylist())


def _sound(folder: Path) -> bool:
    try:
        verify(folder)
    except BundleError:
        return False
    return True

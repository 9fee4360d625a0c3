"""Turns an article's text into a vector whose inner products say how related two articles are."""

import functools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from recsys.arrays import Float32
from recsys.errors import BundleCorrupt, BundleIncompatible, ConfigError
from recsys.types import Article

if TYPE_CHECKING:  # half a second to load, which whoever embeds nothing need not wait for
    from sklearn.feature_extraction.text import TfidfVectorizer


class Embedder(Protocol):
    """What every embedder offers; vectors of different embedders never mix."""

    name: str
    """Which class reads the saved files again: a key of ``EMBEDDERS``."""
    dims: int

    def embed(self, texts: Sequence[str]) -> Float32:
        """Return f32[n, dims]: rows of length 1, or all zeros where a text says nothing.

        A text is ``text_of`` an article; a row does not depend on the texts beside it.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything that ``load`` needs as files into an existing, empty folder."""
        ...


def text_of(article: Article) -> str:
    """Return the text to embed: the title on the first line, the body on the lines after it."""
    return f"{' '.join(article.title.split())}\n{article.body}"


TITLE_COUNT = 2
"""How often a word of the title counts against once in the body."""
LONGEST = 20_000
"""Characters of a text that are read; a whole news article has some 2,000 to 6,000."""


class TfidfSvd:
    """Latent semantic analysis: tf-idf terms, projected on the leading singular vectors.

    Deerwester et al. (1990), Indexing by latent semantic analysis, with the axes weighted by their
    singular values. How well it relates whole news articles: ``benchmarks/bbc_relatedness.py``.
    """

    name = "tfidf-svd"

    def __init__(self, terms: Sequence[str], idf: Float32, axes: Float32) -> None:
        """Take ``terms`` [t], their inverse document frequencies f32[t] and axes f32[t, d]."""
        self.terms = tuple(terms)
        self.idf = idf
        self.axes = axes
        self.dims = int(axes.shape[1])

    @classmethod
    def fit(cls, texts: Sequence[str], dims: int = 64, seed: int = 0) -> "TfidfSvd":
        """Learn terms and axes from a collection; the same texts and seed give the same bits.

        Of more than ``SAMPLE`` texts every n-th is read. Where there are fewer than ``dims``
        documents or terms, the axes that they cannot fill are zero: the width is always ``dims``.
        """
        from sklearn.utils.extmath import randomized_svd

        chosen = texts[:: max(1, -(-len(texts) // SAMPLE))]
        rare = min(3, 1 + len(chosen) // FEW)
        vectorizer = _vectorizer(min_df=rare, max_features=MOST_TERMS)
        try:
            matrix = vectorizer.fit_transform(chosen)
        except ValueError:  # scikit-learn's word for: no text holds any term
            return cls((), np.zeros(0, np.float32), np.zeros((0, dims), np.float32))
        axes = np.zeros((matrix.shape[1], dims), np.float32)
        rank = min(dims, min(matrix.shape))
        # one thread: the order of additions, and so the last bit, must not depend on the machine
        with threadpool_limits(1):
            _, weight, found = randomized_svd(matrix, rank, n_iter=4, random_state=seed)
        axes[:, :rank] = (found * (weight / weight[0])[:, None]).T
        terms = vectorizer.get_feature_names_out().tolist()
        return cls(terms, vectorizer.idf_.astype(np.float32), axes)

    @functools.cached_property
    def _vectorizer(self) -> "TfidfVectorizer":
        made = _vectorizer(vocabulary={t: i for i, t in enumerate(self.terms)})
        made.idf_ = self.idf
        return made

    def embed(self, texts: Sequence[str]) -> Float32:
        """Return f32[n, dims] as ``Embedder.embed`` says."""
        if not self.terms or not len(texts):
            return np.zeros((len(texts), self.dims), np.float32)
        return unit(np.asarray(self._vectorizer.transform(texts) @ self.axes, np.float32))

    def save(self, folder: Path) -> None:
        """Write terms, idf and axes into ``folder``."""
        _write_json(folder / "terms.json", self.terms)
        np.save(folder / "idf.npy", self.idf)
        np.save(folder / "axes.npy", self.axes)

    @classmethod
    def load(cls, folder: Path) -> "TfidfSvd":
        """Read what ``save`` wrote, the axes memory-mapped; embeddings are equal to the bit."""
        return cls(
            json.loads((folder / "terms.json").read_bytes()),
            np.load(folder / "idf.npy", allow_pickle=False),
            np.load(folder / "axes.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray),
        )


SAMPLE = 50_000
"""Texts that terms and axes are learned from at most."""
MOST_TERMS = 200_000
"""Terms that are kept at most, the most frequent ones."""
FEW = 200
"""Below so many texts a term of any of them counts; below twice as many, one of two; then three."""


class SentenceEmbedder:
    """A sentence-transformers model, for the day that one is worth its weight; extra ``neural``.

    Raises ``ConfigError`` where the extra is not installed or the model is not found.
    """

    name = "sentence"

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ConfigError(
                f"embedding with the model {model!r} needs sentence-transformers, which is not"
                " installed; run: pip install 'recsys[neural]'"
            ) from error
        try:
            self._model = SentenceTransformer(model, device="cpu")
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot load the sentence model {model!r}: {error}") from error
        self.model = model
        self.dims = int(self._model.get_sentence_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> Float32:
        """Return f32[n, dims] as ``Embedder.embed`` says."""
        vectors = np.zeros((len(texts), self.dims), np.float32)
        filled = [i for i, text in enumerate(texts) if text.strip()]
        if filled:
            vectors[filled] = self._model.encode(
                [texts[i][:LONGEST] for i in filled], show_progress_bar=False
            )
        return unit(vectors)

    def save(self, folder: Path) -> None:
        """Write the model's name; its weights stay in the cache of sentence-transformers."""
        _write_json(folder / "model.json", self.model)

    @classmethod
    def load(cls, folder: Path) -> "SentenceEmbedder":
        """Load the model that ``save`` named."""
        return cls(json.loads((folder / "model.json").read_bytes()))


EMBEDDERS: dict[str, Callable[[Path], Embedder]] = {
    TfidfSvd.name: TfidfSvd.load,
    SentenceEmbedder.name: SentenceEmbedder.load,
}
"""How to read each kind of embedder from its folder."""


def load(name: str, folder: Path) -> Embedder:
    """Read a saved embedder.

    Raises ``BundleIncompatible`` for an unknown name, ``BundleCorrupt`` where files do not fit.
    """
    if name not in EMBEDDERS:
        known = ", ".join(EMBEDDERS)
        raise BundleIncompatible(f"embedder {name!r} is unknown to this version; known: {known}")
    try:
        return EMBEDDERS[name](folder)
    except (OSError, ValueError, EOFError) as error:
        raise BundleCorrupt(f"the embedder in {folder} cannot be read: {error}") from error


def unit(vectors: Float32) -> Float32:
    """Return f32[n, d] with rows scaled to length 1; zero rows stay zero."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    scaled: Float32 = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-12)
    return scaled


# Scripts written without spaces between words (Thai, Lao, Myanmar, Khmer, kana, Han), and Hangul,
# whose words carry their particles: overlapping pairs of characters serve as words there.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_TOKEN = re.compile(rf"([{UNSPACED}]+)|[^\W_{UNSPACED}]{{2,}}")


def tokens(text: str) -> list[str]:
    """Return the terms of a text: words where the script has them, else characters and pairs."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found = []
    for match in _TOKEN.finditer(text.lower()):
        run = match[1]
        if run is None:
            found.append(match[0])
        else:
            found.extend(run)
            found.extend(run[i : i + 2] for i in range(len(run) - 1))
    return found


@functools.cache
def stop_words() -> frozenset[str]:
    """Return the English words that tell nothing."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def _features(text: str) -> Iterator[str]:
    title, _, body = text[:LONGEST].partition("\n")
    idle = stop_words()
    for part, count in ((title, TITLE_COUNT), (body, 1)):
        previous = ""
        for word in tokens(part):
            if word in idle:
                continue
            yield from (word,) * count
            # two words in a row tell more than each; unspaced scripts have their pairs already
            if previous and word < UNSPACED:
                yield from (f"{previous} {word}",) * count
            previous = word if word < UNSPACED else ""


def _vectorizer(**settings: Any) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer=_features, sublinear_tf=True, dtype=np.float32, **settings)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

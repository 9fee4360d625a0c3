"""Tells grave articles from light ones by their words, so that no joke stands under a funeral.

A linear model: what each word adds can be shown to whoever asks why, and adds up to the verdict.
"""

import itertools
import json
import math
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.special import expit

from recsys.arrays import Float32, Int8
from recsys.embed import UNSPACED, stop_words, tokens
from recsys.errors import BundleCorrupt, ConfigError
from recsys.tables import TONES
from recsys.types import Article, Tone

LEAD, OPENING = 1_500, 300
"""Characters of a body that are read, and those that count more: news come to the point at once."""
HEAD_COUNT, OPENING_COUNT = 8, 3
"""How often a word of title, section and tags counts, and one of the opening."""
SHORT = 25.0
"""Squared length of what is missing from a short text: a title alone makes nobody sure."""
UNSPACED_SHARE = 0.25
"""Of a pair of characters in the length of a text: a word there has some four overlapping ones."""
JUDGED = (Tone.GRAVE, Tone.LIGHT)
"""What the columns of weights and chances stand for; where both apply, grave it is."""


@dataclass(frozen=True, slots=True)
class Word:
    """What one term of a text added to its verdict, in log odds."""

    term: str
    count: int
    """How often it stands there; one in the title counts for several."""
    grave: float
    light: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """Why a text was judged as it was: ``bias`` and all ``words`` add up to the log odds."""

    tone: Tone
    chances: tuple[float, float]
    """That it is grave, and that it is light."""
    thresholds: tuple[float, float]
    """From which chance on it is called so."""
    bias: tuple[float, float]
    words: tuple[Word, ...]
    """Those that say most first."""


@dataclass(frozen=True, slots=True, eq=False)
class ToneModel:
    """Two logistic regressions over the terms of section, tags, title and lead.

    A term is a word or a phrase; in scripts without spaces, pairs of characters are words.
    """

    terms: tuple[str, ...]
    weights: Float32
    """f32[t, 2]: log odds that a term of a text's whole length would add, grave and light."""
    bias: Float32
    """f32[2]"""
    thresholds: Float32
    """f32[2]: chances from which on a text is called grave or light."""
    _rows: dict[str, int] = field(init=False, repr=False)
    _longest: dict[str, int] = field(init=False, repr=False)
    """Words of the longest phrase that begins with a word, where it is of three or more."""

    def __post_init__(self) -> None:
        if not (
            self.weights.shape == (len(self.terms), 2)
            and self.bias.shape == self.thresholds.shape == (2,)
        ):
            raise ValueError(
                f"{len(self.terms)} terms do not fit weights of the shape {self.weights.shape}"
            )
        longest: dict[str, int] = {}
        for term in self.terms:
            first, *more = term.split(" ")
            if len(more) > 1:
                longest[first] = max(longest.get(first, 0), 1 + len(more))
        object.__setattr__(self, "_rows", {term: row for row, term in enumerate(self.terms)})
        object.__setattr__(self, "_longest", longest)

    def judge(self, texts: Sequence[str]) -> Int8:
        """Return int8[n], codes into ``tables.TONES``: grave, light or neutral.

        A text is ``lead_of`` an article. One without a letter is unknown: there is nothing to
        judge.
        """
        above = self.chances(texts) >= self.thresholds
        judged = np.where(
            above[:, 0], _CODES[Tone.GRAVE], np.where(above[:, 1], _CODES[Tone.LIGHT], _NEUTRAL)
        ).astype(np.int8)
        judged[[not any(map(str.isalnum, text)) for text in texts]] = _CODES[Tone.UNKNOWN]
        return judged

    def chances(self, texts: Sequence[str]) -> Float32:
        """Return f32[n, 2]: how probably each text is grave, and light."""
        chances: Float32 = expit(self.matrix(texts) @ self.weights + self.bias).astype(np.float32)
        return chances

    def explain(self, text: str) -> Opinion:
        """Return the verdict on a text with what each of its known terms added."""
        counts, length = self._counted(text)
        found = []
        for row, count in counts.items():
            grave, light = (float(w) * _damped(count) / length for w in self.weights[row])
            found.append(Word(self.terms[row], count, grave, light))
        found.sort(key=lambda word: (-abs(word.grave) - abs(word.light), word.term))
        grave, light = self.chances([text])[0].tolist()
        return Opinion(
            tone=TONES[int(self.judge([text])[0])],
            chances=(grave, light),
            thresholds=(float(self.thresholds[0]), float(self.thresholds[1])),
            bias=(float(self.bias[0]), float(self.bias[1])),
            words=tuple(found),
        )

    def matrix(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return f64[n, t]: how much of each text a term is; a row depends on its text only."""
        values: list[float] = []
        columns: list[int] = []
        starts = [0]
        for text in texts:
            counts, length = self._counted(text)
            columns.extend(counts)
            values.extend(_damped(count) / length for count in counts.values())
            starts.append(len(columns))
        return sparse.csr_matrix((values, columns, starts), shape=(len(texts), len(self.terms)))

    def _counted(self, text: str) -> tuple[dict[int, int], float]:
        """Return how often each known term stands in a text, and the length of the text."""
        rows, longest = self._rows, self._longest
        counts: dict[int, int] = {}
        every: dict[str, int] = {}
        for part, times in _parts(text):
            for word in part:
                every[word] = every.get(word, 0) + times
            for pair in map("{} {}".format, part, part[1:]):
                if pair in rows:
                    row = rows[pair]
                    counts[row] = counts.get(row, 0) + times
            for word in longest.keys() & part:
                for place in [n for n, other in enumerate(part) if other == word]:
                    for size in range(3, longest[word] + 1):
                        phrase = rows.get(" ".join(part[place : place + size]))
                        if phrase is not None and place + size <= len(part):
                            counts[phrase] = counts.get(phrase, 0) + times
        length, idle = SHORT, stop_words()
        for word, count in every.items():
            if word in rows:
                counts[rows[word]] = counts.get(rows[word], 0) + count
            if word not in idle:
                length += _damped(count) ** 2 * (1.0 if word < UNSPACED else UNSPACED_SHARE)
        return dict(sorted(counts.items())), math.sqrt(length)

    def save(self, folder: Path) -> None:
        """Write terms and weights into an existing folder."""
        text = json.dumps(self.terms, ensure_ascii=False)
        (folder / "terms.json").write_text(text, encoding="utf-8")
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "ToneModel":
        """Read what ``save`` wrote; raises ``BundleCorrupt`` where it cannot be read."""
        try:
            arrays = {n: np.load(folder / f"{n}.npy", allow_pickle=False) for n in _ARRAYS}
            return cls(tuple(json.loads((folder / "terms.json").read_bytes())), **arrays)
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise BundleCorrupt(
                f"the model of tones in {folder} cannot be read: {error}"
            ) from error

    @classmethod
    def rules(cls) -> "ToneModel":
        """Return the model made of the weak rules alone, as it is before any training."""
        return _of_rules()


def lead_of(article: Article) -> str:
    """Return the text by which an article is judged: section, tags and title on the first line."""
    head = " ".join((article.section, *article.tags, article.title)).split()
    return f"{' '.join(head)}\n{article.body[:LEAD]}"


def words(text: str) -> list[str]:
    """Return the words of a text in order; pairs of characters where there are no spaces."""
    return [token for token in tokens(text) if len(token) > 1]


def term_of(phrase: str) -> str:
    """Return a phrase as a term of a model: its words, parted by single spaces."""
    return " ".join(words(phrase))


def candidates(text: str) -> Iterable[str]:
    """Return the terms of a text that a model may learn: words, and two in a row."""
    idle = stop_words()
    for part, _ in _parts(text):
        previous = ""
        for word in part:
            plain = "" if word in idle else word
            if plain:
                yield plain
                if previous and plain < UNSPACED:
                    yield f"{previous} {plain}"
            previous = plain if plain < UNSPACED else ""


@dataclass(frozen=True, slots=True)
class WeakRule:
    """A list of terms that speak for or against a tone, each mention by as much."""

    name: str
    why: str
    terms: tuple[str, ...]
    grave: float = 0.0
    light: float = 0.0
    cancels: bool = False
    """Takes back what the words inside its terms say for grave."""


@cache
def weak_rules() -> tuple[WeakRule, ...]:
    """Return the rules of ``tone.toml``; raises ``ConfigError`` naming the one that is wrong."""
    path = Path(__file__).with_suffix(".toml")
    found = []
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["rule"]:
        try:
            phrases = (p for line in re.split(r"[,\n]", table.pop("terms")) for p in _spelt(line))
            terms = tuple(dict.fromkeys(_term(phrase) for phrase in phrases if phrase))
            found.append(WeakRule(terms=terms, **table))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path}: rule {table.get('name')!r} is wrong: {error}") from error
    return tuple(found)


def _term(phrase: str) -> str:
    """Return the term of a rule's phrase; ``ValueError`` where what is left is another word."""
    term = term_of(phrase)
    if not term or (" " in phrase and " " not in term):
        raise ValueError(f"of {phrase!r} only {term!r} would be looked for: letters alone are none")
    return term


SHARPNESS = 14.0
"""Log odds that a word of weight 1 would add to a text of nothing else; set by hand."""
RULES_BIAS = (-3.0, -3.0)
THRESHOLDS = (0.2, 0.3)
"""Settled on the development part of the labels, below a half: a grave article that is missed is
worse than one more called grave, and a joke let pass worse than one more called light."""


@cache
def _of_rules() -> ToneModel:
    said: dict[str, tuple[float, float]] = {}
    for rule in weak_rules():
        if not rule.cancels:
            for term in rule.terms:
                grave, light = said.get(term, (0.0, 0.0))
                said[term] = (grave + rule.grave, light + rule.light)
    spoken = {term: grave for term, (grave, _) in said.items() if grave > 0}
    # Short phrases first: a longer one takes back what they have left.
    for phrase in sorted({t for rule in weak_rules() if rule.cancels for t in rule.terms}, key=len):
        part = phrase.split(" ")
        spans = itertools.combinations(range(len(part) + 1), 2)
        spoken[phrase] = -sum(spoken.get(" ".join(part[a:b]), 0.0) for a, b in spans)
        said[phrase] = (spoken[phrase], 0.0)
    terms = tuple(sorted(said))
    weights = SHARPNESS * np.array([said[t] for t in terms], np.float32).reshape(-1, 2)
    return ToneModel(
        terms, weights, np.array(RULES_BIAS, np.float32), np.array(THRESHOLDS, np.float32)
    )


def _spelt(phrase: str) -> list[str]:
    """Return every way in which a phrase with [choices|of words] may read."""
    parts = re.split(r"\[([^]]*)\]", phrase.strip())
    choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _parts(text: str) -> Iterable[tuple[list[str], int]]:
    head, _, body = text.partition("\n")
    start = max(body.rfind(" ", 0, OPENING), 0) if len(body) > OPENING else OPENING
    return (
        (words(head), HEAD_COUNT),
        (words(body[:start]), OPENING_COUNT),
        (words(body[start:LEAD]), 1),
    )


@cache
def _damped(count: int) -> float:
    return math.log2(1.0 + count)


_CODES = {tone: TONES.index(tone) for tone in TONES}
_NEUTRAL = _CODES[Tone.NEUTRAL]
_ARRAYS = ("weights", "bias", "thresholds")

"""Copies of a story are found, other articles on the same matter are not."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.embed import TfidfSvd
from recsys.index import ArticleIndex
from recsys.stories import WIDTH, Tellings, assign, group, signatures, similarity

WORDS = [f"word{n}" for n in range(400)]


def articles(seed: int, count: int = 40, length: int = 120) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"title {i}\n" + " ".join(rng.choice(WORDS, length)) for i in range(count)]


def edited(text: str, share: float, rng: np.random.Generator) -> str:
    """A wire copy: another title, and a share of the words changed where an editor would."""
    words = text.partition("\n")[2].split()
    start = int(rng.integers(0, len(words)))
    for i in range(int(share * len(words))):
        words[(start + i) % len(words)] = str(rng.choice(WORDS))
    return "quite another title\n" + " ".join(words)


def stories(texts: list[str]) -> np.ndarray:
    near, _ = ArticleIndex.build(TfidfSvd.fit(texts, dims=32).embed(texts)).neighbours(16)
    return group(signatures(texts), near)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.15])
def test_planted_copies_and_only_those_are_one_story(share):
    rng = np.random.default_rng(5)
    texts = articles(1)
    texts += [edited(text, share, rng) for text in texts[:10]]
    story = stories(texts)
    assert story[:40].tolist() == list(range(40))
    assert story[40:].tolist() == list(range(10))


def test_a_story_is_named_by_its_first_row_through_chains_of_copies():
    marks = signatures(articles(2, 3))
    marks = np.stack([marks[0], np.r_[marks[0, :70], marks[2, 70:]], marks[2]])
    assert group(marks, np.array([[1], [-1], [1]], np.int32)).tolist() == [0, 0, 2]
    marks[1] = np.r_[marks[0, :64], marks[2, 64:]]
    assert group(marks, np.array([[1], [-1], [1]], np.int32)).tolist() == [0, 0, 0]


def test_japanese_copies_are_found():
    text = "京都の寺では紅葉が見頃を迎え、朝早くから多くの観光客が訪れている。市はバスを出す。"
    other = "東京株式市場で日経平均株価は三日続けて上昇し、半導体に関わる銘柄が買われたという。"
    marks = signatures([f"一\n{text}", f"二\n{text[:-6]}と発表した。", f"三\n{other}"])
    assert similarity(marks[0], marks[1])[0] > 0.5
    assert similarity(marks[0], marks[2])[0] < 0.1


def test_texts_that_are_too_short_never_join():
    marks = signatures(["same title\nfew words", "same title\nfew words", "", ""])
    everyone = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]], np.int32)
    assert group(marks, everyone).tolist() == [0, 1, 2, 3]


def test_nothing_to_group():
    assert len(group(signatures([]), np.zeros((0, 5), np.int32))) == 0


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 50))
def test_the_estimate_is_near_the_true_similarity(shared, own, extra):
    shared += 20
    rng = np.random.default_rng(shared * 7 + own)
    words = [f"w{n}" for n in rng.permutation(100_000)[: shared + own + extra]]
    one, other = words[: shared + own], words[:shared] + words[shared + own :]
    marks = signatures(["t\n" + " ".join(one), "t\n" + " ".join(other)])
    shingles = [set(zip(w, w[1:], w[2:], strict=False)) for w in (one, other)]
    true = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    assert similarity(marks[0], marks[1])[0] == pytest.approx(true, abs=5 / np.sqrt(WIDTH))


def test_a_fresh_article_joins_the_story_it_copies():
    texts = articles(3, 10)
    marks = signatures(texts)
    story = np.array([0, 1, 1, 3, 4, 5, 6, 7, 8, 9], np.int32)
    copy, new = signatures([edited(texts[2], 0.1, np.random.default_rng(0)), articles(9, 1)[0]])
    near = np.array([7, 2, -1], np.int32)
    assert assign(copy, near, marks, story, 10) == 1
    assert assign(new, near, marks, story, 10) == 10
    assert assign(copy, np.array([-1], np.int32), marks, story, 10) == 10


def test_who_tells_a_story_is_known_where_more_than_one_does():
    story = np.array([0, 1, 0, 3, 3, 0], np.int32)
    site = np.array([0, 1, 2, 1, 1, 2], np.int16)
    tellings = Tellings.of(story, site)
    assert tellings.counts[story].tolist() == [3, 1, 3, 2, 2, 3]
    assert tellings.at(story, 2).tolist() == [True, False, True, False, False, True]
    assert tellings.at(story, 1).tolist() == [False, False, False, True, True, False]
    assert not tellings.at(story, -1).any()
    assert not Tellings.of(story[:0], site[:0]).at(story, 0).any()


@given(
    told=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2)), max_size=12),
    known=st.integers(0, 12),
)
def test_further_tellings_make_what_all_of_them_would(told: list, known: int):
    # an article's story is its own row or that of an earlier one
    story = np.array([min(wish, row) for row, (wish, _) in enumerate(told)], np.int32)
    site = np.array([site for _, site in told], np.int16)
    grown = Tellings.of(story[:known], site[:known]).extended(story, site)
    whole = Tellings.of(story, site)
    assert grown.counts.tolist() == whole.counts.tolist()
    assert grown.told.tolist() == whole.told.tolist()


def test_real_duplicates_are_found_without_joining_other_news():
    shared = Path(os.environ.get("RECSYS_SHARED", Path(__file__).parents[3] / "shared"))
    path = shared / "data/bbc/articles.parquet"
    if not path.exists():
        pytest.skip(f"the BBC set is not at {path}")
    rows = pq.read_table(path).slice(0, 900).to_pylist()
    texts = [f"{row['title']}\n{row['body']}" for row in rows]
    story = stories(texts)
    bodies = {}
    for row, text in enumerate(texts):
        bodies.setdefault(text.partition("\n")[2], []).append(row)
    for same in bodies.values():
        assert len(set(story[same].tolist())) == 1
    assert np.bincount(story).max() <= 4

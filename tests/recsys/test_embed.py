"""TF-IDF and SVD on awkward collections, in any script."""

import builtins
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.embed import SentenceEmbedder, TfidfSvd, load, text_of, tokens, unit
from recsys.errors import BundleCorrupt, BundleIncompatible, ConfigError
from recsys.types import Article

JAPANESE = [
    "京都の紅葉\n京都の寺では紅葉が見頃を迎え、多くの観光客が訪れている。",
    "紅葉の名所\n観光客は京都の寺を訪れ、紅葉の写真を撮った。",
    "株価が上昇\n東京株式市場で日経平均株価は三日続けて上昇した。",
    "日経平均が続伸\n東京市場の株価は上昇を続け、日経平均は高値をつけた。",
]


def test_words_are_words_and_unspaced_scripts_are_characters_and_pairs():
    assert tokens("Tokyo's 2 new Cafés") == ["tokyo", "new", "cafés"]
    assert tokens("東京駅 opens") == ["東", "京", "駅", "東京", "京駅", "opens"]
    assert tokens("ผัดไทย")[-1] == "ทย"
    assert tokens("ﾗｰﾒﾝ") == tokens("ラーメン")
    assert tokens("\x00 -- _ 1") == []


def test_japanese_articles_find_their_like():
    vectors = TfidfSvd.fit(JAPANESE, dims=4).embed(JAPANESE)
    like = vectors @ vectors.T
    np.fill_diagonal(like, -1)
    assert like.argmax(axis=1).tolist() == [1, 0, 3, 2]


def test_a_word_of_the_title_counts_more_than_one_of_the_body():
    texts = ["ship\nthe green hill", "hill\nthe green ship", "hill green hill", "ship dock"]
    vectors = TfidfSvd.fit(texts, dims=8).embed(["ship\nhill", "ship", "hill"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_title_is_the_first_line_whatever_it_holds():
    article = Article("s", "k", "u", "  a\n b\x0bc ", 0, body="body\nmore")
    assert text_of(article) == "a b c\nbody\nmore"


@pytest.mark.parametrize("texts", [[], [""], ["", "\n"], ["the and of"], ["one article\nonly"]])
def test_width_is_fixed_however_little_there_is_to_learn(texts):
    embedder = TfidfSvd.fit(texts, dims=16)
    vectors = embedder.embed([*texts, "something unseen"])
    assert vectors.shape == (len(texts) + 1, 16)
    assert np.isfinite(vectors).all()


def test_the_same_texts_give_the_same_bits():
    first, second = (TfidfSvd.fit(JAPANESE, dims=4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.embed(JAPANESE), second.embed(JAPANESE))


@given(st.lists(st.text(max_size=60), max_size=30))
def test_any_text_gives_rows_of_length_one_or_zero(texts):
    vectors = TfidfSvd.fit(texts, dims=6).embed(texts)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))


def test_a_huge_title_is_embedded_like_any_other():
    texts = [f"{'harbour ' * 15_000}\nbody", "harbour town\nbody", "hill\nvalley"]
    vectors = TfidfSvd.fit(texts, dims=4).embed(texts)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_unit_keeps_zero_rows():
    assert unit(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [
        [np.float32(0.6), np.float32(0.8)],
        [0, 0],
    ]


def test_an_embedder_of_a_later_version_is_refused_by_name(tmp_path):
    with pytest.raises(BundleIncompatible, match=r"'quantum'.*known: tfidf-svd"):
        load("quantum", tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(BundleCorrupt, match=r"terms\.json"):
        load("tfidf-svd", tmp_path)


def test_the_sentence_embedder_says_how_to_install_it(monkeypatch):
    original = builtins.__import__

    def absent(name, *rest, **named):
        if name == "sentence_transformers":
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install 'recsys\[neural\]'"):
        SentenceEmbedder("any")


def test_the_neural_library_is_not_loaded_unasked():
    code = "import recsys.embed, sys; sys.exit('sentence_transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

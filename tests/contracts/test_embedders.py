"""What every embedder must do, whichever library stands behind it."""

import importlib.util
import os

import numpy as np
import pytest

from recsys import embed
from recsys.embed import Embedder, SentenceEmbedder, TfidfSvd

TEXTS = [
    "Rice harvest begins\nFarmers in the north cut the first rice of the season this week.",
    "Rice farmers expect a rich season\nThe harvest in the north has begun, farmers say.",
    "Striker breaks record\nThe football club won its seventh match with two late goals.",
    "Late goals win the match\nA football striker scored twice and broke the club's record.",
    "",
]


@pytest.fixture(scope="module", params=["tfidf-svd", "sentence"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "tfidf-svd":
        return TfidfSvd.fit(TEXTS, dims=8)
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("the extra 'neural' is not installed")
    model = os.environ.get("RECSYS_SENTENCE_MODEL")
    if not model:
        pytest.skip("RECSYS_SENTENCE_MODEL does not name a model on this disk")
    return SentenceEmbedder(model)


def test_rows_have_length_one_and_a_text_that_says_nothing_is_zero(embedder):
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (5, embedder.dims)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 1, 0], atol=1e-5)


def test_related_texts_are_nearer_than_others(embedder):
    like = embedder.embed(TEXTS) @ embedder.embed(TEXTS).T
    assert like[0, 1] > max(like[0, 2], like[0, 3])
    assert like[2, 3] > max(like[2, 0], like[2, 1])


def test_a_row_does_not_depend_on_its_neighbours_in_the_batch(embedder):
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_no_texts_give_no_rows(embedder):
    assert embedder.embed([]).shape == (0, embedder.dims)


def test_what_is_saved_embeds_alike_to_the_bit(embedder, tmp_path):
    embedder.save(tmp_path)
    restored = embed.load(embedder.name, tmp_path)
    assert restored.dims == embedder.dims
    np.testing.assert_array_equal(restored.embed(TEXTS), embedder.embed(TEXTS))

"""First words of articles: whole sentences where they fit, and one query for all."""

import pytest
from sqlalchemy import event

from data.store import Store
from data.teasers import shorten, teasers
from recsys.types import Article, ArticleId

SENTENCE = "The ferry leaves the harbour pier at noon."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Short.", "Short."),
        ("Two\n\nparagraphs.  And   spaces", "Two paragraphs. And spaces"),
        (f"{SENTENCE} And then it is gone.", SENTENCE),
        ('She said: "We leave at noon." And so they did, all.', 'She said: "We leave at noon."'),
        (
            "A fare of 3.50 yen, more than it was a year before",
            "A fare of 3.50 yen, more than it was a year…",
        ),
        (
            "No. It goes on and on and on, without an end whatever",
            "No. It goes on and on and on, without an end…",
        ),
        ("x" * 80, "x" * 47 + "…"),
        ("湯けむりの町を歩く。" * 8, "湯けむりの町を歩く。" * 4),
        ("湯けむりの町を歩く" * 8, ("湯けむりの町を歩く" * 8)[:47] + "…"),
    ],
)
def test_a_text_ends_with_a_sentence_or_with_a_word(text, shown):
    assert shorten(text, 48) == shown
    assert len(shown) <= 48


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as opened:
        yield opened


def article(site: str, key: str, body: str) -> Article:
    return Article(site, key, f"/{key}", "Title", 1, body=body)


def test_one_query_tells_of_all(store):
    store.put_articles(article("daily", f"a-{n}", f"{SENTENCE} {n}") for n in range(50))
    store.put_articles([article("guide", "a-1", SENTENCE), article("guide", "a-2", "")])
    asked = []
    event.listen(
        store._engine, "before_cursor_execute", lambda *seen: asked.append(seen[2].split()[0])
    )
    ids = [ArticleId("daily", f"a-{n}") for n in range(49)]
    found = teasers(store, [*ids, *(ArticleId("guide", f"a-{n}") for n in range(1, 4))])
    assert asked.count("SELECT") == 1
    assert found == {id: f"{SENTENCE} {n}" for n, id in enumerate(ids)} | {
        ArticleId("guide", "a-1"): SENTENCE
    }


def test_nobody_asked_for_is_nothing(store):
    assert teasers(store, []) == {}

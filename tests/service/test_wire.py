import pytest
from pydantic import ValidationError

from recsys.types import ArticleId, Query
from service.wire import MAX_HISTORY, Ask, parse_query


def known(url: str) -> ArticleId | None:
    return ArticleId("daily", "a-1") if url == "https://daily.example/a-1" else None


def parsed(ask: Ask) -> tuple[Query, list[str]]:
    return parse_query(ask, 10, 7, known, str.upper)


def test_a_visitor_counts_with_consent_only_and_as_a_pseudonym():
    query, notes = parsed(Ask(visitor="anna", consent=True))
    assert (query.visitor, query.seed, notes) == ("ANNA", 7, [])
    query, notes = parsed(Ask(visitor="anna"))
    assert (query.visitor, notes) == ("", ["visitor was not used: it needs consent=1"])


def test_names_the_article_by_site_and_key():
    query, notes = parsed(Ask(site="daily", key="a-1"))
    assert (query.article, query.site, query.now, notes) == (("daily", "a-1"), "daily", 10, [])


def test_takes_the_site_from_the_article():
    query, _ = parsed(Ask(article="daily/2024/a-1"))
    assert (query.site, query.article) == ("daily", ("daily", "2024/a-1"))


def test_looks_up_an_address():
    query, notes = parsed(Ask(url="https://daily.example/a-1"))
    assert (query.article, query.site, notes) == (("daily", "a-1"), "daily", [])


def test_an_unknown_address_is_a_note():
    query, notes = parsed(Ask(site="daily", url="https://daily.example/no"))
    assert query.article is None
    assert notes == ["no article is known by this url"]


def test_keeps_the_last_of_a_long_history():
    history = ",".join(f"daily/a-{place}" for place in range(80))
    query, _ = parsed(Ask(history=history))
    assert len(query.history) == MAX_HISTORY
    assert query.history[-1] == ("daily", "a-79")


def test_takes_the_circumstances_of_the_reader():
    query, _ = parsed(Ask(context="device:phone,region:kansai"))
    assert query.context == ("device:phone", "region:kansai")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"n": 0}, "n"),
        ({"n": 51}, "n"),
        ({"n": "six"}, "n"),
        ({"article": "no-slash"}, "article"),
        ({"history": "daily/a-1,b"}, "history"),
        ({"vistor": "x"}, "vistor"),
        ({"url": "x" * 3000}, "url"),
        ({"context": "phone"}, "context"),
        ({"context": "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9"}, "context"),
    ],
)
def test_refuses_by_name(values, field):
    with pytest.raises(ValidationError) as caught:
        Ask(**values)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize("values", [{"key": "a"}, {"article": "a/b", "url": "https://c/"}])
def test_refuses_an_article_named_by_half_or_twice(values):
    with pytest.raises(ValidationError, match=r"needs site|give one of"):
        Ask(**values)

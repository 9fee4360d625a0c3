"""The desk shows the box under any article and all that decided it, but no reader's past."""

import time

import pytest

from data import audit, rules
from data.audit import Actor
from data.scope import Scope
from recsys.rules import Action, Aim, Rule
from recsys.types import Event, Kind, Query

NOW = int(time.time())
ANNA = Actor("anna")


@pytest.fixture
def viewer(sit):
    return sit(Scope.VIEWER)


@pytest.fixture
def editor(taught, sit):
    """An editor at a desk whose boxes have learned."""
    return sit(Scope.EDITOR)


def section(page: str, begin: str, end: str) -> str:
    return page[page.index(begin) :].split(end)[0]


def test_the_box_shows_the_slate_that_the_page_gets_and_why(viewer, holder, articles):
    query = Query("daily", NOW, articles[1].id, seed=1)
    slate = holder.engine.explain(query).slate
    page = viewer.read("/desk/box?article=daily/a-1")
    cards = section(page, "The slate", "Candidates")
    titles = [holder.engine.card(item.article).title for item in slate.items]
    assert len(titles) == 6
    assert [cards.index(title) for title in titles] == sorted(cards.index(t) for t in titles)
    assert "Seed 1," in cards
    table = section(page, "Candidates, best first", "What quotas moved")
    for name in ("Slot", "Together", "Ranked", "Editors", "Score", "Rules"):
        assert name in table


def test_what_editors_decided_is_told_where_it_counts(editor, store, taught):
    block = rules.add(store, Rule("", Action.BLOCK, Aim.ARTICLE, "culture/a-2", reason="x"), ANNA)
    pin = Rule("", Action.PIN, Aim.ARTICLE, "travel/a-4", slot=2, reason="x")
    pin = rules.add(store, pin, ANNA)
    taught.refresh(NOW)
    answer = editor.get("/desk/box?article=daily/a-1&n=50")
    removed = section(answer.text, "Kept out by an editors", "</details>")
    assert f'href="/desk/rules/{block.id}"' in removed
    title = taught.engine.card(taught.engine.find_url("https://culture.example/a-2")).title
    assert title in removed
    shown = section(answer.text, 'class="slate"', "</ol>").split("</li>")
    assert taught.engine.card(pin.article).title in shown[1]
    assert "Chosen by the editors" in shown[1]


def test_what_a_quota_moved_is_told(editor, store, taught, articles):
    boost = Rule("", Action.BOOST, Aim.PATTERN, "*daily.example*", factor=10.0, reason="x")
    boost = rules.add(store, boost, ANNA)
    taught.refresh(NOW)
    moved = taught.engine.explain(Query("daily", NOW, articles[1].id, seed=1)).moved
    answer = editor.get("/desk/box?article=daily/a-1")
    table = section(answer.text, "What quotas moved", "What filters removed")
    assert "least share from other sites" in table
    assert moved
    assert all(one.title in table for one in moved)
    candidates = section(answer.text, "Candidates, best first", "What quotas moved")
    assert "× 10" in candidates
    assert f'href="/desk/rules/{boost.id}"' in candidates


def test_an_article_is_found_by_address_by_key_and_by_words(viewer, articles):
    wanted = articles[9]
    for named in (str(wanted.id), wanted.url):
        page = viewer.read("/desk/box", query_string={"article": named})
        assert f"The box under “{wanted.title}”" in page
    words = viewer.get("/desk/box", query_string={"article": wanted.title})
    assert f"article={wanted.site}/{wanted.key}" in words.text.replace("%2F", "/")
    assert "No article has this" in viewer.read("/desk/box?article=xyzzy")
    assert "The slate" not in viewer.read("/desk/box")
    assert "a page without an article" in viewer.read("/desk/box?site=daily")


def test_a_reader_with_a_history_is_shown_nothing_of_it_again(editor, articles):
    history = f"{articles[9].id}\n{articles[10].url} nowhere/at-all"
    asked = {"article": "daily/a-1", "history": history}
    page = editor.read("/desk/box", query_string=asked)
    assert "'nowhere/at-all' in the history is no article that is known here" in page
    slate = section(page, "The slate", "Candidates")
    read = page[page.index("Read already") :]
    for one in articles[9], articles[10]:
        assert one.title not in slate
        assert one.title in read


@pytest.mark.parametrize(("name", "value"), [("n", "0"), ("n", "many"), ("seed", "-1")])
def test_numbers_that_make_no_sense_are_told_by_their_field(viewer, name, value):
    answer = viewer.get("/desk/box", query_string={"article": "daily/a-1", name: value})
    assert answer.status_code == 422
    assert f'<a href="#{name}">' in answer.text


# Nobody pries


@pytest.fixture
def reader(store, holder, articles):
    """The id of a reader who has read two articles, and these."""
    known = holder.keyring.visitor("reader-7")
    read = articles[9], articles[17]
    store.put_events(
        Event(f"r{n}", Kind.READ, one.id, NOW - 60, known) for n, one in enumerate(read)
    )
    holder.refresh(NOW)
    return "reader-7", read


@pytest.mark.parametrize("role", [Scope.VIEWER, Scope.EDITOR, Scope.ADMIN])
def test_no_role_of_the_desk_sees_the_box_of_a_real_reader(sit, reader, role):
    desk = sit(role)
    assert "As one reader" not in desk.read("/desk/box?article=daily/a-1")
    answer = desk.post("/desk/box", article="daily/a-1", visitor=reader[0])
    assert answer.status_code == 403
    asked = desk.read(f"/desk/box?article=daily/a-1&visitor={reader[0]}")
    assert asked == desk.read("/desk/box?article=daily/a-1")


def test_who_may_see_what_is_held_of_readers_sees_a_box_and_no_history(sit, key, store, reader):
    desk = sit(Scope.VIEWER)
    desk.login(key(Scope.VIEWER, Scope.VISITORS))
    visitor, read = reader
    assert "As one reader" in desk.read("/desk/box?article=daily/a-1")
    answer = desk.post("/desk/box", article="daily/a-1", visitor=visitor, n="50")
    assert answer.status_code == 200
    page = answer.text
    assert "What this reader has read is not told here" in page
    assert "Read already" not in page
    assert all(one.title not in page for one in read)
    assert visitor not in page
    told = next(one for one in audit.entries(store) if one.action == "box.reader")
    assert told.subject == "daily/a-1"
    assert visitor not in str(told)

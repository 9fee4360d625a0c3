"""What editors decide at the desk: made, found again, undone, and refused with a reason."""

import re

import pytest

from data import rules
from data.scope import Scope
from recsys.rules import Action, Aim

BLOCK = {"action": "block", "aim": "article", "value": "daily/a-1", "reason": "a mistake in it"}


@pytest.fixture
def editor(sit):
    return sit(Scope.EDITOR)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"action": "pin", "value": "daily/a-1", "slot": "2"}, {"slot": 2}),
        ({"action": "boost", "aim": "author", "value": "A. B.", "factor": "2"}, {"factor": 2.0}),
        ({"action": "bury", "aim": "section", "value": "News", "factor": "0"}, {"factor": 0.0}),
        ({"action": "block", "aim": "pattern", "value": "*casino*", "site": "daily"}, {}),
        ({"action": "block", "aim": "tag", "value": "crypto"}, {"aim": Aim.TAG}),
        ({"action": "stop", "value": "daily/a-1", "sure": "yes"}, {"action": Action.STOP}),
        ({"action": "block", "value": "https://daily.example/a-1"}, {"value": "daily/a-1"}),
        (
            {"action": "block", "value": "daily/a-1", "start": "2200-01-01T00:00"},
            {"start": 7_258_118_400},
        ),
    ],
)
def test_a_rule_of_each_kind_is_made(editor, store, sent, kept):
    answer = editor.post("/desk/rules/new", follow=True, reason="because", **sent)
    assert answer.status_code == 200, answer.text
    assert "The rule is made." in answer.text
    (made,) = rules.rules(store)
    assert made.action == sent["action"]
    assert made.site == sent.get("site", "")
    assert (made.author, made.reason) == ("editor's", "because")
    assert {name: getattr(made, name) for name in kept} == kept
    assert f"<code>{made.value}</code>" in answer.text
    assert f"/desk/rules/{made.id}" in editor.get("/desk/rules").text


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({"value": ""}, "value", "Say what the rule is about"),
        ({"value": "daily/nowhere"}, "value", "no such article"),
        ({"value": "nowhere"}, "value", "site/key"),
        ({"reason": " "}, "reason", "Say why"),
        ({"reason": "x" * 1_001}, "reason", "at most 1,000"),
        ({"aim": "pattern", "value": "**"}, "value", "match everything"),
        ({"aim": "tag", "value": "a\x00b"}, "value", "control characters"),
        ({"aim": "colour"}, "aim", "one of the choices"),
        ({"site": "elsewhere"}, "site", "unknown"),
        ({"end": "2020-01-01T00:00"}, "end", "has passed"),
        ({"end": "tomorrow"}, "end", "is not a time"),
        ({"action": "pin", "slot": "0"}, "slot", "1 to 50"),
        ({"action": "pin", "slot": "first"}, "slot", "is not a number"),
        ({"action": "boost", "factor": "99"}, "factor", "1.01 to 10"),
        ({"action": "boost", "factor": "nan"}, "factor", "1.01 to 10"),
        ({"action": "stop", "site": "daily"}, "site", "counts on every site"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field_and_nothing_typed_is_lost(
    editor, store, sent, field, said
):
    answer = editor.post("/desk/rules/new", **{**BLOCK, **sent})
    assert answer.status_code == 422
    assert re.search(rf'<a href="#{field}">[^<]*{re.escape(said)}', answer.text), answer.text
    assert f'id="{field}"' in answer.text
    assert "<title>Error: " in answer.text
    if sent.get("reason") is None:
        assert 'value="a mistake in it"' in answer.text
    assert rules.rules(store) == []


def test_an_emergency_stop_asks_first_and_names_who_else_tells_the_story(editor, store):
    sent = {**BLOCK, "action": "stop"}
    asked = editor.post("/desk/rules/new", **sent)
    assert asked.status_code == 200
    assert "Stop this story on every site?" in asked.text
    assert rules.rules(store) == []
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
    editor.post("/desk/rules/new", **hidden)
    (made,) = rules.rules(store)
    assert (made.action, made.value) == (Action.STOP, "daily/a-1")


def test_an_article_is_found_by_words_and_put_into_the_form(editor, articles):
    word, other = articles[1].title.split()[:2]
    page = editor.get(f"/desk/rules/new?action=pin&q={word.upper()}+{other}").text
    link = re.search(r'href="(/desk/rules/new\?action=pin&amp;value=daily(?:/|%2F)a-1)"', page)
    assert link, page
    form = editor.get(link[1].replace("&amp;", "&")).text
    assert 'value="daily/a-1"' in form
    assert articles[1].title in form
    assert "No articles found" in editor.get("/desk/rules/new?action=pin&q=xyzzy").text


def test_a_rule_is_undone_with_a_reason_and_its_history_stays(editor, store):
    place = editor.post("/desk/rules/new", **BLOCK).headers["Location"].partition("?")[0]
    assert editor.post(place, reason="").status_code == 422
    undone = editor.post(place, follow=True, reason="it was right")
    assert "The rule is undone." in undone.text
    assert "because: a mistake in it" in undone.text
    assert "because: it was right" in undone.text
    assert rules.rules(store)[0].undone
    again = editor.post(place, reason="twice")
    assert again.status_code == 422
    assert "had been undone before" in again.text


def test_viewers_read_rules_and_make_none(editor, sit, store):
    editor.post("/desk/rules/new", **BLOCK)
    viewer = sit(Scope.VIEWER)
    page = viewer.get("/desk/rules").text
    assert "a mistake in it" in page
    assert "Make a rule" not in page
    place = "/desk/rules/" + rules.rules(store)[0].id
    assert "Undo this rule" not in viewer.get(place).text
    for refused in (
        viewer.get("/desk/rules/new?action=block"),
        viewer.post("/desk/rules/new", **BLOCK),
        viewer.post(place, reason="no"),
    ):
        assert refused.status_code == 403
        assert "This needs an editor" in refused.text
        assert "recsys keys create NAME --scope editor" in refused.text
    assert not rules.rules(store)[0].undone


def test_a_key_for_one_site_decides_for_its_pages_only(store, sit, editor):
    local = sit(Scope.EDITOR, "daily")
    for site, status in (("daily", 303), ("culture", 422), ("", 422)):
        assert local.post("/desk/rules/new", **BLOCK, site=site).status_code == status, site
    editor.post("/desk/rules/new", **BLOCK)
    general, own = rules.rules(store)
    assert local.post(f"/desk/rules/{general.id}", reason="x").status_code == 403
    assert local.post(f"/desk/rules/{own.id}", reason="x").status_code == 303


def test_kinds_and_rules_that_do_not_exist_are_pages_that_say_so(editor):
    for path in ("/desk/rules/new", "/desk/rules/new?action=tone", "/desk/rules/99", "/desk/x/y"):
        answer = editor.get(path)
        assert answer.status_code == 404
        assert answer.mimetype == "text/html"
        assert "Go to the overview" in answer.text

"""What editors decided is kept for ever, tells followers that it changed, and is written down."""

import pytest
from sqlalchemy import update

from data import audit, rules, schema
from data.audit import Actor
from data.store import Mark, Store
from recsys.errors import DataError
from recsys.rules import Action, Aim, Rule
from recsys.types import NEVER, Tone

NOW = 1_790_000_000
ANNA = Actor("anna", "ab12cd34", "request-1")
BLOCK = Rule("", Action.BLOCK, Aim.PATTERN, "*casino*", reason="no ads for gambling")
EVERY = [
    Rule("", Action.PIN, Aim.ARTICLE, "daily/2026/a", site="guide", slot=2, start=NOW, end=NEVER),
    Rule("", Action.BOOST, Aim.AUTHOR, "Mori Ren", factor=2.5),
    Rule("", Action.BURY, Aim.SECTION, "スポーツ", site="daily", factor=0.1),
    Rule("", Action.BLOCK, Aim.TAG, "betting", start=NOW - 5, end=NOW + 5),
    Rule("", Action.STOP, Aim.ARTICLE, "daily/x"),
    Rule("", Action.TONE, Aim.ARTICLE, "daily/x", tone=Tone.GRAVE),
]


def test_every_kind_of_rule_comes_back_as_it_was_made(store: Store) -> None:
    made = [rules.add(store, rule, ANNA) for rule in EVERY]
    assert rules.rules(store) == made[::-1]
    assert len({rule.id for rule in made}) == len(EVERY)
    assert all(rule.author == "anna" and rule.created > NOW - 10**9 for rule in made)
    assert [rules.rule(store, rule.id) for rule in made] == made
    assert [rules.rule(store, id) for id in ("", "99", "x", "-1", "9" * 40, "²")] == [None] * 6


def test_active_are_those_that_count_or_will(store: Store) -> None:
    planned = rules.add(store, Rule("", Action.BLOCK, Aim.TAG, "a", start=NOW + 50), ANNA)
    ended = rules.add(store, Rule("", Action.BLOCK, Aim.TAG, "b", end=NOW), ANNA)
    undone = rules.add(store, BLOCK, ANNA)
    assert rules.active(store, NOW) == (undone, planned)
    assert rules.undo(store, undone.id, ANNA, NOW)
    assert rules.active(store, NOW) == (planned,)
    assert rules.active(store, NOW - 1) == (ended, planned)


def test_an_undone_rule_stays_in_the_history_with_who_undid_it(store: Store) -> None:
    made = rules.add(store, BLOCK, ANNA)
    ben = Actor("ben")
    assert rules.undo(store, made.id, ben, NOW, "it was satire")
    assert not rules.undo(store, made.id, ANNA, NOW + 1)
    (kept,) = rules.rules(store)
    assert (kept.undone, kept.undone_by, kept.author) == (NOW, "ben", "anna")
    for id in ("", "none", "77", "9" * 40):
        assert not rules.undo(store, id, ben, NOW)


def test_what_has_ended_cannot_be_undone(store: Store) -> None:
    made = rules.add(store, Rule("", Action.BLOCK, Aim.TAG, "b", end=NOW), ANNA)
    revision = rules.revision(store)
    assert not rules.undo(store, made.id, ANNA, NOW)
    assert rules.revision(store) == revision


def test_each_change_has_a_revision_of_its_own(store: Store) -> None:
    seen = [rules.revision(store)]
    made = rules.add(store, BLOCK, ANNA)
    seen.append(rules.revision(store))
    rules.undo(store, made.id, ANNA, NOW)
    seen.append(rules.revision(store))
    rules.undo(store, made.id, ANNA, NOW)
    rules.rules(store)
    seen.append(rules.revision(store))
    assert seen == [0, 1, 2, 2]


def test_a_rule_and_who_made_it_are_written_down_together(store: Store) -> None:
    made = rules.add(store, BLOCK, ANNA)
    rules.undo(store, made.id, Actor("ben"), NOW, "satire")
    undone, added = audit.entries(store)
    assert (added.action, added.subject, added.at) == ("rule.add", made.id, made.created)
    assert (added.actor, added.key, added.request) == ("anna", "ab12cd34", "request-1")
    told = {"action": "block", "aim": "pattern", "value": "*casino*", "author": "anna"}
    told |= {"reason": "no ads for gambling"}
    assert added.detail == {"rule": told}
    assert (undone.action, undone.actor, undone.at) == ("rule.undo", "ben", NOW)
    assert undone.detail == {"rule": told, "reason": "satire"}
    with store.writing() as connection:
        # Its next entry has no place.
        connection.execute(update(schema.audit).values(seq=schema.audit.c.seq + 2))
    with pytest.raises(DataError, match="audit"):
        rules.add(store, BLOCK, ANNA)
    assert [rule.id for rule in rules.rules(store)] == [made.id]
    assert rules.revision(store) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": "x" * 601}, "value has 601 characters"),
        ({"reason": "x\x00y"}, "reason holds control characters"),
        ({"author": "\ud800"}, "author holds"),
    ],
)
def test_texts_that_no_database_keeps_are_refused(store: Store, fields: dict, said: str) -> None:
    values = {"action": Action.BLOCK, "aim": Aim.TAG, "value": "a", **fields}
    with pytest.raises(DataError, match=said):
        rules.add(store, Rule("", **values), ANNA)
    assert rules.rules(store) == []


def test_training_and_followers_read_on_where_they_were(store: Store) -> None:
    mark = store.snapshot(NOW).mark
    rules.add(store, BLOCK, ANNA)
    assert store.snapshot(NOW).mark == store.changes(mark).mark == mark == Mark()

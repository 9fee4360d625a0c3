"""A rule that makes no sense is refused by name, and each rule finds the articles it is about."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.bundle import cards_of
from recsys.errors import DataError
from recsys.rules import Action, Aim, Rule
from recsys.rulings import Matcher, Rulings
from recsys.tables import Catalogue
from recsys.types import Article, Card, Tone

ARTICLE = "daily/1"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"value": " "}, "value is empty"),
        ({"value": "daily"}, "value = 'daily': expected an article as site/key"),
        ({"start": 9, "end": 9}, "end = 9: expected to be after start = 9"),
        ({"slot": 1}, "slot = 1: this kind of rule has none"),
        ({"action": Action.PIN}, "slot = 0: expected 1 to 50"),
        ({"action": Action.PIN, "slot": 51}, "slot = 51: expected 1 to 50"),
        ({"action": Action.PIN, "slot": 1, "aim": Aim.TAG}, "a pin names an article"),
        ({"action": Action.BOOST}, "factor = 1.0: expected 1.01 to 10"),
        ({"action": Action.BURY, "factor": 1.5}, "factor = 1.5: expected 0 to 0.99"),
        ({"factor": 2.0}, "factor = 2.0: this kind of rule has none"),
        ({"action": Action.TONE}, "tone = '': a rule about tone says one"),
        ({"tone": Tone.GRAVE}, "tone = 'grave': a rule about tone says one, and no other"),
        ({"action": Action.STOP, "site": "daily"}, "a stop counts on every site"),
        ({"aim": Aim.PATTERN, "value": "*"}, "would match everything"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(fields: dict, said: str) -> None:
    values = {"id": "1", "action": Action.BLOCK, "aim": Aim.ARTICLE, "value": ARTICLE}
    with pytest.raises(DataError, match=said):
        Rule(**{**values, **fields})


def test_a_rule_counts_from_its_start_to_its_end_unless_it_was_undone() -> None:
    rule = Rule("1", Action.BLOCK, Aim.ARTICLE, ARTICLE, start=10, end=20)
    assert [rule.active(now) for now in (9, 10, 19, 20)] == [False, True, True, False]
    assert not dataclasses.replace(rule, undone=12).active(15)


def test_a_rule_that_has_begun_goes_on_when_the_clock_is_set_back() -> None:
    rule = Rule("1", Action.STOP, Aim.ARTICLE, ARTICLE, start=5000, created=5000)
    assert rule.active(1400)
    assert not dataclasses.replace(rule, start=5001).active(1400)


ARTICLES = [
    Article("daily", "1", "https://d.example/war", "War in the north", 0, authors=("Ann Ode",)),
    Article("daily", "2", "https://d.example/win-a-car", "Ode to spring", 0, tags=("Poems", "春")),
    Article("guide", "1", "https://g.example/x", "Casino nights\nby the sea", 0, section="Ads"),
    Article("guide", "2", "https://g.example/war", "The war, retold", 0, authors=("ann ode", "B")),
]


def rows(aim: Aim, value: str, fresh: tuple[int, ...] = (), **fields: object) -> list[int]:
    """Return the rows that a rule finds, where some articles are newer than the bundle."""
    catalogue = Catalogue.of(ARTICLES, np.array([0, 1, 2, 0], np.int32))
    bundled = [
        a if row not in fresh else dataclasses.replace(a, title="", url="", authors=())
        for row, a in enumerate(ARTICLES)
    ]
    newer = {row: Card.of(ARTICLES[row]) for row in fresh}
    rule = Rule("1", fields.pop("action", Action.BLOCK), aim, value, **fields)
    return Matcher(cards_of(bundled)).rows(rule, catalogue, newer).tolist()


@pytest.mark.parametrize("fresh", [(), (0, 2), (0, 1, 2, 3)])
def test_rules_find_articles_by_author_tag_section_and_pattern_in_any_case(fresh: tuple) -> None:
    assert rows(Aim.AUTHOR, "ANN ODE", fresh) == [0, 3]
    assert rows(Aim.TAG, "poems", fresh) == [1]
    assert rows(Aim.TAG, "春", fresh) == [1]
    assert rows(Aim.SECTION, "ads", fresh) == [2]
    assert rows(Aim.PATTERN, "*WAR*", fresh) == [0, 3]
    assert rows(Aim.PATTERN, "*/win-*", fresh) == [1]
    assert rows(Aim.PATTERN, "casino*sea", fresh) == [2]
    assert rows(Aim.PATTERN, "war*", fresh) == [0]
    assert rows(Aim.PATTERN, "?he war, retold", fresh) == [3]
    assert rows(Aim.PATTERN, "*(war*", fresh) == []


def test_a_stop_finds_every_telling_of_a_story_and_a_block_only_the_article() -> None:
    assert rows(Aim.ARTICLE, "daily/1") == [0]
    assert rows(Aim.ARTICLE, "guide/2", action=Action.STOP) == [0, 3]
    assert rows(Aim.ARTICLE, "daily/unknown", action=Action.STOP) == []


@given(
    title=st.text("abAB?*. é春", max_size=8),
    glob=st.text("abé春.?*", min_size=1, max_size=6).filter(lambda g: g.strip("*? ")),
)
def test_bundled_and_newer_articles_are_matched_alike(title: str, glob: str) -> None:
    article = Article("s", "k", "", title, 0)
    rule = Rule("1", Action.BLOCK, Aim.PATTERN, glob)
    catalogue = Catalogue.of([article])
    found = [
        Matcher(cards_of([article])).rows(rule, catalogue, fresh).tolist()
        for fresh in ({}, {0: Card.of(article)})
    ]
    assert found[0] == found[1]


def ruled(*rules: Rule) -> Rulings:
    catalogue = Catalogue.of(ARTICLES)
    return Matcher(cards_of(ARTICLES)).rulings(rules, catalogue, {})


def test_a_site_hears_its_own_rules_and_those_for_all() -> None:
    here = Rule("1", Action.BLOCK, Aim.ARTICLE, "guide/1", site="daily")
    everywhere = Rule("2", Action.BLOCK, Aim.ARTICLE, "guide/2")
    found = ruled(here, everywhere)
    assert found.on(0).blocked.tolist() == [False, False, True, True]
    for other in (1, -1):
        assert found.on(other).blocked.tolist() == [False, False, False, True]
    assert found.naming(2, "daily", [Action.BLOCK]) == ("1",)
    assert found.naming(2, "guide", [Action.BLOCK]) == ()


def test_boosts_and_buries_multiply() -> None:
    boost = Rule("1", Action.BOOST, Aim.AUTHOR, "Ann Ode", factor=4.0)
    bury = Rule("2", Action.BURY, Aim.ARTICLE, ARTICLE, factor=0.5)
    assert ruled(boost, bury).everywhere.factor.tolist() == [2.0, 1.0, 1.0, 4.0]


def test_of_two_rules_for_one_slot_or_one_tone_the_newer_counts() -> None:
    newer = [
        Rule("4", Action.PIN, Aim.ARTICLE, "daily/2", slot=1),
        Rule("3", Action.TONE, Aim.ARTICLE, ARTICLE, tone=Tone.NEUTRAL),
    ]
    older = [
        Rule("2", Action.PIN, Aim.ARTICLE, "guide/1", slot=1),
        Rule("1", Action.TONE, Aim.ARTICLE, ARTICLE, tone=Tone.GRAVE),
    ]
    found = ruled(*newer, *older)
    assert found.everywhere.pins[0].rule == "4"
    assert found.tone.tolist() == [list(Tone).index(Tone.NEUTRAL), -1, -1, -1]

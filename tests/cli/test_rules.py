"""Editors make rules from the command line, see them, and take them back."""

import json
import time
from pathlib import Path

import pytest

from data import audit, rules
from data.store import Store
from recsys.rules import Action, Aim
from recsys.types import NEVER, Article, Tone

WHY = ("--reason", "an editor said so")


@pytest.fixture
def store(tmp_path: Path):
    (tmp_path / "recsys.toml").write_text('[sites.daily]\nname = "Daily"\n[sites.guide]\n')
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles([Article("daily", "2026/a", "/a", "A war", 1_000)])
        yield store


def one(store: Store):
    (rule,) = rules.rules(store)
    return rule


def test_a_pin_is_made_with_its_site_slot_and_times(typed, store) -> None:
    before = int(time.time())
    words = ("--article", "daily/2026/a", "--site", "guide", "--slot", 2)
    done = typed("rules", "add", "pin", *words, "--start", "+1h", "--end", "2099-01-01", *WHY)
    rule = one(store)
    assert done.out.startswith(f"rule {rule.id}: pin article 'daily/2026/a' to slot 2, on guide")
    assert "within two seconds" in done.out
    assert (rule.action, rule.aim, rule.value) == (Action.PIN, Aim.ARTICLE, "daily/2026/a")
    assert (rule.site, rule.slot, rule.end) == ("guide", 2, 4_070_908_800)
    assert 3600 <= rule.start - before < 3660
    assert rule.author.startswith("command line (")
    assert rule.reason == "an editor said so"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("boost", "--author", "Mori Ren", "--factor", 2), "boost author 'Mori Ren' by 2"),
        (("bury", "--section", "スポーツ", "--factor", 0), "bury section 'スポーツ' by 0"),
        (("block", "--tag", "betting"), "block tag 'betting'"),
        (("block", "--pattern", "*[bold]*"), "block pattern '*[bold]*'"),
        (("stop", "--article", "daily/2026/a"), "stop article 'daily/2026/a'"),
        (("tone", "--article", "daily/2026/a", "--tone", "grave"), "is grave"),
    ],
)
def test_every_action_is_made_and_listed(typed, store, words, told) -> None:
    done = typed("rules", "add", *words, *WHY)
    assert (done.code, done.err) == (0, "")
    assert told in done.out
    listed = typed("rules", "list").out
    assert words[2] in listed
    assert "active" in listed


def test_the_emergency_stop_is_a_rule_on_every_site(typed, store) -> None:
    assert "within two seconds" in typed("rules", "stop", "daily/2026/a", *WHY).out
    rule = one(store)
    assert (rule.action, rule.value, rule.site) == (Action.STOP, "daily/2026/a", "")
    assert rule.end == NEVER


def test_a_list_tells_what_became_of_each(typed, store) -> None:
    def made(*words: object) -> str:
        return json.loads(typed("rules", "add", "block", *words, *WHY, "--json").out)["id"]

    planned, active, undone = (
        made("--tag", "a", "--start", "+1d"),
        made("--tag", "b"),
        made("--tag", "c"),
    )
    assert typed("rules", "undo", undone, "--reason", "over").code == 0
    listed = {r["id"]: r for r in json.loads(typed("rules", "list", "--json").out)}
    assert {id: rule["state"] for id, rule in listed.items()} == {
        planned: "planned",
        active: "active",
        undone: "undone",
    }
    assert listed[active]["end"] is None
    assert listed[undone]["undone_by"].startswith("command line (")
    standing = json.loads(typed("rules", "list", "--standing", "--json").out)
    assert {rule["id"] for rule in standing} == {planned, active}


def test_undoing_what_stands_no_more_is_told(typed, store) -> None:
    typed("rules", "add", "block", "--tag", "a", *WHY)
    assert "rule 1 is undone" in typed("rules", "undo", 1, *WHY).out
    again, none = typed("rules", "undo", 1, *WHY), typed("rules", "undo", 7, *WHY)
    assert (again.code, "undone already" in again.err) == (2, True)
    assert (none.code, "no rule '7'" in none.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("block",), "give one of --article, --author, --tag, --section, --pattern, not 0"),
        (("block", "--tag", "a", "--author", "b"), "not 2"),
        (("block", "--article", "daily/none"), "'daily/none': the store has no such article"),
        (("block", "--article", "daily"), "expected an article as site/key"),
        (("block", "--tag", "a", "--site", "dialy"), "known: daily, guide"),
        (("pin", "--article", "daily/2026/a"), "slot = 0: expected 1 to 50"),
        (("boost", "--tag", "a"), "factor = 1.0"),
        (("stop", "--tag", "a"), "a stop names an article"),
        (("stop", "--article", "daily/2026/a", "--site", "guide"), "every site"),
        (("tone", "--article", "daily/2026/a"), "tone"),
        (("block", "--tag", "a", "--end", "2020-01-01"), "has passed already"),
        (("block", "--tag", "a", "--end", "soon"), "'soon' is not a time"),
        (("block", "--tag", "a", "--end", "+soon"), "no span of time"),
        (("block", "--tag", "a", "--start", "+2d", "--end", "+1d"), "to be after start"),
        (("block", "--pattern", "*"), "would match everything"),
        (("block", "--tag", "a", "--reason", " "), "--reason is empty"),
    ],
)
def test_a_rule_that_makes_no_sense_is_one_sentence(typed, store, words, said) -> None:
    reason = () if "--reason" in words else WHY
    done = typed("rules", "add", *words, *reason)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert rules.rules(store) == []


def test_a_rule_needs_a_reason(typed, store) -> None:
    assert typed("rules", "add", "block", "--tag", "a").code == 2
    assert typed("rules", "stop", "daily/2026/a").code == 2
    assert rules.rules(store) == []


def test_an_editor_may_say_that_an_article_is_neither_grave_nor_light(typed, store) -> None:
    typed("rules", "add", "tone", "--article", "daily/2026/a", "--tone", "neutral", *WHY)
    assert one(store).tone == Tone.NEUTRAL


def test_who_did_what_is_told(typed, store, tmp_path) -> None:
    assert "Nothing has been changed" in typed("audit").out
    typed("rules", "stop", "daily/2026/a", *WHY)
    id = json.loads(typed("keys", "create", "desk", "--scope", "editor", "--json").out)["id"]
    told = typed("audit").out
    assert "rule.add" in told
    assert "key.create" in told
    entries = json.loads(typed("audit", "--json", "--since", "1h").out)
    assert [entry["subject"] for entry in entries] == [id, "1"]
    assert entries == json.loads(typed("audit", "--json", "--since", "2020-01-01").out)
    assert json.loads(typed("audit", "--json", "--since", "+1h").out) == []
    assert [e["seq"] for e in json.loads(typed("audit", "--json", "--most", 1).out)] == [2]
    assert typed("audit", "--since", "soon").code == 2
    assert len(audit.entries(store)) == 2

"""``recsys tone`` tells an editor what is grave, who says so and why."""

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest

from data import rules
from data.audit import Actor
from data.store import Store
from recsys.bundle import Bundle, Manifest, publish, write
from recsys.rules import Action, Aim, Rule
from recsys.types import Article, Tone

SHARED = Path(os.environ.get("RECSYS_SHARED", Path(__file__).parents[3] / "shared")) / "data"
NOW = int(time.time())
TITLES = {
    "war": "Air strike kills twelve in hospital, say rescue workers",
    "drill": "Council to vote on budget for earthquake drills",
    "tips": "Ten make-up tips and a horoscope",
    "doubt": "Police warn of a threat at the festival",
}


@pytest.fixture
def store(tmp_path):
    """A store of four articles; the publisher has said that the tips are light."""
    articles = [
        Article(
            "daily",
            key,
            f"https://daily.example/{key}",
            title,
            NOW - 60,
            tone=Tone.LIGHT if key == "tips" else Tone.UNKNOWN,
        )
        for key, title in TITLES.items()
    ]
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as made:
        made.put_articles(articles)
        yield made


def say(store: Store, key: str, tone: Tone) -> None:
    rule = Rule("", Action.TONE, Aim.ARTICLE, f"daily/{key}", tone=tone, created=NOW - 5)
    rules.add(store, rule, Actor("anna"))


def test_the_classifier_is_asked_where_nobody_has_spoken(typed, store):
    told = json.loads(typed("tone", "explain", "daily/war", "--json").out)
    assert (told["tone"], told["by"], told["said"]) == ("grave", "classifier", {})
    words = {word["term"]: word["grave"] for word in told["classifier"]["words"]}
    assert words["kills"] > 0
    assert "weak rules" in told["notes"][0]
    shown = typed("tone", "explain", "daily/war").out
    assert "grave, says the classifier" in shown
    assert "kills" in shown


def test_an_editor_goes_before_the_publisher_and_both_before_the_classifier(typed, store):
    told = json.loads(typed("tone", "explain", "daily/tips", "--json").out)
    assert (told["tone"], told["by"]) == ("light", "publisher")
    say(store, "tips", Tone.NEUTRAL)
    told = json.loads(typed("tone", "explain", "daily/tips", "--json").out)
    assert (told["tone"], told["by"]) == ("neutral", "editor")
    assert told["said"] == {"editor": "neutral", "publisher": "light"}


def test_a_draft_is_judged_from_a_file(typed, tmp_path):
    draft = tmp_path / "draft.txt"
    draft.write_text("京都で地震、3人死亡\n震度6の揺れで家屋が倒壊した。", encoding="utf-8")
    told = json.loads(typed("tone", "explain", "--text", draft, "--json").out)
    assert told["tone"] == "grave"
    assert {"死亡", "地震"} <= {word["term"] for word in told["classifier"]["words"]}


def test_the_model_is_that_of_the_current_bundle(typed, store, tmp_path):
    stern = dataclasses.replace(Bundle.empty().tone, thresholds=Bundle.empty().tone.thresholds * 0)
    made = dataclasses.replace(Bundle.empty(), tone=stern, manifest=Manifest(created=NOW))
    publish(tmp_path / "bundles", write(made, tmp_path / "bundles").name)
    told = json.loads(typed("tone", "explain", "daily/drill", "--json").out)
    assert told["tone"] == "grave"
    assert told["notes"] == []


def test_the_list_leaves_out_what_people_have_said(typed, store):
    say(store, "doubt", Tone.NEUTRAL)
    told = json.loads(typed("tone", "list", "--json").out)
    assert told["judged"] == 2
    assert {one["article"] for one in told["articles"]} == {"daily/war", "daily/drill"}
    grave = json.loads(typed("tone", "list", "--grave", "--json").out)["articles"]
    assert [one["article"] for one in grave] == ["daily/war"]
    assert json.loads(typed("tone", "list", "--light", "--json").out)["articles"] == []
    assert "daily/war" in typed("tone", "list").out


def test_the_least_sure_come_first(typed, store):
    listed = json.loads(typed("tone", "list", "--unsure", "--json").out)["articles"]
    assert [one["article"] for one in listed][-1] == "daily/war"
    assert len(json.loads(typed("tone", "list", "-n", "1", "--json").out)["articles"]) == 1


def test_old_articles_are_left_alone(typed, store):
    assert json.loads(typed("tone", "list", "--days", "0", "--json").out)["judged"] == 0


def test_the_labels_of_the_store_are_asked_about(typed, store):
    say(store, "war", Tone.GRAVE)
    found = json.loads(typed("tone", "evaluate", "--json").out)
    assert set(found) == {"rules alone", "learned"}
    grave, light = found["rules alone"]
    assert (grave["labelled"], grave["right"]) == (1, 1)
    assert (light["labelled"], light["right"]) == (1, 1)
    assert 0 < grave["recall"]["low"] < grave["recall"]["mean"] == 1.0
    shown = typed("tone", "evaluate").out
    assert "grave (1 labelled so)" in shown
    assert "rules alone" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("explain",), "either an article"),
        (("explain", "daily/war", "--text", "x"), "either an article"),
        (("explain", "--text", "no-such-file"), "no-such-file cannot be read"),
        (("explain", "nothing"), "not of the form site/key"),
        (("explain", "daily/none"), "no article 'daily/none'"),
        (("list", "--grave", "--light"), "one of --grave"),
        (("evaluate",), "nobody has labelled an article"),
        (("evaluate", "--bbc", "no-such-directory"), "no-such-directory"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(typed, words, sentence):
    answer = typed("tone", *words)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_a_set_without_a_labelled_article_is_refused(typed, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ("key", "section", "title", "body")
    row = dict(zip(columns, ("business/001", "business", "A title", "A body"), strict=True))
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "articles.parquet")
    answer = typed("tone", "evaluate", "--bbc", tmp_path)
    assert answer.code == 2
    assert "lacks the article 'business/002'" in answer.err


def test_what_editors_say_is_learned_by_the_next_training(typed, store):
    made = [
        Article(
            "culture",
            f"r{n}",
            f"https://culture.example/r{n}",
            f"Murder in the library: whodunnit {n}",
            NOW - n,
            body="The paperback of the month turns on a murder, a corpse and a detective.",
            section="Bookshelf",
        )
        for n in range(60)
    ]
    made += [
        Article(
            "daily",
            f"n{n}",
            f"https://daily.example/n{n}",
            "Bomb kills villagers" if n % 2 else "Council votes on the budget",
            NOW - n,
            body="Troops searched the rubble." if n % 2 else "The committee met for an hour.",
        )
        for n in range(80)
    ]
    store.put_articles(made)
    for one in made[:40]:
        said = Rule("", Action.TONE, Aim.ARTICLE, str(one.id), tone=Tone.LIGHT, created=NOW - 5)
        rules.add(store, said, Actor("anna"))
    before = json.loads(typed("tone", "explain", "culture/r55", "--json").out)
    assert typed("train", "--json").code == 0
    after = json.loads(typed("tone", "explain", "culture/r55", "--json").out)
    assert [(told["tone"], told["by"]) for told in (before, after)] == [
        ("grave", "classifier"),
        ("light", "classifier"),
    ]
    assert json.loads(typed("tone", "explain", "daily/n7", "--json").out)["tone"] == "grave"

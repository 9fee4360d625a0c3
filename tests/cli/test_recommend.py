"""``recsys recommend`` and ``recsys explain`` typed on a real store and bundle."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from data import rules
from data.audit import Actor
from data.keyring import load
from data.store import Store
from recsys.rules import Action, Aim, Rule
from recsys.types import Article, Event, Kind
from training.recipe import Recipe
from training.run import run as learn

NOW = 1_790_000_000
WHEN = "2026-09-21T14:13:20"
TOPICS = ("harbour ferry tide pier", "temple maple garden tea", "striker goal league match")


def article(number: int) -> Article:
    words = TOPICS[number % 3].split()
    return Article(
        site=("daily", "guide")[number % 2],
        key=f"a-{number}",
        url=f"https://x.example/{number}",
        title=f"{words[number % 4].title()} [{number}]",
        published=NOW - 3600 * (number + 1),
        body=" ".join(words[(number + step * step) % 4] for step in range(20 + number)),
    )


ARTICLES = [article(number) for number in range(24)]


def click(reader: int, number: int, at: int) -> Event:
    return Event(
        f"{reader}-{number}", Kind.CLICK, ARTICLES[number].id, at, f"v{reader}", f"s{reader}"
    )


def stock(var: Path) -> None:
    keyring = load(var / "keyring.json", NOW)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        store.put_articles(ARTICLES)
        store.put_events(
            keyring.hide(click(reader, 3 * step + reader % 3, NOW - 900 + 60 * step + reader))
            for reader in range(12)
            for step in range(4)
        )


@pytest.fixture
def trained(typed, tmp_path, capsys):
    stock(tmp_path)
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        learn(store, tmp_path / "bundles", Recipe(dims=8, factors=8), NOW)
    capsys.readouterr()  # what the training logged
    return typed


def answer(done: SimpleNamespace) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def keys(slate: dict) -> list[str]:
    return [item["article"] for item in slate["items"]]


def test_the_table_tells_where_each_card_comes_from(trained):
    done = trained("recommend", "--article", "daily/a-0", "-n", 4, "--now", WHEN)
    assert done.code == 0, done.err
    for heading in ("site", "title", "source", "reason", "score", "age"):
        assert heading in done.out
    slate = answer(trained("recommend", "--article", "daily/a-0", "-n", 4, "--now", WHEN, "--json"))
    rows = [line for line in done.out.splitlines() if line.startswith("│")]
    assert len(rows) == len(slate["items"]) == 4
    for rank, (row, item) in enumerate(zip(rows, slate["items"], strict=True), start=1):
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        number = int(item["key"].removeprefix("a-"))
        assert cells[0] == str(rank)
        assert cells[1:5] == [item["site"], item["title"], item["source"], item["reason"]]
        assert cells[6] == (f"{number + 1} h" if number < 23 else "1 d")


def test_json_holds_the_whole_slate_and_is_the_same_twice(trained):
    words = ("recommend", "--article", "daily/a-0", "--visitor", "v0", "--now", WHEN, "--json")
    slate = answer(trained(*words))
    assert slate == answer(trained(*words))
    assert slate["bundle_id"].startswith("2026")
    assert len(slate["items"]) == 6
    for item in slate["items"]:
        assert item["article"] == f"{item['site']}/{item['key']}"
        assert item["reason"]
        assert item["published"] <= NOW
    opened = {str(ARTICLES[3 * step].id) for step in range(4)}
    assert not opened & set(keys(slate))


def test_an_address_names_the_article_as_well(trained):
    words = ("--now", WHEN, "--json")
    by_url = trained("recommend", "--article", "https://x.example/5", *words)
    by_id = trained("recommend", "--article", "guide/a-5", *words)
    assert answer(by_url) == answer(by_id)


def test_the_site_is_that_of_the_article_unless_given(trained):
    words = ("recommend", "--article", "guide/a-5", "--now", WHEN, "--json")
    assert answer(trained(*words)) == answer(trained(*words, "--site", "guide"))
    assert answer(trained(*words))["id"] != answer(trained(*words, "--site", "daily"))["id"]


def test_what_was_read_in_this_visit_is_not_shown_again(trained):
    words = ("recommend", "--site", "daily", "-n", 24, "--now", WHEN, "--json")
    read = "daily/a-2,guide/a-3"
    assert set(read.split(",")) < set(keys(answer(trained(*words))))
    left = keys(answer(trained(*words, "--history", read)))
    assert len(left) == 22
    assert not set(read.split(",")) & set(left)


def test_what_came_after_the_bundle_counts_at_once(trained, tmp_path):
    words = ("recommend", "--site", "daily", "-n", 24, "--now", WHEN, "--json")
    before = keys(answer(trained(*words)))
    fresh = Article("guide", "new", "/new", "Ferry", NOW - 60, body=TOPICS[0])
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles([fresh])
        store.withdraw([ARTICLES[2].id], NOW)
    after = keys(answer(trained(*words)))
    assert set(after) - set(before) == {"guide/new"}
    assert set(before) - set(after) == {"daily/a-2"}


def test_without_a_bundle_the_newest_are_shown_and_a_note_says_why(typed, tmp_path):
    stock(tmp_path)
    slate = answer(typed("recommend", "--site", "daily", "--now", WHEN, "--json"))
    assert len(slate["items"]) == 6
    assert slate["bundle_id"] == "none"
    assert any("no bundle" in note for note in slate["notes"])


def test_names_are_shown_as_they_are(typed, tmp_path):
    (tmp_path / "recsys.toml").write_text(
        '[sites.daily]\nname = "The [bold]Daily[/bold]"\nurl = "https://x.example/"\n'
    )
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles([ARTICLES[0], Article("[red]", "k", "/k", "[b]Title[/b]", NOW)])
    out = typed("recommend", "--site", "daily", "--now", WHEN).out
    for name in ("The [bold]Daily[/bold]", "[red]", "[b]Title[/b]"):
        assert f"│ {name} " in out


def test_unknown_names_are_notes(trained):
    done = trained(
        "recommend",
        "--article",
        "daily/nix",
        "--visitor",
        "nobody",
        "--site",
        "moon",
        "--now",
        WHEN,
    )
    assert done.code == 0
    for said in ("article 'daily/nix' is unknown", "the visitor is unknown", "site 'moon'"):
        assert f"note: {said}" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--article", "nix"], "--article 'nix' is not of the form site/key"),
        (["--article", "https://x.example/nix"], "is the address of no known article"),
        (["--history", "daily/a-1,nix"], "--history 'nix' is not of the form site/key"),
        (["--now", "noon"], "--now 'noon' is not a time"),
        (["-n", "0"], "Invalid value for '-n'"),
    ],
)
def test_wrong_words_end_with_one_sentence(typed, words, said):
    done = typed("recommend", *words)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not done.out


def test_help_teaches_with_an_example(typed):
    assert "recsys recommend --article daily/a-1" in typed("recommend", "--help").out


PAGE = ("explain", "--article", "daily/a-0", "--now", WHEN)


def test_the_same_seed_repeats_an_answer_and_what_decided_it(trained):
    first = answer(trained(*PAGE, "--json"))
    assert answer(trained(*PAGE, "--seed", first["seed"], "--json")) == first
    assert first["placement"] == "article"
    assert {one["slot"] for one in first["candidates"]} >= {1, 2, 3}


def test_what_editors_blocked_is_told_with_their_rule(trained, tmp_path):
    blocked = answer(trained(*PAGE, "--json"))["candidates"][0]["article"]
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        rule = Rule("", Action.BLOCK, Aim.ARTICLE, blocked, reason="a complaint")
        made = rules.add(store, rule, Actor("ann"))
    after = answer(trained(*PAGE, "--json", "--now", "2026-12-01"))
    removed = {one["article"]: one for one in after["removed"]}
    assert (removed[blocked]["filter"], removed[blocked]["rule"]) == ("editors", made.id)
    assert blocked not in [item["article"] for item in after["slate"]["items"]]
    assert f"editors (rule {made.id})" in trained(*PAGE, "--now", "2026-12-01").out


def test_the_tables_name_sources_and_slots(trained):
    done = trained(*PAGE)
    assert done.code == 0, done.err
    for word in ("Candidates", "related", "ranked", "placement article", "seed"):
        assert word in done.out


def test_an_explanation_of_what_cannot_be_named_is_one_sentence(trained):
    done = trained("explain", "--article", "daily")
    assert done.code == 2
    assert "is not of the form site/key" in done.err

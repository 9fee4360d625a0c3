"""Odd networks, end to end: what cannot be used is said, and everything else goes on."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NOW = "2026-11-23T12:00:00Z"
YESTERDAY, TODAY = "2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z"
SAID = (
    "Ferries leave the harbour pier at noon",
    "The temple garden serves tea under maples",
    "A striker scored the only goal of the league match",
)


def body(number: int) -> str:
    """A text on one of three subjects, no two alike enough to be copies of one story."""
    words = SAID[number % 3].lower().split()
    rng = random.Random(number)
    return " ".join(f"{rng.choice(words)} {rng.randrange(100_000)}" for _ in range(30))


def article(number: int, **other: object) -> dict:
    return {
        "site": ("daily", "guide")[number % 2],
        "key": str(number),
        "url": f"https://x.example/{number}",
        "title": f"{SAID[number % 3]}, part {number}",
        "body": body(number),
        "published": YESTERDAY,
    } | other


def click(reader: int, number: int, **other: object) -> dict:
    day = YESTERDAY[:10] if number % 2 else TODAY[:10]
    return {
        "kind": "click",
        "site": ("daily", "guide")[number % 2],
        "key": str(number),
        "at": f"{day}T{10 + reader % 2}:{number:02}:{reader:02}Z",
        "visitor": f"v{reader}",
        "session": f"s{reader}-{day}",
    } | other


ARTICLES = [article(number) for number in range(12)]
CLICKS = [click(reader, (reader + step) % 12) for reader in range(8) for step in range(6)]


@pytest.fixture
def network(typed, tmp_path):
    """Import, train, recommend and evaluate; returns what each said."""

    def go(articles: Sequence[dict], events: Sequence[dict] = ()) -> SimpleNamespace:
        return SimpleNamespace(
            articles=bring(typed, tmp_path, "articles", articles),
            events=bring(typed, tmp_path, "events", events),
            train=said(typed("train", "--now", NOW, "--json")),
            shown=said(typed("recommend", "--site", "daily", "-n", 50, "--now", NOW, "--json")),
            under=lambda id: said(
                typed("recommend", "--article", id, "-n", 50, "--now", NOW, "--json")
            ),
            evaluate=typed("evaluate", "--cut", TODAY, "--end", NOW, "--json"),
        )

    return go


def bring(typed, folder: Path, what: str, rows: Sequence[dict]) -> dict | None:
    if not rows:
        return None
    path = folder / f"{what}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    (summary,) = said(typed("import", what, path, "--json"))["imports"]
    return summary


def said(done: SimpleNamespace) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def ids(slate: dict) -> set[str]:
    return {item["article"] for item in slate["items"]}


def rejects(summary: dict) -> list[tuple[int, str, str]]:
    lines = map(json.loads, Path(summary["rejects"]).read_text().splitlines())
    return [(line["line"], line["field"], line["reason"]) for line in lines]


def asked(done: SimpleNamespace) -> dict[str, int]:
    """The number of questions of each task of an evaluation; all systems were measured by them."""
    found = said(done)
    for task in found["asked"]:
        hits = {
            m["questions"]
            for m in found["measures"]
            if (m["task"], m["metric"], m["segment"]) == (task["task"], "HR@10", "")
        }
        assert hits == ({task["questions"]} if task["questions"] else set())
    return {task["task"]: task["questions"] for task in found["asked"]}


def nothing_to_replay(done: SimpleNamespace) -> bool:
    return done.code == 2 and "holds no event before" in done.err and not done.out


def test_a_network_in_order_is_the_measure_of_the_others(network):
    made = network(ARTICLES, CLICKS)
    assert made.train["shapes"]["articles"] == 12
    assert made.train["shapes"]["visitors"] == 8
    assert len(ids(made.shown)) == 12
    assert asked(made.evaluate)["next click"] > 0


def test_an_empty_store(network):
    made = network([])
    assert made.train["shapes"]["articles"] == 0
    assert made.shown["items"] == []
    assert made.under("daily/0")["items"] == []
    assert nothing_to_replay(made.evaluate)


def test_one_article(network):
    made = network(ARTICLES[:1], [click(reader, 0) for reader in range(3)])
    assert made.train["shapes"]["articles"] == 1
    assert ids(made.shown) == {"daily/0"}
    assert made.under("daily/0")["items"] == []  # never the article itself
    assert set(asked(made.evaluate).values()) == {0}


def test_no_events(network):
    made = network(ARTICLES)
    assert made.train["shapes"]["visitors"] == 0
    assert len(ids(made.shown)) == 12
    under = made.under("daily/0")
    assert len(ids(under)) == 11
    assert "related" in {item["source"] for item in under["items"]}
    assert nothing_to_replay(made.evaluate)


def test_all_events_by_one_reader(network, typed):
    made = network(ARTICLES, [click(1, number) for number in range(0, 12, 2)])
    assert made.train["shapes"]["visitors"] == 1
    words = ("recommend", "--site", "daily", "-n", 50, "--now", NOW, "--json")
    assert ids(said(typed(*words, "--visitor", "v1"))) == {f"guide/{n}" for n in range(1, 12, 2)}
    # Nobody was here before.
    assert asked(made.evaluate) == {"next click": 5, "next article": 0}


def test_articles_without_a_body(network):
    made = network([row | {"body": ""} for row in ARTICLES], CLICKS)
    assert len(ids(made.under("daily/0"))) == 11
    assert asked(made.evaluate)["next click"] > 0


def test_titles_and_bodies_that_say_nothing(network):
    made = network([row | {"body": "", "title": "…"} for row in ARTICLES], CLICKS)
    assert ids(made.under("daily/0"))
    metrics = {m["metric"] for m in said(made.evaluate)["measures"]}
    assert "HR@10" in metrics
    assert "diversity" not in metrics  # where no text says anything, neither does it


def test_a_title_of_100_kb_is_refused_with_its_length(network):
    made = network([*ARTICLES, article(12, title="long " * 20_000)], CLICKS)
    ((line, field, reason),) = rejects(made.articles)
    assert (line, field) == (13, "title")
    assert "99,999 characters; expected at most 1,000" in reason
    assert len(ids(made.shown)) == 12


def test_a_title_of_one_endless_word_is_shown_whole(network, typed):
    made = network([article(0, title="x" * 1_000), *ARTICLES[1:]], CLICKS)
    (shown,) = (item for item in made.shown["items"] if item["article"] == "daily/0")
    assert shown["title"] == "x" * 1_000
    table = typed("recommend", "--site", "daily", "-n", 50, "--now", NOW)
    assert table.code == 0
    assert table.out.count("x" * 10) > 5


def test_html_and_control_characters_in_titles_are_cleaned_before_anybody_sees_them(network, typed):
    title = "<b>Ferry</b>\x1b[31m red\u202e <script>alert(1)</script>&amp; [bold]pier[/bold]\x00"
    made = network([article(0, title=title), *ARTICLES[1:]], CLICKS)
    (shown,) = (item for item in made.shown["items"] if item["article"] == "daily/0")
    assert shown["title"] == "Ferry[31m red & [bold]pier[/bold]"
    table = typed("recommend", "--site", "daily", "-n", 50, "--now", NOW).out
    assert "Ferry[31m red & [bold]pier[/bold]" in table
    assert not {"\x1b", "\x00", "\u202e"} & set(table)


def test_what_is_dated_in_the_future_waits_for_its_time(network):
    later = article(12, published="2026-11-24T09:00:00Z")
    never = article(13, published="9000-01-01T00:00:00Z")
    made = network([*ARTICLES, later, never], CLICKS)
    assert made.articles["rejected"] == 0
    assert made.train["shapes"]["articles"] == 12
    assert len(ids(made.shown)) == 12


def test_what_was_scheduled_at_training_is_shown_from_its_time_on(network, typed):
    made = network([*ARTICLES, article(12, published="2026-11-24T09:00:00Z")], CLICKS)
    words = ("recommend", "--site", "daily", "-n", 50, "--json", "--now")
    assert ids(said(typed(*words, "2026-11-24T09:00:01Z"))) - ids(made.shown) == {"daily/12"}


def test_what_is_dated_before_1970_is_refused(network):
    old = [article(12, published="1969-12-31T23:59:59Z"), article(13, published=-5)]
    made = network([*ARTICLES, *old], [*CLICKS, click(0, 0, at="1950-01-01T00:00:00Z")])
    assert [(line, field) for line, field, _ in rejects(made.articles)] == [
        (13, "published"),
        (14, "published"),
    ]
    ((line, field, reason),) = rejects(made.events)
    assert (line, field) == (len(CLICKS) + 1, "at")
    assert "1970" in reason
    assert len(ids(made.shown)) == 12


def test_the_first_second_of_1970_is_a_date(network):
    made = network([*ARTICLES, article(12, published=0)], [*CLICKS, click(0, 0, at=0)])
    assert (made.articles["rejected"], made.events["rejected"]) == (0, 0)
    assert "daily/12" in ids(made.shown)
    assert asked(made.evaluate)["next click"] > 0


def test_the_same_key_on_two_sites_is_two_articles(network):
    both = [article(n, key="same", body=body(n + 12)) for n in (0, 1)]
    made = network([*ARTICLES, *both], [*CLICKS, click(0, 0, key="same"), click(9, 1, key="same")])
    assert made.train["shapes"]["articles"] == 14
    assert {"daily/same", "guide/same"} <= ids(made.shown)
    under = ids(made.under("daily/same"))
    assert "daily/same" not in under
    assert "guide/same" in under


def test_unknown_columns_are_named_and_the_rest_is_used(network):
    made = network(
        [row | {"autors": ["x"], "shoe_size": 9} for row in ARTICLES],
        [row | {"vistor": "x"} for row in CLICKS],
    )
    assert made.articles["unknown"] == {"autors": "authors", "shoe_size": ""}
    assert made.events["unknown"] == {"vistor": "visitor"}
    assert len(ids(made.shown)) == 12


def test_events_of_articles_that_nobody_described_are_left_out(network):
    made = network(ARTICLES, [*CLICKS, *(click(9, n, key=f"lost-{n}") for n in range(4))])
    assert made.events["events"]["new"] == len(CLICKS) + 4
    assert "v9" not in json.dumps(made.shown)
    assert made.train["shapes"]["visitors"] >= 8
    assert len(ids(made.shown)) == 12


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99])
def test_a_truncated_parquet_file_changes_nothing(typed, tmp_path, kept):
    bring(typed, tmp_path, "articles", ARTICLES)
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.Table.from_pylist([article(n) for n in range(12, 400)]), whole)
    content = whole.read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(content[: int(kept * len(content))])
    done = typed("import", "articles", cut)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "cut.parquet" in done.err
    assert done.err.count("\n") == 1
    assert said(typed("train", "--now", NOW, "--json"))["shapes"]["articles"] == 12


def test_a_file_that_is_damaged_inside_is_named(typed, tmp_path):
    path = tmp_path / "damaged.parquet"
    pq.write_table(pa.Table.from_pylist(ARTICLES), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[10:200] = bytes(190)
    path.write_bytes(content)
    done = typed("import", "articles", path)
    assert done.code == 2
    assert "damaged.parquet" in done.err
    assert done.err.count("\n") == 1


def test_a_flipped_byte_in_the_manifest_is_one_sentence(network, typed, tmp_path):
    made = network(ARTICLES, CLICKS)
    path = tmp_path / "bundles" / made.train["id"] / "manifest.json"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = typed("recommend", "--site", "daily", "--now", NOW)
    assert done.code == 2
    assert made.train["id"] in done.err
    assert not done.out


def test_a_database_that_is_none_is_one_sentence(typed, tmp_path):
    (tmp_path / "recsys.db").write_bytes(b"this is no database, " * 500)
    for words in (["train"], ["recommend", "--site", "daily"], ["evaluate"]):
        done = typed(*words)
        assert done.code == 2
        assert "recsys.db" in done.err
        assert done.err.splitlines()[-1].startswith("error: ")

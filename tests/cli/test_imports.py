"""``recsys import`` as a person types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.imports import DatasetName
from data.importers.datasets import DATASETS

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "tests" / "data" / "published"
ARTICLE = {"site": "daily", "key": "17", "url": "/17", "title": "Snow", "published": 1_700_000_000}
CLICK = {"kind": "click", "site": "daily", "key": "17", "at": 1_700_000_060, "visitor": "v"}


def recsys(var: Path, *words: object, typed: str = "") -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from cli.main import run; run()", "--var", str(var)]
    return subprocess.run(
        [*command, "import", *map(str, words)],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def summaries(done: subprocess.CompletedProcess) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["imports"]


def counts(new: int = 0, changed: int = 0, same: int = 0) -> dict:
    return {"new": new, "changed": changed, "same": same}


def test_articles_then_events_and_again(tmp_path):
    var = tmp_path / "var"
    (tmp_path / "a.jsonl").write_text(json.dumps(ARTICLE))
    (tmp_path / "e.csv").write_text(",".join(CLICK) + "\n" + ",".join(map(str, CLICK.values())))
    for what, path in (("articles", tmp_path / "a.jsonl"), ("events", tmp_path / "e.csv")):
        first = recsys(var, what, path)
        assert first.returncode == 0, first.stderr
        assert f"1 rows; 1 new {what}" in first.stdout
        assert first.stderr == ""
        (again,) = summaries(recsys(var, what, path, "--json"))
        assert again[what] == counts(same=1)


def test_globs_and_standard_input(tmp_path):
    for key in "ab":
        (tmp_path / f"{key}.jsonl").write_text(json.dumps(ARTICLE | {"key": key}))
    done = recsys(
        tmp_path, "articles", tmp_path / "*.jsonl", "-", "--json", typed=json.dumps(ARTICLE)
    )
    assert [(Path(s["source"]).name, s["articles"]["new"]) for s in summaries(done)] == [
        ("a.jsonl", 1),
        ("b.jsonl", 1),
        ("-", 1),
    ]


def test_rejects_unknown_columns_and_repeats_are_told_without_failing(tmp_path):
    lines = [ARTICLE, ARTICLE | {"titel": "x"}, ARTICLE | {"title": ""}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    shown = recsys(tmp_path, "articles", path)
    assert shown.returncode == 0
    assert "'titel' is unknown" in shown.stdout
    assert "did you mean 'title'?" in shown.stdout
    assert "1 described an article" in shown.stdout
    assert f"1 rows rejected; why stands in {tmp_path / 'rejects'}" in shown.stdout
    (summary,) = summaries(recsys(tmp_path, "articles", path, "--json"))
    (reject,) = map(json.loads, Path(summary["rejects"]).read_text().splitlines())
    assert (reject["line"], reject["field"]) == (3, "title")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no such file"),
        ("*.jsonl", None, "no file matches"),
        ("a.txt", b"{}", "--format"),
        ("a.parquet", b"PAR1 and no more", "no whole Parquet file"),
        ("a.csv", b"site,key\ndaily,17\n", "nothing in"),
    ],
)
def test_what_cannot_be_read_or_used_ends_with_one_sentence(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = recsys(tmp_path, "articles", tmp_path / name)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_feed(tmp_path):
    for expected in (counts(new=2), counts(same=2)):
        done = recsys(
            tmp_path, "feed", PUBLISHED / "feeds" / "rss.xml", "--site", "harbour", "--json"
        )
        (summary,) = summaries(done)
        assert summary["articles"] == expected
        assert summary["rejected"] == 1
        assert "no date" in summary["notes"][0]


def test_a_feed_on_the_own_network_wants_a_word(typed):
    words = "import", "feed", "http://127.0.0.1:1/rss?key=geheim", "--site", "harbour"
    done = typed(*words)
    assert done.code == 2
    assert "error: cannot read http://127.0.0.1:1/rss?…: its host 127.0.0.1 is at" in done.err
    assert "--allow-private" in done.err
    done = typed(*words, "--allow-private")
    assert done.code == 2
    assert "refused" in done.err


def test_a_data_set(tmp_path):
    for expected in (counts(new=4), counts(new=9)), (counts(same=4), counts(same=9)):
        done = summaries(recsys(tmp_path, "dataset", "mind", PUBLISHED / "mind", "--json"))
        assert (
            tuple(s[what] for s, what in zip(done, ("articles", "events"), strict=True)) == expected
        )
    assert recsys(tmp_path, "dataset", "netflix", tmp_path).returncode == 2
    empty = recsys(tmp_path, "dataset", "globo", tmp_path)
    assert empty.returncode == 2
    assert "clicks.parquet" in empty.stderr


def test_every_data_set_has_its_name():
    assert list(DatasetName) == list(DATASETS)


@pytest.mark.parametrize("command", ["articles", "events", "feed", "dataset"])
def test_help_teaches_with_an_example(tmp_path, command):
    shown = recsys(tmp_path, command, "--help")
    assert shown.returncode == 0
    assert f"Example: recsys import {command}" in shown.stdout

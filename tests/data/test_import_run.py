"""What an import leaves in the store and beside it."""

import dataclasses
import json
from pathlib import Path

import pytest

from data.importers import files, run
from data.importers.rejects import Rejects
from data.importers.run import Summary
from data.store import Counts, Store
from recsys.errors import DataError
from recsys.types import NEVER, ArticleId

NOW = 1_800_000_000
AT = 1_700_000_000


def article(key: int, **more: object) -> dict:
    return {"site": "daily", "key": str(key), "url": "/", "title": "T", "published": AT, **more}


def event(key: int, **more: object) -> dict:
    return {"kind": "click", "site": "daily", "key": str(key), "at": AT + key, **more}


def import_(what: str, store: Store, path: Path, *lines: object) -> Summary:
    """Write lines, rows or texts, to ``path`` and import it."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    one = {"articles": run.import_articles, "events": run.import_events}[what]
    return one(store, files.read(str(path)), str(path), path.parent, NOW)


def rejects(summary: Summary) -> list[dict]:
    assert summary.rejects is not None
    return [json.loads(line) for line in summary.rejects.read_text().splitlines()]


def test_the_same_file_twice_changes_nothing(store, tmp_path):
    lines = [article(i % 5, title=f"Title {i}") for i in range(12)]
    first = import_("articles", store, tmp_path / "a.jsonl", *lines)
    again = import_("articles", store, tmp_path / "a.jsonl", *lines)
    assert (first.articles, again.articles) == (Counts(new=5), Counts(same=5))

    clicks = [event(i) for i in range(12)]
    first = import_("events", store, tmp_path / "e.jsonl", *clicks)
    again = import_("events", store, tmp_path / "e.jsonl", *clicks)
    assert (first.events, again.events) == (Counts(new=12), Counts(same=12))


def test_of_one_article_twice_in_a_file_the_last_good_row_counts(store, tmp_path):
    summary = import_(
        "articles",
        store,
        tmp_path / "a.jsonl",
        article(1, title="first"),
        article(2),
        article(1, title="last", tags=["a"], tone="light", expires=NEVER - 1),
        article(1, title=""),
        article(1, title="kept", tags=["a"], tone="light"),
        article(1, url="ftp://x"),
    )
    kept = store.article(ArticleId("daily", "1"))
    assert kept is not None
    assert (kept.title, kept.tags, kept.tone, kept.expires) == ("kept", ("a",), "light", NEVER)
    assert (summary.read, summary.repeated, summary.rejected) == (6, 1, 3)


def test_one_key_on_two_sites_is_two_articles(store, tmp_path):
    summary = import_("articles", store, tmp_path / "a.jsonl", article(1), article(1, site="b"))
    assert (summary.articles, summary.repeated) == (Counts(new=2), 0)


def test_bad_rows_are_written_down_and_the_rest_is_kept(store, tmp_path):
    summary = import_(
        "events",
        store,
        tmp_path / "e.jsonl",
        event(1),
        '{"kind":',
        event(2, kind="hover"),
        event(3, at="2100-01-01"),
        event(4, visitor="\ud800" + "v" * 9_000),
        event(5),
    )
    assert summary.events == Counts(new=2)
    assert (summary.read, summary.rejected) == (6, 4)
    found = sorted(rejects(summary), key=lambda r: r["line"])
    assert [(r["line"], r["field"]) for r in found] == [(2, ""), (3, "kind"), (4, "at"), (5, "")]
    assert {r["file"] for r in found} == {str(tmp_path / "e.jsonl")}
    assert "hover" in found[1]["reason"]
    assert json.loads(found[1]["row"]) == event(2, kind="hover")
    assert max(len(r["row"]) for r in found) <= 2_000
    assert summary.rejects is not None
    assert summary.rejects.parent == tmp_path / "rejects"


def test_csv_that_is_not_utf8_loses_only_its_bad_rows(store, tmp_path):
    path = tmp_path / "a.csv"
    head = "site,key,url,title,published\n"
    path.write_bytes(f"{head}daily,1,/,Caf\xe9,{AT}\ndaily,2,/,Tea,{AT}\n".encode("latin-1"))
    summary = run.import_articles(store, files.read(str(path)), str(path), tmp_path, NOW)
    assert summary.articles == Counts(new=1)
    assert [(r["line"], r["field"], r["reason"]) for r in rejects(summary)] == [
        (2, "title", "is not UTF-8")
    ]


def test_a_file_of_bad_rows_only_is_an_error_that_names_the_rejects(store, tmp_path):
    with pytest.raises(DataError, match=rf"a\.jsonl.*all 2 rows.*{tmp_path / 'rejects'}"):
        import_("articles", store, tmp_path / "a.jsonl", article(1, url=""), "{}")
    with pytest.raises(DataError, match="nothing in"):
        import_("events", store, tmp_path / "e.jsonl", "nonsense")


def test_an_empty_file_is_no_error(store, tmp_path):
    assert import_("articles", store, tmp_path / "a.jsonl").articles == Counts()
    assert import_("events", store, tmp_path / "e.jsonl").events == Counts()


def test_unknown_columns_are_named_once_with_the_nearest_known(store, tmp_path):
    lines = [article(i, Titel="x", publishd=1, zzz=0) for i in range(3)]
    summary = import_("articles", store, tmp_path / "a.jsonl", *lines)
    assert summary.unknown == {"Titel": "title", "publishd": "published", "zzz": ""}
    assert summary.articles == Counts(new=3)


def test_progress_is_told_batch_by_batch(store, tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text("".join(json.dumps(event(i)) + "\n" for i in range(files.BATCH + 1)))
    seen: list[tuple[int, float]] = []
    batches = files.read(str(path))
    run.import_events(store, batches, "e", tmp_path, NOW, lambda *told: seen.append(told))
    assert [read for read, _ in seen] == [files.BATCH, files.BATCH + 1]
    assert seen[-1][1] == 1


def test_two_imports_in_one_second_keep_both_rejects(tmp_path):
    for reason in ("one", "two"):
        with Rejects(tmp_path, "a/b.csv", NOW) as found:
            found.add(1, "key", reason, {})
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [
        "b.csv-20270115T080000Z-2.jsonl",
        "b.csv-20270115T080000Z.jsonl",
    ]


def test_rejects_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / "rejects").touch()
    found = Rejects(tmp_path / "rejects", "a.csv", NOW)
    with pytest.raises(DataError, match="cannot write"):
        found.add(1, "key", "bad", {})
    assert dataclasses.asdict(Summary("x"))["rejects"] is None

"""A lake holds what the store held at one moment, whoever is killed, and forgets who must be."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data import lake
from data.store import Store
from recsys.errors import DataError
from recsys.types import Article, ArticleId, Event, Kind

DAY = 86_400
NOON = 1_507_680_000 // DAY * DAY + DAY // 2
FERRY = Article("daily", "ferry", "https://d.example/f", "Ferries", NOON, "Text", tags=("a", "b"))
TEA = Article("culture", "tea", "https://c.example/t", "Tea", NOON - 40 * DAY, authors=("Mori",))


def event(number: int, at: int = NOON, visitor: str = "ann") -> Event:
    return Event(f"e{number}", Kind.CLICK, FERRY.id, at, visitor, session=f"s{number}")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "lake").as_uri()


def rows(url: str, table: str = "events") -> list[dict]:
    """All rows that count, in the order of the store."""
    base = Path(url.removeprefix("file://"))
    read = [pq.read_table(base / f.path, partitioning=None) for f in lake.read(url).of(table)]
    clock = "seq" if table == "events" else "revision"
    return sorted((row for part in read for row in part.to_pylist()), key=lambda row: row[clock])


def lying(url: str) -> set[str]:
    base = Path(url.removeprefix("file://"))
    return {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file()}


def test_rows_lie_by_day_and_month_with_all_their_columns(store, url):
    store.put_articles([FERRY, TEA])
    store.put_events([event(1), event(2, NOON - DAY, "")])
    done = lake.export(store, url)
    assert (done.articles, done.events, done.removed) == (2, 2, 0)
    assert {(f.table, f.part) for f in done.lake.files} == {
        ("articles", "2017-10"),
        ("articles", "2017-09"),
        ("events", "2017-10-11"),
        ("events", "2017-10-10"),
    }
    first, second = rows(url)
    assert (first["visitor"], first["at"], first["kind"]) == ("ann", NOON, Kind.CLICK)
    assert (second["visitor"], second["propensity"]) == ("", 1.0)
    ferry, tea = rows(url, "articles")
    assert (ferry["tags"], ferry["body"], tea["authors"]) == (["a", "b"], "Text", ["Mori"])


def test_the_next_export_adds_what_has_come_and_twice_changes_nothing(store, url):
    store.put_events([event(1)])
    lake.export(store, url)
    store.put_events([event(1), event(2)])
    assert lake.export(store, url).events == 1
    before = lying(url), lake.read(url)
    assert lake.export(store, url).events == 0
    assert (lying(url), lake.read(url)) == before
    assert [row["session"] for row in rows(url)] == ["s1", "s2"]


def test_whoever_is_to_be_forgotten_is_in_no_file(store, url):
    store.put_events([event(1), event(2, visitor="bob"), event(3, NOON - DAY, "bob")])
    lake.export(store, url)
    store.erase("bob", NOON + DAY)
    assert lake.export(store, url).removed == 2
    assert [row["visitor"] for row in rows(url)] == ["ann"]
    assert len([name for name in lying(url) if name.startswith("events")]) == 1


def test_days_that_the_store_no_longer_keeps_go(store, url):
    store.put_events([event(1, NOON - 9 * DAY), event(2)])
    lake.export(store, url)
    store.prune_events(NOON - DAY)
    assert lake.export(store, url).removed == 1
    assert [row["at"] for row in rows(url)] == [NOON]


def test_an_article_is_kept_by_revision_until_all_is_landed_anew(store, url):
    store.put_articles([FERRY, TEA])
    lake.export(store, url)
    store.put_articles([dataclasses.replace(FERRY, title="No ferries")])
    store.withdraw([ArticleId("culture", "tea")], NOON)
    lake.export(store, url)
    assert [row["title"] for row in rows(url, "articles")] == [
        "Ferries",
        "Tea",
        "No ferries",
        "Tea",
    ]
    lake.export(store, url, anew=True)
    assert [row["title"] for row in rows(url, "articles")] == ["No ferries", "Tea"]
    assert lake.read(url).mark.article_revision == 4


def test_a_killed_export_has_changed_nothing(store, url, monkeypatch):
    store.put_events([event(1)])
    lake.export(store, url)
    store.put_events([event(2)])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("data.places.Place.write", killed)
        with pytest.raises(KeyboardInterrupt):
            lake.export(store, url)
    assert [row["session"] for row in rows(url)] == ["s1"]
    assert len(lying(url)) == 3  # one that nobody names
    assert lake.export(store, url).events == 1
    assert len(lying(url)) == 3


def test_a_great_export_is_landed_in_pieces(store, url, monkeypatch):
    monkeypatch.setattr(lake, "CHUNK", 2)
    monkeypatch.setattr(lake, "FETCHED", 2)
    store.put_events([event(n) for n in range(5)])
    told = []
    lake.export(store, url, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert len(rows(url)) == 5


def test_another_store_does_not_mix_with_what_is_there(store, url, tmp_path):
    store.put_events([event(1), event(2)])
    lake.export(store, url)
    with Store.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        other.put_events([event(7)])
        with pytest.raises(DataError, match="another one has been exported"):
            lake.export(other, url)
        lake.export(other, url, anew=True)
    assert [row["session"] for row in rows(url)] == ["s7"]


def test_where_there_is_no_lake_one_says_what_to_do(url):
    with pytest.raises(DataError, match="make one: recsys export parquet"):
        lake.read(url)


def test_a_damaged_list_is_named(store, url):
    lake.export(store, url)
    (Path(url.removeprefix("file://")) / lake.LIST).write_text('{"format": 1}')
    with pytest.raises(DataError, match=r"_lake\.json is damaged"):
        lake.read(url)


def test_an_empty_store_makes_an_empty_lake(store, url):
    assert lake.export(store, url).lake.files == ()
    assert rows(url) == []


def test_the_command_tells_what_it_did(typed, tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles([FERRY])
        store.put_events([event(1)])
    there = tmp_path / "out"
    told = json.loads(typed("export", "parquet", there, "--json").out)
    assert (told["articles"], told["events"], told["files"]) == (1, 1, 2)
    assert typed("export", "parquet", there).out.endswith(
        "0 articles and 0 events added, 0 events removed; 2 files hold 1 events\n"
    )

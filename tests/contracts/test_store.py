"""What every store promises, whatever database keeps it."""

import dataclasses
import sqlite3
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from data import access, audit, checks, database, rules, runs, sessions
from data.access import ApiKey
from data.audit import Actor
from data.records import article_row, event_columns
from data.scope import Scope
from data.store import Counts, Mark, Store
from recsys.errors import DataError
from recsys.rules import Action, Aim, Rule
from recsys.types import NEVER, Article, ArticleId, Event, Kind, Tone

NEWS = Article(
    "daily",
    "2026/a",
    "https://daily.example/a",
    "日本 <b>news</b>",
    1_000,
    body="Body\n\nmore",
    section="world",
    tags=("a", "b"),
    authors=("Mori Ren",),
    language="ja",
    image="/a.svg",
    sponsored=True,
    tone=Tone.GRAVE,
    expires=NEVER,
)
GUIDE = Article("guide", "2026/a", "https://guide.example/a", "Same key, other site", 2_000)


def click(id: str, article: ArticleId, at: int, **values: object) -> Event:
    return Event(id, Kind.CLICK, article, at, **values)


def test_articles_come_back_as_they_were_put(store: Store) -> None:
    assert store.put_articles([NEWS, GUIDE]) == Counts(new=2)
    assert store.article(NEWS.id) == NEWS
    assert store.article(GUIDE.id) == GUIDE
    assert store.article(ArticleId("daily", "none")) is None


def test_putting_the_same_articles_again_changes_nothing(store: Store) -> None:
    store.put_articles([NEWS, GUIDE])
    mark = store.changes(Mark()).mark
    assert store.put_articles([NEWS, GUIDE]) == Counts(same=2)
    assert store.changes(mark).articles == []


def test_a_changed_article_replaces_the_old_one_and_is_told(store: Store) -> None:
    store.put_articles([NEWS])
    mark = store.changes(Mark()).mark
    later = dataclasses.replace(NEWS, title="Corrected")
    assert store.put_articles([later]) == Counts(changed=1)
    assert store.changes(mark).articles == [later]


def test_of_several_articles_with_one_id_the_last_counts(store: Store) -> None:
    later = dataclasses.replace(NEWS, title="Last")
    assert store.put_articles([NEWS, later]) == Counts(new=1, same=1)
    assert store.article(NEWS.id) == later


def test_a_withdrawn_article_is_gone_and_the_same_import_does_not_bring_it_back(
    store: Store,
) -> None:
    store.put_articles([NEWS, GUIDE])
    mark = store.changes(Mark()).mark
    assert store.withdraw([NEWS.id, ArticleId("daily", "none")], at=3_000) == 1
    assert store.changes(mark).withdrawn == [NEWS.id]
    store.put_articles([NEWS])
    assert store.article(NEWS.id) is None
    assert [article.id for article in store.snapshot(10_000).articles] == [GUIDE.id]
    store.put_articles([dataclasses.replace(NEWS, title="Corrected")])
    assert store.article(NEWS.id) is not None


def test_the_latest_articles_of_a_site_come_newest_first(store: Store) -> None:
    articles = [dataclasses.replace(NEWS, key=str(n), published=n) for n in range(5)]
    store.put_articles([*articles, GUIDE])
    assert [article.key for article in store.latest("daily", 2)] == ["4", "3"]


def test_what_is_scheduled_is_told_apart_from_what_is_published(store: Store) -> None:
    store.put_articles([NEWS, GUIDE, dataclasses.replace(NEWS, key="later", published=9_000)])
    assert [article.key for article in store.scheduled(2_000)] == [GUIDE.key, "later"]
    store.withdraw([GUIDE.id], at=1)
    assert [article.key for article in store.scheduled(2_000)] == ["later"]


def test_an_event_counts_once_however_often_it_is_sent(store: Store) -> None:
    events = [click("e1", NEWS.id, 10), click("e2", NEWS.id, 20), click("e1", NEWS.id, 10)]
    assert store.put_events(events) == Counts(new=2, same=1)
    assert store.put_events(events) == Counts(same=3)
    assert store.counts() == {"articles": 0, "events": 2}


def test_batches_that_are_written_together_are_counted_apart(store: Store) -> None:
    store.put_events([click("old", NEWS.id, 5)])
    store.erase("gone", at=100)
    batches = [
        [click("a", NEWS.id, 10), click("b", NEWS.id, 20, visitor="gone")],
        [click("a", NEWS.id, 10)],
        [],
        [click("old", NEWS.id, 5), click("c", NEWS.id, 200, visitor="gone")],
    ]
    told = [Counts(new=1, same=1), Counts(same=1), Counts(), Counts(new=1, same=1)]
    assert store.put_together(batches) == told
    assert [event.at for _, event in store.changes(Mark()).events] == [5, 10, 200]


def test_events_come_back_in_order_of_arrival_with_every_field(store: Store) -> None:
    first = click("x", NEWS.id, 50, visitor="v", session="s", seen_on="guide", slate="sl")
    first = dataclasses.replace(first, dwell=1.5, position=3, context=("os:1", "region:kansai"))
    first = dataclasses.replace(first, propensity=0.25, arm="more-trends/b")
    first = dataclasses.replace(first, source="related", bundle="b-1", placement="home")
    store.put_events([first, click("y", GUIDE.id, 40)])
    changes = store.changes(Mark())
    assert [dataclasses.replace(event, id="") for _, event in changes.events] == [
        dataclasses.replace(first, id=""),
        click("", GUIDE.id, 40),
    ]
    assert store.changes(changes.mark).events == []


def test_an_erased_visitor_leaves_nothing_and_does_not_come_back(store: Store) -> None:
    old = [click(f"old-{n}", NEWS.id, 100 + n, visitor="v1") for n in range(3)]
    other = click("other", NEWS.id, 100, visitor="v2")
    store.put_events([*old, other])
    assert [event.at for event in store.held("v1")] == [100, 101, 102]
    assert store.erase("v1", at=102) == 3
    assert store.held("v1") == []
    assert len(store.held("v2")) == 1
    again = [*old, click("late", NEWS.id, 102, visitor="v1"), click("new", NEWS.id, 50)]
    assert store.put_events(again) == Counts(new=1, same=4)
    assert store.put_events([click("back", NEWS.id, 103, visitor="v1")]) == Counts(new=1)
    assert store.erase("nobody", at=1) == 0
    with pytest.raises(DataError, match="names nobody"):
        store.erase("", at=1)
    assert len(store.held("")) == 1


def test_followers_and_snapshots_are_told_of_erasures(store: Store) -> None:
    store.put_articles([NEWS])
    store.put_events([click("a", NEWS.id, 1_100, visitor="v1")])
    mark = store.changes(Mark()).mark
    store.erase("v1", at=1_200)
    changes = store.changes(mark)
    assert (changes.erased, changes.events) == (["v1"], [])
    assert store.changes(changes.mark).erased == []
    snapshot = store.snapshot(5_000)
    assert snapshot.mark == changes.mark
    assert (len(snapshot.visitors), len(snapshot.interactions)) == (0, 0)


def test_old_events_are_pruned_by_age_and_only_they(store: Store) -> None:
    store.put_events(click(f"e{n}", NEWS.id, n) for n in range(25_000))
    assert store.prune_events(before=20_500) == 20_500
    assert store.counts()["events"] == 4_500
    assert store.prune_events(before=20_500) == 0


def test_a_withdrawn_article_comes_back_when_whoever_puts_it_means_it(store: Store) -> None:
    store.put_articles([NEWS])
    store.withdraw([NEWS.id], at=1_500)
    assert store.put_articles([NEWS], revive=True) == Counts(changed=1)
    assert store.article(NEWS.id) == NEWS
    assert store.put_articles([NEWS], revive=True) == Counts(same=1)


def test_changes_come_in_bounded_pieces_without_a_gap(store: Store) -> None:
    store.put_events([click(str(n), NEWS.id, n) for n in range(25)])
    mark, seen = Mark(), []
    while (changes := store.changes(mark, most=10)).mark != mark:
        mark = changes.mark
        seen.append([event.at for _, event in changes.events])
    assert [len(piece) for piece in seen] == [10, 10, 5]
    assert [at for piece in seen for at in piece] == list(range(25))


def test_a_snapshot_holds_what_was_known_before_its_time_and_nothing_later(store: Store) -> None:
    store.put_articles([GUIDE, NEWS, dataclasses.replace(NEWS, key="scheduled", published=9_000)])
    store.put_events(
        [
            click("late", NEWS.id, 5_000, visitor="v9"),
            click("b", GUIDE.id, 2_500, visitor="v2"),
            click("a", NEWS.id, 1_500, visitor="v1", session="s"),
            click("stray", ArticleId("daily", "unknown"), 1_600, visitor="v3"),
        ]
    )
    snapshot = store.snapshot(until=5_000)
    assert [article.id for article in snapshot.articles] == [NEWS.id, GUIDE.id]
    events = snapshot.interactions
    assert events.at.tolist() == [1_500, 2_500]
    assert events.article.tolist() == [0, 1]
    assert [snapshot.visitors[row] for row in events.visitor] == ["v1", "v2"]
    assert events.session.tolist() == [0, -1]
    assert "v9" not in snapshot.visitors
    assert snapshot.strays == 1
    assert store.changes(snapshot.mark).events == []


def test_an_empty_store_has_an_empty_snapshot(store: Store) -> None:
    snapshot = store.snapshot(until=1)
    assert (len(snapshot.articles), len(snapshot.interactions), len(snapshot.visitors)) == (0, 0, 0)


def test_writers_in_parallel_lose_nothing_and_a_follower_misses_nothing(store: Store) -> None:
    def write(writer: int) -> None:
        for n in range(20):
            store.put_events([click(f"{writer}-{n}", NEWS.id, n)])

    writers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
    for writer in writers:
        writer.start()
    mark, seen = Mark(), 0
    while any(writer.is_alive() for writer in writers) or seen < 80:
        changes = store.changes(mark)
        mark, seen = changes.mark, seen + len(changes.events)
    for writer in writers:
        writer.join()
    assert seen == 80


def test_an_id_counts_once_in_any_month(store: Store) -> None:
    months = [1_700_000_000 + n * 40 * 86_400 for n in range(6)]
    assert store.put_events([click("a", NEWS.id, at) for at in months]) == Counts(new=1, same=5)
    assert store.put_events([click("b", NEWS.id, months[2])]) == Counts(new=1)
    again = [click(id, NEWS.id, at) for id in "ab" for at in reversed(months)]
    assert store.put_events(again) == Counts(same=12)
    assert [event.at for _, event in store.changes(Mark()).events] == [months[0], months[2]]


def test_events_of_any_time_are_kept_in_order_of_arrival(store: Store) -> None:
    moments = [253_402_300_799, 0, 1_763_000_000, 951_782_400, 4_102_444_800, 1_700_000_000]
    store.put_events([click(str(at), NEWS.id, at, visitor="v") for at in moments])
    assert [event.at for _, event in store.changes(Mark()).events] == moments
    assert [event.at for event in store.held("v")] == sorted(moments)
    assert store.prune_events(before=1_763_000_000) == 3
    assert [event.at for event in store.held("v")] == sorted(moments)[3:]
    assert store.put_events([click("0", NEWS.id, 0)]) == Counts(new=1)
    assert store.erase("v", NEVER) == 3
    assert store.counts()["events"] == 1


def test_many_articles_at_once_are_what_few_at_a_time_are(store: Store) -> None:
    many = [dataclasses.replace(NEWS, key=f"k{n}", tags=('a"b', "日本")) for n in range(500)]
    assert store.put_articles(many) == Counts(new=500)
    assert store.put_articles(many) == Counts(same=500)
    changed = [dataclasses.replace(article, title="New", authors=()) for article in many[:300]]
    assert store.put_articles([*changed, *many[300:]]) == Counts(changed=300, same=200)
    assert store.put_articles(many[:5]) == Counts(changed=5)
    assert store.article(many[9].id) == changed[9]
    assert store.article(many[4].id) == many[4]


def test_opening_a_store_twice_finds_what_was_put(store_url: str) -> None:
    with Store.open(store_url) as store:
        store.put_articles([NEWS])
    with Store.open(store_url) as store:
        assert store.article(NEWS.id) == NEWS


def test_a_folder_is_made_for_a_file(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'deep' / 'store.db'}") as store:
        assert store.counts() == {"articles": 0, "events": 0}


@pytest.fixture(params=["sqlite", "postgres"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any table, of each kind in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url")(bare=True))
    return f"sqlite:///{tmp_path / 'store.db'}"


NEW_COLUMNS = {
    "0002": ("propensity",),
    "0003": ("arm",),
    "0004": ("source", "bundle", "placement"),
}
"""What each schema added to events."""


@pytest.mark.parametrize("old", ["0001", "0002", "0003", "0004", "0005"])
def test_an_older_store_keeps_its_events_and_learns_the_rest(bare: str, old: str) -> None:
    engine = create_engine(bare)
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    later = {name for number, names in NEW_COLUMNS.items() if number > old for name in names}
    columns = event_columns([click("old", NEWS.id, 7, slate="sl", position=2, visitor="v")])
    event = {"seq": 1, **{name: value for name, (value,) in columns.items()}}
    article = {**article_row(NEWS), "revision": 1, "tags": "[]", "authors": "[]"}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, old)
        insert_raw(connection, "events", {k: v for k, v in event.items() if k not in later})
        insert_raw(connection, "articles", article)
        if old > "0001":
            key = {"id": "k", "name": "cms", "scopes": '["articles"]', "sites": "[]"}
            insert_raw(connection, "api_keys", {**key, "digest": bytes(32), "created": 5})
        if old > "0004":
            run = {"id": "r", "job": "retrain", "place": "here", "started": 1, "status": "done"}
            insert_raw(connection, "runs", {**run, "detail": "{}"})
        for clock in ("event_seq", "article_revision"):
            connection.execute(text(f"UPDATE clocks SET value = 1 WHERE name = '{clock}'"))
    engine.dispose()
    with Store.open(bare) as store:
        ((_, kept),) = store.changes(Mark()).events
        expected = click("", NEWS.id, 7, slate="sl", position=2, visitor="v")
        assert dataclasses.replace(kept, id="") == expected
        assert store.article(NEWS.id) == dataclasses.replace(NEWS, tags=(), authors=())
        keys = [] if old == "0001" else [ApiKey("k", "cms", (Scope.ARTICLES,), (), 5)]
        assert [dataclasses.replace(key, digest=b"") for key in access.keys(store)] == keys
        assert ("retrain" in runs.last(store)) == (old > "0004")
        assert store.put_events([click("old", NEWS.id, 9)]) == Counts(same=1)
        assert store.put_events([click("new", NEWS.id, 8)]) == Counts(new=1)
        mark = store.snapshot(10).mark
        assert (mark.event_seq, mark.article_revision, mark.erasure_seq) == (3, 1, 0)
        stop = Rule("", Action.STOP, Aim.ARTICLE, str(NEWS.id))
        assert rules.rules(store) == [] != [rules.add(store, stop, Actor("anna"))]
        assert [entry.seq for entry in audit.entries(store)] == [1]
        token, _ = sessions.begin(store, "k", 10)
        assert sessions.find(store, token, 11) is not None
        assert checks.check(store._engine) == []


def insert_raw(connection: Connection, table: str, row: dict[str, object]) -> None:
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


def test_migrations_make_the_schema_that_the_code_describes(bare: str) -> None:
    engine = database.connect(bare)
    with engine.connect() as connection:
        assert checks.differences(connection) == []
    assert checks.check(engine) == []
    engine.dispose()


def test_a_store_of_a_newer_version_is_left_alone(bare: str) -> None:
    Store.open(bare).close()
    engine = create_engine(bare)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DataError, match=r"9999.*update the program"):
        Store.open(bare)


def test_a_file_that_is_no_database_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, not at all, but long enough to look at" * 10)
    with pytest.raises(DataError, match="not an SQLite file"):
        Store.open(f"sqlite:///{path}")


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="address is not usable"):
        Store.open("nonsense")


def test_a_full_disk_loses_only_what_it_could_not_take(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(f"sqlite:///{path}") as store:
        store.put_events([click("kept", NEWS.id, 1)])
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        store.close()
        limited = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None})

        @database.event.listens_for(limited, "connect")
        def limit(connection: sqlite3.Connection, _: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages + 4}")

        database.event.listen(limited, "begin", database._begin)
        full = Store(limited)
        with pytest.raises(DataError, match=r"full.*free some space"):
            full.put_events([click(str(n), NEWS.id, n) for n in range(5_000)])
        full.close()
        assert store.counts()["events"] == 1

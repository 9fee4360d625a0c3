"""A person migrates a database, hears what is wrong with it, and moves it to another one."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from alembic.script import ScriptDirectory
from postgres import PASSWORD
from sqlalchemy import Engine, create_engine

from data import access, audit, copies, database, rules, runs, schema
from data.audit import Actor
from data.scope import Scope
from data.store import Mark, Store
from recsys.rules import Action, Aim, Rule
from recsys.types import Article, ArticleId, Event, Kind, Tone

NOW = 1_763_000_000
DAY = 86_400


@pytest.fixture(params=["sqlite", "postgres"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of the store that ``recsys`` is set up for, without any table."""
    url = f"sqlite:///{tmp_path / 'recsys.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")(bare=True)
        (tmp_path / "recsys.toml").write_text(f'[store]\nurl = "{url}"\npool_size = 2\n')
    return url


def fill(store: Store) -> None:
    """Put something into every table."""
    store.put_articles(
        Article(
            *("daily", f"a{n}", f"/{n}", f"Title {n} 日本", NOW - n),
            tags=("a", "b'\\"),
            tone=Tone.GRAVE,
            sponsored=n == 3,
        )
        for n in range(50)
    )
    store.put_events(
        Event(
            *(f"e{n}", Kind.CLICK, ArticleId("daily", "a1"), NOW - n * DAY, f"v{n % 7}", "s"),
            dwell=n / 7,
            position=n % 5,
        )
        for n in range(200)
    )
    store.withdraw([ArticleId("daily", "a9")], NOW)
    store.erase("v3", NOW)
    access.create(store, "cms", [Scope.ARTICLES], ["daily"], NOW)
    rules.add(store, Rule("", Action.STOP, Aim.ARTICLE, "daily/a1"), Actor("anna"))
    run = runs.begin(store, "retrain", NOW)
    runs.end(store, run, NOW + 5, "done", "well", {"clicks": 0.1})


def test_revisions_are_told_by_their_files_as_alembic_tells_them() -> None:
    script = ScriptDirectory.from_config(database.alembic())
    assert database.known() == {one.revision for one in script.walk_revisions()}
    assert [database.head()] == script.get_heads()


def test_a_schema_is_brought_up_to_date_once(typed: Callable, here: str) -> None:
    missing = typed("db", "check")
    assert (missing.code, "run recsys db migrate" in missing.err) == (2, True)
    assert typed("db", "migrate").out == "migrated the schema from nothing to 0006\n"
    assert typed("db", "migrate").out == "the schema is up to date: 0006\n"
    assert orjson.loads(typed("db", "migrate", "--json").out) == {"from": "0006", "to": "0006"}
    sound = orjson.loads(typed("db", "check", "--json").out)
    assert (sound["sound"], sound["revision"], sound["findings"]) == (True, "0006", [])


@pytest.fixture
def raw(here: str) -> Iterator[Engine]:
    """The database of a store that is filled, for whoever breaks it."""
    with Store.open(here) as store:
        fill(store)
    engine = create_engine(here)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("harm", "about", "said"),
    [
        ("DROP INDEX ix_events_arm", "ix_events_arm", "CREATE INDEX ix_events_arm ON events (arm)"),
        ("DROP TABLE runs", "runs", "is a table that is missing"),
        ("ALTER TABLE rules DROP COLUMN slot", "rules.slot", "is a column that is missing"),
        ("ALTER TABLE rules ADD COLUMN mine TEXT", "rules.mine", "is a column that nothing knows"),
        ("CREATE INDEX mine ON runs (status)", "mine", "drop it: DROP INDEX mine"),
        (
            "UPDATE clocks SET value = 7 WHERE name = 'event_seq'",
            "the clock event_seq",
            "stands at 7, though 199 has been given out",
        ),
        ("DELETE FROM clocks WHERE name = 'audit_seq'", "the clock audit_seq", "is missing"),
    ],
)
def test_what_is_wrong_is_named_with_the_next_step(
    typed: Callable, raw: Engine, harm: str, about: str, said: str
) -> None:
    with raw.begin() as connection:
        connection.exec_driver_sql(harm)
    told = typed("db", "check")
    assert told.code == 2
    assert told.err.startswith(f"{about} ")
    assert said in told.err
    (found,) = orjson.loads(typed("db", "check", "--json").out)["findings"]
    assert found["about"] == about
    assert found["step"]


@pytest.mark.parametrize("here", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("ALTER TABLE event_ids DROP CONSTRAINT pk_event_ids", "event_ids has the primary key ()"),
        ("DELETE FROM event_ids WHERE at < 1750000000", "event_ids has 129 ids for 171 events"),
        ("ALTER TABLE audit ALTER COLUMN actor TYPE VARCHAR(8)", "audit.actor has the type"),
        ("ALTER TABLE audit ALTER COLUMN actor DROP NOT NULL", "audit.actor may be empty"),
        ("ALTER TABLE events DETACH PARTITION events_2025_10", "events_2025_10 is a part"),
    ],
)
def test_what_only_a_server_can_have_wrong(
    typed: Callable, raw: Engine, harm: str, said: str
) -> None:
    with raw.begin() as connection:
        connection.exec_driver_sql(harm)
    told = typed("db", "check")
    assert (told.code, told.err.splitlines()[0][: len(said)]) == (2, said)


@pytest.fixture(params=["sqlite", "postgres"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url")(bare=True))
    return f"sqlite:///{tmp_path / 'elsewhere' / 'new.db'}"


def everything(url: str) -> dict[str, list[str]]:
    with Store.open(url) as store, store.reading() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(table.select()).all()))
            for table in schema.metadata.sorted_tables
        }


def test_a_store_moves_whole_to_either_database(typed: Callable, here: str, elsewhere: str) -> None:
    with Store.open(here) as store:
        fill(store)
        mark = store.snapshot(NOW).mark
    told = typed("db", "copy", "--to", elsewhere)
    assert (told.code, told.out[:19]) == (0, "copied and compared")
    assert "171 events" in told.out
    assert everything(elsewhere) == everything(here)
    with Store.open(elsewhere) as store:
        # Whoever followed the one follows the other; what is known stays known.
        assert store.changes(mark).mark == mark
        again = Event("e0", Kind.CLICK, ArticleId("daily", "a1"), NOW + 5)
        assert store.put_events([again]).same == 1
        assert store.put_events([dataclasses.replace(again, id="new")]).new == 1
        assert store.changes(mark).events[0][0] > mark.event_seq
        assert audit.entries(store)[0].seq == 2
    again = typed("db", "copy", "--to", elsewhere)
    assert (again.code, "holds rows already" in again.err) == (2, True)


def test_a_copy_that_is_stopped_leaves_nothing(tmp_path: Path, elsewhere: str) -> None:
    class Stopped(Exception):
        pass

    def stop(table: str, done: int, count: int) -> None:
        if table == "events":
            raise Stopped

    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as source:
        fill(source)
        with Store.open(elsewhere) as target:
            with pytest.raises(Stopped):
                copies.copy(source, target, stop)
            assert target.counts() == {"articles": 0, "events": 0}
            assert target.snapshot(NOW).mark == Mark()
            copied = {one.table: one.rows for one in copies.copy(source, target)}
            assert copied["events"] == 171
            assert len(copied) == len(schema.metadata.sorted_tables)


def test_a_copy_to_nowhere_says_why_without_the_password(typed: Callable) -> None:
    told = typed("db", "copy", "--to", "postgresql://u:hush@127.0.0.1:1/x")
    assert (told.code, "refused" in told.err, "hush" in told.err) == (2, True, False)
    assert PASSWORD not in told.err


def test_a_copy_onto_itself_is_refused(typed: Callable, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'recsys.db'}"
    with Store.open(url) as store:
        fill(store)
    assert "holds rows already" in typed("db", "copy", "--to", url).err

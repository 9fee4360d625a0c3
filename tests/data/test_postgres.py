"""PostgreSQL may be slow, away or restarted: the store says so in words, and goes on after."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import PASSWORD, Server, server
from structlog.testing import capture_logs

from data import checks, partitions
from data.store import Counts, Mark, Store
from recsys.errors import DataError
from recsys.types import Article, ArticleId, Event, Kind
from service.holder import Holder
from service.settings import Settings

NOW = 1_763_000_000  # in the midst of November 2025
NEWS = ArticleId("daily", "a")


def click(id: object, at: int = NOW, **values: object) -> Event:
    return Event(str(id), Kind.CLICK, NEWS, at, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that these tests may stop and kill; it runs when a test begins."""
    with server() as mine:
        yield mine


@pytest.fixture
def url(own: Server, request: pytest.FixtureRequest) -> str:
    own.start()
    return own.create(f"t{abs(hash(request.node.nodeid))}")


CHANGE = "UPDATE clocks SET value = value + 1"


def ask(store: Store, statement: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Say a statement and commit it, after something else has happened."""
    with store.writing() as connection:
        connection.exec_driver_sql(statement)
        meanwhile()
        connection.exec_driver_sql("SELECT 1")


def parts(store: Store) -> list[str]:
    with store.reading() as connection:
        return [part.name for part in partitions.parts(connection)]


# What goes wrong is said in words, with the next step and without the password.


@pytest.fixture(scope="module")
def role(postgres_server: Server) -> str:
    return postgres_server.role(f"app{os.getpid()}")  # workers share the server


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong/one"}, r"password authentication failed.*check user and password"),
        ({"user": "nobody_known", "password": PASSWORD}, "check user and password"),
        ({"database": "nowhere"}, r'"nowhere" does not exist; make it \(createdb\)'),
    ],
)
def test_who_cannot_get_in_reads_why(
    postgres_server: Server, role: str, change: dict[str, str], said: str
) -> None:
    given = {"database": "migrated", "user": role, "password": PASSWORD} | change
    with pytest.raises(DataError, match=said) as caught:
        Store.open(postgres_server.url(**given))
    assert "wrong/one" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "wrong%2Fone" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_with_its_address() -> None:
    with pytest.raises(DataError, match=r"127\.0\.0\.1:1.*refused.*whether the server runs"):
        Store.open("postgresql://u:hush@127.0.0.1:1/x")
    with pytest.raises(DataError, match=r"check the host in \[store\] url"):
        Store.open("postgresql://u:hush@nowhere.invalid/x")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@me@127.0.0.1/x",
        "postgresql://u:hush@127.0.0.1:port/x",
        "postgresql://u:hush@127.0.0.1/x?pool_size=many",
        "postgresql://u:hush@127.0.0.1/x?pool_size=0",
        "mysql://u:hush@127.0.0.1/x",
    ],
)
def test_an_address_that_cannot_be_read_shows_no_password(url: str) -> None:
    with pytest.raises(DataError, match="address is not usable") as caught:
        Store.open(url)
    assert "hush" not in str(caught.value)


def test_a_role_that_may_not_write_reads_what_it_needs(
    postgres_server: Server, role: str, postgres_url: Callable[..., str]
) -> None:
    name = postgres_url().rpartition("/")[2]
    postgres_server.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", database=name)
    with Store.open(postgres_server.url(name, role, PASSWORD)) as store:
        assert store.counts() == {"articles": 0, "events": 0}
        with pytest.raises(DataError, match=r"permission denied.*own the tables.*README"):
            store.put_events([click(1)])


def test_a_database_set_to_read_only_is_told_from_a_broken_one(
    postgres_server: Server, postgres_url: Callable[..., str]
) -> None:
    address = postgres_url()
    name = address.rpartition("/")[2]
    postgres_server.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with Store.open(address) as store:
        assert store.counts()["events"] == 0
        with pytest.raises(DataError, match=r"read-only.*name the primary"):
            store.put_events([click(1)])


def test_waiting_has_an_end(postgres_url: Callable[..., str]) -> None:
    address = postgres_url()
    with (
        Store.open(
            f"{address}?lock_timeout=0.2&pool_size=1&pool_overflow=0&pool_wait=0.2"
        ) as store,
        Store.open(f"{address}?statement_timeout=0.2") as other,
    ):
        with other.writing() as connection:
            connection.exec_driver_sql(CHANGE)
            with pytest.raises(DataError, match=r"lock timeout.*\[store\] lock_timeout, try again"):
                store.put_events([click(1)])
        with pytest.raises(DataError, match="statement_timeout"):
            ask(other, "SELECT pg_sleep(5)")
        with store.reading(), pytest.raises(DataError, match=r"in use: raise \[store\] pool_size"):
            store.counts()
        # None of it has spoiled a connection.
        assert store.put_events([click(1)]) == Counts(new=1)
        assert other.counts()["events"] == 1


def test_a_process_that_hangs_in_a_transaction_lets_others_write(
    postgres_url: Callable[..., str],
) -> None:
    address = postgres_url()
    with Store.open(f"{address}?idle_timeout=0.2") as hanging, Store.open(address) as store:
        with pytest.raises(DataError, match="lay idle"):
            ask(hanging, CHANGE, lambda: store.put_events([click(1)]))
        assert store.counts()["events"] == 1
        assert hanging.put_events([click(2)]) == Counts(new=1)


def test_connections_are_named_and_limited_as_settings_say(
    postgres_url: Callable[..., str],
) -> None:
    address = (
        f"{postgres_url()}?application_name=desk&statement_timeout=7&lock_timeout=0&idle_timeout=9"
    )
    with Store.open(address) as store, store.reading() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in (
                *("application_name", "statement_timeout", "lock_timeout"),
                *("idle_in_transaction_session_timeout", "transaction_isolation"),
            )
        ]
    assert shown == ["desk", "7s", "0", "9s", "repeatable read"]


@pytest.fixture
def small_disk(own: Server) -> Iterator[Path]:
    """A disk of a few megabytes that the server may write to."""
    own.start()
    place = own.folder / "small"
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", str(place))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        place.rmdir()
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail("RECSYS_REQUIRE_SYSTEM=1, but no disk can be mounted")
        pytest.skip("needs to mount a small disk, as root")
    shutil.chown(place, own.data.owner())
    yield place
    subprocess.run(("umount", "--lazy", str(place)), check=True)


def test_a_full_disk_loses_only_what_it_could_not_take(own: Server, small_disk: Path) -> None:
    own.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    own.sql("CREATE DATABASE tight TABLESPACE small")
    with Store.open(own.url("tight")) as store:
        store.put_events([click("kept")])

        def fill() -> None:
            for batch in range(8):
                store.put_events([click(f"{batch}-{n}", visitor="v" * 99) for n in range(5_000)])

        with pytest.raises(DataError, match="free some space on the server's disk"):
            fill()
        kept = store.counts()["events"]
        assert kept % 5_000 == 1
        subprocess.run(("mount", "-o", "remount,size=90m", str(small_disk)), check=True)
        fill()
        assert store.counts()["events"] == 40_001
    own.sql("DROP DATABASE tight", "DROP TABLESPACE small")


# A server that goes away and comes back.


def test_a_restart_between_two_questions_goes_unseen(own: Server, url: str) -> None:
    with Store.open(url) as store:
        store.put_events([click(1)])
        own.stop()
        own.start()
        assert store.put_events([click(1), click(2)]) == Counts(new=1, same=1)


@pytest.mark.parametrize("ping", ["true", "false"])
def test_a_server_that_was_killed_is_an_error_until_it_is_back(
    own: Server, url: str, ping: str
) -> None:
    with Store.open(f"{url}?pool_ping={ping}") as store:
        store.put_events([click(1)])
        with pytest.raises(DataError, match="try again"):
            ask(store, CHANGE, own.kill)
        with pytest.raises(DataError, match=r"refused.*whether the server runs"):
            store.put_events([click(2)])
        own.start()
        assert store.put_events([click(1), click(2)]) == Counts(new=1, same=1)
        assert checks.check(store._engine) == []


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Drawing tracebacks for a terminal takes seconds."""
    with capture_logs():
        yield


@pytest.mark.usefixtures("unlogged")
def test_a_service_that_starts_before_its_database_takes_it_up_when_it_comes(
    own: Server, url: str, tmp_path: Path
) -> None:
    own.stop("immediate")
    holder = Holder(Settings(tmp_path / "bundles", url, tmp_path / "keyring.json"))
    holder.refresh(NOW)
    assert (holder.state.store_reachable, "refused" in holder.state.error) == (False, True)
    own.start()
    with Store.open(url) as store:
        store.put_articles([Article("daily", "a", "/a", "Title", NOW - 60)])
    holder.refresh(NOW)
    assert holder.state.store_reachable
    assert holder.knows(NEWS)
    own.kill()
    holder.refresh(NOW)
    assert not holder.state.store_reachable
    assert holder.knows(NEWS)
    own.start()
    with Store.open(url) as store:
        store.put_articles([Article("daily", "b", "/b", "Title", NOW - 60)])
    holder.refresh(NOW)
    assert (holder.state.store_reachable, holder.state.error) == (True, "")
    assert holder.knows(ArticleId("daily", "b"))
    holder.store.close()


# Several at a time, in processes of their own.

OPEN = "import sys; from data.store import Store; Store.open(sys.argv[1]).close()"
WRITE = """
import sys
from data.store import Store
from recsys.types import ArticleId, Event, Kind
with Store.open(sys.argv[1]) as store:
    for n in range(60):
        at, news = 10**9 + n * 10**6, ArticleId("daily", "a")
        ids = [f"both-{n}", f"{sys.argv[2]}-{n}"]
        store.put_events([Event(id, Kind.CLICK, news, at) for id in ids])
"""


def run(program: str, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True
    )


def test_replicas_that_start_together_migrate_once(postgres_url: Callable[..., str]) -> None:
    address = postgres_url(bare=True)
    started = [run(OPEN, address) for _ in range(3)]
    assert [process.communicate()[1] for process in started] == [""] * 3
    with Store.open(address) as store:
        assert checks.check(store._engine) == []


def test_a_follower_misses_nothing_that_two_processes_write(
    postgres_url: Callable[..., str],
) -> None:
    address = postgres_url()
    writers = [run(WRITE, address, name) for name in ("one", "two")]
    mark, seqs = Mark(), []
    with Store.open(address) as store:
        while any(writer.poll() is None for writer in writers) or store.changes(mark).events:
            changes = store.changes(mark, most=7)
            seqs += [seq for seq, _ in changes.events]
            mark = changes.mark
        assert [writer.communicate()[1] for writer in writers] == ["", ""]
        # Each writer has 60 ids of its own, and 60 that both write.
        assert store.counts()["events"] == len(seqs) == 180
        assert seqs == sorted(set(seqs))
        assert checks.check(store._engine) == []


def test_a_reader_who_is_erased_while_others_write_does_not_come_back(
    postgres_url: Callable[..., str],
) -> None:
    with Store.open(postgres_url()) as store:

        def write(writer: int) -> None:
            for n in range(40):
                store.put_events(
                    [click(f"{writer}-{n}-{m}", NOW + n, visitor="v") for m in range(3)]
                )

        writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
        for writer in writers:
            writer.start()
        time.sleep(0.1)
        store.erase("v", NOW + 1_000)
        for writer in writers:
            writer.join()
        assert store.held("v") == []
        assert checks.check(store._engine) == []


# Parts by time.


def test_a_month_has_a_part_of_its_own_and_odd_years_do_not(store_of_parts: Store) -> None:
    store = store_of_parts
    today = int(time.time())
    store.put_events([click(1, today), click(2, today - 40 * 86_400)])
    months = [time.strftime("events_%Y_%m", time.gmtime(at)) for at in (today - 40 * 86_400, today)]
    assert parts(store) == months
    store.put_events(click(f"odd{n}", n * 86_400 * 90) for n in range(30_000))
    # Two for what is out of this century, 97 years, and the months around now.
    assert len(parts(store)) < 150
    assert store.put_events(click(f"odd{n}", n) for n in range(30_000)) == Counts(same=30_000)
    assert checks.check(store._engine) == []


@pytest.fixture
def store_of_parts(postgres_url: Callable[..., str]) -> Iterator[Store]:
    with Store.open(postgres_url()) as store:
        yield store


def test_old_months_go_as_whole_tables_while_others_read_and_write(store_of_parts: Store) -> None:
    store = store_of_parts
    day = 86_400
    store.put_events(click(n, NOW - n * day) for n in range(120))
    assert len(parts(store)) == 5
    done: list[int] = []
    with store.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM events").all()
        pruning = threading.Thread(target=lambda: done.append(store.prune_events(NOW - 50 * day)))
        pruning.start()
        time.sleep(0.3)
        # It waits for this reader, and no writer waits for it.
        assert store.put_events([click("new")]) == Counts(new=1)
    pruning.join()
    assert done == [69]
    assert len(parts(store)) == 3
    assert store.counts()["events"] == 52
    assert checks.check(store._engine) == []
    # Forgotten whole: nothing remembers their ids.
    assert store.put_events([click(119, NOW - 119 * day)]) == Counts(new=1)


def test_a_part_that_was_taken_out_when_deleting_stopped_is_deleted_next_time(
    store_of_parts: Store,
) -> None:
    store = store_of_parts
    store.put_events(click(n, NOW - n * 86_400) for n in range(60))
    with store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE events DETACH PARTITION events_2025_09")
    assert [one.about for one in checks.check(store._engine)] == ["events_2025_09", "event_ids"]
    assert store.prune_events(NOW - 400 * 86_400) == 16
    assert checks.check(store._engine) == []

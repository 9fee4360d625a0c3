"""A backup is whole or not there, and what is restored from it answers as before."""

import dataclasses
import itertools
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from pydantic import TypeAdapter
from sqlalchemy import MetaData, create_engine, insert, select, text

from data import access, backup, database, dump, keyring, restore, rules
from data.audit import Actor, entries, record
from data.follow import Follower
from data.scope import Scope
from data.store import Mark, Store
from recsys import bundle as bundles
from recsys import manifest, shelf
from recsys.engine import Engine
from recsys.errors import Busy, DataError
from recsys.live import Live
from recsys.policy import Policy
from recsys.rules import Action, Aim, Rule
from recsys.types import Article, Event, Kind, Query
from training.recipe import Recipe
from training.run import run

NOW = int(time.time())
WHO = Actor("a test")
TOPICS = ("harbour ferry tide pier", "temple maple garden tea", "striker goal league match")


def story(place: int) -> Article:
    topic = TOPICS[place % 3]
    return Article(
        ("daily", "culture", "travel")[place % 3],
        f"a-{place}",
        f"https://x.example/{place}",
        f"{topic.title()} {place}",
        NOW - 9_000 - 60 * place,
        body=f"{topic} {place} " * 20,
        tags=("water", "größe"),
    )


ARTICLES = [story(place) for place in range(24)]


def click(n: int) -> Event:
    read = ARTICLES[(n * 7 + n // 3) % 24].id
    return Event(f"e{n}", Kind.CLICK, read, NOW - 5_000 + n, f"v{n % 12}", f"s{n % 12}")


@dataclasses.dataclass
class Installation:
    var: Path
    store: Store
    url: str

    @property
    def keyring(self) -> Path:
        return self.var / "keyring.json"

    def back_up(self, target: Path, **options: object) -> Path:
        options = {"config": self.var / "recsys.toml", **options}
        return backup.backup(self.store, self.var, self.keyring, target, NOW, **options)

    def restore(self, source: Path, **options: object) -> restore.Restored:
        return restore.restore(source, self.store, self.var, self.keyring, NOW, WHO, **options)

    def told(self) -> dict[str, object]:
        """What anybody could ask of it, with what is left to chance held still."""
        bundle = bundles.open_bundle(shelf.folder(self.var / "bundles", self.current))
        live = Live(bundle)
        live.rule(rules.active(self.store, NOW))
        follower = Follower.begin(self.store, live)
        live.refresh(NOW)
        engine = Engine(bundle, live, Policy(exploration=0.5))
        asked = [Query(a.site, NOW, a.id, visitor=f"v{n}", n=6) for n, a in enumerate(ARTICLES)]
        return {
            "slates": [repr(engine.recommend(query)) for query in asked],
            "trends": live.trends.counts(NOW).tolist(),
            "rules": rules.rules(self.store),
            "keys": access.keys(self.store),
            "counts": self.store.counts(),
            "read to": follower.mark,
            "secrets": keyring.load(self.keyring, NOW),
        }

    @property
    def current(self) -> str:
        return shelf.current(self.var / "bundles")


def empty(folder: Path, url: str = "") -> Installation:
    folder.mkdir()
    url = url or f"sqlite:///{folder / 'recsys.db'}"
    return Installation(folder, Store.open(url), url)


def furnished(folder: Path, url: str = "") -> Installation:
    """An installation with everything that one can have."""
    made = empty(folder, url)
    store = made.store
    store.put_articles(ARTICLES)
    store.put_events(click(n) for n in range(120))
    run(store, folder / "bundles", Recipe(dims=8, factors=8), NOW - 60)
    store.put_events(click(n) for n in range(120, 150))
    run(store, folder / "bundles", Recipe(dims=8, factors=8), NOW - 30)
    store.put_events(click(n) for n in range(150, 180))
    store.withdraw([ARTICLES[5].id], NOW)
    store.erase("v3", NOW - 10)
    pin = Rule(
        0,
        Action.PIN,
        Aim.ARTICLE,
        str(ARTICLES[9].id),
        slot=2,
        start=NOW - 60,
        end=NOW + 900,
        reason="news",
    )
    rules.add(store, pin, WHO)
    access.create(store, "cms", [Scope.ARTICLES], ["daily"], NOW, None, WHO)
    keyring.load(made.keyring, NOW)
    (folder / "recsys.toml").write_text("[policy]\nexploration = 0.5\n")
    (folder / "spool").mkdir()
    with closing(sqlite3.connect(folder / "spool" / "events.db")) as queue:
        queue.execute("PRAGMA journal_mode = WAL")
        queue.execute("CREATE TABLE queue (seq INTEGER PRIMARY KEY, event TEXT)")
        queue.execute("INSERT INTO queue (event) VALUES ('waits')")
        queue.commit()
    return made


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    made = furnished(tmp_path_factory.mktemp("installation") / "var")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def made(installation, tmp_path_factory):
    return installation.back_up(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def answers(installation):
    return installation.told()


@pytest.fixture
def place(tmp_path):
    opened = empty(tmp_path / "var")
    yield opened
    opened.store.close()


def test_what_is_restored_into_an_empty_place_gives_the_same_answers(
    installation, made, answers, place
):
    done, before = place.restore(made), answers
    assert place.told() == before
    assert any("exploration" in slate for slate in before["slates"])
    assert (done.keyring, done.configuration) == (True, True)
    assert done.backup.rows["events"] == before["counts"]["events"]
    for name in ("recsys.toml", "bundles/current"):
        assert (place.var / name).read_bytes() == (installation.var / name).read_bytes()
    with closing(sqlite3.connect(place.var / "spool" / "events.db")) as queue:
        assert queue.execute("SELECT event FROM queue").fetchall() == [("waits",)]
    assert entries(place.store)[0].action == "store.restore"


def test_what_is_restored_can_be_rolled_back_and_goes_on(made, place):
    place.restore(made)
    older = shelf.earlier(place.var / "bundles")
    assert len(older) == 1
    assert shelf.rollback(place.var / "bundles") == older[0]
    bundles.verify(place.var / "bundles" / older[0])


def test_nobody_who_has_read_further_than_the_backup_misses_what_comes_after(made, place):
    """A bundle of after the backup, or a service that still runs, has a mark from then."""
    place.restore(made)
    stated = backup.verify(made).clocks
    ahead = Mark(*(stated[name] + 1_000_000 for name in Mark.__slots__))
    assert place.store.changes(ahead).events == []
    place.store.put_events([click(900)])
    place.store.put_articles([story(60)])
    changed = place.store.changes(ahead)
    assert ([event.id for _, event in changed.events] != [], len(changed.articles)) == (True, 1)


def test_it_is_of_one_moment_while_others_write(made, tmp_path, place):
    """A withdrawal and its entry in the audit log are one transaction: no copy parts them."""
    place.restore(made)
    stop = threading.Event()

    def write() -> None:
        with Store.open(place.url) as store:
            for n in itertools.count(1_000):
                if stop.is_set():
                    return
                store.put_articles([dataclasses.replace(story(n), title=f"New {n}")])
                store.put_events([click(12 * n)])  # of a reader whom nobody erased
                also = partial(record, actor=WHO, action="article.withdraw", subject="", at=NOW)
                store.withdraw([story(n).id], NOW, also)

    with busy(write, stop):
        copies = [place.back_up(tmp_path / str(turn)) for turn in range(2)]
    written = [backup.verify(copy).clocks["event_seq"] for copy in copies]
    assert written == sorted(set(written))  # others did write
    for turn, copy in enumerate(copies):
        fresh = empty(tmp_path / f"var{turn}")
        with fresh.store as store:
            fresh.restore(copy)
            with store.reading() as connection:
                last = connection.execute(text("SELECT max(seq) FROM events")).scalar_one()
                down = connection.execute(
                    text("SELECT count(*) FROM articles WHERE withdrawn IS NOT NULL")
                ).scalar_one()
            told = [entry for entry in entries(store, 10**6) if entry.action == "article.withdraw"]
            assert down == len(told) + 1  # and the one of the beginning
            assert last == written[turn]


@contextmanager
def busy(work, stop):
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("after", ["store", "checksums"])
def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(installation, tmp_path, after):
    script = f"""
import os, signal, pathlib
from data import backup
from data.store import Store
def report(part):
    if part == {after!r}:
        os.kill(os.getpid(), signal.SIGKILL)
var, target = pathlib.Path({str(installation.var)!r}), pathlib.Path({str(tmp_path)!r})
with Store.open({installation.url!r}) as store:
    backup.backup(store, var, var / "keyring.json", target, 1, report=report)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".new-*")) != []
    assert backup.backups(tmp_path) == []
    with pytest.raises(DataError, match="no backup in"):
        backup.find(tmp_path)
    whole = installation.back_up(tmp_path)
    assert backup.find(tmp_path) == whole
    assert list(tmp_path.glob(".new-*")) == []


def test_the_oldest_go(installation, tmp_path):
    for day in range(4):
        backup.backup(installation.store, installation.var, None, tmp_path, NOW + day, keep=2)
    assert [backup.verify(path).created for path in backup.backups(tmp_path)] == [NOW + 3, NOW + 2]
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock",
        *(path.name for path in backup.backups(tmp_path)),
    }


def test_one_backup_at_a_time(installation, tmp_path):
    def again(part: str) -> None:
        if part == "store":
            installation.back_up(tmp_path)

    with pytest.raises(Busy, match="another process is writing"):
        installation.back_up(tmp_path, report=again)


def test_only_its_owner_may_read_it(made):
    modes = {name: stat.S_IMODE((made / name).stat().st_mode) for name in (".", "keyring.json")}
    assert modes == {".": 0o700, "keyring.json": 0o600}


def test_secrets_are_left_out_where_they_are_kept_elsewhere(installation, tmp_path, place):
    made = backup.backup(installation.store, installation.var, None, tmp_path / "b", NOW)
    assert not (made / "keyring.json").exists()
    assert not place.restore(made).keyring
    assert not place.keyring.exists()


def test_a_damaged_bundle_is_left_out_and_told(installation, tmp_path):
    var = tmp_path / "var"
    shutil.copytree(installation.var / "bundles", var / "bundles")
    broken = installation.current
    (var / "bundles" / broken / "vectors.npy").write_bytes(b"")
    stated = backup.verify(backup.backup(installation.store, var, None, tmp_path / "b", NOW))
    assert stated.damaged == (broken,)
    assert stated.bundles == (stated.bundle,) == tuple(shelf.earlier(installation.var / "bundles"))


def test_a_place_that_cannot_be_written_is_told(installation, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DataError, match="cannot write backups to"):
        installation.back_up(file / "below")


@pytest.mark.parametrize("size", ["64k", "300k"])
def test_a_full_disk_is_told_and_nothing_is_left(installation, tmp_path, size):
    """Full with the first bundle, or with the store."""
    if os.getuid() != 0:
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail("RECSYS_REQUIRE_SYSTEM=1, but only root may mount a small disk")
        pytest.skip("only root may mount a small disk; RECSYS_REQUIRE_SYSTEM=1 makes it a failure")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        with pytest.raises(DataError, match="nothing is left: No space left"):
            installation.back_up(place)
        assert {path.name for path in place.iterdir()} == {".lock"}
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda b: next(b.glob("bundles/2*/vectors.npy")).unlink(), "is missing"),
        (lambda b: os.truncate(b / "store" / "events.parquet", 99), "its checksum"),
        (lambda b: (b / "stray").write_text("x"), "stray does not belong"),
        (lambda b: (b / "manifest.json").write_text("{}"), "cannot be read"),
        (lambda b: (b / "manifest.json").unlink(), "no backup in"),
    ],
)
def test_a_damaged_backup_restores_nothing(made, tmp_path, place, harm, said):
    broken = shutil.copytree(made, tmp_path / "copy")
    harm(broken)
    with pytest.raises(DataError, match=said):
        place.restore(broken)
    assert {path.name for path in place.var.iterdir()} <= {
        "recsys.db",
        "recsys.db-shm",
        "recsys.db-wal",
    }
    assert place.store.counts() == {"articles": 0, "events": 0}


def test_a_backup_of_a_newer_version_is_refused(made, tmp_path, place):
    newer = shutil.copytree(made, tmp_path / "copy")
    stated = (newer / "manifest.json").read_text()
    head = backup.verify(made).schema
    (newer / "manifest.json").write_text(stated.replace(f'"{head}"', '"9999"'))
    with pytest.raises(DataError, match="update the program"):
        place.restore(newer)
    (newer / "manifest.json").write_text(stated.replace('"format": 1', '"format": 2'))
    with pytest.raises(DataError, match="has format 2"):
        place.restore(newer)


def test_a_place_that_is_not_empty_is_refused(made, place):
    keyring.load(place.keyring, NOW)
    with pytest.raises(DataError, match=r"keyring\.json is there already"):
        place.restore(made)
    place.keyring.unlink()
    place.store.put_articles(ARTICLES[:1])
    with pytest.raises(DataError, match="the store is not empty"):
        place.restore(made)
    assert not (place.var / "bundles").exists()


def test_a_restore_that_fails_leaves_nothing_and_one_that_was_killed_is_done_again(made, place):
    with place.store.writing() as connection:
        connection.execute(text("DROP TABLE audit"))
    with pytest.raises(DataError, match="audit"):
        place.restore(made)
    assert not (place.var / "bundles").exists()
    assert not place.keyring.exists()
    again = empty(place.var.parent / "again")
    with again.store:
        shutil.copytree(made / "bundles", again.var / "bundles")  # as a killed one leaves them
        again.restore(made)
        assert again.store.counts()["articles"] == 24


def test_readers_who_were_erased_after_the_backup_stay_erased(installation, made, place, tmp_path):
    assert installation.store.held("v4")
    later = empty(tmp_path / "later")
    later.restore(made)
    with later.store as store:
        store.erase("v4", NOW + 50)
        since = restore.erased_in(store, NOW)
        assert since == [restore.Erasure("v4", NOW + 50)]
        newer = backup.backup(store, installation.var, None, tmp_path / "b", NOW + 60)
    assert restore.erasures_in(newer) == [restore.Erasure("v3", NOW - 10), *since]
    done = place.restore(made, erased=restore.erasures_in(newer))
    assert done.erased == 1
    assert done.events > 0
    assert place.store.held("v4") == []
    assert restore.erase(place.store, since, WHO, NOW) == (0, 0)
    live = Live(bundles.open_bundle(place.var / "bundles" / place.current))
    assert len(live.opened("v4")) > 0  # the bundle knows them
    Follower.begin(place.store, live)
    assert len(live.opened("v4")) == 0


def test_a_backup_of_an_older_version_is_migrated(tmp_path, place):
    """From the schema of before editors had rules, with one article and one event."""
    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(database.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    old = MetaData()
    old.reflect(engine, only=["articles", "events", "erasures", "clocks", "api_keys"])
    folder = tmp_path / "written"
    (folder / "store").mkdir(parents=True)
    with Store.open(f"sqlite:///{tmp_path / 'now.db'}") as store:
        store.put_articles([ARTICLES[0]])
        store.put_events([dataclasses.replace(click(1), visitor="v1")])
        with store.reading() as connection:
            rows = connection.execute(select(*old.tables["events"].columns)).mappings().all()
            told = connection.execute(select(*old.tables["articles"].columns)).mappings().all()
    with engine.begin() as connection:
        connection.execute(insert(old.tables["articles"]), [dict(row) for row in told])
        connection.execute(insert(old.tables["events"]), [dict(row) for row in rows])
        counts = dump.write(connection, folder / "store", old)
    files = {path.relative_to(folder).as_posix(): path for path in folder.glob("store/*")}
    described = {name: manifest.describe(path) for name, path in files.items()}
    stated = backup.Backup(NOW, "0002", counts, {}, files=described)
    (folder / "manifest.json").write_bytes(TypeAdapter(backup.Backup).dump_json(stated))
    place.restore(folder)
    assert place.store.counts() == {"articles": 1, "events": 1}
    assert place.store.held("v1")[0].arm == ""
    assert place.store.article(ARTICLES[0].id) == ARTICLES[0]
    assert rules.rules(place.store) == []


def test_postgresql_is_restored_into_postgresql_while_others_write(postgres_url, tmp_path):
    source = furnished(tmp_path / "var", postgres_url())
    target, second = empty(tmp_path / "a", postgres_url()), empty(tmp_path / "b", postgres_url())
    stop = threading.Event()

    def write() -> None:
        for n in itertools.count(1_000):
            if stop.is_set():
                return
            source.store.put_events([click(12 * n)])  # of a reader whom nobody erased

    with source.store, target.store, second.store:
        before = source.told()
        target.restore(source.back_up(tmp_path / "still"))
        assert target.told() == before
        with busy(write, stop):
            made = source.back_up(tmp_path / "busy")
        second.restore(made)
        stated = backup.verify(made)
        assert second.store.counts()["events"] == stated.rows["events"]
        assert stated.rows["events"] < source.store.counts()["events"]


def test_sqlite_is_restored_into_postgresql(postgres_url, made, answers, tmp_path):
    target = empty(tmp_path / "new", postgres_url())
    with target.store:
        target.restore(made)
        assert target.told() == answers

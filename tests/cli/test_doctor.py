"""Every fault that the doctor knows is made for real, and found with the next step."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text, update

from data import access, keyring, leases, runs, schema
from data.scope import Scope
from data.store import Store
from recsys import shelf
from recsys.types import Article, ArticleId, Event, Kind
from service.spool import Spool
from training.recipe import Recipe
from training.run import run

NOW = int(time.time())
DAY = 86_400
RECSYS = str(Path(sys.executable).with_name("recsys"))
SOUND = """
[sites.daily]
name = "Daily"
url = "https://daily.example/"
[alerts]
webhook = "https://hooks.example/T0/secret"
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """An installation where nothing is amiss."""
    var = tmp_path_factory.mktemp("sound") / "var"
    var.mkdir()
    (var / "recsys.toml").write_text(SOUND)
    (var / "recsys.toml").chmod(0o600)
    keyring.load(var / "keyring.json", NOW)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        articles = [
            Article(
                "daily", f"a-{n}", f"https://daily.example/{n}", f"Ferry {n}", NOW - 999, "tide"
            )
            for n in range(9)
        ]
        store.put_articles(articles)
        run(store, var / "bundles", Recipe(dims=4, factors=4), NOW)
        access.create(store, "cms", [Scope.ARTICLES], (), NOW)
        for job in ("retrain", "retention", "backup", "report"):
            runs.end(store, runs.begin(store, job, NOW), NOW, "done")
    return var


@pytest.fixture
def var(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path, dirs_exist_ok=True))


@pytest.fixture
def store(var):
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as opened:
        yield opened


@pytest.fixture
def examined(typed, var, free):
    """Let the doctor look; returns what is amiss by the name of the check, and all it said."""

    def look(*words: object) -> SimpleNamespace:
        done = typed("doctor", "--json", "--port", free, *words)
        told = json.loads(done.out)
        amiss: dict[str, list[SimpleNamespace]] = {}
        for one in told["findings"]:
            if one["level"] != "ok":
                assert one["step"], one
                amiss.setdefault(one["name"], []).append(SimpleNamespace(**one))
        return SimpleNamespace(code=done.code, amiss=amiss, told=told, out=done.out)

    return look


@pytest.fixture
def free():
    """A port where nothing listens, kept from other tests."""
    with closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def only(found, name, level, said):
    """Say that one check found one thing, and the others nothing."""
    assert set(found.amiss) == {name}
    one = found.amiss[name][0]
    assert (one.level, said in one.said) == (level, True), one
    assert found.code == {"warn": 1, "fault": 2}[level]
    return one


def need_system(program):
    if shutil.which(program) is None or os.getuid() != 0:
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail(f"RECSYS_REQUIRE_SYSTEM=1, but there is no {program}, or no root")
        pytest.skip(f"needs {program} and root; RECSYS_REQUIRE_SYSTEM=1 makes this a failure")


def test_nothing_is_amiss_where_all_is_well(examined, typed, free):
    found = examined()
    assert (found.amiss, found.code, found.told["worst"]) == ({}, 0, "ok")
    assert {one["name"] for one in found.told["findings"]} == {
        *("libraries", "configuration", "sites", "var", "space", "keyring", "schema", "store"),
        *("keys", "jobs", "bundle", "bundle age", "spool", "webhook", "port"),
    }
    done = typed("doctor", "--port", free)
    assert "0 faults, 0 warnings" in done.out
    assert "secret" not in done.out  # the webhook's address is one


@pytest.mark.parametrize(
    ("library", "level", "step"),
    [("faiss", "fault", "requirements.lock"), ("lightgbm", "warn", "libgomp1")],
)
def test_a_library_that_cannot_be_loaded(examined, monkeypatch, library, level, step):
    monkeypatch.setitem(sys.modules, library, None)  # what makes Python refuse to import it
    assert step in only(examined(), "libraries", level, "cannot be loaded").step


def test_a_configuration_that_cannot_be_read(examined, var):
    (var / "recsys.toml").write_text("[limits]\ntrusted_proxy = 1\n")
    found = only(examined(), "configuration", "fault", "unknown key 'trusted_proxy'")
    assert "line 2" in found.said


def test_no_configuration(examined, var):
    (var / "recsys.toml").unlink()
    found = examined()
    assert {"configuration", "sites"} <= set(found.amiss)


def test_a_configuration_with_a_secret_that_everybody_may_read(examined, var):
    (var / "recsys.toml").chmod(0o644)
    only(examined(), "configuration", "warn", "holds a secret")


@pytest.mark.parametrize(
    ("table", "level", "said"),
    [
        ('name = "Daily"', "fault", "daily has no origin"),
        ('url = "http://daily.example/"', "warn", "not encrypted: daily"),
    ],
)
def test_sites_whose_pages_can_say_nothing(examined, var, table, level, said):
    (var / "recsys.toml").write_text(SOUND.replace('url = "https://daily.example/"', table, 1))
    (var / "recsys.toml").chmod(0o600)
    if "name" in table:
        (var / "recsys.toml").write_text(SOUND.replace('url = "https://daily.example/"\n', ""))
    only(examined(), "sites", level, said)


def test_a_site_without_articles(examined, var):
    more = '[sites.travel]\nurl = "https://travel.example/"\n'
    with (var / "recsys.toml").open("a") as file:
        file.write(more)
    only(examined(), "articles", "warn", "travel")


def test_a_disk_that_is_full_or_read_only(typed, var, free):
    need_system("mount")
    place = var.parent / f"{var.name}-small"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=120", "tmpfs", place], check=True
    )
    try:
        shutil.copytree(var, place, dirs_exist_ok=True)

        def amiss() -> dict[str, dict[str, str]]:
            done = typed("--var", place, "doctor", "--json", "--port", free)
            told = json.loads(done.out)["findings"]
            return {one["name"]: one for one in told if one["level"] == "fault"}

        found = amiss()
        assert set(found) == {"space"}
        assert "make room" in found["space"]["step"]
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        found = amiss()
        assert "Read-only file system" in found["var"]["said"]
        assert "chown it, or mount it so" in found["var"]["step"]
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_keyring_that_others_may_read(examined, var):
    (var / "keyring.json").chmod(0o644)
    assert "chmod 600" in only(examined(), "keyring", "fault", "mode 0644").step


def test_a_damaged_and_an_absent_keyring(examined, var):
    (var / "keyring.json").write_text("{}")
    only(examined(), "keyring", "fault", "is damaged")
    (var / "keyring.json").unlink()
    only(examined(), "keyring", "warn", "every reader is a stranger")
    assert not (var / "keyring.json").exists()  # to look must not make one


def test_two_keyrings_have_two_fingerprints_which_tell_nothing(examined, var, tmp_path):
    def shown() -> str:
        told = examined().told["findings"]
        return next(one["said"] for one in told if one["name"] == "keyring").split(",")[0]

    first = shown()
    assert shown() == first
    secret = json.loads((var / "keyring.json").read_text())["pseudonyms"]
    (var / "keyring.json").unlink()
    keyring.load(var / "keyring.json", NOW)
    second = shown()
    assert first != second
    assert len(second) == 8
    assert secret not in first


def test_a_store_that_is_away(examined, var, free):
    (var / "recsys.toml").write_text(
        SOUND + f'[store]\nurl = "postgresql+psycopg://u:pw0@127.0.0.1:{free}/x"\n'
    )
    (var / "recsys.toml").chmod(0o600)
    found = examined()
    only(found, "store", "fault", "failed")
    assert "pw0" not in found.out


def test_no_store_yet_is_not_made_by_looking(examined, var):
    (var / "recsys.db").unlink()
    only(examined(), "store", "warn", "there is no")
    assert not (var / "recsys.db").exists()


def test_an_empty_store(examined, var):
    (var / "recsys.db").unlink()
    with Store.open(f"sqlite:///{var / 'recsys.db'}"):
        pass
    found = examined().amiss
    assert {"store", "articles", "keys", "jobs", "marks"} >= set(found) >= {"store", "keys", "jobs"}


@pytest.mark.parametrize(
    ("revision", "level", "said"), [("0004", "warn", "is older"), ("9999", "fault", "is newer")]
)
def test_a_schema_of_another_version_is_told_and_left_alone(
    examined, store, var, revision, level, said
):
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    one = only(examined(), "schema", level, revision)
    assert one.step
    with closing(sqlite3.connect(var / "recsys.db")) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)


def test_a_store_whose_clock_differs(postgres_url, examined, var, free):
    need_system("faketime")
    url = postgres_url()
    (var / "recsys.toml").write_text(SOUND + f'[store]\nurl = "{url}"\n')
    words = ["faketime", "-f", "+300s", RECSYS, "--var", str(var), "doctor", "--json"]
    done = subprocess.run([*words, "--port", str(free)], capture_output=True, check=False)
    told = json.loads(done.stdout)["findings"]
    (one,) = [one for one in told if one["name"] == "clock"]
    assert (one["level"], "-300 s" in one["said"]) == ("fault", True)
    assert "clock" not in examined().amiss


def test_no_bundle_and_a_damaged_one(examined, var):
    id = shelf.current(var / "bundles")
    (var / "bundles" / id / "vectors.npy").write_bytes(b"")
    assert "rollback" in only(examined(), "bundle", "fault", "is damaged").step
    (var / "bundles" / "current").write_text("../../etc\n")
    only(examined(), "bundle", "fault", "pointer")
    shutil.rmtree(var / "bundles")
    only(examined(), "bundle", "fault", "no bundle has been published")


def test_a_bundle_of_another_store(examined, store):
    with store.writing() as connection:
        connection.execute(update(schema.clocks).values(value=0))
    only(examined(), "marks", "fault", "article_revision")


def test_a_bundle_that_should_have_had_a_successor(examined, var, store):
    shutil.rmtree(var / "bundles")
    run(store, var / "bundles", Recipe(dims=4, factors=4), NOW - 9 * DAY)
    assert "recsys job log" in only(examined(), "bundle age", "warn", "hours old").step


def test_a_bundle_of_the_future(examined, var, store):
    shutil.rmtree(var / "bundles")
    run(store, var / "bundles", Recipe(dims=4, factors=4), NOW + DAY)
    only(examined(), "bundle age", "fault", "of the future")


def test_events_that_wait(examined, var):
    events = [
        Event(f"e{n}", Kind.CLICK, ArticleId("daily", "a-1"), NOW, context=("x" * 400,))
        for n in range(3_000)
    ]
    queue = Spool(var / "spool", 8_000_000)
    queue.put(events[:9])
    only(examined(), "spool", "warn", "9 events wait")
    queue.put(events)
    queue.close()
    with (var / "recsys.toml").open("a") as file:
        file.write("[spool]\nmegabytes = 1\n")
    only(examined(), "spool", "fault", "events wait")
    (var / "spool" / "events.db").write_text("no database")
    only(examined(), "spool", "fault", "not a database")


def test_events_that_the_store_refused(examined, var):
    (var / "spool").mkdir()
    Spool(var / "spool", 10_000_000).close()
    (var / "spool" / "events.db").touch()
    (var / "spool" / "rejects.jsonl").write_text("{}\n{}\n")
    only(examined(), "spool", "warn", "refused 2 events")


def test_keys_that_have_ended_or_soon_will(examined, store):
    access.create(store, "anna", [Scope.EDITOR], (), NOW, NOW + DAY)
    access.create(store, "ben", [Scope.EDITOR], (), NOW - 2 * DAY, NOW - DAY)
    found = examined()
    only(found, "keys", "warn", "end")
    said = [one.said for one in found.amiss["keys"]]
    assert sorted("ended" in one for one in said) == [False, True]


def test_nobody_has_a_key(examined, store):
    for key in access.keys(store):
        access.revoke(store, key.id, NOW)
    only(examined(), "keys", "warn", "nobody can publish")


def test_a_job_that_failed_and_one_that_never_ran(examined, store):
    runs.end(store, runs.begin(store, "backup", NOW), NOW, "failed", "the disk is full")
    assert only(examined(), "jobs", "fault", "the disk is full").step == "recsys job backup"


def test_a_job_that_was_killed(examined, store):
    runs.begin(store, "retrain", NOW)  # and nobody holds its lease
    only(examined(), "jobs", "fault", "killed")


def test_a_job_that_the_gate_holds(examined, store):
    runs.end(store, runs.begin(store, "retrain", NOW), NOW, "held", "half the usual events")
    only(examined(), "jobs", "warn", "half the usual events")


def test_jobs_that_nobody_runs_any_more(examined, store):
    with store.writing() as connection:
        connection.execute(update(schema.runs).values(started=NOW - 30 * DAY, ended=NOW - 30 * DAY))
    found = examined()
    only(found, "jobs", "fault", "last succeeded")
    with store.writing() as connection:
        connection.execute(schema.runs.delete())
    only(examined(), "jobs", "warn", "has never run")


def test_a_lease_that_somebody_took_to_the_grave(examined, store):
    lease = leases.acquire(store, "job.retrain")
    ended = update(schema.leases).where(schema.leases.c.name == lease.name)
    with store.writing() as connection:
        connection.execute(ended.values(until=(NOW - 600) * 1000))
    only(examined(), "leases", "warn", "was killed with job.retrain")
    with store.writing() as connection:
        connection.execute(ended.values(until=(NOW + 7_200) * 1000))
    only(examined(), "leases", "warn", "longer than any may")


def test_nobody_is_told(examined, var, monkeypatch):
    monkeypatch.setenv("RECSYS_WEBHOOK", "http://hooks.example/")
    only(examined(), "webhook", "warn", "unencrypted")
    monkeypatch.delenv("RECSYS_WEBHOOK")
    (var / "recsys.toml").write_text(SOUND.partition("[alerts]")[0])
    only(examined(), "webhook", "warn", "nobody is told")


def test_a_port_that_another_program_holds(examined, free):
    command = f"import http.server as h; h.test(h.SimpleHTTPRequestHandler, port={free})"
    with subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as other:
        try:
            wait_for(free)
            only(examined(), "port", "fault", "another program")
        finally:
            other.kill()


def wait_for(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with closing(socket.socket()) as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {port}")

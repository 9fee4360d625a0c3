"""One at a time, on whatever machine, and no longer than it lives."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from data import leases, schema
from data.leases import acquire, held, holders
from data.store import Store
from recsys.errors import Busy, DataError

TTL = 60.0
HOLD = """
import sys, time
from data.leases import held
from data.store import Store
with held(Store.open(sys.argv[1]), "job.x", float(sys.argv[2])) as lease:
    print("held", flush=True)
    time.sleep(60)
"""
CONTEND = """
import sys, time
from pathlib import Path
from data.leases import held
from data.store import Store
from recsys.errors import Busy
turns, room = 15, Path(sys.argv[2])
with Store.open(sys.argv[1]) as store:
    while turns:
        try:
            with held(store, "room", heartbeat=False):
                room.touch(exist_ok=False)
                time.sleep(0.002)
                room.unlink()
            turns -= 1
        except Busy:
            time.sleep(0.001)
"""


def lapse(store: Store, name: str, until: float = 0) -> None:
    with store.writing() as connection:
        own = schema.leases.c.name == name
        connection.execute(update(schema.leases).where(own).values(until=int(until * 1000)))


def until(store: Store, name: str) -> float:
    with store.reading() as connection:
        rows = connection.execute(schema.leases.select().where(schema.leases.c.name == name))
        return rows.one().until / 1000


def test_one_holds_it_and_the_next_has_it_when_it_is_given_up(store: Store) -> None:
    mine = acquire(store, "job.x")
    assert mine is not None
    assert acquire(store, "job.x") is None
    assert acquire(store, "job.y") is not None
    mine.release()
    assert acquire(store, "job.x") is not None


def test_never_are_two_processes_in_it_together(
    store_url: str, store: Store, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CONTEND, store_url, str(tmp_path / "room")]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]  # who finds another in the room fails


def test_who_comes_second_is_told_at_once_by_whom_it_is_held(store: Store) -> None:
    with held(store, "job.x"):
        with pytest.raises(Busy, match=rf"/{os.getpid()}/.* holds the lease 'job.x'"):
            held(store, "job.x").__enter__()
        assert set(holders(store)) == {"job.x"}
    assert holders(store) == {}


def test_what_a_dead_child_held_is_given_back_and_nothing_else(store: Store) -> None:
    assert acquire(store, "job.x")
    leases.bury(store, "job.x", os.getpid() + 1)
    leases.bury(store, "job.y", os.getpid())
    assert set(holders(store)) == {"job.x"}
    leases.bury(store, "job.x", os.getpid())
    assert holders(store) == {}


def test_an_error_inside_gives_it_up_too(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), held(store, "job.x"):
        raise ZeroDivisionError
    assert holders(store) == {}


def test_the_lease_of_a_holder_killed_on_the_spot_lapses(store_url: str, store: Store) -> None:
    command = [sys.executable, "-c", HOLD, store_url, "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert acquire(store, "job.x", 2) is None
        holder.send_signal(signal.SIGKILL)
    left = time.monotonic() + 20
    while not (mine := acquire(store, "job.x", 2)) and time.monotonic() < left:
        time.sleep(0.1)
    assert mine


def test_a_thread_renews_it_for_as_long_as_it_is_held(store: Store) -> None:
    with held(store, "job.x", ttl=0.9) as lease:
        first = until(store, "job.x")
        left = time.monotonic() + 20
        while until(store, "job.x") < first + 1.5 and time.monotonic() < left:
            time.sleep(0.05)
        assert until(store, "job.x") >= first + 1.5
        assert not lease.lost.is_set()
        lease.check()


def test_who_was_succeeded_sees_it_and_publishes_nothing(store: Store) -> None:
    mine = acquire(store, "job.x")
    assert mine
    lapse(store, "job.x")
    other = acquire(store, "job.x")
    assert other
    assert not mine.renew()
    assert mine.lost.is_set()
    with pytest.raises(Busy, match=r"'job\.x' was lost"):
        mine.check()
    mine.release()
    assert other.renew()


def test_the_heartbeat_tells_that_it_was_lost(store: Store) -> None:
    with held(store, "job.x", ttl=0.6) as lease:
        with store.writing() as connection:
            connection.execute(update(schema.leases).values(holder="another"))
        assert lease.lost.wait(20)
        with pytest.raises(Busy):
            lease.check()
    assert holders(store) in ({}, {"job.x": "another"})  # it may have lapsed, and is not ours


def test_whoever_could_not_renew_in_time_counts_it_as_lost(store: Store) -> None:
    lease = acquire(store, "job.x", ttl=0.05)
    assert lease
    threading.Event().wait(0.1)
    assert not lease.renew()
    assert lease.lost.is_set()


def test_a_store_that_fails_for_a_moment_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = acquire(store, "job.x")
    assert lease
    with monkeypatch.context() as patch:

        def away(connection: object) -> int:
            raise DataError("the store is away")

        patch.setattr(leases, "_now", away)
        with pytest.raises(DataError, match="away"):
            lease.renew()
    assert not lease.lost.is_set()
    assert lease.renew()


def test_an_end_that_a_clock_wrote_before_it_was_set_back_keeps_nobody_out_for_hours(
    store: Store,
) -> None:
    mine = acquire(store, "job.x")
    assert mine
    far = until(store, "job.x") + 3600
    lapse(store, "job.x", far)
    assert acquire(store, "job.x") is None
    assert until(store, "job.x") <= far - 3500
    assert mine.renew()  # the holder lives, and nothing was taken from it


def test_a_clock_set_ahead_ends_a_lease_and_its_holder_sees_that(store: Store) -> None:
    mine = acquire(store, "job.x")
    assert mine
    lapse(store, "job.x", until(store, "job.x") - 3600)
    assert acquire(store, "job.x") is not None
    with pytest.raises(Busy):
        mine.check()

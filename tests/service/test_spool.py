"""Events wait on the disk while their store is slow or away, and count once when it is back."""

import contextlib
import dataclasses
import json
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import pytest
from filelock import FileLock

from data.store import Mark, Store
from recsys.errors import DataError
from recsys.types import ArticleId, Event, Kind
from service.intake import Breaker, Intake, Taken
from service.spool import BATCH, Delivered, Depth, Spool

ROOM = 10_000_000


def event(n: int, **fields: object) -> Event:
    values = {
        "id": f"e{n}",
        "kind": Kind.CLICK,
        "article": ArticleId("daily", f"a/{n % 8}"),
        "at": 1_790_000_000 + n,
        "visitor": f"v{n % 3}",
        "session": f"s{n}",
        "seen_on": "culture",
        "dwell": 1.5,
        "slate": "slate",
        "position": 2,
        "propensity": 0.25,
        "context": ("device:phone", "region:kansai"),
        "arm": "x/y",
        "source": "related",
        "bundle": "b",
        "placement": "home",
    }
    return Event(**{**values, **fields})


def stored(store: Store) -> list[tuple[str, int]]:
    return [(e.article.key, e.at) for _, e in store.changes(Mark(), most=100_000).events]


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool", ROOM)
    yield made
    made.close()


@contextlib.contextmanager
def away(settings):
    """Take the table of events from its store: nothing can be written."""
    path = settings.store_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE events RENAME TO elsewhere")
    try:
        yield
    finally:
        with sqlite3.connect(path) as raw:
            raw.execute("ALTER TABLE elsewhere RENAME TO events")
        raw.close()


@contextlib.contextmanager
def held(settings):
    """Another writer holds the store for as long as the block lasts."""
    path = settings.store_url.removeprefix("sqlite:///")
    holder = sqlite3.connect(path, isolation_level=None, timeout=5)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def until(done):
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def writers() -> int:
    return sum(thread.name.startswith("events") for thread in threading.enumerate())


def intake(store: Store, spool: Spool | None, patience: float = 20.0) -> Intake:
    return Intake(lambda: store, spool, patience)


def test_what_waits_is_handed_over_whole_in_order_and_then_gone(spool, store):
    events = [event(n) for n in range(BATCH + 5)]
    assert spool.put(events) == len(events)
    assert spool.depth().rows == len(events)
    assert spool.depth().bytes > 100 * len(events)
    assert spool.drain(store) == Delivered(BATCH)
    assert spool.drain(store) == Delivered(5)
    assert spool.depth() == Depth()
    assert stored(store) == [(e.article.key, e.at) for e in events]
    _, kept = store.changes(Mark(), most=1).events[0]
    assert dataclasses.replace(kept, id="e0") == events[0]


def test_an_empty_queue_makes_no_file(spool, store):
    assert spool.drain(store) == Delivered()
    assert (spool.held("v1"), spool.forget("v1")) == ([], 0)
    assert not spool.folder.exists()


def test_the_same_event_waits_once(spool):
    assert spool.put([event(1), event(1), event(2)]) == 2
    assert spool.put([event(2), event(3)]) == 1
    assert spool.depth().rows == 3


def test_what_was_handed_over_before_a_worker_died_is_not_counted_again(spool, store):
    spool.put([event(n) for n in range(10)])
    store.put_events([event(n) for n in range(6)])  # and then it was killed
    assert spool.drain(store) == Delivered(10)
    assert len(stored(store)) == 10


def test_a_full_queue_takes_nothing_of_what_it_refuses_and_works_again_when_emptied(
    tmp_path, store
):
    spool = Spool(tmp_path / "spool", 200_000)
    taken = 0
    with contextlib.suppress(DataError):
        while taken < 10_000:
            taken += spool.put([event(n) for n in range(taken, taken + 50)])
    with pytest.raises(DataError, match=r"it is full.*megabytes"):
        spool.put([event(n) for n in range(taken, taken + 50)])
    assert 100 < taken == spool.depth().rows
    assert spool.depth().bytes <= 200_000
    while spool.drain(store).rows:
        pass
    assert len(stored(store)) == taken
    assert spool.put([event(n) for n in range(taken, taken + 50)]) == 50


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(DataError, match="spool"):
        Spool(tmp_path / "spool", ROOM).put([event(1)])


def test_two_workers_share_the_queue_and_one_at_a_time_hands_over(spool, store):
    spool.put([event(1)])
    other = Spool(spool.folder, ROOM)
    other.put([event(2)])
    with FileLock(spool.folder / ".lock"):
        assert spool.drain(store) == Delivered()
    assert spool.drain(store) == Delivered(2)
    assert other.depth() == Depth()
    other.close()


def test_what_was_put_survives_kill_9(spool):
    code = (
        "import os, signal, sys; from pathlib import Path; from service.spool import Spool;"
        "from recsys.types import *;"
        "Spool(Path(sys.argv[1]), 10**7).put([Event(f'k{n}', Kind.READ, ArticleId('daily', 'a'),"
        " 5) for n in range(7)]);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(spool.folder)])
    assert done.returncode == -9
    assert spool.depth().rows == 7


def test_an_event_that_the_store_refuses_is_set_aside_and_holds_up_none(spool, store, settings):
    with sqlite3.connect(settings.store_url.removeprefix("sqlite:///")) as raw:
        raw.execute(
            "CREATE TRIGGER no BEFORE INSERT ON events WHEN NEW.key = 'poison'"
            " BEGIN SELECT RAISE(ABORT, 'never'); END"
        )
    raw.close()
    poison = [event(n, article=ArticleId("daily", "poison"), visitor="anna") for n in (3, 700)]
    good = [event(n) for n in range(1_000) if n not in (3, 700)]
    spool.put([*good[:3], poison[0], *good[3:699], poison[1], *good[699:]])
    assert spool.drain(store) == Delivered(998, 2)
    assert spool.depth() == Depth()
    assert stored(store) == [(e.article.key, e.at) for e in good]
    written = (spool.folder / "rejects.jsonl").read_text()
    first = json.loads(written.splitlines()[0])
    assert (first["id"], first["article"], first["reason"]) == ("e3", ["daily", "poison"], "never")
    assert "anna" not in written


def test_postgresql_refuses_what_does_not_fit_and_takes_the_rest(spool, postgres_url):
    article = ArticleId("daily", "k" * 600)
    spool.put([event(n, article=article) if n == 5 else event(n) for n in range(20)])
    with Store.open(postgres_url()) as store:
        assert spool.drain(store) == Delivered(19, 1)
        assert len(stored(store)) == 19
    assert "too long" in (spool.folder / "rejects.jsonl").read_text()


def test_an_absent_store_sets_nothing_aside(spool, store, settings):
    spool.put([event(1)])
    with away(settings), pytest.raises(DataError):
        spool.drain(store)
    assert spool.depth().rows == 1
    assert spool.drain(store) == Delivered(1)


def test_a_visitor_who_waits_is_shown_and_forgotten_and_leaves_no_trace_on_the_disk(spool):
    spool.put([event(n, visitor="some-visitor" if n % 2 else "") for n in range(10)])
    assert [e.id for e in spool.held("some-visitor")] == ["e1", "e3", "e5", "e7", "e9"]
    assert spool.held("") == []
    assert spool.forget("") == 0
    assert spool.forget("some-visitor") == 5
    assert spool.depth().rows == 5
    spool.close()
    assert b"some-visitor" not in (spool.folder / "events.db").read_bytes()


def test_an_erased_visitor_who_waited_elsewhere_does_not_come_back(spool, store):
    spool.put([event(1, visitor="anna", at=100), event(2, visitor="anna", at=300)])
    store.erase("anna", 200)
    spool.drain(store)
    assert [e.at for e in store.held("anna")] == [300]


def test_events_go_into_the_store_while_it_is_there(store, spool):
    taking = intake(store, spool)
    assert taking.take([event(1), event(2)]) == Taken(new=2)
    assert taking.take([event(2), event(3)]) == Taken(new=1, same=1)
    assert taking.take([]) == Taken()
    assert not spool.folder.exists()


def test_events_wait_while_the_store_is_away_and_count_once_when_it_is_back(store, spool, settings):
    taking = intake(store, spool)
    taking.take([event(0)])
    with away(settings):
        assert taking.take([event(0), event(1)]) == Taken(queued=2)
        assert taking.take([event(1), event(2)]) == Taken(same=1, queued=1)
        with pytest.raises(DataError):
            taking.deliver()
        assert taking.depth.rows == 3
    assert taking.deliver() == Delivered(3)
    assert taking.take([event(3)]) == Taken(new=1)  # and it knows that the store is back
    assert len(stored(store)) == 4


def test_a_store_that_another_writer_holds_is_not_waited_for(store, spool, settings):
    taking, before = intake(store, spool, patience=0.05), writers()
    holder = sqlite3.connect(
        settings.store_url.removeprefix("sqlite:///"), isolation_level=None, timeout=5
    )
    holder.execute("BEGIN IMMEDIATE")
    answers = [taking.take([event(n)]) for n in range(20)]  # while the lock is held
    assert answers == [Taken(queued=1)] * 20
    assert writers() == before + 1  # the others did not even try
    holder.execute("ROLLBACK")
    holder.close()
    assert taking.deliver().rows == 20
    assert len(stored(store)) == 20


def test_requests_that_come_during_a_write_are_written_together_and_told_apart(
    store, spool, settings
):
    asked: list[Store] = []
    taking = Intake(lambda: asked.append(store) or store, spool, 20.0)
    rows = {n: [event(n), event(n), event(99)] for n in range(6)}
    answers: dict[int, Taken] = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: taking.take(rows[n])})) for n in rows
    ]
    with held(settings):
        threads[0].start()
        until(lambda: taking._turn.locked() and taking._waiting.empty())
        for thread in threads[1:]:
            thread.start()
        until(lambda: taking._waiting.qsize() == 5)
        assert not answers  # nobody is told before the commit
    for thread in threads:
        thread.join()
    assert len(asked) == 2
    assert answers[0] == Taken(new=2, same=1)
    assert sum(answer.new for answer in answers.values()) == 7
    assert {answer.same + answer.new for answer in answers.values()} == {3}
    assert len(stored(store)) == 7


def test_an_event_that_nobody_can_keep_spoils_only_its_own_request(store, spool, settings):
    taking = intake(store, spool)
    bad = event(7, position=2**70)
    answers: dict[str, object] = {}

    def take(name, events):
        try:
            answers[name] = taking.take(events)
        except Exception as error:
            answers[name] = error

    wanted = {"first": [event(0)], "good": [event(1)], "bad": [bad], "fine": [event(2)]}
    threads = [threading.Thread(target=take, args=pair) for pair in wanted.items()]
    with held(settings):
        threads[0].start()
        until(lambda: taking._turn.locked() and taking._waiting.empty())
        for thread in threads[1:]:
            thread.start()
        until(lambda: taking._waiting.qsize() == 3)
    for thread in threads:
        thread.join()
    assert [answers[name] for name in ("first", "good", "fine")] == [Taken(new=1)] * 3
    assert isinstance(answers["bad"], TypeError)  # nor does the queue
    assert len(stored(store)) == 3


def test_where_neither_store_nor_queue_can_be_written_nothing_is_acknowledged(
    store, settings, tmp_path
):
    (tmp_path / "full").write_text("")
    taking = intake(store, Spool(tmp_path / "full", ROOM))
    with away(settings), pytest.raises(DataError):
        taking.take([event(1)])
    with away(settings), pytest.raises(DataError):
        intake(store, None).take([event(1)])


def test_a_breaker_lets_one_through_after_a_pause_and_none_while_a_write_hangs():
    now = 100.0
    breaker = Breaker(pause=1.0, clock=lambda: now)
    assert breaker.admits()
    breaker.open()
    assert not breaker.admits()
    now = 101.5
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    hanging = Future()
    breaker.open(hanging)
    now = 200.0
    assert not breaker.admits()
    hanging.set_result(None)
    assert breaker.admits()
    breaker.close()
    assert breaker.admits()
    assert breaker.admits()

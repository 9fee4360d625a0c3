"""A session lasts while somebody is at the desk, and the store cannot open one."""

from data import sessions
from data.sessions import IDLE, LONGEST, Session
from data.store import Store

NOW = 1_790_000_000


def test_a_token_opens_its_session_and_nothing_else_does(store: Store) -> None:
    token, session = sessions.begin(store, "ab12", NOW)
    other, another = sessions.begin(store, "ab12", NOW)
    assert sessions.find(store, token, NOW) == session == Session("ab12", session.csrf, NOW, NOW)
    assert sessions.find(store, other, NOW) == another
    assert session.csrf != another.csrf
    for wrong in ("", "x", token[:-1], token + "x", "\ud800", session.csrf):
        assert sessions.find(store, wrong, NOW) is None


def test_an_idle_session_ends_and_one_in_use_does_not(store: Store) -> None:
    token, _ = sessions.begin(store, "ab12", NOW)
    assert sessions.find(store, token, NOW + IDLE) is None
    later = NOW + IDLE - 1
    assert sessions.find(store, token, later).seen == later
    assert sessions.find(store, token, later + IDLE - 1) is not None
    assert sessions.find(store, token, later + 2 * IDLE) is None


def test_a_session_ends_after_a_day_however_busy(store: Store) -> None:
    token, _ = sessions.begin(store, "ab12", NOW)
    hours = range(NOW, NOW + LONGEST, 3600)
    assert all(sessions.find(store, token, at) for at in hours)
    assert sessions.find(store, token, NOW + LONGEST - 1) is not None
    assert sessions.find(store, token, NOW + LONGEST) is None


def test_who_signs_out_is_out(store: Store) -> None:
    token, _ = sessions.begin(store, "ab12", NOW)
    stays, _ = sessions.begin(store, "ab12", NOW)
    sessions.end(store, token)
    sessions.end(store, token)
    assert sessions.find(store, token, NOW) is None
    assert sessions.find(store, stays, NOW) is not None


def test_the_store_holds_no_token_and_forgets_what_is_over(store: Store) -> None:
    token, _ = sessions.begin(store, "old", NOW)
    sessions.begin(store, "new", NOW + IDLE)
    with store.reading() as connection:
        rows = connection.exec_driver_sql("select * from sessions").fetchall()
    assert len(rows) == 1
    assert "new" in str(rows)
    assert token not in str(rows)

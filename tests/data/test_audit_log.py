"""Who did what is kept in its order, and read from the newest back."""

import pytest

from data import audit
from data.audit import Actor
from data.store import Store

NOW = 1_790_000_000


@pytest.fixture
def store(store: Store) -> Store:
    with store.writing() as connection:
        for n in range(5):
            detail = {"n": n, "names": ["日本", "<b>"]}
            audit.record(connection, Actor("anna"), "key.revoke", f"k{n}", NOW + n, **detail)
    return store


def test_entries_come_back_whole_newest_first(store: Store) -> None:
    found = audit.entries(store)
    assert [entry.seq for entry in found] == [5, 4, 3, 2, 1]
    detail = {"n": 4, "names": ["日本", "<b>"]}
    assert found[0] == audit.Entry(5, NOW + 4, "anna", "", "key.revoke", "k4", detail, "")


def test_pages_follow_each_other_without_a_gap(store: Store) -> None:
    first = audit.entries(store, most=2)
    second = audit.entries(store, most=2, before=first[-1].seq)
    third = audit.entries(store, most=2, before=second[-1].seq)
    assert [e.seq for page in (first, second, third) for e in page] == [5, 4, 3, 2, 1]
    assert audit.entries(store, before=1) == []


def test_entries_since_a_time_are_told(store: Store) -> None:
    assert [entry.subject for entry in audit.entries(store, since=NOW + 3)] == ["k4", "k3"]


def test_what_fails_is_not_written_down_and_leaves_no_gap(store: Store) -> None:
    def fail() -> None:
        with store.writing() as connection:
            audit.record(connection, Actor("anna"), "rule.add", "1", NOW)
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    with store.writing() as connection:
        audit.record(connection, Actor("ben"), "rule.add", "1", NOW)
    assert [(entry.seq, entry.actor) for entry in audit.entries(store, most=2)] == [
        (6, "ben"),
        (5, "anna"),
    ]


def test_what_was_done_to_one_thing_is_told(store: Store) -> None:
    assert [entry.seq for entry in audit.entries(store, subject="k2")] == [3]
    assert audit.entries(store, subject="k2", since=NOW + 3) == []

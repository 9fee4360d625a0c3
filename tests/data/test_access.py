"""A key opens what it was made for, until it is revoked; the store never holds it."""

import sqlite3
from pathlib import Path

import pytest

from data import access
from data.access import ApiKey
from data.scope import Scope
from data.store import Store

NOW = 1_790_000_000


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        yield store


def known(store: Store) -> dict[str, ApiKey]:
    return {key.id: key for key in access.keys(store)}


def test_a_token_opens_its_scopes_and_sites(store: Store) -> None:
    key, token = access.create(store, "cms", [Scope.ARTICLES], ["daily"], NOW)
    found = access.check(known(store), token)
    assert found == key
    assert found.may(Scope.ARTICLES)
    assert found.may(Scope.ARTICLES, "daily")
    assert not found.may(Scope.ARTICLES, "guide")
    assert not found.may(Scope.EVENTS, "daily")


def test_a_key_without_sites_may_write_to_all(store: Store) -> None:
    key, _ = access.create(store, "network", [Scope.EVENTS, Scope.VISITORS], [], NOW)
    assert key.may(Scope.EVENTS, "daily")
    assert key.may(Scope.VISITORS)


def test_wrong_tokens_open_nothing(store: Store) -> None:
    key, token = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    wrong = ["", "rk", "rk_", f"rk_{key.id}", f"rk_{key.id}_", token[:-1], f"{token}x"]
    wrong += [token.upper(), token.replace("rk_", "xx_"), "rk_00000000_" + token[12:], "\ud800"]
    assert [access.check(known(store), text) for text in wrong] == [None] * len(wrong)
    assert access.check({}, token) is None


def test_a_revoked_key_opens_nothing_and_is_still_listed(store: Store) -> None:
    key, token = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    assert access.revoke(store, key.id, NOW + 5)
    assert not access.revoke(store, key.id, NOW + 6)
    assert not access.revoke(store, "none", NOW)
    assert access.check(known(store), token) is None
    assert access.keys(store)[0].revoked == NOW + 5


def test_the_store_does_not_hold_the_token(store: Store, tmp_path: Path) -> None:
    _, token = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    rows = sqlite3.connect(tmp_path / "recsys.db").execute("select * from api_keys").fetchall()
    secret = token.rsplit("_", 1)[1]
    assert len(rows) == 1
    assert secret not in str(rows)

"""A key opens what it was made for, until it is revoked; the store never holds it."""

import pytest

from data import access, audit
from data.access import ApiKey
from data.audit import Actor
from data.scope import Scope
from data.store import Store
from recsys.errors import DataError

NOW = 1_790_000_000


def known(store: Store) -> dict[str, ApiKey]:
    return {key.id: key for key in access.keys(store)}


def test_a_token_opens_its_scopes_and_sites(store: Store) -> None:
    key, token = access.create(store, "cms", [Scope.ARTICLES], ["daily"], NOW)
    found = access.check(known(store), token, NOW)
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
    assert [access.check(known(store), text, NOW) for text in wrong] == [None] * len(wrong)
    assert access.check({}, token, NOW) is None


def test_a_revoked_key_opens_nothing_and_is_still_listed(store: Store) -> None:
    key, token = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    assert access.revoke(store, key.id, NOW + 5)
    assert not access.revoke(store, key.id, NOW + 6)
    assert not access.revoke(store, "none", NOW)
    assert access.check(known(store), token, NOW) is None
    assert access.keys(store)[0].revoked == NOW + 5


def test_the_store_does_not_hold_the_token(store: Store) -> None:
    _, token = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    with store.reading() as connection:
        rows = connection.exec_driver_sql("select * from api_keys").fetchall()
    secret = token.split("_", 2)[2]  # which may hold further ones
    assert len(rows) == 1
    assert secret not in str(rows)


@pytest.mark.parametrize(
    ("scope", "opened"),
    [
        (Scope.VIEWER, {Scope.VIEWER}),
        (Scope.EDITOR, {Scope.VIEWER, Scope.EDITOR}),
        (Scope.ADMIN, {Scope.VIEWER, Scope.EDITOR, Scope.ADMIN}),
        (Scope.ARTICLES, {Scope.ARTICLES}),
    ],
)
def test_an_editor_may_what_a_viewer_may_and_an_admin_what_an_editor_may(
    store: Store, scope: Scope, opened: set[Scope]
) -> None:
    key, _ = access.create(store, "x", [scope], ["daily"], NOW)
    assert {one for one in Scope if key.may(one)} == opened
    assert {one for one in Scope if key.may(one, "daily")} == opened
    assert not any(key.may(one, "guide") for one in Scope)


def test_a_key_expires(store: Store) -> None:
    key, token = access.create(store, "guest", [Scope.VIEWER], [], NOW, expires=NOW + 10)
    assert access.check(known(store), token, NOW + 9) == key
    assert access.check(known(store), token, NOW + 10) is None
    assert (key.usable(NOW + 9), key.usable(NOW + 10)) == (True, False)
    with pytest.raises(DataError, match="in use"):
        access.rotate(store, key.id, NOW + 10)
    with pytest.raises(DataError, match="in the future"):
        access.create(store, "guest", [Scope.VIEWER], [], NOW, expires=NOW)


def test_after_a_rotation_both_tokens_are_good_until_the_grace_ends(store: Store) -> None:
    key, old = access.create(store, "cms", [Scope.ARTICLES], ["daily"], NOW)
    new = access.rotate(store, key.id, NOW + 1, grace=60)
    found = known(store)
    assert found[key.id].may(Scope.ARTICLES, "daily")
    assert [access.check(found, token, NOW + 60).id for token in (old, new)] == [key.id] * 2
    assert access.check(found, old, NOW + 61) is None
    assert access.check(found, new, NOW + 61) is not None


def test_a_second_rotation_ends_the_first_token_and_none_is_kept_without_grace(
    store: Store,
) -> None:
    key, first = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    second = access.rotate(store, key.id, NOW, grace=60)
    third = access.rotate(store, key.id, NOW, grace=60)
    good = [access.check(known(store), token, NOW) for token in (first, second, third)]
    assert [bool(one) for one in good] == [False, True, True]
    fourth = access.rotate(store, key.id, NOW, grace=0)
    good = [access.check(known(store), token, NOW) for token in (second, third, fourth)]
    assert [bool(one) for one in good] == [False, False, True]


def test_a_revoked_key_opens_nothing_in_its_grace_and_rotates_no_more(store: Store) -> None:
    key, old = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    new = access.rotate(store, key.id, NOW)
    access.revoke(store, key.id, NOW)
    assert [access.check(known(store), token, NOW) for token in (old, new)] == [None, None]
    for id in (key.id, "none"):
        with pytest.raises(DataError, match="in use"):
            access.rotate(store, id, NOW)


def test_a_key_without_a_token_before_takes_no_empty_one(store: Store) -> None:
    key, _ = access.create(store, "cms", [Scope.ARTICLES], [], NOW)
    assert access.check(known(store), f"rk_{key.id}_", NOW) is None


def test_what_is_done_to_keys_is_written_down_without_a_secret(store: Store) -> None:
    anna = Actor("anna")
    key, token = access.create(store, "cms", [Scope.EDITOR], ["daily"], NOW, NOW + 99, anna)
    other = access.rotate(store, key.id, NOW + 1, 60, anna)
    access.revoke(store, key.id, NOW + 2, anna)
    access.revoke(store, key.id, NOW + 3, anna)
    told = audit.entries(store)[::-1]
    assert [entry.action for entry in told] == ["key.create", "key.rotate", "key.revoke"]
    assert {(entry.actor, entry.subject) for entry in told} == {("anna", key.id)}
    said = {"name": "cms", "scopes": ["editor"], "sites": ["daily"], "expires": NOW + 99}
    assert [entry.detail for entry in told] == [said, {"grace": 60}, {}]
    assert not any(secret.split("_", 2)[2] in str(told) for secret in (token, other))

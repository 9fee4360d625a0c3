"""Keys are made, listed, revoked and rotated from the command line; tokens are shown once."""

import json
import time

import pytest

from data import access
from data.store import Store


def known(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        return {key.id: key for key in access.keys(store)}


def test_a_key_is_made_used_listed_and_revoked(typed, tmp_path):
    made = typed("keys", "create", "cms", "--scope", "articles", "--scope", "events")
    token = made.out.strip()
    assert "cannot be shown again" in made.err
    key = access.check(known(tmp_path), token, int(time.time()))
    assert (key.name, key.scopes, key.sites) == ("cms", ("articles", "events"), ())
    listed = typed("keys", "list").out
    assert key.id in listed
    assert token not in listed + typed("keys", "list", "--json").out
    assert "revoked" in typed("keys", "revoke", key.id).out
    assert access.check(known(tmp_path), token, int(time.time())) is None
    again = typed("keys", "revoke", key.id)
    assert (again.code, "no key" in again.err) == (2, True)


def test_a_script_gets_json(typed):
    made = json.loads(
        typed("keys", "create", "x", "--scope", "visitors", "--site", "daily", "--json").out
    )
    assert made["token"].startswith(f"rk_{made['id']}_")
    assert made["sites"] == ["daily"]
    (listed,) = json.loads(typed("keys", "list", "--json").out)
    assert listed == {key: value for key, value in made.items() if key != "token"}


@pytest.mark.parametrize("words", [["--scope", "everything"], []])
def test_a_key_needs_a_known_scope(typed, words):
    assert typed("keys", "create", "cms", *words).code == 2


def test_a_key_needs_known_sites(typed, tmp_path):
    (tmp_path / "recsys.toml").write_text('[sites.daily]\nname = "Daily"\n')
    done = typed("keys", "create", "cms", "--scope", "events", "--site", "dialy")
    assert (done.code, "'dialy' is unknown; known: daily" in done.err) == (2, True)


def test_slates_are_signed_anew_after_a_rotation(typed, tmp_path):
    first = (
        json.loads((tmp_path / "keyring.json").read_text())
        if typed("keys", "rotate-slates").code == 0
        else {}
    )
    done = typed("keys", "rotate-slates")
    assert "2 keys verify" in done.out
    second = json.loads((tmp_path / "keyring.json").read_text())
    assert second["slates"][1] == first["slates"][0]
    assert second["pseudonyms"] == first["pseudonyms"]

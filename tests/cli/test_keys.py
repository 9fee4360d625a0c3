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


def test_a_key_is_rotated_and_its_old_token_is_good_for_a_while(typed, tmp_path):
    made = json.loads(typed("keys", "create", "cms", "--scope", "articles", "--json").out)
    done = typed("keys", "rotate", made["id"], "--grace", "2h")
    assert "cannot be shown again" in done.err
    tokens, now = (made["token"], done.out.strip()), int(time.time())
    good = [bool(access.check(known(tmp_path), token, now)) for token in tokens]
    later = [bool(access.check(known(tmp_path), token, now + 7_201)) for token in tokens]
    assert (good, later) == ([True, True], [False, True])
    told = json.loads(typed("keys", "rotate", made["id"], "--grace", "0s", "--json").out)
    assert access.check(known(tmp_path), tokens[1], int(time.time())) is None
    assert access.check(known(tmp_path), told["token"], int(time.time())) is not None
    listed = typed("keys", "list", "--json").out
    assert 'previous"' not in listed
    assert "digest" not in listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rotate", "none"), "no key 'none' in use"),
        (("rotate", "none", "--grace", "long"), "no span of time"),
        (("create", "x", "--scope", "viewer", "--expires", "2020-01-01"), "in the future"),
        (("create", "x", "--scope", "viewer", "--expires", "soon"), "'soon' is not a time"),
    ],
)
def test_what_cannot_be_is_one_sentence(typed, tmp_path, words, said):
    done = typed("keys", *words)
    assert (done.code, done.out, said in done.err) == (2, "", True)
    assert known(tmp_path) == {}


def test_a_key_expires_when_it_was_told_to(typed, tmp_path):
    made = json.loads(
        typed("keys", "create", "guest", "--scope", "viewer", "--expires", "+90d", "--json").out
    )
    assert made["expires"] - made["created"] == 90 * 86_400
    assert access.check(known(tmp_path), made["token"], made["expires"] - 1) is not None
    assert access.check(known(tmp_path), made["token"], made["expires"]) is None
    expires = time.strftime("%Y-%m-%d %H:%M", time.gmtime(made["expires"]))
    assert expires in typed("keys", "list").out

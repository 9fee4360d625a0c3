"""The keyring is made once, read by its owner only, and rotated without losing a slate."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from data.keyring import Keyring, load, rotate
from recsys.errors import ConfigError

NOW = 1_790_000_000


def test_the_first_use_makes_it_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "var" / "keyring.json"
    made = load(path, NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path, NOW + 9) == made
    assert "secret" not in repr(made)
    assert made.pseudonyms.hex() not in repr(made)


LOAD = """
import sys; from pathlib import Path; from data.keyring import load
print(load(Path(sys.argv[1]), 1).pseudonyms.hex())
"""


def test_processes_that_start_at_once_get_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOAD, str(tmp_path / "keyring.json")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert len({process.communicate(timeout=60)[0] for process in processes}) == 1
    assert [process.returncode for process in processes] == [0, 0, 0]


def test_pseudonyms_are_stable_told_apart_by_kind_and_worthless_without_the_key(
    tmp_path: Path,
) -> None:
    one, other = load(tmp_path / "a.json", NOW), load(tmp_path / "b.json", NOW)
    assert one.visitor("anna@example.org") == load(tmp_path / "a.json", NOW).visitor(
        "anna@example.org"
    )
    assert len(one.visitor("anna@example.org")) == 32
    assert one.visitor("anna@example.org") != other.visitor("anna@example.org")
    assert one.visitor("x") != one.session("x")
    assert one.visitor("") == one.session("") == ""
    assert one.visitor("\ud800")  # what a browser may send and UTF-8 has no place for


def test_rotation_signs_anew_and_keeps_what_verifies(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    first = load(path, NOW)
    second = rotate(path, NOW + 1)
    third = rotate(path, NOW + 2)
    assert load(path, NOW) == third
    assert third.pseudonyms == first.pseudonyms
    assert third.slates[1] == second.slates[0]
    assert first.slates[0] not in third.slates


@pytest.mark.parametrize(
    "content", ["", "{}", '{"pseudonyms": "AAAA", "slates": []}', "\x00", '["x"]']
)
def test_a_damaged_keyring_is_refused_with_the_next_step_and_kept(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="damaged; restore it from a backup"):
        load(path, NOW)
    assert path.read_text() == content


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write the keyring"):
        load(tmp_path / "file" / "keyring.json", NOW)


def test_a_keyring_is_a_value() -> None:
    assert Keyring(b"a" * 32, ()) == Keyring(b"a" * 32, ())

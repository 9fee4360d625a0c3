"""``recsys bundles`` as a person types it."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.bundle import Bundle, Manifest, publish, write
from recsys.shelf import history


def recsys(var: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from cli.main import run; run()", "--var", str(var), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A working directory with two bundles, the second current."""
    for at in (1_507_690_800, 1_507_777_200):
        made = dataclasses.replace(
            Bundle.empty(), manifest=Manifest(created=at, config_hash="abc", mark={"event_seq": 7})
        )
        publish(tmp_path / "bundles", write(made, tmp_path / "bundles").name)
    return tmp_path


def ids(var: Path) -> list[str]:
    return history(var / "bundles")


def test_the_list_names_the_current_and_the_one_before(var):
    shown = recsys(var, "bundles", "list", "--json")
    listed = json.loads(shown.stdout)
    assert [b["id"] for b in listed["bundles"]] == ids(var)
    assert [b["current"] for b in listed["bundles"]] == [True, False]
    assert listed["damaged"] == {}
    table = recsys(var, "bundles", "list").stdout
    assert "current" in table
    assert ids(var)[0] in table


def test_without_bundles_the_next_step_is_told(tmp_path):
    assert "recsys train" in recsys(tmp_path, "bundles", "list").stdout
    shown = recsys(tmp_path, "bundles", "show")
    assert shown.returncode == 2
    assert "make one: recsys train" in shown.stderr


def test_a_bundle_is_shown_with_its_origin_and_files(var):
    shown = recsys(var, "bundles", "show").stdout
    assert ids(var)[0] in shown
    assert "vectors.npy" in shown
    assert "event_seq 7" in shown
    older = json.loads(recsys(var, "bundles", "show", ids(var)[1], "--json").stdout)
    assert older["id"] == ids(var)[1]
    assert older["files"]["cold_map.npy"]["bytes"] > 0


def test_verify_finds_one_flipped_byte(var):
    assert "is sound" in recsys(var, "bundles", "verify").stdout
    path = var / "bundles" / ids(var)[0] / "cold_map.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = recsys(var, "bundles", "verify")
    assert found.returncode == 2
    assert "cold_map.npy" in found.stderr
    assert "Traceback" not in found.stderr


def test_rollback_and_then_no_further(var):
    oldest = ids(var)[1]
    assert f"bundle {oldest} is current again" in recsys(var, "bundles", "rollback").stdout
    assert ids(var) == [oldest]
    told = json.loads(recsys(var, "audit", "--json").stdout)[0]
    assert (told["action"], told["subject"]) == ("bundle.rollback", oldest)
    again = recsys(var, "bundles", "rollback", "--json")
    assert (again.returncode, again.stdout) == (2, "")
    assert ids(var) == [oldest]


def test_the_way_back_is_open_while_the_store_is_away(var):
    oldest = ids(var)[1]
    (var / "recsys.db").mkdir()
    done = recsys(var, "bundles", "rollback")
    assert done.returncode == 0, done.stderr
    assert "not in the audit log" in done.stderr
    assert ids(var) == [oldest]


@pytest.mark.parametrize("id", ["../../etc", "nothing", "."])
def test_an_id_that_is_none_is_one_sentence(var, id):
    shown = recsys(var, "bundles", "verify", id)
    assert shown.returncode == 2
    assert shown.stderr.startswith("error: ")
    assert "Traceback" not in shown.stderr

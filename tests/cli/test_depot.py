"""Commands on one machine reach the bundles of all, where these are kept in a depot."""

import dataclasses
import json

import pytest

from data import depot
from recsys import shelf
from recsys.bundle import Bundle, Manifest, write


@pytest.fixture
def two(tmp_path) -> tuple[str, str]:
    """Bundles that another machine has published, and a configuration that names the depot."""
    url = f"file://{tmp_path}/share"
    (tmp_path / "recsys.toml").write_text(f'[bundles]\nurl = "{url}"\n')
    ids = []
    for at in (100, 200):
        made = dataclasses.replace(Bundle.empty(), manifest=Manifest(created=at))
        ids.append(write(made, tmp_path / "elsewhere").name)
        shelf.publish(tmp_path / "elsewhere", ids[-1])
        depot.push(tmp_path / "elsewhere", ids[-1], url)
    return ids[0], ids[1]


def test_a_rollback_here_is_one_everywhere(typed, two, tmp_path):
    first, second = two
    done = typed("bundles", "rollback", "--json")
    assert json.loads(done.out) == {"current": first, "left": second}
    assert depot.pull(f"file://{tmp_path}/share", tmp_path / "elsewhere") == first
    assert shelf.current(tmp_path / "bundles") == first
    again = typed("bundles", "rollback")
    assert again.code == 2
    assert f"no bundle was current before {first!r}" in again.err


def test_a_depot_that_is_away_is_one_sentence(typed, two, tmp_path):
    (tmp_path / "share" / "current").write_text("../x\n")
    done = typed("bundles", "rollback")
    assert done.code == 2
    assert f"file://{tmp_path}/share/current is damaged" in done.err

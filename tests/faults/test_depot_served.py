"""A service on a machine of its own takes its bundles from a depot, whatever becomes of that."""

import shutil
import signal
import time
from pathlib import Path

import pytest
from served import serving

from data import depot
from data.store import Store
from recsys import shelf
from training.recipe import Recipe
from training.run import run

from .conftest import Traffic, trained, until


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """The folder that the depot is in."""
    return tmp_path / "share"


@pytest.fixture
def trainer(tmp_path: Path) -> Path:
    (tmp_path / "trainer").mkdir()
    return trained(tmp_path / "trainer")


@pytest.fixture
def replica(tmp_path: Path, trainer: Path, share: Path) -> Path:
    """A machine with nothing on its disk but the configuration."""
    var = tmp_path / "replica"
    var.mkdir()
    shutil.copy(trainer / "recsys.toml", var / "recsys.toml")
    with (var / "recsys.toml").open("a") as config:
        config.write(f'[store]\nurl = "sqlite:///{trainer}/recsys.db"\n')
        config.write(f'[bundles]\nurl = "file://{share}"\n')
        config.write("[limits]\nevents_per_minute = 1000000\nopenings = 1000000\n")
    return var


def test_bundles_come_from_the_depot_and_go_back_with_it(trainer, replica, share):
    root, url = trainer / "bundles", f"file://{share}"
    first = shelf.current(root)
    depot.push(root, first, url)
    own = {"RECSYS_KEYRING": str(trainer / "keyring.json")}
    with serving(replica, "--workers", "2", environment=own) as service:
        service.wait_for("/healthz")

        def serves(id: str) -> bool:
            told = [service.get("/readyz").json() for _ in range(6)]
            return {(one.get("bundle"), one.get("refused")) for one in told} == {(id, "")}

        assert until(lambda: serves(first))
        with Traffic(service).flowing() as traffic:
            with Store.open(f"sqlite:///{trainer}/recsys.db") as store:
                recipe = Recipe(dims=8, factors=8, seed=2)
                second = run(store, root, recipe, int(time.time())).id
            depot.push(root, second, url)
            assert until(lambda: serves(second))
            assert depot.rollback(root, url, left=second) == first
            assert until(lambda: serves(first))
            # The depot goes away, and comes back with something new.
            share.rename(share.with_name("away"))
            assert until(lambda: "depot" in service.get("/readyz").json()["error"])
            assert traffic.more(10, 5)
            assert serves(first)
        assert set(traffic.answers) == {200}
        assert set(traffic.reports) == {202}
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    assert shelf.pointer(replica / "bundles").left == second


def test_what_is_damaged_on_its_way_is_not_served(trainer, replica, share):
    root = trainer / "bundles"
    first = shelf.current(root)
    depot.push(root, first, f"file://{share}")
    (share / first / "vectors.npy").write_bytes(b"\x00" * 100)
    own = {"RECSYS_KEYRING": str(trainer / "keyring.json")}
    with serving(replica, "--workers", "1", environment=own) as service:
        assert until(lambda: "vectors.npy" in service.wait_for("/readyz").json().get("error", ""))
        state = service.get("/readyz")
        assert (state.status_code, state.json()["bundle"]) == (200, "")
        items = service.get("/v1/recommendations", site="daily", key="a-1").json()["items"]
        assert len(items) == 6  # the store's newest, as before the first training
    assert shelf.list_bundles(replica / "bundles") == []

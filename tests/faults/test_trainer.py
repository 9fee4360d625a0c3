"""A trainer that dies, or has a rival, leaves the bundle in service as sound as it was."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from served import RECSYS
from sqlalchemy import update

from data.schema import leases
from data.store import Store
from recsys import bundle as bundles
from recsys import shelf

from .conftest import trained

QUICK = "\n[train]\ndims = 8\nfactors = 8\n"


@pytest.fixture
def var(tmp_path: Path) -> Path:
    trained(tmp_path)
    with (tmp_path / "recsys.toml").open("a") as config:
        config.write(QUICK)
    return tmp_path


def train(var: Path) -> "subprocess.Popen[str]":
    forced = ("--force", "--reason", "whatever it is worth, it must be whole")
    words = (RECSYS, "--var", str(var), "train", "--json", *forced)
    own = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own
    )


def ended(trainer: "subprocess.Popen[str]") -> None:
    _, said = trainer.communicate(timeout=120)
    assert trainer.returncode == 0, said


def sound(root: Path) -> str:
    """Return the current bundle; every bundle that can be seen is whole, byte by byte."""
    assert shelf.unreadable(root) == {}
    for manifest in shelf.list_bundles(root):
        bundles.verify(root / manifest.id)
    current = shelf.current(root)
    bundles.open_bundle(root / current)
    return current


def lapse(var: Path) -> None:
    """Let the lease of a trainer that was killed lapse, as it does by itself within a minute."""
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store, store.writing() as connection:
        connection.execute(update(leases).values(until=0))


def test_kill_9_of_a_trainer_at_ten_moments_leaves_a_sound_bundle_each_time(var):
    root, draw = var / "bundles", random.Random(6)
    began = time.monotonic()
    ended(train(var))
    whole = time.monotonic() - began
    before, killed = {sound(root)}, 0
    for n in range(10):
        trainer = train(var)
        if n % 2:  # anywhere in its life
            time.sleep(draw.uniform(0.2, 0.8) * whole)
        else:  # while it writes, or moves the pointer
            while not list(root.glob(f"{shelf.ASIDE}*")) and trainer.poll() is None:
                time.sleep(0.001)
            time.sleep(draw.uniform(0.0, 0.05))
        trainer.send_signal(signal.SIGKILL)
        killed += trainer.wait(30) == -signal.SIGKILL
        trainer.communicate()
        current = sound(root)
        assert current in before | {m.id for m in shelf.list_bundles(root)}
        before.add(current)
        lapse(var)
    assert killed > 5
    time.sleep(1)
    ended(train(var))
    assert sound(root) not in before
    assert not list(root.glob(f"{shelf.ASIDE}*"))  # the next run has cleaned up


def test_of_two_trainers_at_the_same_time_one_is_told_to_wait(var):
    root = var / "bundles"
    before = sound(root)
    time.sleep(1)  # of the same events within one second the same bundle would come
    one, two = train(var), train(var)
    said = [trainer.communicate(timeout=120)[1] for trainer in (one, two)]
    assert sorted([one.returncode, two.returncode]) == [0, 2]
    refused = said[one.returncode == 0]
    assert "Traceback" not in refused
    assert len(refused.strip().splitlines()[-1]) > 20
    assert sound(root) != before
    assert not list(root.glob(f"{shelf.ASIDE}*"))

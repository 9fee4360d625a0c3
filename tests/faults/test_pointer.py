"""A damaged pointer or bundle costs no answer, and the next training puts it right."""

import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from served import RECSYS, serving

from data.store import Store
from recsys import shelf
from training.recipe import Recipe
from training.run import run

from .conftest import UNBOUNDED, Traffic, trained, until


@pytest.fixture
def var(tmp_path) -> Path:
    var = trained(tmp_path)
    with (var / "recsys.toml").open("a") as config:
        config.write(f"{UNBOUNDED}\n[train]\ndims = 8\nfactors = 8\n")
    return var


def test_whatever_the_pointer_says_pages_are_answered_until_it_is_put_right(var):
    root = var / "bundles"
    good = shelf.current(root)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        truncated = root / run(store, root, Recipe(dims=8, factors=4), int(time.time())).id
    (root / "current").write_text(f"{good}\n")
    with (truncated / "vectors.npy").open("r+b") as file:
        file.truncate(100)
    with (
        serving(var, "--workers", "1") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        assert service.wait_for("/readyz").json()["bundle"] == good
        traffic = Traffic(service)

        def told(name: str, words: str) -> bool:
            traffic.ask(client)
            return words in str(service.get("/readyz").json()[name])

        for pointer, name, words in (
            ("\x00\xff rubbish", "error", "damaged"),
            ("20991231T000000Z-ffffffffff\n", "refused", "20991231T000000Z-ffffffffff"),
            (f"{truncated.name}\n", "refused_because", "vectors.npy"),
        ):
            (root / "current").write_text(pointer)
            assert until(lambda name=name, words=words: told(name, words)), pointer
            assert service.get("/readyz").json()["bundle"] == good
        for pid in service.workers():  # one that never saw a good bundle answers from the store
            os.kill(pid, signal.SIGKILL)
        service.wait_for("/healthz")
        assert until(lambda: told("refused_because", "vectors.npy"))
        for _ in range(5):
            traffic.ask(client)
        assert set(traffic.answers) == {200}
        done = subprocess.run((RECSYS, "--var", str(var), "train"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert until(lambda: told("bundle", shelf.current(root)))
        assert shelf.current(root) not in (good, truncated.name)
        assert set(traffic.answers) == {200}

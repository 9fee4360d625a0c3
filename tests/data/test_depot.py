"""Replicas take bundles from an object store or a folder: whole, checked, and back again."""

import dataclasses
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pyarrow import fs

from data import depot, places
from recsys import manifest, shelf
from recsys.bundle import Bundle, Manifest, write
from recsys.errors import BundleCorrupt, BundleError, BundleMissing, Busy, ConfigError

MOTO = Path(__file__).parents[2] / ".venv-s3" / "bin" / "moto_server"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks the API of S3; returns its port."""
    if not MOTO.exists():
        said = f"needs {MOTO}; make it with: make .venv-s3/.done"
        if os.environ.get("RECSYS_REQUIRE_SYSTEM") == "1":
            pytest.fail(f"RECSYS_REQUIRE_SYSTEM=1, but this {said}")
        pytest.skip(f"{said} (RECSYS_REQUIRE_SYSTEM=1 makes this a failure)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(MOTO), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    patch = pytest.MonkeyPatch()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "test")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.put(f"http://127.0.0.1:{port}/network").raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield str(port)
    finally:
        patch.undo()
        process.terminate()
        process.wait(20)


@pytest.fixture
def url(request, tmp_path) -> str:
    """An empty depot: a folder, an object store, or what only fsspec knows."""
    kind = getattr(request, "param", "file")
    if kind == "file":
        return f"file://{tmp_path}/share"
    if kind == "memory":
        return f"memory://{tmp_path.name}{time.monotonic_ns()}"
    port = request.getfixturevalue("s3")
    ours = f"{tmp_path.name}{time.monotonic_ns()}"
    return f"s3://network/{ours}?endpoint_override=127.0.0.1:{port}&scheme=http"


everywhere = pytest.mark.parametrize("url", ["file", "s3", "memory"], indirect=True)


@pytest.fixture
def trainer(tmp_path) -> Path:
    """Directory of the machine that trains."""
    return tmp_path / "trainer"


@pytest.fixture
def replica(tmp_path) -> Path:
    """Directory of a machine that serves."""
    return tmp_path / "replica"


@pytest.fixture
def publish(trainer, url) -> Callable[[int], str]:
    """Publish a bundle made at some time here and in the depot."""

    def published(at: int) -> str:
        made = dataclasses.replace(Bundle.empty(), manifest=Manifest(created=at))
        id = write(made, trainer).name
        shelf.publish(trainer, id)
        depot.push(trainer, id, url)
        return id

    return published


def opened(url: str) -> tuple[fs.FileSystem, str]:
    return places.resolve(url)


def spoil(url: str, name: str, content: bytes) -> None:
    system, path = opened(url)
    with system.open_output_stream(f"{path}/{name}") as stream:
        stream.write(content)


def lying(url: str) -> set[str]:
    system, path = opened(url)
    return {found.base_name for found in system.get_file_info(fs.FileSelector(path))}


@everywhere
def test_what_is_published_arrives_to_the_byte(url, publish, replica, trainer):
    id = publish(100)
    assert depot.pull(url, replica) == id == shelf.current(replica)
    assert manifest.verify(replica / id) == manifest.verify(trainer / id)
    assert not list(replica.glob(".pull-*"))


def test_where_nothing_is_published_one_says_what_to_do(url, replica):
    with pytest.raises(BundleMissing, match="recsys train"):
        depot.pull(url, replica)


@everywhere
def test_a_rollback_anywhere_reaches_everybody(url, publish, trainer, replica, tmp_path):
    first, second = publish(100), publish(200)
    other = tmp_path / "other"
    for root in (replica, other):
        depot.pull(url, root)
    assert depot.earlier(replica, url) == [first]
    assert depot.rollback(replica, url, left=second) == first == shelf.current(replica)
    assert depot.pull(url, other) == depot.pull(url, trainer) == first
    assert shelf.pointer(other).left == shelf.pointer(trainer).left == second
    with pytest.raises(Busy, match=second):
        depot.rollback(other, url, left=second)


def test_what_is_published_after_a_rollback_has_the_good_one_before_it(url, publish, replica):
    first, second = publish(100), publish(200)
    depot.rollback(replica, url)
    third = publish(300)  # by a trainer that has not heard of it
    depot.pull(url, replica)
    assert shelf.history(replica) == [third, first]
    assert second not in shelf.history(replica)


def test_a_bundle_on_its_way_there_is_not_taken_back_here(url, publish, trainer):
    first = publish(100)
    depot.pull(url, trainer)
    made = dataclasses.replace(Bundle.empty(), manifest=Manifest(created=200))
    shelf.publish(trainer, id := write(made, trainer).name)
    assert depot.pull(url, trainer) == id == shelf.current(trainer)
    depot.push(trainer, id, url)
    assert depot.pull(url, trainer) == id
    assert shelf.history(trainer) == [id, first]


@pytest.mark.parametrize(
    ("url", "how"),
    [*(("file", how) for how in ("flipped", "short", "gone", "manifest")), ("s3", "gone")],
    indirect=["url"],
)
def test_what_is_damaged_there_is_refused_until_it_is_mended(url, publish, replica, trainer, how):
    first = publish(100)
    depot.pull(url, replica)
    second = publish(200)
    name = f"{second}/vectors.npy"
    whole = (trainer / name).read_bytes()
    if how == "gone":
        system, path = opened(url)
        system.delete_file(f"{path}/{name}")
    elif how == "manifest":
        spoil(url, f"{second}/manifest.json", b"{}")
    else:
        spoil(url, name, whole[:-1] + (b"" if how == "short" else bytes([whole[-1] ^ 1])))
    with pytest.raises(BundleCorrupt):
        depot.pull(url, replica)
    assert shelf.current(replica) == first
    assert not (replica / second).exists()
    depot.push(trainer, second, url)
    assert depot.pull(url, replica) == second == shelf.current(replica)


@everywhere
def test_a_damaged_pointer_changes_nothing_here(url, publish, replica):
    first = publish(100)
    depot.pull(url, replica)
    for content in (b"", b"../elsewhere\n", first[:-3].encode()):
        spoil(url, "current", content)
        with pytest.raises(BundleError):
            depot.pull(url, replica)
        assert shelf.current(replica) == first


def test_what_an_interrupted_pull_left_is_cleared_away(url, publish, replica):
    left = replica / ".pull-dead" / "x"
    left.mkdir(parents=True)
    (left / "vectors.npy").touch()
    id = publish(100)
    (replica / id).mkdir()  # a bundle without a manifest is none
    assert depot.pull(url, replica) == id
    assert not left.parent.exists()
    manifest.verify(replica / id)


def test_two_do_not_fetch_at_once(url, publish, replica):
    publish(100)
    replica.mkdir()
    with depot.FileLock(replica / ".depot.lock"), pytest.raises(Busy):
        depot.pull(url, replica)


@everywhere
def test_as_many_stay_as_one_may_go_back_to_and_those_of_arms(url, publish, replica, monkeypatch):
    monkeypatch.setattr(depot, "KEEP", 2)
    arm = publish(50)
    spoil(url, "notes.txt", b"not ours")
    made = []
    for at in (100, 200, 300):
        made.append(publish(at))
        depot.pull(url, replica, spare=[arm])
    assert {m.id for m in shelf.list_bundles(replica)} == {*made[1:], arm}
    assert lying(url) == {*made[1:], "current", "notes.txt"}  # who published named no arm


def test_the_bundle_of_an_arm_that_is_gone_holds_up_nothing(url, publish, replica):
    id = publish(100)
    with pytest.raises(BundleCorrupt):
        depot.pull(url, replica, spare=["20200101T000000Z-0123456789"])
    assert shelf.current(replica) == id


def test_what_a_trainer_is_about_to_publish_is_not_pruned(url, publish, trainer):
    publish(100)
    made = dataclasses.replace(Bundle.empty(), manifest=Manifest(created=900))
    written = write(made, trainer)
    depot.pull(url, trainer)
    assert written.exists()


def test_a_store_that_is_away_changes_nothing_and_tells_no_secret(tmp_path, replica):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"s3://id:hidden@network/x?endpoint_override=127.0.0.1:{port}&scheme=http"
    with pytest.raises(BundleError, match="s3://network/x failed") as raised:
        depot.pull(url, replica)
    assert "hidden" not in str(raised.value)
    assert not replica.exists()


@pytest.mark.parametrize("url", ["gopher://x/y", "s3://", "relative/path"])
def test_an_address_of_no_use_names_the_setting(url, replica):
    with pytest.raises(ConfigError, match=r"\[bundles\] url"):
        depot.pull(url, replica)


def test_a_bundle_that_is_not_sound_is_not_pushed(url, publish, trainer, replica):
    id = publish(100)
    np.save(trainer / id / "vectors.npy", np.ones((3, 3), np.float32))
    with pytest.raises(BundleCorrupt):
        depot.push(trainer, id, url)
    assert depot.pull(url, replica) == id

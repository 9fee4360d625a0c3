"""One file says which bundle is current and remembers those before it."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recsys.bundle import Bundle, Manifest, write
from recsys.errors import BundleCorrupt, BundleMissing, Busy
from recsys.shelf import (
    Pointer,
    adopt,
    clean,
    current,
    history,
    list_bundles,
    pointer,
    prune,
    publish,
    rollback,
    unreadable,
)


@pytest.fixture
def three(tmp_path: Path) -> list[str]:
    """Three bundles, published one after the other, oldest first."""
    ids = []
    for at in (100, 200, 300):
        made = dataclasses.replace(Bundle.empty(), manifest=Manifest(created=at))
        ids.append(write(made, tmp_path).name)
        publish(tmp_path, ids[-1])
    return ids


def lying(root: Path) -> set[str]:
    """Return the names in a directory; the lock of the pointer stays for good."""
    return {path.name for path in root.iterdir()} - {".current.lock"}


def test_nothing_published(tmp_path):
    with pytest.raises(BundleMissing, match="recsys train"):
        current(tmp_path)
    assert list_bundles(tmp_path) == history(tmp_path / "nowhere") == []
    with pytest.raises(BundleMissing, match="recsys train"):
        rollback(tmp_path)


def test_the_last_published_is_current_and_listed_first(tmp_path, three):
    assert current(tmp_path) == three[2]
    assert [m.id for m in list_bundles(tmp_path)] == three[::-1]


def test_the_pointer_is_text_that_a_person_can_read(tmp_path, three):
    assert (tmp_path / "current").read_text().splitlines() == three[::-1]


def test_rolling_back_twice_goes_two_back_and_then_says_that_it_is_the_end(tmp_path, three):
    assert rollback(tmp_path) == three[1] == current(tmp_path)
    assert rollback(tmp_path) == three[0] == current(tmp_path)
    with pytest.raises(BundleMissing, match=three[0]):
        rollback(tmp_path)
    assert current(tmp_path) == three[0]


def test_after_a_rollback_a_new_bundle_has_the_good_one_before_it(tmp_path, three):
    rollback(tmp_path)
    publish(tmp_path, three[2])
    assert history(tmp_path) == [three[2], three[1], three[0]]
    publish(tmp_path, three[2])
    assert rollback(tmp_path) == three[1]


def test_rollback_passes_over_a_bundle_that_is_gone(tmp_path, three):
    (tmp_path / three[1] / "manifest.json").unlink()
    assert rollback(tmp_path) == three[0]


def test_only_the_bundle_that_one_means_is_left(tmp_path, three):
    with pytest.raises(Busy, match=three[2]):
        rollback(tmp_path, left=three[1])
    assert rollback(tmp_path, left=three[2]) == three[1]


def test_of_two_who_leave_the_same_bundle_one_does(tmp_path, three):
    def leave(_: int) -> bool:
        try:
            return rollback(tmp_path, left=three[2]) == three[1]
        except Busy:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(leave, range(4))) == 1
    assert current(tmp_path) == three[1]


def test_the_pointer_tells_a_rollback_from_a_publication(tmp_path, three):
    assert pointer(tmp_path).left == ""
    rollback(tmp_path)
    assert pointer(tmp_path) == Pointer((three[1], three[0]), left=three[2])
    publish(tmp_path, three[2])
    assert pointer(tmp_path).left == ""


@pytest.mark.parametrize("text", ["", "\x00", "- -", "-../x\n../y", "a\nb\n-c\n"])
def test_a_pointer_read_from_any_text_survives_being_written(text):
    read = Pointer.parse(text)
    assert Pointer.parse(read.dump()) == read


def test_another_places_pointer_is_taken_over_whatever_was_here(tmp_path, three):
    theirs = Pointer((three[0], "elsewhere"), left=three[2])
    (tmp_path / "current").write_text(f"../damaged\n{theirs.dump()}")
    adopt(tmp_path, theirs)
    assert current(tmp_path) == three[0]
    assert pointer(tmp_path) == theirs


@pytest.mark.parametrize("id", ["", "nothing", "../x", "/etc", "..", ".new-1"])
def test_only_a_bundle_of_the_directory_can_be_published(tmp_path, three, id):
    with pytest.raises(BundleMissing):
        publish(tmp_path, id)
    assert current(tmp_path) == three[2]


@pytest.mark.parametrize("content", [b"\x00\xff\x00", b"../elsewhere", b".new-1"])
def test_a_damaged_pointer_is_told_and_the_next_run_mends_it(tmp_path, three, content):
    (tmp_path / "current").write_bytes(content)
    with pytest.raises(BundleCorrupt, match="recsys train"):
        current(tmp_path)
    assert history(tmp_path) == []
    publish(tmp_path, three[2])
    assert current(tmp_path) == three[2]


def test_pruning_keeps_the_current_and_those_before_it(tmp_path, three):
    never = write(dataclasses.replace(Bundle.empty(), manifest=Manifest(created=50)), tmp_path)
    (tmp_path / "notes").mkdir()
    prune(tmp_path, 2)
    assert lying(tmp_path) == {three[1], three[2], "notes", "current"}
    assert not never.exists()
    prune(tmp_path, 0)
    assert [m.id for m in list_bundles(tmp_path)] == [three[2]]


def test_cleaning_removes_only_what_was_never_whole(tmp_path, three):
    (tmp_path / ".new-abc").mkdir()
    (tmp_path / ".new-abc" / "vectors.npy").touch()
    (tmp_path / ".new-current").touch()
    clean(tmp_path)
    assert lying(tmp_path) == {*three, "current"}


def test_damaged_bundles_are_told_apart(tmp_path, three):
    (tmp_path / three[0] / "manifest.json").write_text("{}")
    assert [m.id for m in list_bundles(tmp_path)] == [three[2], three[1]]
    assert list(unreadable(tmp_path)) == [three[0]]

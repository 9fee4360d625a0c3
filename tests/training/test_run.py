"""A training run publishes a whole bundle or changes nothing."""

import filecmp
import signal
from pathlib import Path

import pytest

from recsys.bundle import current, open_bundle, verify
from recsys.errors import BundleCorrupt, Busy
from recsys.shelf import history, list_bundles
from training.recipe import Recipe
from training.run import probe, run

NOW = 1_507_690_800
RECIPE = Recipe(dims=8, factors=8)


def asides(root: Path) -> list[str]:
    return [path.name for path in root.glob(".new-*")]


@pytest.fixture
def root(sample, tmp_path: Path) -> Path:
    """A directory in which a bundle is current already."""
    run(sample, tmp_path, RECIPE, NOW - 1000)
    return tmp_path


def test_a_run_publishes_what_it_returns(sample, root):
    before = current(root)
    stages = []
    bundle = run(sample, root, RECIPE, NOW, report=stages.append)
    assert current(root) == bundle.id
    assert verify(root / bundle.id).parent == before
    assert bundle.manifest.mark == {"article_revision": 60, "event_seq": 300, "erasure_seq": 0}
    assert (bundle.manifest.created, bundle.manifest.config_hash) == (NOW, RECIPE.hash)
    done = [stage for stage in stages if stage.done]
    assert [s.name for s in stages if not s.done] == [s.name for s in done]
    assert done[0].result == "60 articles, 300 events"
    assert not asides(root)


def test_the_same_snapshot_recipe_and_time_give_the_same_bytes(sample, tmp_path, trainer):
    here = run(sample, tmp_path / "here", RECIPE, NOW).id
    process = trainer(tmp_path / "there", "go")
    assert process.wait() == 0, process.stderr.read()
    there = current(tmp_path / "there")
    assert there == here
    names = [*open_bundle(tmp_path / "here" / here).manifest.files, "manifest.json"]
    same, other, lost = filecmp.cmpfiles(
        tmp_path / "here" / here, tmp_path / "there" / there, names, shallow=False
    )
    assert (sorted(same), other, lost) == (sorted(names), [], [])


def test_training_again_on_the_same_is_no_new_bundle(sample, root):
    first = run(sample, root, RECIPE, NOW).id
    assert run(sample, root, RECIPE, NOW).id == first
    assert len(history(root)) == 2


def test_a_second_trainer_is_told_at_once_and_the_first_is_not_disturbed(sample, root, trainer):
    before = current(root)
    process = trainer(root, "pause")
    assert process.stdout.readline() == "writing\n"
    with pytest.raises(Busy, match="another process is training"):
        run(sample, root, RECIPE, NOW)
    second = trainer(root, "go")
    assert second.wait() == 1
    assert second.stderr.read().splitlines()[-1].startswith("Busy: another process is training")
    assert process.poll() is None
    assert asides(root)
    assert current(root) == before


def test_a_trainer_killed_while_writing_leaves_the_old_bundle_and_the_next_one_cleans_up(
    sample, root, trainer
):
    before = current(root)
    process = trainer(root, "pause")
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert asides(root)
    assert current(root) == before
    assert verify(root / before).id == before
    after = run(sample, root, RECIPE, NOW).id
    assert current(root) == after
    assert not asides(root)


def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(root, trainer):
    before = current(root)
    process = trainer(root, "full", seed=1)
    assert process.wait() == 1
    message = process.stderr.read().splitlines()[-1]
    assert message.startswith("BundleError: the bundle could not be written")
    assert "nothing has changed" in message
    assert current(root) == before
    assert [m.id for m in list_bundles(root)] == [before]
    assert not asides(root)


def test_old_bundles_go_when_there_are_more_than_wanted(sample, root):
    for step in range(4):
        last = run(sample, root, RECIPE, NOW + step, keep=2).id
    assert len(list_bundles(root)) == 2
    assert current(root) == last


def test_probing_refuses_what_cannot_be_served(sample, root):
    import dataclasses

    import numpy as np

    bundle = open_bundle(root / current(root))
    probe(bundle)
    vectors = bundle.vectors.copy()
    vectors[3, 0] = np.nan
    with pytest.raises(BundleCorrupt, match="vectors holds a value that is not a number"):
        probe(dataclasses.replace(bundle, vectors=vectors))
    with pytest.raises(BundleCorrupt, match="related points outside of 60 articles"):
        probe(dataclasses.replace(bundle, related=np.full((60, 2), 60, np.int32)))

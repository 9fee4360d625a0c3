"""What the gate holds is not published and leaves no trace but its verdict; what it lets through
tells why."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recsys import manifest
from recsys.errors import Busy, ConfigError, Held
from recsys.manifest import Manifest
from recsys.shelf import current, history, list_bundles
from training.gate import Gate
from training.recipe import Recipe
from training.run import run
from training.verdict import Check, Findings, Verdict, held, plain

from .conftest import BAD, NOW, Known, events, network

GATE = Gate(window=4_000.0, history=0.0, answers=20)
"""The small network has only hours."""
BLIND = Gate()
"""Of which it replays nothing, as they are too few."""
RECIPE = Recipe(dims=8, factors=8)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """A directory in which a bundle is current; a test that publishes takes another."""
    root = tmp_path_factory.mktemp("bundles")
    run(network(), root, RECIPE, NOW - 100, gate=GATE)
    return root


@pytest.fixture
def root(served, tmp_path) -> Path:
    """The same for a single test."""
    run(network(), tmp_path, RECIPE, NOW - 100, gate=GATE)
    return tmp_path


def lying(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def refused(root: Path, known: Known, recipe: Recipe = RECIPE, gate: Gate = GATE, **more):
    """Train, be held, and see that nothing has changed; returns the verdict and what was done."""
    before, stages = lying(root), []
    pointer = (root / "current").read_bytes()
    with pytest.raises(Held) as told:
        run(known, root, recipe, NOW, gate=gate, report=stages.append, **more)
    assert lying(root) == before
    assert (root / "current").read_bytes() == pointer
    assert f"bundle {current(root)} stays in service" in str(told.value)
    assert "recsys train --force" in str(told.value)
    return told.value.verdict, [stage.name for stage in stages if stage.done]


def test_the_first_bundle_is_published_and_its_checks_are_kept(served):
    stated = manifest.verify(served / current(served))
    assert stated.judged == "first"
    assert (stated.verdict["passed"], stated.verdict["champion"]) == (True, "")
    assert [check["name"] for check in stated.verdict["checks"]] == [
        "newest event",
        "newest article",
    ]
    assert "Nothing was in service before" in stated.verdict["notes"][0]


def test_a_first_bundle_of_old_news_is_better_than_none(tmp_path):
    bundle = run(network(), tmp_path, RECIPE, NOW + 90 * 86_400, gate=GATE)
    assert not bundle.manifest.verdict["checks"][0]["ok"]
    assert (bundle.manifest.verdict["passed"], bundle.manifest.verdict["reasons"]) == (True, [])


def test_the_same_recipe_passes_and_the_verdict_lies_with_the_bundle(root):
    before = current(root)
    bundle = run(network(), root, RECIPE, NOW, gate=GATE)
    stated = manifest.verify(root / current(root))
    assert stated == bundle.manifest
    assert (stated.id, stated.judged) == (bundle.id, "passed")
    assert stated.verdict["champion"] == before
    names = [check["name"] for check in stated.verdict["checks"]]
    assert names[:5] == ["newest event", "newest article", "popularity", "HR@10", "MRR@10"]
    assert names[-1] == "bytes"
    assert all(check["sentence"] for check in stated.verdict["checks"])


def test_the_same_bundle_once_more_keeps_its_verdict(root):
    first = run(network(), root, RECIPE, NOW, gate=BLIND).manifest
    assert run(network(), root, RECIPE, NOW, gate=BLIND).manifest == first
    assert first.verdict["champion"] != first.id


def test_a_verdict_does_not_change_what_a_bundle_is(served, tmp_path):
    plainly = run(network(), tmp_path, RECIPE, NOW - 100)
    assert plainly.manifest.judged == "not judged"
    assert plainly.id == current(served)


def test_a_bad_recipe_is_held_with_the_interval(served):
    verdict, stages = refused(served, network(), BAD)
    assert not verdict["passed"]
    [check] = [check for check in verdict["checks"] if check["name"] == "HR@10"]
    assert check["high"] < check["bound"] < 0
    assert check["sentence"] in verdict["reasons"]
    assert verdict["champion"] == current(served)
    assert "write and probe" not in stages
    assert stages[-1] == "gate: time answers"


def test_half_the_usual_openings_are_held_before_anything_is_learned(served):
    day = 86_400
    rows = [
        (0, 0, 1, NOW - 600 - ago * day - 400 * n)
        for ago in range(30)
        for n in range(100 if ago == 0 else 200)
    ]
    half = dataclasses.replace(network(), interactions=events(*sorted(rows, key=lambda r: r[3])))
    verdict, stages = refused(served, half)
    assert verdict["reasons"] == [
        "The last day has 100 openings, 50% of the usual 200; at least 60% are expected."
    ]
    assert stages == ["snapshot", "gate: data"]


def test_an_empty_store_takes_nothing_out_of_service(served):
    known = network()
    verdict, stages = refused(
        served, dataclasses.replace(known, articles=[], interactions=events())
    )
    assert verdict["reasons"][0] == "There is no event at all."
    assert stages == ["snapshot", "gate: data"]


def test_a_bundle_that_doubles_in_size_is_held_and_removed(served):
    wide = Recipe(dims=64, factors=160, neighbours=59)
    verdict, stages = refused(served, network(), wide, BLIND)
    [check] = [check for check in verdict["checks"] if check["name"] == "bytes"]
    assert (check["ok"], stages[-1]) == (False, "write and probe")
    assert check["value"] > 2 * check["against"]
    assert any("Quality was not measured" in note for note in verdict["notes"])


def test_a_bundle_may_grow_and_shrink_as_its_data_do(root):
    more = network(articles=150, readers=90)
    grown = run(more, root, RECIPE, NOW, gate=BLIND)
    [check] = [c for c in grown.manifest.verdict["checks"] if c["name"] == "bytes"]
    assert check["value"] > 1.5 * check["against"]
    shrunk = run(network(), root, RECIPE, NOW + 1, gate=BLIND)
    assert shrunk.manifest.verdict["passed"]


def test_what_is_forced_is_published_and_says_so(root):
    before = current(root)
    bundle = run(
        *(network(), root, BAD, NOW),
        gate=GATE,
        force=True,
        by="anna",
        why="the other one is worse",
    )
    verdict = manifest.verify(root / current(root)).verdict
    assert history(root) == [bundle.id, before]
    assert bundle.manifest.judged == "forced"
    assert (verdict["passed"], verdict["forced"]) == (False, True)
    assert (verdict["by"], verdict["why"]) == ("anna", "the other one is worse")
    assert verdict["reasons"]


def test_where_there_is_nothing_to_force_nothing_is_forced(root):
    bundle = run(network(), root, RECIPE, NOW, gate=BLIND, force=True, by="anna", why="in a hurry")
    assert bundle.manifest.judged == "passed"
    assert (bundle.manifest.verdict["forced"], bundle.manifest.verdict["by"]) == (False, "")


def test_who_may_no_longer_publish_does_not(served):
    before = lying(served)

    def lost() -> None:
        assert len(lying(served)) == len(before) + 1  # whole, and not yet current
        raise Busy("the lease was lost")

    with pytest.raises(Busy, match="lost"):
        run(network(), served, RECIPE, NOW, gate=BLIND, before_publish=lost)
    assert lying(served) == before


def test_the_bundle_of_an_arm_is_not_removed_with_what_is_held(root):
    arm = run(network(), root, RECIPE, NOW, gate=BLIND).id
    run(network(), root, RECIPE, NOW + 1, gate=BLIND, keep=1, spare={arm})
    pointer = (root / "current").read_text().splitlines()
    (root / "current").write_text(pointer[0] + "\n")  # that it was current is forgotten

    def lost() -> None:
        raise Busy("the lease was lost")

    with pytest.raises(Busy):
        run(network(), root, RECIPE, NOW, gate=BLIND, before_publish=lost, spare={arm})
    assert arm in {stated.id for stated in list_bundles(root)}


def test_a_bundle_that_does_not_say_how_it_was_made_is_no_hindrance(tmp_path):
    run(network(), tmp_path, RECIPE, NOW - 100)
    place = tmp_path / current(tmp_path) / "manifest.json"
    stated = manifest.read(place.parent)
    old = dataclasses.replace(stated, format=3)
    made = old.sealed(stated.files)
    place.write_bytes(made.dump())
    place.parent.rename(tmp_path / made.id)
    (tmp_path / "current").write_text(f"{made.id}\n")
    bundle = run(network(), tmp_path, RECIPE, NOW, gate=GATE)
    assert bundle.manifest.judged == "passed"
    assert any("does not say how it was made" in n for n in bundle.manifest.verdict["notes"])


def test_another_version_of_the_program_is_told(root):
    place = root / current(root) / "manifest.json"
    stated = dataclasses.replace(manifest.read(place.parent), code_version="0.0.9")
    made = stated.sealed(stated.files)
    place.write_bytes(made.dump())
    place.parent.rename(root / made.id)
    (root / "current").write_text(f"{made.id}\n")
    notes = run(network(), root, RECIPE, NOW, gate=GATE).manifest.verdict["notes"]
    assert any("that of the bundle in service 0.0.9" in note for note in notes)


KILLED = """
import runpy, sys, time
from pathlib import Path
import structlog
from training.gate import Gate
from training.recipe import Recipe
from training.run import run

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
here, root = sys.argv[1:]
known = runpy.run_path(here)

def report(step):
    if step.name == "gate: replay challenger":
        print("replaying", flush=True)
        time.sleep(600)

gate = Gate(window=4_000.0, history=0.0, answers=20)
recipe = Recipe(dims=8, factors=8)
run(known["network"](), Path(root), recipe, known["NOW"], gate=gate, report=report)
"""


def test_a_trainer_killed_in_the_gate_leaves_nothing(served):
    before = lying(served)
    here = str(Path(__file__).with_name("conftest.py"))
    command = [sys.executable, "-c", KILLED, here, str(served)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "replaying\n"
        process.send_signal(signal.SIGKILL)
    assert lying(served) == before
    assert manifest.verify(served / current(served)).id == current(served)


def test_a_verdict_is_plain_json_and_says_in_one_sentence_why_it_holds():
    check = Check("HR@10", False, 0.1234567, float("nan"), 0.2, -0.1, sentence="It is worse.")
    first = Verdict().after(Findings((check,)))
    assert first.passed
    worse = Verdict(champion="b-1").after(Findings((check, check), ("a note",)))
    assert (worse.passed, worse.forced) == (False, False)
    told = plain(worse)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["checks"][0]["value"] == 0.123457
    assert told["checks"][0]["bound"] is None
    assert held(told).startswith("held: It is worse (and 1 more reason); bundle b-1 stays")
    stated = Manifest(verdict=told)
    assert json.loads(stated.dump())["verdict"] == told


@pytest.mark.parametrize(
    "wrong", [{"worse": 1.5}, {"size": 0.5}, {"window": 0.0}, {"events": -0.1}, {"answers": -1}]
)
def test_a_setting_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Gate(**wrong)

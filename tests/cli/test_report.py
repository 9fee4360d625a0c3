"""``recsys report``: the page and the files of what was evaluated last, or of what is named."""

import csv
import dataclasses
import json
import os
from pathlib import Path

import pytest

from training.evaluation import Asked, Contender, Difference, Evaluation, Measure

TASK = "next click"


def kept(path: Path, lead: float = 0.1) -> Evaluation:
    """Keep a small evaluation in which the engine leads by ``lead``."""
    bounds = lead - 0.01, lead + 0.01
    found = Evaluation(
        data="a made-up network",
        created=1_700_000_000,
        cut=1_699_000_000,
        end=1_699_600_000,
        split="one cut",
        seed=0,
        warm_up=0,
        learned_events=500,
        replayed_events=100,
        asked=(Asked(TASK, 50, 50),),
        bundle="b-1",
        recipe={"dims": 8},
        policy={"diversity": 0.3},
        systems=(Contender("engine", "engine", 1.0), Contender("latest", "baseline", 1.0)),
        measures=(
            Measure(TASK, "engine", "HR@10", 50, 0.4, 0.35, 0.45),
            Measure(TASK, "latest", "HR@10", 50, 0.4 - lead, 0.3, 0.5),
        ),
        differences=(
            Difference(TASK, "latest", "engine", "HR@10", -lead, *bounds, p=0.001, adjusted=0.001),
        ),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(found.dump())
    return found


def test_it_reports_what_was_evaluated_last(typed, tmp_path):
    kept(tmp_path / "evaluations" / "b.json", lead=-0.1)
    kept(tmp_path / "evaluations" / "a.json", lead=0.1)
    os.utime(tmp_path / "evaluations" / "b.json", (1, 1))
    done = typed("report")
    assert done.code == 0
    assert done.out.startswith("Engine is ahead of latest.\n")
    page = tmp_path / "reports" / "a.html"
    assert f"{page} is written." in done.out
    assert "Engine is ahead of latest" in page.read_text("utf-8")
    assert sorted(path.name for path in page.parent.iterdir()) == ["a.html"]


def test_it_reports_what_is_named_where_it_is_told(typed, tmp_path):
    kept(tmp_path / "week.json", lead=-0.1)
    done = typed("report", tmp_path / "week.json", "--out", tmp_path / "new" / "week.html")
    assert done.code == 0
    assert "Engine is behind latest" in done.out
    assert "Latest wins, and by more than chance" in done.out
    assert (tmp_path / "new" / "week.html").read_text("utf-8").startswith("<!doctype html>")


def test_it_writes_csv_and_latex_beside_the_page(typed, tmp_path):
    found = kept(tmp_path / "evaluations" / "a.json")
    done = typed("report", "--csv", tmp_path / "a.csv", "--latex", tmp_path / "a.tex")
    assert done.code == 0
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["measure", "measure", "difference"]
    assert [float(row["mean"]) for row in rows[:2]] == [m.mean for m in found.measures]
    assert r"\begin{longtable}" in (tmp_path / "a.tex").read_text("utf-8")
    assert done.out.count(" is written.") == 3


def test_it_prints_the_evaluation_as_json(typed, tmp_path):
    found = kept(tmp_path / "evaluations" / "a.json")
    done = typed("report", "--json")
    assert json.loads(done.out) == json.loads(found.dump())
    assert (tmp_path / "reports" / "a.html").exists()


def test_without_an_evaluation_it_says_how_to_make_one(typed, tmp_path):
    done = typed("report")
    assert done.code == 2
    assert str(tmp_path / "evaluations") in done.err
    assert "make one with recsys evaluate" in done.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "its JSON"),
        ("[]", "its JSON"),
        ("{}", "data: "),
    ],
)
def test_what_is_no_evaluation_is_refused(typed, tmp_path, content, said):
    (tmp_path / "week.json").write_text(content)
    done = typed("report", tmp_path / "week.json")
    assert done.code == 2
    assert "week.json is not an evaluation" in done.err
    assert said in done.err
    assert done.err.count("\n") == 1


def test_what_cannot_be_written_leaves_what_was_there(typed, tmp_path):
    kept(tmp_path / "evaluations" / "a.json")
    (tmp_path / "taken").write_text("a file, not a directory")
    done = typed("report", "--out", tmp_path / "taken" / "a.html")
    assert done.code == 2
    assert "taken/a.html cannot be written" in done.err
    assert (tmp_path / "taken").read_text() == "a file, not a directory"


def test_an_evaluation_of_names_like_markup_prints_as_it_is(typed, tmp_path):
    found = kept(tmp_path / "a.json")
    named = "[bold]latest[/]"
    renamed = dataclasses.replace(
        found,
        systems=(found.systems[0], dataclasses.replace(found.systems[1], name=named)),
        measures=(found.measures[0], dataclasses.replace(found.measures[1], system=named)),
        differences=(dataclasses.replace(found.differences[0], system=named),),
    )
    (tmp_path / "a.json").write_bytes(renamed.dump())
    assert f"Engine is ahead of {named}." in typed("report", tmp_path / "a.json").out

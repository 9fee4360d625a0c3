"""The report of a schedule replays the last days, and keeps the newest pages."""

from pathlib import Path

import pytest

from recsys.errors import DataError
from recsys.policy import Policy
from training.evaluation import Evaluation
from training.recipe import Recipe
from training.review import reports, review
from training.timetable import Reports

SMALL = Recipe(dims=8, factors=8, rank_questions=0)
NOW = 1_507_690_800


def reviewed(known: object, folder: Path, now: int = NOW, **settings: float) -> tuple[str, dict]:
    chosen = Reports(days=0.02, questions=60, **settings)
    return review(known, folder, SMALL, Policy(), now, chosen, "the store of this test")


@pytest.fixture(scope="module")
def told(sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    folder = tmp_path_factory.mktemp("var") / "reports"
    folder.mkdir()
    (folder / ".new-0123").mkdir()  # what a killed run left
    (folder / ".new-0123" / "half.html").touch()
    reviewed(sample, folder, keep=1)
    return reviewed(sample, folder, NOW + 1, keep=1)


def test_the_newest_pages_stay_with_what_was_found_and_nothing_half_written(told) -> None:
    page = Path(told[1]["report"])
    assert sorted(page.parent.iterdir()) == [page, page.with_suffix(".json")]
    assert page.name == "20171011T030001Z.html"
    assert reports(page.parent) == [page]


def test_a_page_compares_the_engine_with_simple_rivals_on_the_last_days(told) -> None:
    summary, detail = told
    page = Path(detail["report"])
    found = Evaluation.load(page.with_suffix(".json"))
    assert found.systems[0].kind == "engine"
    assert {system.kind for system in found.systems[1:]} == {"baseline"}
    assert (found.cut, found.end) == (detail["cut"], detail["end"])
    assert found.end - found.cut == 1_728
    assert found.command == "recsys job report"
    assert sum(asked.questions for asked in found.asked) > 0
    assert "the store of this test" in page.read_text()
    assert summary.startswith(("Engine", "The engine", "Nothing"))


def test_without_events_there_is_nothing_to_replay(sample, tmp_path: Path) -> None:
    summary, detail = reviewed(sample.snapshot(0), tmp_path / "reports")
    assert (summary, detail) == ("there is nothing to replay yet", {})
    assert list((tmp_path / "reports").iterdir()) == []


def test_a_folder_that_is_none_is_told_with_its_name(sample, tmp_path: Path) -> None:
    (tmp_path / "reports").touch()
    with pytest.raises(DataError, match=r"no report in .*reports: "):
        reviewed(sample, tmp_path / "reports")

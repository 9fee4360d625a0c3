"""Notebooks run as they are, without a word on stderr, and show what is committed."""

import math
import re
import runpy
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
LARGEST = 1_000_000
"""Bytes of a notebook: people look at them on the web."""

executed = runpy.run_path(str(FOLDER / "execute.py"))["executed"]
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def said(cell: NotebookNode) -> list[str]:
    """Return what a cell printed and showed as text; a picture is its kind."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            found.append("a picture")
        else:
            found.append(output.get("text") or data.get("text/markdown") or data["text/plain"])
    return found


def words(text: str) -> str:
    """Return text without its numbers and the room that they take."""
    return " ".join(NUMBER.sub("#", text).split())


def numbers(text: str) -> list[float]:
    return [float(n.replace(",", "").replace("−", "-")) for n in NUMBER.findall(text)]


def close(a: str, b: str) -> bool:
    """Return whether texts are the same but for numbers that another processor rounds otherwise."""
    return words(a) == words(b) and all(
        math.isclose(x, y, rel_tol=0.02, abs_tol=0.01)
        for x, y in zip(numbers(a), numbers(b), strict=True)
    )


def test_there_is_one_for_each_thing_that_an_analyst_does():
    names = ["1_explore", "2_compare_and_tune", "3_read_a_report", "4_judge_a_policy"]
    assert [path.stem for path in NOTEBOOKS] == names


@each
def test_it_shows_what_is_committed(path, tmp_path):
    # A copy: what a notebook writes beside itself must not land here.
    copy = tmp_path / "notebooks"
    shutil.copytree(FOLDER, copy)
    anew = executed(copy / path.name)
    for now, kept in zip(code(anew), code(nbformat.read(path, as_version=4)), strict=True):
        shown, committed = said(now), said(kept)
        assert len(shown) == len(committed), now.source
        for a, b in zip(shown, committed, strict=True):
            assert close(a, b), f"make notebooks, and look at what changed:\n{b}\n\nis now\n\n{a}"


@each
def test_what_is_committed_ran_from_top_to_bottom_and_has_pictures(path):
    kept = nbformat.read(path, as_version=4)
    nbformat.validate(kept)
    assert [cell.execution_count for cell in code(kept)] == list(range(1, len(code(kept)) + 1))
    outputs = [output for cell in code(kept) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < LARGEST


@each
def test_what_is_committed_holds_nothing_of_who_ran_it_and_when(path):
    kept = nbformat.read(path, as_version=4)
    assert kept.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert not any(cell.metadata for cell in kept.cells)
    text = path.read_text("utf-8")
    assert str(Path.home()) not in text
    assert not re.search(r"recsys-[a-z0-9_]{8}\b", text)  # a temporary directory


@each
def test_every_picture_is_told_in_words_below_it(path):
    kept = nbformat.read(path, as_version=4)
    for cell, below in zip(kept.cells, [*kept.cells[1:], NotebookNode()], strict=True):
        if cell.cell_type == "code" and "a picture" in said(cell):
            assert re.match(r"\*[A-Z][^*]{60,}\.\*\n\n.{60,}", below.source, re.DOTALL)


@each
def test_it_ends_with_what_to_change_for_data_of_ones_own(path):
    last = nbformat.read(path, as_version=4).cells[-1]
    assert last.cell_type == "markdown"
    assert "## With your own data" in last.source
    assert "Store.open" in last.source


def ran(folder: Path, source: str) -> NotebookNode:
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), folder / "a.ipynb")
    return executed(folder / "a.ipynb")


def test_a_notebook_runs_in_this_interpreter_where_its_file_is(tmp_path):
    import sys

    done = ran(tmp_path, "import os, sys\nprint(sys.executable)\nprint(os.getcwd())")
    assert said(done.cells[0]) == [f"{sys.executable}\n{tmp_path}\n"]


def test_a_notebook_that_fails_or_complains_is_not_kept(tmp_path):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        ran(tmp_path, "1 / 0")
    with pytest.raises(RuntimeError, match=r"a\.ipynb complains.*old news"):
        ran(tmp_path, "import warnings\nwarnings.warn('old news')")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("HR@10 is 0.311 (0.277)", "HR@10 is 0.312  (0.277)", True),
        ("gain −0.004", "gain +0.002", True),
        ("HR@10 is 0.311", "HR@10 is 0.411", False),
        ("ahead by 0.1", "behind by 0.1", False),
        ("1,884 boxes", "1,200 boxes", False),
    ],
)
def test_outputs_are_the_same_where_words_are_and_numbers_nearly(a, b, same):
    assert close(a, b) == same

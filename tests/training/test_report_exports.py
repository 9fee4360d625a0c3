"""What leaves a report as CSV, JSON and LaTeX is what was measured, and nothing else."""

import csv
import dataclasses
import io
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import DataError
from training.evaluation import Difference, Evaluation, Measure
from training.report.exports import COLUMNS, escaped, marked, to_csv, to_latex, to_markdown
from training.report.tables import Cell, Table, every

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["=1+1", "+A1", "-2", "@SUM(A1)", "\t=1", "＝cmd", "'quoted", 'a"b,c\nd', "手仕事の町を歩く"]
)
REAL = st.floats(-1e6, 1e6)
MEASURES = st.builds(
    Measure,
    task=TEXT,
    system=TEXT,
    metric=TEXT,
    questions=st.integers(0, 10**9),
    mean=REAL,
    low=st.none() | REAL,
    high=st.none() | REAL,
    segment=TEXT,
    part=TEXT,
)
DIFFERENCES = st.builds(
    Difference, TEXT, TEXT, TEXT, TEXT, mean=REAL, low=REAL, high=REAL, p=REAL, adjusted=REAL
)
ALONE = Evaluation(
    *("", 0, 0, 0, "one cut", 0, 0, 0, 0, (), "", {}, {}),
    systems=(),
    measures=(),
    differences=(),
)


def rows(evaluation: Evaluation) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(evaluation), newline="")))


def read(row: dict[str, str], kind: Any) -> Any:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        cell = row["adjusted_p" if field.name == "adjusted" else field.name]
        if field.name in ("mean", "low", "high", "p", "adjusted"):
            values[field.name] = float(cell) if cell else None
        else:
            values[field.name] = int(cell) if field.name == "questions" else cell.removeprefix("'")
    return kind(**values)


@given(st.lists(MEASURES, max_size=4), st.lists(DIFFERENCES, max_size=4))
def test_csv_holds_every_measure_and_difference_unrounded(measures, differences):
    evaluation = dataclasses.replace(
        ALONE, measures=tuple(measures), differences=tuple(differences)
    )
    found = rows(evaluation)
    kinds = {"measure": Measure, "difference": Difference}
    assert [read(row, kinds[row["kind"]]) for row in found] == [*measures, *differences]


@given(MEASURES)
def test_no_text_in_csv_is_a_formula(measure):
    [row] = rows(dataclasses.replace(ALONE, measures=(measure,)))
    for name in COLUMNS[:7]:
        assert not row[name].startswith(
            ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
        )


def test_csv_is_empty_where_nothing_was_measured():
    unknown = Measure("task", "engine", "HR@10", 0, math.nan, math.nan, None)
    [row] = rows(dataclasses.replace(ALONE, measures=(unknown,)))
    assert [row[name] for name in ("mean", "low", "high", "p")] == [""] * 4
    assert rows(ALONE) == []


def test_json_gives_back_what_was_found(finding, tmp_path):
    known = finding(tasks=("next click", "next article"))
    path = tmp_path / "found.json"
    path.write_bytes(known.dump())
    loaded = Evaluation.load(path)
    assert dataclasses.replace(loaded, recipe={}, policy={}) == dataclasses.replace(
        known, recipe={}, policy={}
    )
    assert loaded.dump() == known.dump()


def test_what_could_not_be_measured_survives_json(finding, tmp_path):
    path = tmp_path / "found.json"
    path.write_bytes(finding({"engine": math.nan, "latest": 0.1}).dump())
    loaded = Evaluation.load(path)
    assert math.isnan(loaded.measures[0].mean)
    assert math.isnan(loaded.differences[0].mean)


def test_what_is_no_evaluation_is_refused_by_its_first_wrong_field(finding, tmp_path):
    path = tmp_path / "found.json"
    path.write_bytes(finding().dump().replace(b'"seed": 7', b'"seed": "seven"'))
    with pytest.raises(DataError, match=r"found.json is not an evaluation: seed: "):
        Evaluation.load(path)
    with pytest.raises(DataError, match=r"none.json cannot be read: No such file"):
        Evaluation.load(tmp_path / "none.json")


def test_latex_holds_every_table_of_the_report(finding):
    known = finding()
    written = to_latex(known)
    assert written.count(r"\begin{longtable}") == len(every(known)) >= 6
    assert r"\textbf{engine} & 0.310 & 0.155 & 0.186 & -- & -- & -- \\*" in written
    assert r"co-visitation & 0.240 & 0.120 & 0.144 & $-$0.070 & 0.001 & behind \\*" in written
    labels = re.findall(r"\\label\{(.*?)\}", written)
    assert len(set(labels)) == len(labels)


COMMAND = re.compile(r"\\[A-Za-z]+\{?\}?|\\[{}$&#%_]|\$[-<>]\$")


@given(st.text())
def test_no_text_is_a_command_to_latex(text):
    left = re.sub(r"\\text(backslash|asciitilde|asciicircum)\{\}", "", escaped(text))
    left = re.sub(r"\\[{}$&#%_]|\$[-<>]\$|\{[\[\]*]\}", "", left)
    assert not set(left) & set("\\{}$&#%_~^<>[]*\n\r\t\x00")


@given(st.text(max_size=8), st.text(max_size=8))
def test_every_row_of_latex_has_as_many_cells_as_its_head(system, metric):
    names = {"engine": 0.3, f"{system} ": 0.2}
    measures = tuple(
        Measure(task, name, metric or "HR@10", 10, mean, mean, mean)
        for task in ("next click", "\\end{longtable} % & $")
        for name, mean in names.items()
    )
    from training.evaluation import Contender

    systems = tuple(Contender(name, "baseline", 1.0) for name in names)
    evaluation = dataclasses.replace(ALONE, systems=systems, measures=measures)
    written = to_latex(evaluation)
    bare = re.sub(r"\\[{}&$%#_\\]", "", written)
    assert bare.count("{") == bare.count("}")
    assert written.count(r"\begin{longtable}") == written.count(r"\end{longtable}")
    for block in written.split(r"\begin{longtable}")[1:]:
        columns = re.match(r"\{@\{\}(l?r*)@\{\}\}", block)
        assert columns
        for line in block.splitlines():
            if line.endswith((r" \\", r" \\*")):
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1


def test_every_table_is_as_wide_as_its_head(finding):
    tables: list[Table] = every(finding(tasks=("next click", "next article")))
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_markdown_shows_figures_with_their_intervals_and_the_reference_in_bold():
    rows = (
        (Cell("engine"), Cell("0.310", 0.31, "0.300 to 0.320")),
        (Cell("most popular"), Cell("–")),
    )
    assert to_markdown(Table("next click", ("system", "HR@10"), rows, "engine")).splitlines() == [
        "**next click**",
        "",
        "| system | HR@10 |",
        "| --- | ---: |",
        "| **engine** | 0.310 (0.300 to 0.320) |",
        "| most popular | – |",
    ]


@given(st.text(max_size=8), st.text(max_size=8))
def test_no_name_breaks_a_table_of_markdown(system, caption):
    rows = ((Cell(system), Cell("0.1", 0.1, system)),)
    lines = to_markdown(Table(caption, (system, system), rows)).splitlines()
    assert len(lines) == 5
    for line in lines[2:]:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


@pytest.mark.parametrize(
    "text", ["<b>", "*a*", "_a_", "[a](b)", "a|b", "`a`", "~~a~~", "$a$", "&a;"]
)
def test_no_text_is_markup_to_markdown(text):
    assert re.sub(r"\\(.)", "", marked(text)) == re.sub(r"[\\`*_\[\]<>|~$&]", "", text)

"""What a report draws and lays out: the colours of the page, names that fit, the best first."""

import dataclasses
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from training.report import figures, tables
from training.report.plots import (
    COLOURS,
    LETTERS,
    Series,
    accessible,
    dots,
    lines,
    scatter,
    shortened,
)

THREE = np.array([0.1, math.nan, 0.3])
ROWS = ("one", '<two> & "three"', "手仕事の町を歩く")


SERIES = Series("engine", THREE, THREE - 0.1, THREE + 0.1)
PLACES = np.array([0.1, 0.2, 0.2])
DRAWINGS = {
    "dots": lambda: dots(ROWS, [SERIES], "HR@10", zero=True, strong=0),
    "dots of three": lambda: dots(ROWS, [SERIES] * 3, "HR@10"),
    "lines": lambda: lines([SERIES, SERIES], ("x", "y"), parts=ROWS),
    "calibration": lambda: lines([dataclasses.replace(SERIES, x=THREE)], ("x", "y"), diagonal=True),
    "scatter": lambda: scatter(ROWS, PLACES, PLACES, ("x", "y")),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_a_drawing_is_markup_in_the_colours_of_the_page(kind):
    svg = DRAWINGS[kind]()
    tree = ElementTree.fromstring(accessible(svg, "one", "A <name>", "What & how"))
    assert tree.findtext("title") == "A <name>"
    assert tree.findtext("desc") == "What & how"
    assert tree.attrib["aria-labelledby"] == "one-title"
    assert not re.findall(r"#[0-9a-f]{6}", svg)
    used = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg)) - {"none"}
    assert used <= set(COLOURS.values())
    assert "font-family" not in svg
    assert "xmlns" not in svg
    assert svg == DRAWINGS[kind]()  # one evaluation, one file


def test_two_drawings_on_a_page_share_no_id():
    svg = DRAWINGS["lines"]()
    found = [set(re.findall(r'id="(.*?)"', accessible(svg, id, "", ""))) for id in ("a", "b")]
    assert found[0]
    assert not found[0] & found[1]
    used = re.findall(r'(?:url\(#|href="#)(.*?)[")]', accessible(svg, "a", "", ""))
    assert used
    assert set(used) <= found[0]


def test_a_name_fits_beside_its_row():
    assert shortened("recent popularity (1 h)") == "recent popularity (1 h)"
    assert len(shortened("x" * 100)) == LETTERS
    assert shortened("x" * 100).endswith("…")
    assert shortened("手" * 100) == "手" * ((LETTERS - 1) // 2) + "…"  # each is as wide as two
    assert shortened("two\nlines\x00\u202eturned") == "two lines turned"


def test_the_best_comes_first_and_what_is_not_known_last(finding):
    known = finding({"engine": 0.2, "latest": math.nan, "co-visitation": 0.3})
    table = tables.main(known, "next click", tables.contenders(known))
    assert [row[0].text for row in table.rows] == ["co-visitation", "engine", "latest"]
    assert [row[1].text for row in table.rows] == ["0.300", "0.200", "–"]
    assert table.strong == "engine"


def test_parts_of_the_engine_have_a_table_of_their_own(finding):
    known = finding()
    rivals = tables.main(known, "next click", tables.contenders(known))
    parts = tables.ablation(known, "next click", tables.ablations(known))
    assert [row[0].text for row in rivals.rows] == ["engine", "co-visitation", "latest"]
    assert [row[0].text for row in parts.rows] == ["engine", "engine, page only"]
    assert parts.rows[1][4].text == "−0.050"


def test_a_figure_says_the_same_as_its_table(finding):
    known = finding()
    [figure] = figures.standing(known, "next click")
    assert [row[0].text for row in figure.table.rows] == ["engine", "co-visitation", "latest"]
    assert [row[1].value for row in figure.table.rows] == [0.31, 0.24, 0.05]
    [by_day, by_hour] = figures.by_segment(known, "next click", timed=True)
    assert [row[0].text for row in by_day.table.rows] == ["2017-10-11", "2017-10-12", "2017-10-13"]
    assert by_day.table.head == ("day", "questions", "engine", "co-visitation", "latest")
    assert len(by_hour.table.rows) == 24


def test_one_part_of_a_segment_is_no_figure(finding):
    known = finding()
    one = tuple(m for m in known.measures if not m.segment or m.part in ("2017-10-11", "known"))
    known = dataclasses.replace(known, measures=one)
    assert figures.by_segment(known, "next click", timed=True) == []
    assert figures.by_segment(known, "next click", timed=False) == []


def test_the_sources_of_links_stand_beside_the_sources_of_hits(finding):
    *_, sources = tables.shares(finding(), "next click")
    assert sources.head == ("source", "of its links", "of its hits")
    assert [[cell.text for cell in row] for row in sources.rows] == [
        ["related", "0.500", "0.500"],
        ["trending", "0.500", "0.500"],
    ]

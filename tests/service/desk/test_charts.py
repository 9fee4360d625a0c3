"""Drawings stay within their frame, say in words what they show, and let no name out of it."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.desk.charts import (
    HEIGHT,
    SPAN_WIDTH,
    SPARK_HEIGHT,
    WIDTH,
    ceiling,
    date,
    line,
    percent,
    span,
    sparkline,
)

DAY = 86_400
SHARES = st.floats(0, 1).map(lambda share: round(share, 9))


def parsed(svg: str) -> ET.Element:
    assert "style=" not in svg  # the policy of the desk forbids it
    return ET.fromstring(svg)


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+\.?\d*", text)]


@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_a_sparkline_has_a_point_for_each_count_and_the_most_on_top(counts):
    svg = parsed(sparkline(counts, 'Readers "<now>"'))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'Readers "<now>"'
    points = svg.find("polyline")
    if not counts:
        assert points is None
        return
    x, y = zip(*(map(float, p.split(",")) for p in points.get("points").split()), strict=True)
    assert len(x) == len(counts)
    assert list(x) == sorted(x)
    assert all(3 <= place <= SPARK_HEIGHT - 3 for place in y)
    assert min(y) == y[counts.index(max(counts))]
    assert float(svg.find("circle").get("cx")) == x[-1]


@given(SHARES, SHARES, SHARES, SHARES)
def test_a_bar_stays_in_its_cell_whatever_its_interval(value, low, high, top):
    svg = parsed(span(value, low, high, top))
    assert svg.get("aria-hidden") == "true"
    assert 0 < float(svg.find("rect").get("width")) <= SPAN_WIDTH - 4
    first, _, end, *_ = numbers(svg.find("path").get("d"))
    assert 2 <= first <= SPAN_WIDTH
    assert 2 <= end <= SPAN_WIDTH


@given(st.dictionaries(st.integers(0, 90), st.tuples(SHARES, SHARES, SHARES), min_size=1))
def test_a_line_stays_in_its_frame_and_breaks_where_a_day_is_missing(days):
    at = [day * DAY for day in sorted(days)]
    low, values, high = zip(*(sorted(days[when // DAY]) for when in at), strict=True)
    svg = parsed(line(at, values, low, high, step=DAY, said="all of it"))
    assert svg.get("aria-label") == "all of it"
    dots = svg.findall("circle")
    assert len(dots) == len(at)
    for dot in dots:
        assert 0 <= float(dot.get("cx")) <= WIDTH
        assert 0 <= float(dot.get("cy")) <= HEIGHT
    heights = [float(dot.get("cy")) for dot in dots]
    assert heights[values.index(max(values))] == min(heights)
    missing = sum(after - before > DAY for before, after in itertools.pairwise(at))
    alone = len(svg.findall("path[@class='whisker']"))
    assert len(svg.findall("polyline")) + alone == missing + 1
    assert len(svg.findall("polygon")) == len(svg.findall("polyline"))


def test_nothing_over_time_is_no_drawing():
    assert line([], [], [], [], step=DAY, said="") == ""


@given(st.floats(1e-9, 1))
def test_a_scale_ends_just_above_what_it_holds(highest):
    assert highest * 0.999 <= ceiling(highest) <= max(2 * highest, 0)


@pytest.mark.parametrize(
    ("share", "written"),
    [(0, "0"), (0.00001, "<0.01"), (0.0042, "0.42"), (0.05, "5.0"), (0.125, "12.5"), (1, "100")],
)
def test_small_shares_have_more_digits(share, written):
    assert percent(share) == f"{written}\u00a0%"


def test_hours_are_told_with_their_day():
    assert date(1_790_000_000, 3_600) == "21 Sep, 14:13"
    assert date(1_790_000_000, DAY) == "21 Sep"

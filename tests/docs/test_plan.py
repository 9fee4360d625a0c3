"""The plan on paper says what its command reckons, from what was measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "benchmarks"))

import figures  # noqa: E402
import measure  # noqa: E402
import plan  # noqa: E402
from figures import Place  # noqa: E402

RESULTS = """
<!-- widget -->
## What the box costs a page

| what is sent         | raw bytes |  gzip |
| -------------------- | --------: | ----: |
| the tag              |       152 |   143 |
| an answer, six cards |     3,480 | 1,200 |

Words between tables: it takes 1,250.5 s here.

| ms        | median        |
| --------- | ------------: |
| the tag   | 1.5 (1.2-9.0) |
<!-- end of widget -->
"""


def value(found: list[figures.Figure], name: str) -> figures.Figure:
    return next(figure for figure in found if figure.name == name)


def test_the_page_holds_what_the_command_prints():
    page, results = plan.PAGE.read_text("utf-8"), plan.RESULTS.read_text("utf-8")
    held = measure.held(page, "plan").strip()
    assert held == plan.plan(figures.read(results, {})), "run: python benchmarks/plan.py --page"


def test_a_figure_comes_from_the_results_unless_one_is_given():
    assert value(figures.read("", {}), "packed").kind == "provisional"
    recorded = value(figures.read(RESULTS, {}), "packed")
    assert (recorded.value, recorded.kind) == (1200, "`widget`")
    given = value(figures.read(RESULTS, {"packed": 7}), "packed")
    assert (given.value, given.kind) == (7, "given")


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (Place("widget", "the tag", "gzip"), 143),
        (Place("widget", "the tag", "median"), 1.5),
        (Place("widget", "the tag", "median", under="Words between"), 1.5),
        (Place("widget", "the tag", "gzip", under="Words between"), None),
        (Place("widget", said=r"takes ([\d,.]+) s here"), 1250.5),
        (Place("widget", said=r"takes ([\d,.]+) s there"), None),
        (Place("widget", "no such row", "gzip"), None),
        (Place("widget", "the tag", "no such column"), None),
        (Place("elsewhere", "the tag", "gzip"), None),
    ],
)
def test_a_number_is_read_from_where_row_and_column_meet_or_from_a_sentence(place, found):
    assert figures.number(RESULTS, place) == found


def test_twice_the_answers_take_twice_the_cores_and_what_breaks_holds_half_the_share():
    once, twice = ({f.name: f.value for f in figures.read("", own)} for own in ({}, {"rate": 1e5}))
    small, large = (dict(plan.reckoned(f)) for f in (once, twice))
    for name in ("serving", "events", "databases", "spark", "lake", "sent"):
        assert large[name].value == pytest.approx(2 * small[name].value)
    assert large["bundle"].value == small["bundle"].value
    shares = [
        [share for share, held, *_ in plan.broken(f, {n: s.value for n, s in steps.items()})
         if held.endswith("answers/s")]
        for f, steps in ((once, small), (twice, large))
    ]  # fmt: skip
    assert shares[1] == pytest.approx([share / 2 for share in shares[0]])


@pytest.mark.parametrize(
    ("given", "said"), [("speed=9", "no such figure"), ("rate=much", "expected NAME=VALUE")]
)
def test_what_cannot_be_set_is_said_in_one_sentence(given, said):
    command = [sys.executable, str(ROOT / "benchmarks" / "plan.py"), "--set", given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(said, done.stderr)
    assert "Traceback" not in done.stderr

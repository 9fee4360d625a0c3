"""The page of a report stands alone, says first who won, and bars nobody, whatever it names."""

import dataclasses
import itertools
import math
import re
import shlex
import tomllib
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from recsys.config import Place, parse
from recsys.policy import Policy
from training.evaluation import Contender, Evaluation
from training.recipe import Recipe
from training.report.page import command, page, settings, span

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Read(HTMLParser):
    """What a document is made of; raises where a tag is closed that was not opened last."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def values(self, *names: str) -> list[str]:
        return [value or "" for _, has in self.tags for name, value in has.items() if name in names]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def plain(known: Evaluation) -> Evaluation:
    """The same without what takes long to draw."""
    measures = tuple(m for m in known.measures if not m.segment)
    return dataclasses.replace(known, measures=measures, points=())


@pytest.fixture(scope="module")
def usual(finding) -> Read:
    return Read(page(finding()))


@pytest.fixture(scope="module")
def worst(finding, hostile) -> str:
    return page(hostile(finding()))


def many(known: Evaluation) -> Evaluation:
    """Forty systems: the second one as thirty-nine others."""
    names = [f"system {n} of forty" for n in range(39)]
    engine = known.systems[0].name

    def multiplied(values: tuple[Any, ...]) -> tuple[Any, ...]:
        own = [v for v in values if v.system == engine]
        others = [v for v in values if v.system == "co-visitation"]
        return (*own, *(dataclasses.replace(v, system=n) for n in names for v in others))

    return dataclasses.replace(
        known,
        systems=(known.systems[0], *(Contender(name, "peer", 1.0) for name in names)),
        measures=multiplied(known.measures),
        differences=multiplied(known.differences),
        examples=(),
    )


def test_the_first_words_are_who_won(usual, finding):
    assert usual.words.index("Engine is ahead of co-visitation") < 200
    assert "Engine is ahead of co-visitation – recsys report" in usual.words
    lost = Read(page(plain(finding({"engine": 0.2, "latest": 0.3}))))
    assert lost.words.index("Engine is behind latest") < 200


def test_it_says_what_was_compared_on_what(usual):
    for said in (
        "a made-up network",
        "12,345 events before 2017-10-11 03:00 UTC",
        "Warmed up for 1 hour",
        "6,789 events of 3 days, up to 2017-10-14 03:00 UTC",
        "900 questions, drawn evenly from 4,321",
        "Seed 7",
        "20171011T030000Z-abcdef",
        "The days were few.",
        "dims = 64",
        "other_sites_min = 0.5",
        "More like this",
        "Opened before: Pier",
    ):
        assert said in usual.words


def test_everything_that_was_measured_has_its_place(usual):
    for heading in (
        "Who does best",
        "Over time",
        "Day by day",
        "By hour",
        "By reader",
        "By length of the visit",
        "By age of the article",
        "By site",
        "HR@10 against diversity",
        "HR@10 against other sites",
        "Coverage",
        "Unevenness (Gini)",
        "Calibration",
        "Position bias",
        "What its parts are worth",
        "Where the links lead",
        "What readers would have seen",
        "What it costs",
    ):
        assert heading in usual.words
    assert sum(tag == "svg" for tag, _ in usual.tags) == 15


def test_a_metric_that_nobody_foresaw_is_shown(finding):
    known = plain(finding())
    extra = dataclasses.replace(known.measures[0], metric="charm", mean=0.777, segment="")
    odd = tuple(
        dataclasses.replace(known.measures[0], segment="weather", part=part)
        for part in ("rain", "sun")
    )
    measures = (*known.measures, extra, *odd)
    words = Read(page(dataclasses.replace(known, measures=measures))).words
    assert "charm" in words
    assert "0.777" in words
    assert "By weather" in words


def test_what_there_is_nothing_of_is_left_out(finding):
    known = finding({"engine": 0.3})
    bare = dataclasses.replace(
        known,
        measures=tuple(
            dataclasses.replace(m, low=None, high=None)
            for m in known.measures
            if m.metric == "HR@10" and not m.segment
        ),
        points=(),
        examples=(),
        notes=(),
        recipe={},
        policy={},
        bundle="",
        data="",
        warm_up=0,
    )
    read = Read(page(bare))
    assert "stands alone" in read.words
    for heading in ("Over time", "For whom", "Calibration", "Settings", "Warmed up", "Bundle"):
        assert heading not in read.words
    assert not [tag for tag, _ in read.tags if tag in ("svg", "figure")]
    for table in re.findall(r"<table>.*?</table>", page(bare), re.DOTALL):
        assert "<td>" in table


@pytest.mark.parametrize(
    "change",
    [
        {"measures": (), "differences": (), "points": (), "examples": (), "asked": ()},
        {"measures": (), "differences": ()},
        {"differences": ()},
    ],
)
def test_little_is_no_reason_to_fail(finding, change):
    Read(page(dataclasses.replace(plain(finding()), **change)))


def test_what_could_not_be_measured_is_a_dash(finding):
    none = plain(finding({"engine": math.nan, "latest": math.nan}))
    read = Read(page(none))
    assert "Nothing can be said" in read.words
    assert not re.search(r"\bnan\b", read.words, re.IGNORECASE)
    some = plain(finding({"engine": 0.3, "latest": math.nan, "co-visitation": 0.2}))
    assert "Engine is ahead of co-visitation" in Read(page(some)).words


def test_forty_systems_have_a_row_each(finding):
    read = Read(page(many(plain(finding()))))
    assert read.words.count("system 38 of forty") >= 3
    assert "the best of 39 others" in read.words


def test_nothing_of_a_name_becomes_markup(worst):
    read = Read(worst)
    assert "Engine <script>window.ran = 1</script> is ahead of" in read.words
    assert "<img src=x onerror='window.ran=1'>" in read.words
    assert not {tag for tag, _ in read.tags} & {"script", "img", "link", "iframe", "base", "object"}
    assert not [name for _, has in read.tags for name in has if name.startswith("on")]


def test_nothing_on_it_is_fetched_or_linked_to(worst):
    read = Read(worst)
    ids = Counter(read.values("id"))
    assert set(ids.values()) == {1}
    for address in read.values("href", "src", "xlink:href", "action"):
        assert address.startswith("#")
        assert address[1:] in ids
    for named in read.values("aria-labelledby", "aria-describedby"):
        assert named in ids
    for inside in re.findall(r"url\((.*?)\)", worst):
        assert inside.strip("'\"").removeprefix("#") in ids
    [policy] = [has for tag, has in read.tags if "http-equiv" in has]
    assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src")


def test_headings_skip_no_level(worst):
    levels = Read(worst).headings
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_table_has_a_caption_and_every_drawing_a_name_and_a_table(worst):
    read = Read(worst)
    count = Counter(tag for tag, _ in read.tags)
    assert count["caption"] == count["table"] > 10
    assert count["figure"] == count["details"] == count["desc"] > 10
    for tag, has in read.tags:
        if tag == "svg":
            assert has["role"] == "img"
        if tag == "th":
            assert has["scope"] in ("row", "col")


def test_one_evaluation_is_one_page_to_the_byte(finding):
    assert page(plain(finding())) == page(plain(finding()))


def test_settings_are_a_configuration(finding):
    known = finding()
    tables = tomllib.loads(settings(known))
    assert parse(Policy, tables["policy"], Place("x")) == Policy()
    assert parse(Recipe, tables["train"], Place("x")) == Recipe()
    assert settings(dataclasses.replace(known, recipe={}, policy={})) == ""


def test_what_to_type_to_repeat_it_is_what_was_typed_with_the_days_that_it_meant(finding):
    known = dataclasses.replace(
        finding(), command="recsys --var 'my net' evaluate --cut=2017-10-11"
    )
    assert shlex.split(command(known).replace("\\\n", "")) == [
        *("recsys", "--var", "my net", "evaluate", "--cut=2017-10-11"),
        *("--end", "2017-10-14T03:00:00"),
    ]


def test_what_was_not_typed_is_written_from_what_was_asked(finding):
    words = shlex.split(command(finding()).replace("\\\n", ""))
    assert words[:4] == ["recsys", "evaluate", "--split", "one cut"]
    given = dict(itertools.pairwise(words))
    assert given["--cut"] == "2017-10-11T03:00:00"
    assert given["--end"] == "2017-10-14T03:00:00"
    assert given["--seed"] == "7"
    assert given["--warm-up"] == "1"
    assert words.count("--system") == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 seconds"),
        (60, "1 minute"),
        (5400, "1.5 hours"),
        (86_400, "1 day"),
        (7 * 86_400, "7 days"),
    ],
)
def test_a_length_of_time_is_in_its_largest_unit(seconds, text):
    assert span(seconds) == text

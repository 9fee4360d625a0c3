"""A wrong setting fails by name, with its value and what was expected."""

import dataclasses
import json
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.config import Misread, Place, flat, load_toml, parse
from recsys.errors import ConfigError
from recsys.lines import located
from recsys.policy import (
    HalfLives,
    Policy,
    SectionRules,
    SiteQuota,
    SourceWeights,
    Sponsored,
    ToneRules,
    TrendRules,
    read_policy,
)
from training.recipe import Recipe


def test_what_is_not_said_keeps_its_default() -> None:
    read = parse(
        Policy, {"diversity": 0.5, "weights": {"related": 3}}, Place("recsys.toml", ("policy",))
    )
    assert read == Policy(diversity=0.5, weights=SourceWeights(related=3.0))


@pytest.mark.parametrize(
    ("cls", "table", "said"),
    [
        (Policy, {"divrsity": 0.5}, r"x \[t\]: unknown key 'divrsity'; did you mean 'diversity'?"),
        (Policy, {"weights": {"realted": 1}}, r"x \[t.weights\]: .*did you mean 'related'"),
        (Policy, {"weights": 3}, r"x \[t.weights\]: expected a table, found 3"),
        (Policy, {"qqq": 1}, "known: weights, other_sites_min"),
        (Policy, {"diversity": "much"}, "diversity = 'much'"),
        (Policy, {"diversity": 1.5}, "diversity = 1.5: expected between 0 and 1"),
        (Policy, {"other_sites_min": -0.1}, "other_sites_min = -0.1: expected between 0 and 1"),
        (Policy, {"weights": {"personal": -1}}, "personal = -1.0: expected 0 or more"),
        (Policy, {"half_lives": {"related": -1}}, "related = -1.0: expected 0 or more"),
        (Policy, {"weights": {"related": math.inf}}, "related = inf: .* 0 or more, not infinite"),
        (Policy, {"weights": {"related": math.nan}}, "related = nan: expected 0 or more"),
        (Policy, {"half_lives": {"personal": math.inf}}, "personal = inf: .*, not infinite"),
        (Policy, {"max_per_site": math.nan}, "max_per_site = nan: expected between 0 and 1"),
        (Recipe, {"dims": 0}, "dims = 0: expected 1 or more"),
        (Recipe, {"trend_half_lives": []}, "number of trend_half_lives = 0: expected 1 or more"),
        (Recipe, {"coread_half_lives": [60, 0]}, "coread_half_lives = 0.0: expected 1 or more"),
    ],
)
def test_a_wrong_setting_is_named(cls: type, table: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(cls, table, Place("x", ("t",)))


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "recsys.toml"
    path.write_text("[policy]\ndiversity = \n")
    with pytest.raises(ConfigError, match=r"recsys.toml.*line 2"):
        load_toml(path)
    with pytest.raises(ConfigError, match=r"cannot read .*missing.toml"):
        load_toml(tmp_path / "missing.toml")


def test_every_setting_moves_the_policys_id() -> None:
    changed = [
        Policy(other_sites_min=0.1),
        Policy(max_per_site=0.1),
        Policy(diversity=0.1),
        Policy(tone=ToneRules(page=False)),
        Policy(exploration=0.1),
        Policy(trends=TrendRules(floor=9.0)),
        Policy(languages=("ja",)),
        Policy(weights=SourceWeights(related=9.0)),
        Policy(half_lives=HalfLives(related=9.0)),
        Policy(sites={"daily": SiteQuota(min=0.1)}),
        Policy(sections={"guides": SectionRules(half_life=0.0)}),
        Policy(max_age=86_400),
        Policy(sponsored=Sponsored(most=0)),
        Policy(placements={"home": Policy(diversity=0.9)}),
    ]
    assert len({policy.id for policy in [Policy(), *changed]}) == len(changed) + 1
    assert len(changed) == len(dataclasses.fields(Policy))
    assert Policy().id == Policy().id


def test_a_placement_says_only_what_it_changes() -> None:
    table = {
        "diversity": 0.5,
        "sections": {"Travel": {"half_life": 0}},
        "placements": {"home": {"exploration": 0.2, "sections": {"Travel": {"max": 0.5}}}},
    }
    read = read_policy(table, Place("x", ("policy",)))
    assert read.diversity == read.at("home").diversity == 0.5
    assert (read.exploration, read.at("home").exploration) == (0.05, 0.2)
    assert read.at("home").sections["Travel"] == SectionRules(half_life=0.0, max=0.5)
    assert read.at("article") is read


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"sites": {"a": {"mim": 1}}}, r"\[policy.sites.a\]: unknown key 'mim'"),
        ({"sites": {"a": {"min": 0.7, "max": 0.2}}}, "min = 0.7: expected to be no more than max"),
        ({"sites": {"a": {"min": 0.7}, "b": {"min": 0.7}}}, "min of sites = 1.4 together"),
        (
            {"placements": {"home": {"divrsity": 1}}},
            r"placements.home\]: unknown key 'divrsity'",
        ),
        ({"placements": {"home": {"placements": {}}}}, "no placements of its own"),
        ({"placements": {"home": 3}}, r"\[policy.placements\]: home = 3: expected a table"),
        ({"sponsored": {"slots": [0]}}, "slots = 0: expected between 1 and 50"),
        ({"tone": {"page": "perhaps"}}, r"\[policy.tone\]: page = 'perhaps'"),
    ],
)
def test_a_wrong_policy_is_named(table: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_policy(table, Place("x", ("policy",)))


WRONG = """\
# Everything here is wrong, but for what is not.
[policy]
diversity = 2
other_sites_min = 0.4
max_per_site = "most"

[policy.weights]
related = -1
personal = 0.2
trending = inf
realted = 1

[policy.sponsored]
slots = [
    1,
    "two",
]
mots = 1

[policy."sections"."World News"]
min = 0.7
max = 0.2

[policy.placements.home]
sponsored = { most = 99 }
exploration = 0.1
"""


def wrong(text: str) -> list[str]:
    with pytest.raises(Misread) as misread:
        read_policy(tomllib.loads(text)["policy"], Place("x", ("policy",), text))
    assert str(misread.value) == "\n".join(map(str, misread.value.problems))
    return str(misread.value).splitlines()


def test_everything_that_is_wrong_is_told_once_with_its_line() -> None:
    assert wrong(WRONG) == [
        "x line 3 [policy]: diversity = 2.0: expected between 0 and 1",
        "x line 5 [policy]: max_per_site = 'most': Input should be a valid number, unable to parse"
        " string as a number",
        "x line 8 [policy.weights]: related = -1.0: expected 0 or more",
        "x line 10 [policy.weights]: trending = inf: expected 0 or more, not infinite",
        "x line 11 [policy.weights]: unknown key 'realted'; did you mean 'related'?",
        "x line 14 [policy.sponsored]: slots.1 = 'two': Input should be a valid integer, unable to"
        " parse string as an integer",
        "x line 18 [policy.sponsored]: unknown key 'mots'; did you mean 'most'?",
        'x line 21 [policy.sections."World News"]: min = 0.7: expected to be no more than'
        " max = 0.2",
        "x line 25 [policy.placements.home.sponsored]: most = 99: expected between 0 and 50",
    ]


def test_what_a_placement_makes_impossible_is_told_of_the_placement() -> None:
    text = "[policy.sites.a]\nmax = 0.5\n\n[policy.placements.home.sites.a]\nmin = 0.8\n"
    assert wrong(text) == [
        "x line 5 [policy.placements.home.sites.a]: min = 0.8: expected to be no more than"
        " max = 0.5"
    ]


def test_settings_are_told_by_their_paths() -> None:
    policy = Policy(sites={"a": SiteQuota(min=0.1)}, placements={"home": Policy(diversity=0.9)})
    told = flat(policy, "placements")
    assert told["weights.related"] == 2.0
    assert told["sites.a.min"] == 0.1
    assert told["sponsored.slots"] == ()
    assert not any("placements" in path for path in told)
    assert flat(policy)["placements.home.diversity"] == 0.9


# A document is written line by line, so that it is known where everything stands.
BARE = st.sampled_from(["a", "b", "c-d", "e_f", "1", "[", "x.y", "#", "=", 'say "so"', "ü", ""])
VALUES = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(
        [
            "true",
            "inf",
            "2026-11-23T18:00:00Z",
            '"# no [comment] = 1"',
            "'lit = \"eral'",
            '"""\n[no.table]\nno = "key" # 3\n"""',
            "'''\n[[no]]\n'''''",
            '"""a \\"""\nb"""',
            "[ 1,\n  2, # two ]\n]",
            '[\n"[a]",\n[ 3 ],\n]',
            "[]",
        ]
    ),
)


def written(key: str) -> str:
    plain = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if plain else json.dumps(key, ensure_ascii=False)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple, int]]:
    """Return a valid document, and the line of each of its headers and keys."""
    lines: list[str] = []
    where: dict[tuple, int] = {}
    arrays: dict[str, int] = {}
    single = draw(st.lists(BARE, max_size=4, unique=True))
    several = draw(st.lists(BARE.filter(lambda key: key not in single), max_size=2, unique=True))
    tables: list[tuple] = [(), *((name,) for name in single)]
    tables += [(name,) for name in several for _ in range(draw(st.integers(1, 3)))]
    for table in tables:
        lines += draw(st.lists(st.sampled_from(["", "  ", "# [no] = 1"]), max_size=2))
        path: tuple = ()
        if table:
            (name,) = table
            array = name in several
            indent = draw(st.sampled_from(["", "\t "]))
            brackets = ("[[", "]]") if array else ("[", "]")
            lines.append(f"{indent}{written(name).join(brackets)} # [comment]")
            arrays[name] = arrays.get(name, -1) + 1
            path = (name, arrays[name]) if array else (name,)
            where[path] = len(lines)
        for key in draw(st.lists(BARE, max_size=4, unique=True)):
            if not table and key in (*single, *several):
                continue
            value = draw(VALUES)
            below = draw(st.sampled_from(["", "dotted", "inline"]))
            begun = len(lines) + 1
            if below == "dotted":
                where[(*path, key, "k")] = begun
                text = f"{written(key)} . k = {value}"
            elif below == "inline" and "\n" not in value:
                where[(*path, key, "k")] = begun
                text = f"{written(key)} = {{ k = {value}, l = {{}} }}"
            else:
                text = f"{written(key)} = {value}"
            where[(*path, key)] = begun
            lines += f"{text} # [end]".split("\n")
        if table and draw(st.booleans()):
            lines += ["", f"[{written(table[0])}.'sub table'.deep]", "z = 1"]
            where[(*path, "sub table", "deep")] = len(lines) - 1
            where[(*path, "sub table", "deep", "z")] = len(lines)
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines), where


def paths(value: object) -> Iterator[tuple]:
    parts = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    for key, part in parts:
        yield (key,)
        if isinstance(part, dict | list):
            yield from ((key, *path) for path in paths(part))


@given(documents())
def test_everything_in_a_document_is_found_on_its_line(made: tuple[str, dict]) -> None:
    text, where = made
    found = located(text)
    assert {path: found.get(path) for path in where} == where
    assert set(found) == set(paths(tomllib.loads(text)))


def test_a_table_that_only_its_parts_name_is_where_the_first_is() -> None:
    found = located("[a.b]\nx = 1\n[a.c]\n[[d.e]]\n[d.e.f]\n[[d.e]]\n[a]\n")
    assert found[("a",)] == 7
    assert found[("a", "b")] == 1
    assert found[("d",)] == found[("d", "e")] == found[("d", "e", 0)] == 4
    assert found[("d", "e", 0, "f")] == 5
    assert found[("d", "e", 1)] == 6

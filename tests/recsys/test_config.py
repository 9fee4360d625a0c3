"""A wrong setting fails by name, with its value and what was expected."""

import dataclasses
import math
from pathlib import Path

import pytest

from recsys.config import load_toml, parse
from recsys.errors import ConfigError
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
    read = parse(Policy, {"diversity": 0.5, "weights": {"related": 3}}, "recsys.toml [policy]")
    assert read == Policy(diversity=0.5, weights=SourceWeights(related=3.0))


@pytest.mark.parametrize(
    ("cls", "table", "said"),
    [
        (Policy, {"divrsity": 0.5}, r"x \[t\]: unknown key 'divrsity'; did you mean 'diversity'?"),
        (Policy, {"weights": {"realted": 1}}, r"x \[t\] weights: .*did you mean 'related'"),
        (Policy, {"qqq": 1}, "known keys: weights, other_sites_min"),
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
        parse(cls, table, "x [t]")


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
    read = read_policy(table, "x [policy]")
    assert read.diversity == read.at("home").diversity == 0.5
    assert (read.exploration, read.at("home").exploration) == (0.05, 0.2)
    assert read.at("home").sections["Travel"] == SectionRules(half_life=0.0, max=0.5)
    assert read.at("article") is read


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"sites": {"a": {"mim": 1}}}, r"\[policy\] sites a: unknown key 'mim'"),
        ({"sites": {"a": {"min": 0.7, "max": 0.2}}}, "min = 0.7: expected to be no more than max"),
        ({"sites": {"a": {"min": 0.7}, "b": {"min": 0.7}}}, "min of sites = 1.4 together"),
        ({"placements": {"home": {"divrsity": 1}}}, "placements home: unknown key 'divrsity'"),
        ({"placements": {"home": {"placements": {}}}}, "no placements of its own"),
        ({"placements": {"home": 3}}, "placements home = 3: expected a table"),
        ({"sponsored": {"slots": [0]}}, "slots = 0: expected between 1 and 50"),
        ({"tone": {"page": "perhaps"}}, "tone.page = 'perhaps'"),
    ],
)
def test_a_wrong_policy_is_named(table: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_policy(table, "x [policy]")

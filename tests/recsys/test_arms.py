"""Who is in which arm is a matter of a hash: the same for ever, even, and of nobody else's draw."""

import dataclasses
import datetime
import tomllib

import pytest
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from scipy import stats

from recsys.arms import Arm, Experiment, read_experiment
from recsys.config import Place
from recsys.errors import ConfigError
from recsys.policy import Policy, SourceWeights, TrendRules

READERS = [f"{number:032x}" for number in range(2_000)]
names = st.from_regex(r"[A-Za-z0-9._-]{1,32}", fullmatch=True)
salts = st.text(max_size=20)
NEVER_BY_CHANCE = 1e-9
"""Probability of failing although all is well; Hypothesis looks many times."""


@st.composite
def experiments(draw: st.DrawFn, **fixed: object) -> Experiment:
    weights = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    shares = [weight / sum(weights) for weight in weights]
    arms = tuple(Arm(f"arm-{place}", share) for place, share in enumerate(shares))
    values = {"id": draw(names), "arms": arms, "salt": draw(salts)}
    return Experiment(**(values | fixed))


def drawn(experiment: Experiment, readers: list[str] = READERS) -> list[int]:
    """The place of each reader's arm, -1 for those who take no part."""
    places = {arm.name: place for place, arm in enumerate(experiment.arms)}
    return [places[arm.name] if (arm := experiment.arm_of(r, 0)) else -1 for r in readers]


@given(experiment=experiments(), reader=st.text(min_size=1, max_size=40), now=st.integers(0, 2**40))
def test_a_reader_is_in_the_same_arm_every_time_and_everywhere(
    experiment: Experiment, reader: str, now: int
) -> None:
    elsewhere = Experiment(str(experiment.id), tuple(experiment.arms), experiment.salt)
    assert experiment.arm_of(reader, 0) == elsewhere.arm_of(reader, now)
    assert experiment.arm_of(reader, 0) in experiment.arms


def test_the_assignment_never_changes_between_versions_of_this_program() -> None:
    experiment = Experiment("more-trends", (Arm("as-it-is", 0.5), Arm("trends", 0.5)), "s")
    arms = "".join(str(place) for place in drawn(experiment, READERS[:32]))
    assert arms == "10111001000101001111010011100010"


@effort(max_examples=25)
@given(experiment=experiments())
def test_arms_get_their_shares_within_what_chance_allows(experiment: Experiment) -> None:
    arms = drawn(experiment)
    for place, arm in enumerate(experiment.arms):
        found = stats.binomtest(arms.count(place), len(READERS), arm.share)
        assert found.pvalue > NEVER_BY_CHANCE


@effort(max_examples=25)
@given(experiment=experiments(), other=experiments(), name=names, salt=salts)
def test_another_salt_and_another_experiment_draw_readers_independently(
    experiment: Experiment, other: Experiment, name: str, salt: str
) -> None:
    assume(name != experiment.id)
    assume(salt != experiment.salt)
    for second in (
        dataclasses.replace(experiment, salt=salt),
        dataclasses.replace(experiment, id=name),
        dataclasses.replace(other, id=name),
    ):
        pairs = stats.contingency.crosstab(drawn(experiment), drawn(second))
        assert stats.chi2_contingency(pairs.count).pvalue > NEVER_BY_CHANCE


@given(experiment=experiments(), other=experiments())
def test_another_experiment_moves_nobody(experiment: Experiment, other: Experiment) -> None:
    before = drawn(experiment, READERS[:50])
    drawn(other, READERS[:50])
    assert drawn(experiment, READERS[:50]) == before


@effort(max_examples=25)
@given(experiment=experiments(), percent=st.tuples(*[st.integers(0, 100)] * 2))
def test_more_traffic_takes_readers_in_and_moves_nobody_between_arms(
    experiment: Experiment, percent: tuple[int, int]
) -> None:
    low, high = (part / 100 for part in sorted(percent))
    few = drawn(dataclasses.replace(experiment, traffic=low))
    many = drawn(dataclasses.replace(experiment, traffic=high))
    whole = drawn(experiment)
    for one, more, all_ in zip(few, many, whole, strict=True):
        assert one in (-1, more)
        assert more in (-1, all_)
    taking_part = len(READERS) - few.count(-1)
    assert stats.binomtest(taking_part, len(READERS), low).pvalue > NEVER_BY_CHANCE


def test_nobody_is_in_an_arm_before_the_start_or_after_the_end_or_without_a_name() -> None:
    arms = Arm("a", 0.5), Arm("b", 0.5)
    timed = Experiment("x", arms, start=100, end=200)
    assert [bool(timed.arm_of("r", now)) for now in (99, 100, 199, 200)] == [0, 1, 1, 0]
    assert Experiment("x", arms, start=100).arm_of("r", 2**60) in arms
    assert timed.arm_of("", 150) is None


CONFIG = """
[policy]
diversity = 0.7
weights.related = 9

[experiment]
id = "more-trends"
start = 2026-11-24T06:00:00+09:00
end = 2026-12-24

[[experiment.arms]]
name = "as-it-is"
share = 0.25

[[experiment.arms]]
name = "trends"
share = 0.75
bundle = "20261123-1800"
policy.weights.trending = 1.0
policy.trends = { floor = 3.0 }
"""


def test_an_arm_says_only_what_it_changes_of_the_policy() -> None:
    tables = tomllib.loads(CONFIG)
    read = read_experiment(tables["experiment"], tables["policy"], Place("x"))
    plain = Policy(diversity=0.7, weights=SourceWeights(related=9.0))
    changed = dataclasses.replace(
        plain,
        weights=SourceWeights(related=9.0, trending=1.0),
        trends=TrendRules(floor=3.0),
    )
    assert read.arms == (
        Arm("as-it-is", 0.25, "", plain),
        Arm("trends", 0.75, "20261123-1800", changed),
    )
    assert read.label(read.arms[1]) == "more-trends/trends"
    assert read.bundles == {"20261123-1800"}
    utc = datetime.UTC
    assert read.start == datetime.datetime(2026, 11, 23, 21, tzinfo=utc).timestamp()
    assert read.end == datetime.datetime(2026, 12, 24, tzinfo=utc).timestamp()


def arm(name: object = "a", **values: object) -> dict[str, object]:
    return {"name": name, "share": 0.5, **values}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"id": "two words"}, "id = 'two words': expected 1 to 32 letters"),
        ({"idd": "x"}, "unknown key 'idd'; did you mean 'id'"),
        ({"arms": {"a": {}}}, r"arms = .*: expected tables \[\[experiment.arms\]\]"),
        ({"arms": [arm()]}, r"names of arms = \['a'\]: expected two or more, all different"),
        ({"arms": [arm(), arm()]}, r"names of arms = \['a', 'a'\]: .* all different"),
        ({"arms": [arm(share=0.6), arm("b")]}, r"shares of arms = \[0.6, 0.5\]: .*add up to 1"),
        (
            {"arms": [arm(share=0), arm("b")]},
            r"x \[\[experiment.arms\]\]: share = 0.0: expected between 0.001 and 1",
        ),
        ({"arms": [{"name": "a"}]}, r"x \[\[experiment.arms\]\]: share is missing"),
        ({"arms": [arm(), {"share": 0.5}]}, r"x \[\[experiment.arms\]\]: name is missing"),
        ({"arms": [arm("a/b")]}, r"arms\]\]: name = 'a/b': expected 1 to 32 letters"),
        ({"arms": [arm(polcy={})]}, r"arms\]\]: unknown key 'polcy'; did you mean 'policy'"),
        (
            {"arms": [arm(policy={"divrsity": 1})]},
            r"\[experiment.arms.policy\]: .* did you mean 'diversity'",
        ),
        (
            {"arms": [arm(policy={"weights": {"relted": 1}})]},
            r"\[experiment.arms.policy.weights\]: .*'related'",
        ),
        (
            {"arms": [arm(policy={"diversity": 2})]},
            r"\[experiment.arms.policy\]: diversity = 2.0: expected between",
        ),
        ({"arms": [arm(policy=3)]}, r"arms\]\]: policy = 3"),
        ({"traffic": 1.5}, "traffic = 1.5: expected between 0 and 1"),
        ({"start": "soon"}, "start = 'soon'"),
        ({"start": 20, "end": 10}, "end = 10: expected to be after start = 20, or 0"),
    ],
)
def test_a_wrong_experiment_is_named(table: dict, said: str) -> None:
    sound = {"id": "x", "arms": [arm(), arm("b")]}
    with pytest.raises(ConfigError, match=said):
        read_experiment(sound | table, {}, Place("x"))


def test_an_experiment_needs_an_id_and_is_one_table() -> None:
    with pytest.raises(ConfigError, match=r"x \[experiment\]: id is missing"):
        read_experiment({"arms": [arm(), arm("b")]}, {}, Place("x"))
    with pytest.raises(ConfigError, match=r"x \[experiment\]: expected a table, found \[\]"):
        read_experiment([], {}, Place("x"))

"""A search for settings looks at nothing later, and a kill costs it the trial it was at."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.errors import ConfigError, DataError
from recsys.history import History
from recsys.policy import Policy
from recsys.tables import Interactions
from recsys.types import Kind
from training.knobs import GROUPS, Settings
from training.recipe import Recipe
from training.study import Plan, open_study, plan_of
from training.tune import search, validate

NOW = 1_507_690_800
SETTINGS = Settings(Recipe(dims=8, factors=8), Policy())
PLAN = Plan(cut=NOW - 6_000, end=NOW - 3_000, until=NOW, groups=("policy",), questions=60)


def history(sample: Any) -> History:
    """Visits of three openings, which stay with a topic."""
    rng = np.random.default_rng(0)
    opens = 900
    session, step = np.divmod(np.arange(opens), 3)
    at = rng.integers(NOW - 9_000, NOW - 120, opens)[session] + 30 * step
    article = rng.integers(0, 18, opens)[session] + 3 * rng.integers(0, 7, opens) * step
    order = np.argsort(at, kind="stable")
    return History(
        sample.articles,
        sample.visitors,
        Interactions(
            visitor=rng.integers(0, 30, opens)[session][order].astype(np.int32),
            session=session[order].astype(np.int32),
            article=article[order].astype(np.int32),
            kind=np.full(opens, Kind.CLICK, np.int8),
            at=at[order],
            value=np.zeros(opens, np.float32),
            slate=np.full(opens, -1, np.int32),
        ),
    )


def hill(values: dict) -> float:
    """A score that costs nothing: best where personal weighs 3."""
    return -abs(math.log(values["policy.weights.personal"] / 3.0))


def test_the_days_that_decide_are_hidden_from_the_search(sample: Any, tmp_path: Path) -> None:
    known, found = history(sample), []
    for name, given in ("whole", known), ("cut off", known.before(PLAN.end)):
        with open_study(tmp_path / f"{name}.db", PLAN, SETTINGS, name) as study:
            search(study, given, SETTINGS, trials=3)
            found.append(study.trials)
    assert found[0] == found[1]
    assert len({trial.score for trial in found[0]}) > 1
    with pytest.raises(DataError, match="next click has no question"):
        validate(known.before(PLAN.end), SETTINGS, SETTINGS, PLAN)


def test_settings_gain_nothing_upon_themselves(sample: Any) -> None:
    same = validate(history(sample), SETTINGS, SETTINGS, PLAN)
    assert same.before == same.after
    assert (same.gain.mean, same.gain.low, same.gain.high) == (0, 0, 0)
    assert not same.proven
    assert same.questions > 30


def test_a_kill_costs_a_search_the_trial_it_was_at_and_nothing_else(tmp_path: Path) -> None:
    with open_study(tmp_path / "peace.db", PLAN, SETTINGS, "data") as study:
        for _ in range(8):
            study.attempt(hill)
        peace = study.trials
    made = 0

    def killed_now_and_then(values: dict) -> float:
        nonlocal made
        made += 1
        if made % 3 == 1:  # the very first one too
            raise KeyboardInterrupt
        return hill(values)

    done: list = []
    while len(done) < 8:
        with open_study(tmp_path / "killed.db", PLAN, SETTINGS, "data") as study:
            try:
                study.attempt(killed_now_and_then)
            except KeyboardInterrupt:
                continue
            finally:
                done = study.trials
    assert done == peace
    assert made == 12


def test_a_search_climbs(tmp_path: Path) -> None:
    with open_study(tmp_path / "hill.db", PLAN, SETTINGS, "data") as study:
        for _ in range(30):
            study.attempt(hill)
        assert study.trials[0].values["policy.weights.personal"] == 0.3
        assert 2.0 < study.best.values["policy.weights.personal"] < 4.5
        shares = study.importances()
    assert max(shares, key=shares.__getitem__) == "policy.weights.personal"


def test_a_file_remembers_what_its_search_asks(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    assert plan_of(path) is None
    with open_study(path, PLAN, SETTINGS, "data"):
        pass
    assert plan_of(path) == PLAN
    other = Settings(Recipe(), Policy())
    for plan, settings, data, what in (
        (PLAN, SETTINGS, "other", "data"),
        (PLAN, other, "data", "settings"),
        (Plan(1, 2, 3), SETTINGS, "data", "plan"),
    ):
        with (
            pytest.raises(ConfigError, match=f"the {what} of the search in .* another --name"),
            open_study(path, plan, settings, data),
        ):
            pass


def test_every_knob_turns_a_setting() -> None:
    settings = Settings(Recipe(), Policy())
    for knob in (knob for group in GROUPS.values() for knob in group):
        assert knob.low <= settings.value(knob.path) <= knob.high
        for value in knob.low, knob.high:
            assert settings.turned({knob.path: value}).value(knob.path) == value

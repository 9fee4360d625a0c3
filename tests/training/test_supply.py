"""Half the usual openings, or news of last week, are a reason to stop and not to learn."""

import dataclasses

import numpy as np
import pytest

from recsys.history import History
from recsys.ids import Vocabulary
from recsys.types import Kind
from training.gate import Gate
from training.supply import supply
from training.verdict import Check, Findings

from .conftest import NOW, article, events

DAY, HOUR = 86_400, 3_600


def known(days: list[int], now: int = NOW, age: int = 600) -> History:
    """What is known when the days before ``now`` had so many openings, the last day first."""
    at = [
        now - age - day * DAY - int((DAY - HOUR) * n / count)
        for day, count in enumerate(days)
        for n in range(count)
    ]
    rows = [(0, 0, Kind.CLICK, when) for when in sorted(at)]
    newest = dataclasses.replace(article(0, "harbour"), published=now - 2 * DAY)
    return History([newest], Vocabulary(["ann"]), events(*rows))


def looked(days: list[int], gate: Gate = Gate(), age: int = 600) -> Findings:  # noqa: B008 (frozen)
    return supply(known(days, age=age), NOW, gate)


def openings(found: Findings) -> Check:
    [check] = [check for check in found.checks if check.name == "openings"]
    return check


@pytest.mark.parametrize("last", [0.5, 0.1, 0.59])
def test_half_the_usual_openings_are_too_few(last):
    check = openings(looked([int(last * 400), *[400] * 35]))
    assert not check.ok
    assert (check.value, check.against) == (int(last * 400), 400)
    assert check.bound == pytest.approx(240)
    assert f"{last:.0%} of the usual 400; at least 60%" in check.sentence


@pytest.mark.parametrize("last", [0.7, 1.0, 8.0])
def test_a_quiet_day_or_a_storm_of_news_is_none(last):
    assert openings(looked([int(last * 400), *[400] * 35])).ok


def test_a_bound_of_zero_lets_everything_pass():
    assert openings(looked([10, *[400] * 35], Gate(events=0.0))).ok


def test_a_quiet_sunday_is_usual_but_half_of_a_monday_is_not():
    week = [400, 400, 400, 400, 400, 150, 160]  # the days before a Saturday, backwards
    sunday = [160, 400, 400, 400, 400, 400, 150]
    assert openings(looked(sunday * 5)).ok
    assert openings(looked(week * 5)).ok
    assert not openings(looked([190, *week[1:], *week * 4])).ok


def test_a_network_whose_days_differ_much_is_not_stopped_for_it():
    days = (400 * np.random.default_rng(1).lognormal(0, 0.5, 36)).astype(int).tolist()
    stopped = [not openings(looked(days[n:])).ok for n in range(16)]
    assert sum(stopped) <= 1
    assert not openings(looked([max(20, min(days) // 2), *days[1:]])).ok


def test_an_outage_of_last_week_does_not_excuse_the_next_one():
    assert not openings(looked([100, 400, 400, 30, *[400] * 31])).ok


def test_a_young_network_is_not_judged_before_it_has_a_week():
    found = looked([5, *[400] * 6])
    assert all(check.ok for check in found.checks)
    assert "eight days" in found.notes[0]
    assert not openings(looked([150, *[400] * 8])).ok


def test_a_handful_of_openings_tells_nothing():
    found = looked([20, *[60] * 20])
    assert [check.name for check in found.checks] == ["newest event", "newest article"]
    assert "60 a day are too few" in found.notes[0]


def test_openings_that_come_hours_later_are_not_missed():
    assert openings(looked([400] * 36, age=8 * HOUR)).value == 400


def test_events_and_articles_may_be_so_old_and_no_older():
    fresh = {check.name: check for check in looked([400] * 3).checks}
    assert fresh["newest event"].ok
    assert (fresh["newest event"].value, fresh["newest event"].bound) == (600, 43_200)
    late = {check.name: check for check in looked([400] * 3, age=13 * HOUR).checks}
    assert not late["newest event"].ok
    assert late["newest event"].sentence.startswith("The newest event is 13 hours old; at most 12")
    old = {check.name: check for check in looked([400] * 3, Gate(article_age=DAY)).checks}
    assert not old["newest article"].ok
    assert "2 days old; at most 1 day " in old["newest article"].sentence


def test_an_empty_store_is_stale():
    found = supply(History([], Vocabulary(), events()), NOW, Gate())
    assert [(check.ok, check.value) for check in found.checks] == [(False, None)] * 2
    assert found.checks[0].sentence == "There is no event at all."

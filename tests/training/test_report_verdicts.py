"""What a report says in words: who is ahead, how sure that is, and a loss as plainly as a win."""

import dataclasses
import math

import pytest

from training.report.verdicts import headline, interval, number, summary

TASK = "next click"


def test_a_lead_that_chance_does_not_explain_is_called_one(finding):
    told = headline(finding(), TASK)
    assert told.verdict == "ahead"
    assert told.title == "engine is ahead of co-visitation"
    assert told.sentences == (
        "Of 100 articles that readers opened next, engine had 31 among its 10 links,"
        " co-visitation 24.",
        "HR@10 is 0.310 (0.300 to 0.320) for engine and 0.240 (0.230 to 0.250) for co-visitation,"
        " the best of 2 others.",
        "Engine has 0.070 more (0.060 to 0.080; adjusted p = 0.001).",
        "That is more than chance would bring about.",
    )


def test_a_loss_is_said_as_plainly_as_a_win(finding):
    told = headline(finding({"engine": 0.2, "latest": 0.3}), TASK)
    assert told.verdict == "behind"
    assert told.title == "engine is behind latest"
    assert "Engine has 0.100 less (0.090 to 0.110; adjusted p = 0.001)." in told.sentences
    assert "Latest wins, and by more than chance would bring about." in told.sentences


def test_a_loss_in_another_metric_is_told_beside_a_win(finding):
    won = finding({"engine": 0.3, "latest": 0.2})
    lost = dataclasses.replace(won.differences[1], mean=0.04, low=0.03, high=0.05)
    told = headline(dataclasses.replace(won, differences=(won.differences[0], lost)), TASK)
    assert told.verdict == "ahead"
    assert told.sentences[-1] == ("In MRR@10, latest is ahead of engine by 0.040 (0.030 to 0.050).")


def test_what_chance_may_have_brought_about_is_no_win(finding):
    told = headline(finding({"engine": 0.3, "latest": 0.2}, p=0.05), TASK)
    assert told.verdict == "cannot tell"
    assert told.title == "engine and latest cannot be told apart"
    assert "neither is shown to be better" in " ".join(told.sentences)
    assert "leaves out 0" in told.sentences[-1]  # the interval alone would have looked like a win


def test_a_part_of_the_engine_is_no_rival(finding):
    assert "page only" not in str(headline(finding(), TASK))


def test_who_is_alone_is_not_praised(finding):
    told = headline(finding({"engine": 0.9}), TASK)
    assert told.verdict is None
    assert told.title == "engine stands alone"
    assert told.sentences[0] == "HR@10 is 0.900 (0.890 to 0.910) for engine."


def test_a_difference_that_was_not_tested_is_no_verdict(finding):
    told = headline(dataclasses.replace(finding(), differences=()), TASK)
    assert told.verdict is None
    assert told.title == "engine and co-visitation were not tested"


@pytest.mark.parametrize("field", ["adjusted", "mean"])
def test_a_test_without_an_answer_is_no_verdict(finding, field):
    known = finding({"engine": 0.3, "latest": 0.2})
    lost = {"adjusted": {"adjusted": math.nan}, "mean": {"mean": 0.0}}[field]
    unknown = tuple(dataclasses.replace(d, **lost) for d in known.differences)
    told = headline(dataclasses.replace(known, differences=unknown), TASK)
    assert told.verdict == "cannot tell"


def test_a_task_without_questions_says_so(finding):
    nothing = finding({"engine": math.nan, "latest": math.nan})
    assert headline(nothing, TASK).title == "Nothing can be said"
    assert summary(nothing) == "Nothing can be said"
    assert summary(dataclasses.replace(nothing, measures=())) == "Nothing was compared"


def test_clicks_in_an_impression_are_judged_by_their_order(finding):
    made = finding()
    renamed = tuple(
        dataclasses.replace(d, metric="AUC" if d.metric == "HR@10" else d.metric)
        for d in made.differences
    )
    measures = tuple(
        dataclasses.replace(m, metric="AUC" if m.metric == "HR@10" else m.metric)
        for m in made.measures
    )
    told = headline(dataclasses.replace(made, measures=measures, differences=renamed), TASK)
    assert told.verdict == "ahead"
    assert told.sentences[0].startswith("AUC is 0.310")


TWO = ("next click", "next article")


def test_the_first_line_counts_tasks(finding):
    won, lost = {"engine": 0.3, "latest": 0.2}, {"engine": 0.2, "latest": 0.3}
    assert summary(finding(won)) == "Engine is ahead of latest"
    assert summary(finding(won, TWO)) == "Engine is ahead in both tasks"
    assert summary(finding(lost, (*TWO, "third"))) == "Engine is behind in all 3 tasks"
    assert summary(finding(won, TWO, p=0.5)) == (
        "Engine and its best rival cannot be told apart in both tasks"
    )
    first, second = finding(won, TWO[:1]), finding(lost, TWO[1:])
    mixed = dataclasses.replace(
        first,
        measures=first.measures + second.measures,
        differences=first.differences + second.differences,
    )
    assert summary(mixed) == "Engine is ahead in 1 of 2 tasks, behind in 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (-0.5, "−0.500"), (-0.0001, "0.000"), (12.34, "12.3"), (math.nan, "–")],
)
def test_a_figure_has_three_decimals_and_a_true_minus_sign(value, text):
    assert number(value) == text


def test_an_interval_that_is_not_known_is_not_written():
    assert interval(None, 0.1) == interval(math.nan, 0.1) == ""
    assert interval(-0.1, 0.1, signed=True) == "−0.100 to +0.100"

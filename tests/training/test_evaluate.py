"""An evaluation measures every system on every task by the same questions, each time alike."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import SIZES, generate
from data.store import Store
from recsys.history import History
from recsys.metrics import Interval
from recsys.policy import Policy
from training.evaluate import ENGINE, SYSTEMS, Line, compare, evaluate
from training.fit import fit
from training.recipe import Recipe

END = 1_795_392_000
CUT = END - 7 * 86_400
TASKS = "next click", "next article"
NAN = float("nan")


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> SimpleNamespace:
    """A bundle of the sample network's past, and the history to replay."""
    folder: Path = tmp_path_factory.mktemp("network")
    generate(folder, SIZES["tiny"], 1, END)
    with Store.open(f"sqlite:///{folder / 'recsys.db'}") as store:
        for name, bring in ("articles", import_articles), ("events", import_events):
            bring(store, read(str(folder / f"{name}.parquet")), name, folder, END)
        past, known = store.snapshot(CUT), store.snapshot(END)
    recipe = Recipe(dims=16, factors=16)
    return SimpleNamespace(
        bundle=fit(past.articles, past.visitors, past.interactions, recipe, CUT),
        history=History(known.articles, known.visitors, known.interactions),
    )


@pytest.fixture(scope="module")
def run(network):
    def run_(**other: object) -> list[Line]:
        asked = {"cut": CUT, "end": END, "tasks": TASKS, "questions": 300, **other}
        return evaluate(network.bundle, Policy(), network.history, **asked)

    return run_


@pytest.fixture(scope="module")
def lines(run) -> list[Line]:
    return run()


def timeless(lines: list[Line]) -> list[Line]:
    return [dataclasses.replace(line, milliseconds=0.0) for line in lines]


def test_there_is_a_line_for_each_task_and_system(lines):
    assert [(line.task, line.system) for line in lines] == [(t, s) for t in TASKS for s in SYSTEMS]


def test_all_systems_of_a_task_get_the_same_questions_about_as_many_as_wanted(lines):
    for task in TASKS:
        (questions,) = {line.questions for line in lines if line.task == task}
        assert 0 < questions <= 400


def test_measures_lie_where_they_can(lines):
    for line in lines:
        assert 0 <= line.hit_rate.low <= line.hit_rate.mean <= line.hit_rate.high <= 1
        # A hit counts at most 1, and less the lower it stands.
        assert line.mrr.mean <= line.ndcg.mean <= line.hit_rate.mean
        assert 0 < line.coverage <= 1
        assert 0 <= line.elsewhere <= 1
        assert 0 <= line.diversity <= 2
        assert line.milliseconds > 0


def test_the_lead_is_the_difference_to_the_engine(lines):
    for task in TASKS:
        engine, *others = (line for line in lines if line.task == task)
        assert engine.system == ENGINE
        assert engine.lead is None
        for line in others:
            assert line.lead.mean == pytest.approx(engine.hit_rate.mean - line.hit_rate.mean)
            assert line.lead.low <= line.lead.mean <= line.lead.high


def test_known_and_unknown_readers_are_told_apart(lines):
    for line in lines:
        known, unknown = line.readers
        assert (known.kind, unknown.kind) == ("known", "unknown")
        assert known.questions + unknown.questions == line.questions
        hits = [g.questions * g.hit_rate.mean for g in line.readers if g.questions]
        assert sum(hits) == pytest.approx(line.questions * line.hit_rate.mean)


def test_pages_that_tell_less_are_answered_all_the_same(lines):
    for task in TASKS:
        found = {line.system: line for line in lines if line.task == task}
        quiet = [found["engine, no reader id"], found["engine, page only"]]
        assert all(line.hit_rate.mean > 0 for line in quiet)
    # On the first page of a visit there is no visit to tell of.
    first = {line.system: line for line in lines if line.task == "next article"}
    assert first["engine, no reader id"].hit_rate == first["engine, page only"].hit_rate


def test_one_seed_one_result(run, lines):
    chosen = [ENGINE, "co-visitation", "content only"]
    again = timeless(run(systems=chosen))
    assert again == [line for line in timeless(lines) if line.system in chosen]
    assert timeless(run(systems=chosen, seed=1)) != again


def test_zero_questions_asks_all(run, network):
    (line,) = run(systems=["latest"], tasks=TASKS[:1], questions=0)
    (some,) = run(systems=["latest"], tasks=TASKS[:1], questions=50)
    opens = network.history.interactions.reads().between(CUT, END)
    assert some.questions < line.questions < len(opens)


def test_without_the_engine_there_is_no_lead(run):
    lines = run(systems=["latest", "most popular"], tasks=TASKS[:1])
    assert [line.lead for line in lines] == [None, None]
    assert compare(lines) == "There was nothing to compare."


def test_a_window_without_openings_has_no_questions(run):
    for line in run(cut=END, end=END + 1):
        assert line.questions == 0
        assert np.isnan(line.hit_rate.mean)
    assert compare(run(cut=END, end=END + 1, tasks=TASKS[:1])) == "There was nothing to compare."


def test_progress_is_told(run):
    told = []
    run(systems=["latest"], questions=1, report=lambda *step: told.append(step))
    assert {label for label, _, _ in told} <= {f"{task}: latest" for task in TASKS}
    assert all(done <= of for _, done, of in told)


def line(system: str, rate: float, lead: Interval | None = None) -> Line:
    point = Interval(rate, rate, rate)
    return Line("next click", system, 9, point, point, point, 0.5, 0.5, NAN, lead, (), 1.0)


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        (
            Interval(0.10, 0.05, 0.15),
            "The engine is ahead of latest by 0.100 HR@10"
            " (+0.050 to +0.150 in 95 of 100 resamples of visits).",
        ),
        (
            Interval(-0.10, -0.15, -0.05),
            "The engine is BEHIND latest by 0.100 HR@10"
            " (-0.150 to -0.050 in 95 of 100 resamples of visits).",
        ),
        (
            Interval(0.01, -0.02, 0.04),
            "The engine and latest cannot be told apart: +0.010 HR@10"
            " (-0.020 to +0.040 in 95 of 100 resamples of visits).",
        ),
    ],
)
def test_the_sentence_says_what_the_interval_allows(lead, said):
    weaker = line("most popular", 0.1, Interval(0.4, 0.3, 0.5))
    assert compare([line(ENGINE, 0.5), weaker, line("latest", 0.4, lead)]) == said


def test_an_interval_that_touches_zero_tells_nothing():
    lead = Interval(0.1, 0.0, 0.2)
    assert "cannot be told apart" in compare([line(ENGINE, 0.5), line("latest", 0.4, lead)])

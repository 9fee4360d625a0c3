"""An evaluation measures every system on every task by the same questions, each time alike."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import SIZES
from data.store import Store
from recsys import metrics
from recsys.bundle import Bundle
from recsys.errors import DataError
from recsys.history import History
from recsys.policy import Policy
from recsys.replay import replay
from recsys.types import Kind
from training.evaluate import Plan, evaluate, leaks
from training.evaluation import Evaluation, Measure
from training.fit import fit
from training.measures import ACCURACY, IMPRESSION, K
from training.recipe import Recipe
from training.systems import ENGINE, SYSTEMS, USUAL, Given

END = 1_795_392_000
DAY = 86_400
CUT = END - 7 * DAY
TASKS = "next click", "next article", IMPRESSION
RECIPE = Recipe(dims=16, factors=16, rank_questions=0)


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> History:
    folder: Path = tmp_path_factory.mktemp("network")
    generate(folder, SIZES["tiny"], 1, END)
    with Store.open(f"sqlite:///{folder / 'recsys.db'}") as store:
        for name, bring in ("articles", import_articles), ("events", import_events):
            bring(store, read(str(folder / f"{name}.parquet")), name, folder, END)
        known = store.snapshot(END)
    return History(known.articles, known.visitors, known.interactions)


def make(past: History, cut: int) -> Bundle:
    return fit(past.articles, past.visitors, past.interactions, RECIPE, cut)


@pytest.fixture(scope="module")
def run(history):
    def run_(**other: object) -> Evaluation:
        plan = Plan(**{"windows": ((CUT, END),), "tasks": TASKS, "questions": 300, **other})
        return evaluate(history, make, Policy(), plan)

    return run_


@pytest.fixture(scope="module")
def found(run) -> Evaluation:
    return run()


def timeless(evaluation: Evaluation) -> Evaluation:
    systems = [
        dataclasses.replace(s, milliseconds=0.0, fit_seconds=0.0, fit_peak_bytes=0)
        for s in evaluation.systems
    ]
    return dataclasses.replace(evaluation, created=0, systems=tuple(systems))


def value(found: Evaluation, task: str, metric: str, system: str = ENGINE) -> Measure:
    (measure,) = found.select(task, metric, system=system)
    return measure


def test_every_system_is_measured_on_every_task(found):
    assert [system.name for system in found.systems] == list(USUAL)
    for task in TASKS:
        for metric in ACCURACY[task]:
            assert [m.system for m in found.select(task, metric)] == list(USUAL)


def test_all_systems_of_a_task_get_the_same_questions_about_as_many_as_wanted(found):
    for asked in found.asked:
        assert 0 < asked.questions <= asked.of
        first = ACCURACY[asked.task][1]
        sizes = {m.questions for m in found.select(asked.task, first)}
        assert len(sizes) == 1
    (clicks,) = (asked for asked in found.asked if asked.task == "next click")
    assert clicks.questions <= 400
    assert value(found, "next click", "HR@10").questions == clicks.questions


def test_measures_lie_where_they_can(found):
    for m in found.measures:
        if m.metric not in ("novelty", "diversity"):
            assert 0 <= m.mean <= 1, m
        if m.low is not None:
            assert m.low <= m.mean <= m.high
    for task in TASKS[:2]:
        for system in USUAL:
            hr, mrr, ndcg = (
                value(found, task, f"{m}@10", system).mean for m in ("HR", "MRR", "nDCG")
            )
            assert mrr <= ndcg <= hr  # a hit counts at most 1, and less the lower it stands
            # It cannot be a surprise and no hit of anything.
            surprise = value(found, task, "serendipity", system).mean
            assert surprise <= value(found, task, "Precision@10", system).mean + 1e-12


def test_what_is_measured_is_what_was_replayed(found, history):
    past = history.before(CUT)
    given = Given(make(past, CUT), Policy(), history, CUT, 0)
    share = Plan(((CUT, END),), TASKS, questions=300).share(history)
    for task in TASKS[:2]:
        answers = replay(
            SYSTEMS[ENGINE].make(given), history, cut=CUT, end=END, task=task, share=share
        )
        hits = metrics.hits(metrics.ranks(answers.lists, answers.target), K)
        assert value(found, task, "HR@10").mean == pytest.approx(hits.mean())


def test_shares_of_sites_and_of_sources_add_up_to_one(found):
    for task in TASKS[:2]:
        for kind in ("site", "source"):
            shares = [
                m.mean
                for m in found.measures
                if m.task == task and m.system == ENGINE and m.metric.startswith(f"{kind}: ")
            ]
            assert sum(shares) == pytest.approx(1.0)


def test_segments_part_the_questions(found):
    whole = value(found, "next click", "HR@10")
    for segment in ("reader", "visit", "site", "hour", "day"):
        parts = found.select("next click", "HR@10", segment=segment, system=ENGINE)
        assert sum(m.questions for m in parts) == whole.questions, segment
        hits = sum(m.questions * m.mean for m in parts)
        assert hits == pytest.approx(whole.questions * whole.mean)
    ages = found.select("next click", "HR@10", segment="age", system=ENGINE)
    # Of those who went back nothing could be shown, so there is no article to tell the age of.
    assert sum(m.questions for m in ages) <= whole.questions


def test_known_readers_are_those_whom_the_bundle_had_seen(found, history):
    known = history.before(CUT).visitors
    (part,) = (
        m
        for m in found.select("next article", "HR@10", segment="reader", system=ENGINE)
        if m.part == "known"
    )
    assert 0 < part.questions < value(found, "next article", "HR@10").questions
    assert len(known) < len(history.visitors)


def test_others_are_compared_with_the_first_one_and_corrected_together(found):
    for task in TASKS:
        for metric in ACCURACY[task]:
            mine = [d for d in found.differences if (d.task, d.metric) == (task, metric)]
            assert [d.system for d in mine] == [name for name in USUAL if name != ENGINE]
            best = value(found, task, metric).mean
            for d in mine:
                assert d.against == ENGINE
                other = value(found, task, metric, d.system).mean
                assert d.mean == pytest.approx(other - best, abs=1e-9)
                assert d.low <= d.mean <= d.high
                assert 0 < d.p <= d.adjusted <= 1


def test_parts_of_the_engine_do_not_hide_who_is_ahead_of_whom(run):
    rivals = ("co-visitation", "latest")
    alone = run(systems=(ENGINE, *rivals), tasks=TASKS[:1])
    parts = [name for name in USUAL if SYSTEMS[name].kind == "ablation"]
    together = run(systems=(ENGINE, *parts, *rivals), tasks=TASKS[:1])
    told = {(d.system, d.metric): d.adjusted for d in together.differences}
    for d in alone.differences:
        assert d.adjusted == told[d.system, d.metric]


def test_an_impression_asks_for_the_order_of_its_own_cards(found, history):
    events = history.interactions.between(CUT, END)
    slates = np.unique(events.slate[(events.kind == Kind.IMPRESSION) & (events.slate >= 0)])
    (asked,) = (a for a in found.asked if a.task == IMPRESSION)
    assert asked.of == len(slates)
    assert {m.metric for m in found.measures if m.task == IMPRESSION} == {
        "AUC",
        "MRR@10",
        "nDCG@10",
        "Precision@10",
        "MAP@10",
    }
    # Chance would reach one half.
    assert value(found, IMPRESSION, "AUC").mean > 0.5


def test_pages_that_tell_less_are_answered_all_the_same(found):
    for task in TASKS[:2]:
        for system in ("engine, no reader id", "engine, page only"):
            assert value(found, task, "HR@10", system).mean > 0
    # On the first page of a visit there is no visit to tell of.
    first = (
        value(found, "next article", "HR@10", s)
        for s in ("engine, no reader id", "engine, page only")
    )
    assert len({m.mean for m in first}) == 1


def test_predicted_chances_are_held_against_what_happened(found):
    points = [p for p in found.points if p.curve == "calibration" and p.system == ENGINE]
    assert {p.task for p in points} == set(TASKS[:2])
    for p in points:
        assert 0 <= p.x <= 1
        assert 0 <= p.low <= p.y <= p.high <= 1
        assert p.count > 0


def test_the_slots_of_the_box_are_told_apart_by_what_was_clicked_in_them(found, history):
    events = history.interactions.between(CUT, END)
    cards, clicks = {}, set()
    for kind, slate, article, slot in zip(
        events.kind.tolist(),
        events.slate.tolist(),
        events.article.tolist(),
        events.position.tolist(),
        strict=True,
    ):
        if slate >= 0 and kind <= Kind.CLICK:
            cards[slate, article] = slot
            clicks |= {(slate, article)} if kind == Kind.CLICK else set()
    points = {p.x: p for p in found.points if p.curve == "position"}
    assert sorted(points) == [slot + 1.0 for slot in sorted(set(cards.values()))]
    for slot in set(cards.values()):
        mine = [card for card, of in cards.items() if of == slot]
        point = points[slot + 1.0]
        assert point.count == len(mine)
        assert point.y == pytest.approx(len(clicks & set(mine)) / len(mine))
        assert point.low <= point.y <= point.high


def test_one_seed_one_result(run, found):
    chosen = (ENGINE, "co-visitation")
    again = run(systems=chosen, tasks=TASKS[:1])
    assert timeless(again) == timeless(run(systems=chosen, tasks=TASKS[:1]))
    other = run(systems=chosen, tasks=TASKS[:1], seed=1)
    assert other.measures != again.measures
    for name in chosen:
        assert value(again, "next click", "HR@10", name) == value(
            found, "next click", "HR@10", name
        )


def test_rolling_windows_ask_what_one_cut_asks_of_systems_that_know_more(run):
    days = tuple((CUT + n * DAY, CUT + (n + 1) * DAY) for n in range(7))
    chosen = ("latest", ENGINE)
    whole = run(systems=chosen, tasks=TASKS[:1], questions=0)
    rolling = run(systems=chosen, tasks=TASKS[:1], questions=0, windows=days, split="rolling")
    assert rolling.asked == whole.asked
    # A baseline learns opening by opening, so it makes no difference to it when windows begin.
    for metric in ACCURACY["next click"]:
        assert value(rolling, "next click", metric, "latest").mean == pytest.approx(
            value(whole, "next click", metric, "latest").mean
        )


def test_nothing_is_asked_while_systems_warm_up(run):
    late = run(systems=("latest",), tasks=TASKS[:1], questions=0, warm_up=3 * DAY)
    all_ = run(systems=("latest",), tasks=TASKS[:1], questions=0)
    days = [m.part for m in late.select("next click", "HR@10", segment="day")]
    assert min(days) >= str(np.datetime64(CUT + 3 * DAY, "s"))[:10]
    assert late.asked[0].questions < all_.asked[0].questions


def test_a_window_without_openings_has_no_questions(run):
    empty = run(windows=((END, END + 1),))
    assert [asked.questions for asked in empty.asked] == [0, 0, 0]
    assert not empty.measures
    assert not empty.differences


def test_an_unknown_system_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="system 'magic' is unknown; known: engine, "):
        Plan(((CUT, END),), TASKS, systems=("magic",))


def test_progress_is_told(history):
    told = []
    plan = Plan(((END - 60 * DAY, END),), TASKS[:2], ("latest",), questions=1)
    evaluate(history, make, Policy(), plan, report=lambda *step: told.append(step))
    assert {label for label, _, _ in told} == {f"{task}: latest" for task in TASKS[:2]}
    assert all(done <= of for _, done, of in told)


def test_examples_show_what_the_engine_answered(found, history):
    titles = {article.title for article in history.articles}
    assert {example.task for example in found.examples} == set(TASKS)
    for example in found.examples:
        assert example.opened in titles
        assert set(example.visit) <= titles
        assert all(
            card.title in titles and card.reason
            for card in example.cards
            if example.task != IMPRESSION
        )
        assert sum(card.opened for card in example.cards) <= (
            1 if example.task != IMPRESSION else 9
        )
        assert any(card.opened for card in example.cards) == (
            example.opened in [card.title for card in example.cards if card.opened]
        )


def test_what_was_found_is_read_back_as_it_was(found, tmp_path):
    (tmp_path / "found.json").write_bytes(found.dump())
    assert Evaluation.load(tmp_path / "found.json").dump() == found.dump()


def test_no_system_knows_the_future(history):
    plan = Plan(((CUT, END),), TASKS[:1], (ENGINE, "co-visitation"), questions=150)
    assert set(leaks(history, make, Policy(), plan).values()) == {None}


def test_a_bundle_that_has_seen_the_future_is_caught(history):
    plan = Plan(((CUT, END),), TASKS[:1], (ENGINE, "co-visitation"), questions=150)
    stash: list[History] = []

    def cheating(past: History, cut: int) -> Bundle:
        """Learn from all of a history, its future too."""
        del past
        whole = stash[-1]
        at = np.minimum(whole.interactions.at, cut - 1)
        events = dataclasses.replace(whole.interactions, at=at)
        return fit(whole.articles, whole.visitors, events, RECIPE, cut)

    class Stashing(History):
        """Remembers which history is being cut."""

        __slots__ = ()

        def before(self, t: int) -> History:
            stash.append(self)
            return super().before(t)

    facts = Stashing(history.articles, history.visitors, history.interactions)
    found = leaks(facts, cheating, Policy(), plan)
    assert found["next click", ENGINE] is not None
    assert found["next click", "co-visitation"] is None

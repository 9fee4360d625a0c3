"""``recsys experiment`` tells what came of arms, and warns of what must not be concluded."""

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from cli import setup
from data.store import Store
from recsys.types import ArticleId, Event, Kind

NOW = int(time.time())
DAY = 86_400
CARDS = [ArticleId("daily", f"a-{n}") for n in range(4)]
CONFIG = """
[experiment]
id = "trend"
{times}

[[experiment.arms]]
name = "plain"
share = 0.5

[[experiment.arms]]
name = "bold"
share = 0.5
policy = {{ weights = {{ trending = 1.0 }} }}
"""


def configure(var: Path, **times: int) -> None:
    lines = "\n".join(f"{name} = {at}" for name, at in times.items())
    (var / "recsys.toml").write_text(CONFIG.format(times=lines))


def stock(
    var: Path,
    rates: dict[str, float],
    *,
    readers: int = 300,
    days: float = 10.0,
    experiment: str = "trend",
    visits: str = "visits",
) -> None:
    """Let readers come over the last days, as many to each arm, and see four cards once each."""
    rng = np.random.default_rng(0)
    events = []
    for n in range(readers * len(rates)):
        arm = list(rates)[n % len(rates)]
        at = NOW - 60 - int(days * DAY * (1 - n / (readers * len(rates))))
        who = {"visitor": f"{visits}-{arm}-{n}", "arm": f"{experiment}/{arm}"}
        for position, article in enumerate(CARDS):
            about = {"slate": f"{visits}-{n}", "position": position, **who}
            for kind in (Kind.IMPRESSION, Kind.CLICK)[: 1 + (rng.random() < rates[arm])]:
                id = f"{about['slate']}:{kind.name}:{position}"
                events.append(Event(id, kind, article, at, **about))
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        store.put_events(events)


def told(typed, *words: object) -> dict:
    done = typed("experiment", "report", *words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def page(done: SimpleNamespace) -> str:
    """What is printed for people, whole words in one line."""
    assert done.code == 0, done.err
    return " ".join(done.out.split())


def test_a_difference_that_is_there_is_told_with_rates_and_intervals(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"plain": 0.1, "bold": 0.2}, readers=500)
    found = told(typed)
    plain, bold = found["arms"]
    assert [arm["name"] for arm in found["arms"]] == ["plain", "bold"]
    assert (plain["readers"], plain["slates"], plain["cards"]) == (500, 500, 2000)
    assert plain["per_card"]["low"] < 0.1 < plain["per_card"]["high"]
    assert bold["per_card"]["mean"] == bold["clicks"] / 2000
    assert 0 < bold["difference"]["always"]["low"] < bold["difference"]["once"]["low"] < 0.1
    assert bold["decided"]
    assert 9.9 < found["days"] <= 10.1
    assert not found["sample_ratio"]["mismatched"]
    said = page(typed("experiment", "report"))
    assert "bold is clicked more than plain" in said
    assert "That holds however often anybody looked." in said
    assert "Readers came to arms as their shares say" in said
    assert "To find a difference" not in said


def test_a_difference_for_one_look_only_is_called_peeking_until_the_planned_end(typed, tmp_path):
    configure(tmp_path, start=NOW - 10 * DAY, end=NOW + 4 * DAY)
    stock(tmp_path, {"plain": 0.1, "bold": 0.117})
    (_, bold) = told(typed)["arms"]
    assert bold["difference"]["p_once"] < 0.05 < bold["difference"]["p_always"]
    said = page(typed("experiment", "report"))
    assert "to stop now because of it would be peeking" in said
    assert "4.0 days more" in said
    assert "bold is clicked more than plain" not in said
    assert "To find a difference of 10% between bold and plain takes about" in said
    configure(tmp_path, start=NOW - 10 * DAY, end=NOW)
    said = page(typed("experiment", "report"))
    assert "bold is clicked more than plain" in said
    assert "if this is the one look that was planned" in said
    assert "peeking" not in said


def test_no_difference_is_told_as_what_it_may_still_be(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"plain": 0.1, "bold": 0.1}, days=3)
    said = page(typed("experiment", "report", "--effect", 0.05))
    assert "No difference between bold and plain is shown so far: it may be anything from -" in said
    assert "It has run for 3.0 days" in said
    assert "let it run for whole weeks" in said
    assert "To find a difference of 5%" in said
    assert "days more at this pace" in said


def test_a_mismatch_takes_every_verdict_back(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"plain": 0.1, "bold": 0.3}, readers=400)
    stock(tmp_path, {"plain": 0.1}, readers=150, visits="again", days=0.0)
    found = told(typed)
    assert found["sample_ratio"]["mismatched"]
    assert time.strftime("%Y-%m-%d", time.gmtime(NOW - 60)) in found["sample_ratio"]["days"]
    said = page(typed("experiment", "report"))
    assert "SAMPLE RATIO MISMATCH" in said
    assert "Likely causes" in said
    assert "No verdict on bold" in said
    assert "is clicked more" not in said


def test_who_is_in_two_arms_counts_in_the_first(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"plain": 0.1, "bold": 0.1})
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        for n in range(0, 18, 2):
            who = {"visitor": f"visits-plain-{n}", "arm": "trend/bold", "slate": f"later-{n}"}
            store.put_events([Event(f"later-{n}", Kind.IMPRESSION, CARDS[0], NOW - 30, **who)])
    found = told(typed)
    assert found["crossed"] == 9
    assert [arm["readers"] for arm in found["arms"]] == [300, 300]
    assert [arm["cards"] for arm in found["arms"]] == [1209, 1200]
    said = page(typed("experiment", "report"))
    assert "9 of 600 readers were shown two arms" in said
    assert "they count in the first" in said
    assert "Begin anew under another id" in said, "more than one of a hundred"


def test_one_that_is_over_is_reported_from_the_store(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"c": 0.1, "a": 0.1, "b": 0.2}, experiment="summer", readers=120)
    found = told(typed, "summer", "--against", "b")
    assert [arm["name"] for arm in found["arms"]] == ["b", "a", "c"]
    assert found["sample_ratio"] is None
    assert all(arm["difference"]["once"]["mean"] < 0 for arm in found["arms"][1:])
    assert "is not checked" in page(typed("experiment", "report", "summer"))


def test_a_window_looks_at_nothing_else(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"plain": 0.1, "bold": 0.1}, days=10)
    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 60 - 5 * DAY))
    before, after = told(typed, "--until", middle), told(typed, "--since", middle)
    assert before["readers"] == after["readers"] == 300
    assert 4.9 < before["days"] < 5.1
    assert "No verdict" not in page(typed("experiment", "report", "--since", middle))
    wrong = typed("experiment", "report", "--since", middle, "--until", "2020-01-01")
    assert (wrong.code, "is not before the end" in wrong.err) == (2, True)


def test_an_arm_that_the_configuration_forgot_is_named(typed, tmp_path):
    configure(tmp_path)
    stock(tmp_path, {"plain": 0.1, "bold": 0.1, "shy": 0.1}, readers=20)
    said = page(typed("experiment", "report"))
    assert "The store also knows of shy" in said
    assert "Too early to say anything of bold" in said


def test_before_anybody_was_shown_anything_the_report_is_empty(typed, tmp_path):
    configure(tmp_path)
    found = told(typed)
    assert [arm["readers"] for arm in found["arms"]] == [0, 0]
    assert found["arms"][0]["per_card"]["mean"] is None
    assert "Nobody has been shown anything" in page(typed("experiment", "report"))
    configure(tmp_path, start=NOW + DAY)
    assert "it begins at" in page(typed("experiment", "report"))


def test_what_cannot_be_reported_is_said_in_one_sentence(typed, tmp_path):
    none = typed("experiment", "report")
    assert (none.code, "has no table [experiment]" in none.err) == (2, True)
    stock(tmp_path, {"a": 0.1, "b": 0.1}, experiment="summer", readers=2)
    assert "or one of these ids: summer" in typed("experiment", "report").err
    configure(tmp_path)
    unknown = typed("experiment", "report", "winter")
    assert unknown.code == 2
    assert "experiment 'winter' is unknown; known: summer, trend" in unknown.err
    assert "--against 'x' is no arm; known: plain, bold" in (
        typed("experiment", "report", "--against", "x").err
    )


def test_a_reader_is_assigned_as_the_service_does(typed, tmp_path):
    assert "has no table [experiment]" in typed("experiment", "assign", "anna").err
    configure(tmp_path)
    made = setup.load(None, tmp_path)
    keyring, readers = made.load_keyring(), [f"reader-{n}" for n in range(20)]
    for words, hashed in ((), keyring.visitor), (("--session",), keyring.session):
        done = typed("experiment", "assign", *words, *readers, "--json")
        assert json.loads(done.out)["arms"] == {
            reader: made.experiment.arm_of(hashed(reader), NOW).name for reader in readers
        }
    configure(tmp_path, end=NOW - 5)
    said = typed("experiment", "assign", "anna").out
    assert "anna: no arm" in said
    assert "trend ended at" in said

"""``recsys judge`` as a person types it: on a store whose boxes have left something to chance."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import Size
from data.store import Store

END = 1_795_392_000
SIZE = Size(articles=200, readers=300, events=20_000)
EARLY = ("--cut", "2026-10-05")
"""Before nearly all slates: enough of them to tell something."""


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var = tmp_path_factory.mktemp("stocked")
    generate(var / "net", SIZE, 1, END)
    stock(var, read(str(var / "net" / "events.parquet")))
    return var


def stock(var: Path, events, articles: Path | None = None) -> None:
    known = read(str((articles or var / "net") / "articles.parquet"))
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        import_articles(store, known, "articles", var, END)
        import_events(store, events, "events", var, END)


@pytest.fixture
def var(stocked, tmp_path):
    shutil.copy(stocked / "recsys.db", tmp_path / "recsys.db")
    return tmp_path


@pytest.fixture
def lacking(stocked, tmp_path):
    """Stock the store with events that lack some columns."""

    def put(*columns: str) -> None:
        table = pq.read_table(stocked / "net" / "events.parquet")
        path = tmp_path / "events.parquet"
        pq.write_table(table.drop_columns(list(columns)), path)
        stock(tmp_path, read(str(path)), stocked / "net")

    return put


def answer(done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def estimates(found: dict) -> dict[tuple[str, str], dict]:
    return {
        (told["target"], estimate["method"]): estimate
        for told in found["targets"]
        for estimate in told["estimates"]
    }


def test_the_log_tells_what_each_order_would_have_earned(typed, var):
    named = ("--system", "most popular", "--system", "latest", "--system", "random")
    words = ("judge", *EARLY, *named)
    found = answer(typed(*words, "--json"))
    assert found["fill"] == "order"
    assert found["logged"] == found["slates"] > 500
    assert found["set_aside"] == 0
    # A card that stands alone has no choice of a slot.
    assert 0.95 * found["cards"] < found["left_to_chance"] < found["cards"]
    told = estimates(found)
    assert list(told) == [
        (target, method)
        for target in ("most popular", "latest", "random")
        for method in ("logged", "IPS", "SNIPS", "DR")
    ]
    for (target, method), estimate in told.items():
        assert estimate["warning"] == "", (target, method)
        assert estimate["effective"] > 100
        assert estimate["clicks"]["low"] < estimate["clicks"]["mean"] < estimate["clicks"]["high"]
    # Cards stood in any order: that order earns what was earned.
    was = told["random", "logged"]["clicks"]["mean"]
    assert told["random", "IPS"]["clicks"]["mean"] == pytest.approx(was)
    assert told["random", "IPS"]["effective"] == pytest.approx(found["slates"])
    assert answer(typed(*words, "--json")) == found

    shown = typed(*words).out
    assert f"{found['logged']:,} slates were logged" in shown
    assert f"{found['left_to_chance']:,} were left to chance" in shown
    clicks = told["latest", "SNIPS"]["clicks"]
    assert f"{clicks['mean']:.4f} ({clicks['low']:.4f} to {clicks['high']:.4f})" in shown
    assert "random: no difference is shown" in shown


def test_another_policy_is_judged_beside_the_one_in_force(typed, var):
    same, other = var / "same.toml", var / "other.toml"
    same.write_text("[policy]\n")
    other.write_text("[policy.weights]\nrelated = 0.001\npersonal = 0.001\n[train]\ndims = 8\n")
    words = ("--system", "engine", "--policy", same, "--policy", other, "--slates", 100, "--json")
    found = answer(typed("judge", *EARLY, *words))
    names = [told["target"] for told in found["targets"]]
    assert names == ["engine", str(same), str(other)]
    first, second, third = (told["estimates"] for told in found["targets"])
    assert first == second != third
    assert not (var / "bundles").exists()  # what is served is not touched


def test_too_few_slates_tell_nothing_and_that_is_said_instead_of_a_number(typed, var):
    found = answer(typed("judge", "--system", "latest", "--json"))
    estimate = estimates(found)["latest", "DR"]
    assert found["slates"] < 200
    assert "Too little to go by" in estimate["warning"]
    done = typed("judge", "--system", "latest")
    assert done.code == 0
    assert "latest: the log cannot tell. Too little to go by" in done.out
    assert f"{estimate['clicks']['mean']:.4f}" not in done.out


def test_some_slates_are_drawn_by_a_seed(typed, var):
    words = ("judge", *EARLY, "--system", "latest", "--slates", 150, "--json")
    first, again, other = (answer(typed(*words, "--seed", seed)) for seed in (0, 0, 1))
    assert first["slates"] == 150 < first["logged"]
    assert first == again
    assert first["targets"] != other["targets"]


def test_cut_weights_are_stated(typed, var):
    words = ("judge", *EARLY, "--system", "latest", "--json")
    cut, whole = (estimates(answer(typed(*words, *clip))) for clip in (("--clip", 3), ()))
    assert cut["latest", "IPS"]["clip"] == 3
    assert cut["latest", "IPS"]["clipped"] > 0.3
    assert whole["latest", "IPS"]["clipped"] == 0
    assert cut["latest", "IPS"]["clicks"]["mean"] < whole["latest", "IPS"]["clicks"]["mean"]
    said = "Weights were cut by --clip"
    assert said in typed("judge", *EARLY, "--system", "latest", "--clip", 3).out
    assert said not in typed("judge", *EARLY, "--system", "latest").out


def test_a_bundle_is_not_judged_by_what_it_has_learned_from(typed, var):
    cut = "2026-10-20T00:00"
    late = answer(typed("train", "--json"))["id"]
    refused = typed("judge", "--cut", cut, "--system", "engine", "--bundle", late)
    assert refused.code == 2
    assert f"bundle {late} has learned from what was before" in refused.err
    assert "begin at 2026-10-20 00:00 UTC; expected a --cut no earlier" in refused.err
    early = answer(typed("train", "--now", cut, "--json"))["id"]
    words = ("judge", "--cut", cut, "--system", "engine", "--slates", 50, "--json")
    given = answer(typed(*words, "--bundle", early))
    assert given == answer(typed(*words))  # which learns just that


def test_a_log_that_left_nothing_to_chance_is_no_answer(typed, lacking):
    lacking("propensity")
    done = typed("judge", *EARLY)
    assert done.code == 0
    assert "0 were left to chance" in done.out
    assert "Nothing was left to chance: every card stood where it stood for certain" in done.out
    assert "Set [policy] exploration above 0" in done.out
    found = answer(typed("judge", *EARLY, "--json"))
    assert found["fill"] == "slate"
    assert found["targets"] == []
    assert found["refusal"]


def test_what_the_box_could_not_have_shown_is_no_answer(typed, var):
    found = answer(typed("judge", *EARLY, "--fill", "slate", "--system", "latest", "--json"))
    estimate = estimates(found)["latest", "SNIPS"]
    assert "The log gave no chance to about" in estimate["warning"]
    shown = typed("judge", *EARLY, "--fill", "slate", "--system", "latest").out
    assert "boxes filled anew" in shown
    assert "latest: the log cannot tell" in shown


def test_slates_of_which_a_card_is_gone_are_set_aside(typed, var, tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        known = store.snapshot(END)
        shown = known.interactions.article[known.interactions.slate >= 0]
        store.withdraw([known.articles[np.bincount(shown).argmax()].id], END)
    found = answer(typed("judge", *EARLY, "--system", "random", "--json"))
    assert 0 < found["set_aside"] < 0.2 * found["logged"]
    assert found["slates"] == found["logged"] - found["set_aside"]
    assert estimates(found)["random", "IPS"]["support"]["mean"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--system", "magic"), "--system 'magic' is unknown; known: engine"),
        (("--fill", "up"), "--fill 'up' is unknown; known: order, slate"),
        (("--clip", 0), "--clip 0.0 is no bound of weights; expected more than 0"),
        (("--policy", "nowhere.toml"), "nowhere.toml"),
        (("--cut", "soon"), "--cut 'soon' is not a time"),
        (("--cut", "2027-01-01"), "--cut 2027-01-01 00:00 UTC is not before the end"),
        (("--fill", "slate", "--system", "random"), "--system 'random' puts the shown cards"),
        (("--bundle", "b-none"), "b-none"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(typed, var, words, said):
    done = typed("judge", *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("error:") == 1
    assert not done.out


def test_a_store_without_events_or_without_slates_says_so(typed, lacking):
    done = typed("judge")
    assert done.code == 2
    assert "import some with: recsys import events FILE" in done.err
    lacking("slate", "position", "propensity")
    done = typed("judge")
    assert done.code == 2
    assert "says of which slate it is; expected impressions and clicks with slate" in done.err


def test_a_window_without_slates_tells_where_there_are_some(typed, var):
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        events = store.snapshot(END).interactions
    boxed = events.at[events.slate >= 0]
    done = typed("judge", "--cut", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(boxed[-1] + 1)))
    assert done.code == 2
    assert "no slate was first seen from " in done.err
    first, last = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) for at in boxed[[0, -1]])
    assert f"the store holds some from {first} UTC to {last} UTC, see --cut" in done.err


def test_slates_without_slots_are_refused(typed, lacking):
    lacking("position")
    done = typed("judge", *EARLY)
    assert done.code == 2
    assert "expected the slot of the card, from 0" in done.err

"""``recsys tune`` as a person types it: a search that may be killed, and a verdict to believe."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from filelock import FileLock

from cli import setup
from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import SIZES
from data.store import Store
from recsys.policy import Policy
from training.knobs import GROUPS, Settings
from training.recipe import Recipe

END = 1_795_392_000
QUICK = ("tune", "--over", "policy", "--questions", 60)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var = tmp_path_factory.mktemp("stocked")
    generate(var / "net", SIZES["tiny"], 2, END)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        for name, bring in ("articles", import_articles), ("events", import_events):
            bring(store, read(str(var / "net" / f"{name}.parquet")), name, var, END)
    return var / "recsys.db"


@pytest.fixture
def var(stocked, tmp_path):
    shutil.copy(stocked, tmp_path / "recsys.db")
    return tmp_path


def answer(done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_what_is_written_is_a_configuration_that_training_takes(typed, var):
    found = answer(typed("tune", "--trials", 4, "--questions", 60, "--json"))
    assert len(found["trials"]) == 4
    assert found["best"]["score"] == max(trial["score"] for trial in found["trials"])
    assert found["best"]["score"] > found["trials"][0]["score"]  # else nothing would be written
    assert set(found["changed"]) <= {k.path for g in ("policy", "train") for k in GROUPS[g]}
    config = var / "tuning" / "tuning.toml"
    assert found["config"] == str(config)
    text = config.read_text()
    assert "Found by recsys tune in 4 trials, seed 0" in text
    assert f"{found['verdict']['gain']['mean']:+.4f} MRR@10" in text
    read = setup.load(config, var)
    as_they_were = Settings(Recipe(), Policy())
    wanted = as_they_were.turned(found["changed"]) if found["proven"] else as_they_were
    assert Settings(read.recipe, read.policy) == wanted
    assert typed("--config", config, "train").code == 0


def test_only_what_shows_on_days_the_search_never_saw_is_put_to_use(typed, var):
    base = "# ours\n[store]\nurl = ''\n\n[policy.weights]\nrelated = 0.05 # far too low\n"
    base += "trending = 5.0\npersonal = 0.01\n\n[policy.half_lives]\nrelated = 86400.0\n"
    (var / "recsys.toml").write_text(base)
    words = ("tune", "--over", "policy", "--trials", 6, "--questions", 0)
    found = answer(typed(*words, "--days", 10, "--holdout", 10, "--json"))
    assert found["proven"]
    assert found["verdict"]["gain"]["low"] > 0
    text = (var / "tuning" / "tuning.toml").read_text()
    assert "A gain of +" in text
    assert "# ours\n[store]" in text  # all that is no matter of tuning is kept
    related = found["changed"]["policy.weights.related"]
    assert tomllib.loads(text)["policy"]["weights"]["related"] == related
    # The same search proves nothing where less is asked: nothing is put to use by mistake.
    done = typed(*words, "--days", 3, "--holdout", 3, "--name", "few")
    assert "No gain is shown" in done.out
    text = (var / "tuning" / "few.toml").read_text()
    assert tomllib.loads(text) == tomllib.loads(base)
    assert "# policy.weights.related = " in text


def test_a_search_that_was_killed_goes_on(typed, var):
    script = "from cli.main import run; run()"
    words = [sys.executable, "-c", script, "--var", var, *QUICK, "--trials", 1_000]
    with subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "RECSYS_VAR": str(var)},
    ) as search:
        assert search.stderr is not None
        for line in search.stderr:
            if line.startswith("trial 2 of 1000"):
                search.send_signal(signal.SIGKILL)
                break
        else:
            pytest.fail("it ended before its second trial")
    assert not (var / "tuning" / "tuning.toml").exists()  # nothing half-written
    done = typed(*QUICK, "--trials", 3, "--json")
    assert "trial 1 of" not in done.err
    assert "trial 3 of 3" in done.err
    found = answer(done)
    assert found["plan"]["groups"] == ["policy"]
    assert (var / "tuning" / "tuning.toml").exists()


def test_a_search_that_goes_on_asks_what_it_asked(typed, var):
    begun = answer(typed(*QUICK, "--trials", 2, "--end", "2026-11-20T03:00", "--json"))
    found = answer(typed("tune", "--trials", 3, "--json"))  # it knows the rest
    assert found["plan"] == begun["plan"]
    assert found["trials"][:2] == begun["trials"]
    refused = typed("tune", "--days", 4)
    assert refused.code == 2
    assert "--days is 4.0, but the search in" in refused.err
    assert "was begun with 3.0; expected the same, or another --name" in refused.err
    (var / "recsys.toml").write_text("[policy]\ndiversity = 0.1\n")
    refused = typed("tune", "--trials", 4)
    assert refused.code == 2
    assert "the settings of the search in" in refused.err


def test_what_is_switched_off_stays_off(typed, var):
    (var / "recsys.toml").write_text("[policy.weights]\npersonal = 0.0\ntrending = 99.0\n")
    found = answer(typed(*QUICK, "--trials", 2, "--json"))
    first, second = found["trials"]
    assert first["values"]["policy.weights.trending"] == 99.0  # what was set is within reach
    assert "policy.weights.personal" not in first["values"]
    assert first["values"] != second["values"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--metric", "clicks"), "--metric 'clicks' is unknown; known: MRR@10, HR@10"),
        (("--over", "quotas"), "--over 'quotas' is unknown; known: policy, train, ranker"),
        (("--days", 400), "expected fewer --days and --holdout, or more history"),
        (("--minutes", 0), "left no time for a trial; expected more"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(typed, var, words, sentence):
    done = typed("tune", *words)
    assert done.code == 2
    assert sentence in done.err


def test_a_ranker_that_is_switched_off_cannot_be_searched(typed, var):
    (var / "recsys.toml").write_text("[train]\nrank_questions = 0\n")
    done = typed("tune", "--over", "ranker")
    assert done.code == 2
    assert "[train] rank_questions = 0; expected more than 0" in done.err


def test_an_empty_store_says_how_to_fill_it(typed, tmp_path):
    done = typed("tune")
    assert done.code == 2
    assert "recsys import events FILE" in done.err


def test_two_searches_do_not_write_one_file(typed, var):
    (var / "tuning").mkdir()
    with FileLock(var / "tuning" / "tuning.lock"):
        done = typed(*QUICK)
    assert done.code == 2
    assert "another process is tuning into" in done.err

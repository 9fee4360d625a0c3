"""``recsys policy`` as a person types it: on files that are wrong, odd or sound, and on a store."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import SIZES
from data.store import Store
from recsys.policy import Policy

END = 1_795_392_000
DAY = "2026-11-18"
README = Path(__file__).parents[2] / "README.md"
SOUND = "[policy]\ndiversity = 0.5\n\n[policy.placements.home]\nexploration = 0.2\n"


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var = tmp_path_factory.mktemp("stocked")
    generate(var / "net", SIZES["tiny"], 1, END)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        for name, bring in ("articles", import_articles), ("events", import_events):
            bring(store, read(str(var / "net" / f"{name}.parquet")), name, var, END)
    return var


@pytest.fixture
def var(stocked, tmp_path):
    shutil.copy(stocked / "recsys.db", tmp_path / "recsys.db")
    return tmp_path


def put(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def answer(done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


# check


def test_a_sound_policy_is_shown_with_what_differs_at_each_placement(typed, tmp_path):
    put(tmp_path, "recsys.toml", SOUND)
    done = typed("policy", "check")
    assert done.code == 0, done.err
    assert "sound, and nothing is odd" in done.out
    [diversity] = [line for line in done.out.splitlines() if " diversity " in line]
    [exploration] = [line for line in done.out.splitlines() if " exploration " in line]
    assert [cell.strip() for cell in diversity.strip("│").split("│")] == ["diversity", "0.5", ""]
    assert exploration.strip("│").split("│")[2].strip() == "0.2"
    found = answer(typed("policy", "check", "--json"))
    assert found["policy"]["diversity"] == 0.5
    assert found["placements"] == {"home": {"exploration": 0.2}}
    assert found["problems"] == found["warnings"] == []
    assert not (tmp_path / "recsys.db").exists()  # looking makes no store


def test_every_problem_is_listed_with_its_line_whichever_table_it_is_in(typed, tmp_path):
    lines = [
        "[policy]",
        "diversity = 2",
        "[policy.sponsored]",
        "mots = 1",
        "[train]",
        "dims = 0",
        "[sites.daily]",
        'nmae = "Daily"',
        "[experiment]",
        'id = "two words"',
        "[[experiment.arms]]",
        'name = "a"',
        "share = 0.5",
        "[[experiment.arms]]",
        'name = "b"',
        "share = 9",
        "[polcy]",
    ]
    file = put(tmp_path, "bad.toml", "\n".join(lines))
    wanted = [
        "line 2 [policy]: diversity = 2.0: expected between 0 and 1",
        "line 4 [policy.sponsored]: unknown key 'mots'; did you mean 'most'?",
        "line 6 [train]: dims = 0: expected 1 or more",
        "line 8 [sites.daily]: unknown key 'nmae'; did you mean 'name'?",
        "line 16 [[experiment.arms]]: share = 9.0: expected between 0.001 and 1",
        "line 17: unknown table [polcy]; did you mean 'policy'?",
    ]
    done = typed("policy", "check", file)
    assert done.code == 2
    assert not done.out
    assert done.err.splitlines() == [f"error: {file} {line}" for line in wanted]
    told = typed("policy", "check", file, "--json")
    assert told.code == 2
    assert [problem["line"] for problem in json.loads(told.out)["problems"]] == [2, 4, 6, 8, 16, 17]
    # Whatever is started with it says the same.
    started = typed("--config", file, "bundles", "list")
    assert started.code == 2
    assert all(line in started.err for line in wanted)


def test_a_wrong_configuration_in_use_hides_no_other_file(typed, tmp_path):
    put(tmp_path, "recsys.toml", "[policy]\ndiversity = 2\n")
    assert typed("policy", "check").code == 2
    assert typed("policy", "check", put(tmp_path, "sound.toml", SOUND)).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sites.a]\n[policy.sites.b]\nmin = 0.1\n", "line 2 [policy.sites]: [sites] has no site"),
        ("[policy.sites.b]\n", "line 1 [policy.sites]: the store has no site 'b'; known: daily"),
        ("[policy.sections.Nix]\n", "[policy.sections]: no article of the store is in a section"),
        ('[policy]\nlanguages = ["tlh"]\n', "line 2 [policy]: no article of the store is in the"),
        ("[policy.sponsored]\nslots = [7]\n", "line 2 [policy.sponsored]: slots = [7]: a slate"),
        ("[policy.sponsored]\nslots = [1, 2]\n", "more than the most = 1 sponsored cards"),
        (
            "[policy]\n[policy.placements.home]\ndiversity = 0.3\n",
            "line 2 [policy.placements.home]",
        ),
        (
            "[policy.weights]\nrelated = 0\nco_read = 0\ntrending = 0\npersonal = 0\n",
            "all weights are 0",
        ),
        ("[policy.trends]\nmin_age = 9\nmax_age = 9\n", "line 3 [policy.trends]: max_age = 9"),
        (
            "[policy.sites.daily]\nmin = 0.3\n[policy.sites.neon]\nmin = 0.3\n"
            "[policy.sites.engawa]\nmin = 0.3\n[policy.sites.genkan]\nmin = 0.1\n",
            "the least shares of sites come to 7 cards, more than a slate of 6 has",
        ),
        ("[policy.sites.daily]\nmin = 0.9\n", "'daily' is to have 6 cards of 6 at least, and 4 at"),
        (
            "[policy]\nother_sites_min = 0.8\n[policy.sites.daily]\nmin = 0.4\n",
            "'daily' is to have 3 cards of 6 at least, and may have 1 on its own pages",
        ),
        (
            "[policy]\nmax_per_site = 0.1\n",
            "leave room for 5 cards of 6: a quota gives way every time",
        ),
    ],
)
def test_what_is_valid_but_not_meant_is_a_warning(typed, var, text, said):
    file = put(var, "odd.toml", text)
    done = typed("policy", "check", file)
    assert done.code == 0
    assert said in done.err
    assert done.err.count("warning:") == len(done.err.splitlines()) == 1
    assert typed("policy", "check", file, "--strict").code == 2


def test_quotas_are_reckoned_for_the_box_that_is_asked_about(typed, var):
    file = put(var, "odd.toml", "[policy.sponsored]\nslots = [7]\n")
    assert typed("policy", "check", file, "-n", 8, "--strict").code == 0


def test_the_defaults_are_sound(typed, var):
    done = typed("policy", "check", "--strict")
    assert done.code == 0, done.err
    assert "There is no configuration, these are the defaults: sound" in done.out


def test_the_policy_of_the_readme_is_sound_and_says_something_of_every_table(typed, var):
    text = README.read_text(encoding="utf-8").partition("\n## Policy\n")[2]
    example = text.partition("```toml\n")[2].partition("```")[0]
    done = typed("policy", "check", put(var, "readme.toml", example), "--strict")
    assert done.code == 0, done.err
    tables = {line.partition("]")[0] for line in example.splitlines() if line.startswith("[")}
    for field in dataclasses.fields(Policy):
        table = f"[policy.{field.name}"
        assert any(f"{one}.".startswith(f"{table}.") for one in tables) or field.name in example


# diff


def test_the_same_policy_changes_nothing(typed, var):
    one, other = (put(var, name, "[policy]\ndiversity = 0.5\n") for name in ("a.toml", "b.toml"))
    found = answer(typed("policy", "diff", one, other, "--day", DAY, "--json"))
    assert found["settings"] == {}
    assert found["found"]["changed"]["mean"] == found["found"]["replaced"]["mean"] == 0
    assert found["found"]["examples"] == []
    assert "No setting of the policy differs." in typed("policy", "diff", one, other).out


def test_quotas_of_other_sites_move_the_shares(typed, var):
    free = put(var, "free.toml", "[policy]\nother_sites_min = 0.0\nmax_per_site = 1.0\n")
    put(var, "recsys.toml", "[policy]\nother_sites_min = 1.0\nmax_per_site = 1.0\n")
    words = ("policy", "diff", free, "--day", DAY)
    told = answer(typed(*words, "--json"))
    assert told["before"].endswith("recsys.toml")
    assert told["settings"] == {"other_sites_min": {"before": 1.0, "after": 0.0}}
    found = told["found"]
    figures = {figure["name"]: figure for figure in found["figures"]}
    assert figures["other sites"]["before"] == 1.0
    assert figures["other sites"]["after"] < 0.9
    assert figures["other sites"]["difference"]["high"] < 0
    assert found["changed"]["mean"] > 0.5

    shown = typed(*words).out
    assert "│ other_sites_min │ 1.0    │ 0.0   │" in shown
    assert f"{found['pages']:,} of {found['of']:,} pages of {DAY}" in shown
    assert "other sites" in shown
    assert found["examples"][0]["title"] in shown
    assert "not which would be clicked more" in shown
    assert not (var / "bundles").exists()  # what is served is not touched


def test_pages_are_drawn_and_a_day_has_no_more_than_it_has(typed, var):
    file = put(var, "b.toml", "[policy]\ndiversity = 0.9\n")
    words = ("policy", "diff", file, "--day", DAY, "--json")
    few, whole = (answer(typed(*words, "--requests", most))["found"] for most in (5, 0))
    assert few["pages"] == 5
    assert few["of"] == whole["of"] == whole["pages"] > 5
    assert answer(typed(*words, "--requests", 5))["found"] == few


def test_the_current_bundle_answers_unless_it_has_seen_the_day(typed, var):
    put(var, "recsys.toml", "[train]\nrank_questions = 0\n")
    file = put(var, "b.toml", "[policy]\ndiversity = 0.9\n")
    early = answer(typed("train", "--now", "2026-11-17", "--json"))["id"]
    found = answer(typed("policy", "diff", file, "--day", DAY, "--json"))
    assert found["bundle"] == early
    late = answer(typed("train", "--now", "2026-11-19", "--json"))["id"]
    found = answer(typed("policy", "diff", file, "--day", DAY, "--json"))
    assert found["bundle"] not in (early, late)
    assert found["learned_until"] == 1_794_960_000  # the midnight before


def test_what_a_replay_cannot_tell_is_said(typed, var):
    file = put(var, "b.toml", "[policy]\nexploration = 0.3\n[train]\ndims = 8\n")
    done = typed("policy", "diff", file, "--day", DAY)
    assert "note: only exploration differs" in done.out
    assert "note: [train] differs, too" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--day", "2027-05-01"), "no article was opened on 2027-05-01, so there is nothing to"),
        (("--day", "someday"), "--day 'someday' is not a time"),
        (("nowhere.toml",), "cannot read the configuration nowhere.toml"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(typed, var, words, said):
    done = typed("policy", "diff", put(var, "b.toml", SOUND), *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("error:") == 1
    assert not done.out


def test_a_store_without_events_says_so(typed, tmp_path):
    done = typed("policy", "diff", put(tmp_path, "b.toml", SOUND))
    assert done.code == 2
    assert "import some with: recsys import events FILE" in done.err

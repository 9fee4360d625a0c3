"""``recsys evaluate`` as a person types it: on a store, and on clicks in Globo.com's layout."""

import datetime
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.importers.files import read
from data.importers.run import import_articles, import_events
from data.sample.generate import generate
from data.sample.sizes import SIZES
from data.store import Store
from training.systems import SYSTEMS, USUAL

END = 1_795_392_000
SHARED = Path(os.environ.get("RECSYS_SHARED", Path(__file__).parents[3] / "shared"))
MORNING = 1_507_690_800
TASKS = "next click", "next article", "click in an impression"
COLUMNS = [
    "user_id",
    "session_id",
    "session_start",
    "session_size",
    "click_article_id",
    "click_timestamp",
    "click_environment",
    "click_deviceGroup",
    "click_os",
    "click_country",
    "click_region",
    "click_referrer_type",
]


def stock(var: Path) -> None:
    generate(var / "net", SIZES["tiny"], 1, END)
    with Store.open(f"sqlite:///{var / 'recsys.db'}") as store:
        for name, bring in ("articles", import_articles), ("events", import_events):
            bring(store, read(str(var / "net" / f"{name}.parquet")), name, var, END)


def clicks(folder: Path, sessions: int = 150, columns: list[str] = COLUMNS) -> Path:
    """Write sessions of three clicks over three days, each article leading to the next one."""
    rng = np.random.default_rng(3)
    start = MORNING - 2 * 86_400 + np.sort(rng.integers(0, 3 * 86_400, sessions))
    rows = []
    for session, at in enumerate(start.tolist()):
        first = int(rng.integers(0, 20))
        for step in range(3):
            values = dict.fromkeys(COLUMNS, 1) | {
                "user_id": session % 60,
                "session_id": 10_000 + session,
                "session_start": 1000 * at,
                "session_size": 3,
                "click_article_id": 100 + (first + step) % 20,
                "click_timestamp": 1000 * (at + 60 * step),
            }
            rows.append({name: values[name] for name in columns})
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "clicks.parquet")
    return folder


def when(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()


def answer(done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def timeless(found: dict) -> dict:
    """Leave out what depends on the clock, and the words that were typed."""
    costs = {"milliseconds": 0, "fit_seconds": 0, "fit_peak_bytes": 0}
    systems = [system | costs for system in found["systems"]]
    return found | {"created": 0, "command": "", "systems": systems}


def means(found: dict, task: str, metric: str) -> dict[str, float]:
    return {
        m["system"]: m["mean"]
        for m in found["measures"]
        if (m["task"], m["metric"], m["segment"]) == (task, metric, "")
    }


def test_the_last_week_of_the_store_is_replayed(typed, tmp_path):
    stock(tmp_path)
    words = ("evaluate", "--questions", 100)
    found = answer(typed(*words, "--json"))
    assert [asked["task"] for asked in found["asked"]] == list(TASKS)
    for task in TASKS[:2]:
        assert list(means(found, task, "HR@10")) == list(USUAL)
    assert found["end"] - found["cut"] == 7 * 86_400
    assert found["end"] <= END
    assert found["seed"] == 0
    assert not (tmp_path / "bundles").exists()  # what is served is not touched

    shown = typed(*words, "--save", tmp_path / "again.json").out
    assert timeless(json.loads((tmp_path / "again.json").read_bytes())) == timeless(found)
    assert "Learned from" in shown
    for asked in found["asked"]:
        assert f"{asked['task']}: {asked['questions']:,} questions of {asked['of']:,}" in shown
    for system, mean in means(found, "next click", "HR@10").items():
        (row,) = [
            m
            for m in found["measures"]
            if m["system"] == system
            and m["task"] == "next click"
            and m["metric"] == "HR@10"
            and not m["segment"]
        ]
        assert f"{mean:.3f} {row['low']:.3f} to {row['high']:.3f}" in shown


def test_what_was_found_is_kept_and_can_be_read_again(typed, tmp_path):
    stock(tmp_path)
    words = ("evaluate", "--questions", 50, "--system", "latest", "--system", "most popular")
    found = answer(typed(*words, "--json"))
    (kept,) = (tmp_path / "evaluations").iterdir()
    assert json.loads(kept.read_bytes()) == found
    elsewhere = tmp_path / "deep" / "er.json"
    shown = typed(*words, "--save", elsewhere, "--report", tmp_path / "found.html")
    assert str(elsewhere) in shown.out
    assert timeless(json.loads(elsewhere.read_bytes())) == timeless(found)
    assert "most popular" in (tmp_path / "found.html").read_text()


def test_systems_are_named_or_meant_by_kind(typed, tmp_path):
    stock(tmp_path)

    def compared(*names: str) -> list[str]:
        words = [word for name in names for word in ("--system", name)]
        found = answer(typed("evaluate", "--questions", 20, "--task", TASKS[0], *words, "--json"))
        return [system["name"] for system in found["systems"]]

    baselines = [name for name, entry in SYSTEMS.items() if entry.kind == "baseline"]
    assert compared("baseline") == baselines
    assert compared("latest", "baseline") == ["latest", *(b for b in baselines if b != "latest")]
    assert compared("latest", "latest") == ["latest"]


def test_history_is_parted_as_one_wants(typed, tmp_path):
    stock(tmp_path)
    words = ("evaluate", "--task", TASKS[0], "--system", "latest", "--questions", 0, "--json")
    words = (*words, "--cut", when(END - 3 * 86_400))
    once = answer(typed(*words))
    for parted in (("--split", "per day"), ("--split", "rolling", "--every", 40)):
        found = answer(typed(*words, *parted))
        assert found["split"] == parted[1]
        assert found["asked"] == once["asked"]
    warm = answer(typed(*words, "--warm-up", 36))
    assert warm["warm_up"] == 36 * 3600
    assert warm["asked"][0]["questions"] < once["asked"][0]["questions"]


def test_answers_that_depend_on_the_future_would_be_told(typed, tmp_path):
    stock(tmp_path)
    words = ("evaluate", "--check-leaks", "--questions", 100, "--task", TASKS[0])
    done = typed(*words, "--system", "engine", "--system", "co-visitation")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "next click: engine: no answer changed with what came after it",
        "next click: co-visitation: no answer changed with what came after it",
    ]
    assert answer(typed(*words, "--system", "latest", "--json")) == [
        {"task": "next click", "system": "latest", "leak": None}
    ]


def test_globos_clicks_are_replayed_and_nothing_else_is_opened(typed, tmp_path):
    folder = clicks(tmp_path / "globo")
    words = ("evaluate", "--globo", folder, "--cut", when(MORNING), "--questions", 0, "--json")
    found = answer(typed(*words))
    assert [asked["task"] for asked in found["asked"]] == ["next click"]
    assert means(found, "next click", "HR@10")["co-visitation"] > 0.8  # one leads to the next
    assert not means(found, "next click", "diversity")  # a number is no text

    # Whatever else lies there is neither needed nor looked at.
    for name in ("articles_metadata.csv", "clicks_sample.csv", "articles.parquet"):
        (folder / name).write_bytes(b"\xff not to be read")
        (folder / name).chmod(0)
    (folder / "clicks").mkdir()
    (folder / "clicks" / "clicks_hour_000.csv").write_bytes(b"\xff")
    assert timeless(answer(typed(*words))) == timeless(found)
    assert not (tmp_path / "recsys.db").exists()


def test_opened_files_are_the_clicks_alone(typed, tmp_path, monkeypatch):
    folder = clicks(tmp_path / "globo")
    (folder / "articles_metadata.csv").write_text("article_id\n")
    opened = watch(folder)
    answer(
        typed("evaluate", "--globo", folder, "--cut", when(MORNING), "--system", "latest", "--json")
    )
    assert opened <= {"clicks.parquet"}


def watch(folder: Path) -> set[str]:
    """Return the names of files below ``folder`` that Python opens or lists from now on."""
    import sys

    names: set[str] = set()

    def hook(event: str, arguments: tuple) -> None:
        if event in ("open", "os.listdir", "os.scandir") and arguments[0]:
            path = str(arguments[0])
            if path.startswith(str(folder)):
                names.add(Path(path).name)

    sys.addaudithook(hook)
    return names


def test_what_happens_after_a_question_changes_no_answer_before_it(typed, tmp_path):
    whole, half = clicks(tmp_path / "whole"), tmp_path / "half"
    table = pq.read_table(whole / "clicks.parquet")
    noon = MORNING + 12 * 3600
    half.mkdir()
    early = np.flatnonzero(table["click_timestamp"].to_numpy() < 1000 * noon)
    pq.write_table(table.take(early), half / "clicks.parquet")
    asked = ("--cut", when(MORNING), "--end", when(noon), "--questions", 0, "--json")
    found = [answer(typed("evaluate", "--globo", folder, *asked)) for folder in (whole, half)]
    assert found[0]["asked"][0]["questions"] > 10
    for part in ("asked", "differences", "examples"):
        assert found[0][part] == found[1][part]
    hits = [means(one, "next click", "HR@10") for one in found]
    assert hits[0] == hits[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "holds no event before"),
        (["--system", "magic"], "--system 'magic' is unknown; known: engine"),
        (["--task", "guess"], "--task 'guess' is unknown; known: next click, next article"),
        (["--split", "half"], "--split 'half' is unknown; known: one cut, rolling, per day"),
        (["--cut", "soon"], "--cut 'soon' is not a time"),
        (["--end", "late"], "--end 'late' is not a time"),
        (["--globo", "nowhere"], "clicks.parquet"),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(typed, words, said):
    done = typed("evaluate", *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("error:") == 1
    assert not done.out


def test_a_lacking_column_is_named(typed, tmp_path):
    folder = clicks(tmp_path / "globo", columns=[c for c in COLUMNS if c != "click_timestamp"])
    done = typed("evaluate", "--globo", folder)
    assert done.code == 2
    assert "click_timestamp" in done.err


def test_a_file_without_a_click_before_the_end_is_one_sentence(typed, tmp_path):
    done = typed("evaluate", "--globo", clicks(tmp_path / "globo"), "--end", "2001-01-01")
    assert done.code == 2
    assert "no click before" in done.err


def test_a_cut_after_the_end_is_one_sentence(typed, tmp_path):
    folder = clicks(tmp_path / "globo")
    done = typed("evaluate", "--globo", folder, "--cut", "2018-01-01", "--system", "latest")
    assert done.code == 2
    assert "--cut 2018-01-01 00:00 UTC is not before the end" in done.err


def test_the_published_clicks_are_readable(typed, tmp_path):
    source = SHARED / "data" / "globo" / "clicks.parquet"
    if not source.exists():
        pytest.skip(f"{source} is not there; set RECSYS_SHARED to the directory that holds data/")
    # The first hours are enough to know that the real columns are understood.
    (tmp_path / "globo").mkdir()
    head = next(pq.ParquetFile(source).iter_batches(4_000))
    pq.write_table(pa.Table.from_batches([head]), tmp_path / "globo" / "clicks.parquet")
    last = int(head.column("click_timestamp").to_numpy().max()) // 1000
    words = ("--cut", when(last - 3600), "--system", "engine", "--system", "latest", "--json")
    found = answer(typed("evaluate", "--globo", tmp_path / "globo", *words))
    assert found["asked"][0]["questions"] > 0
    assert means(found, "next click", "HR@10")["engine"] > 0

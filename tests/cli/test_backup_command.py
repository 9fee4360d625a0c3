"""An installation is backed up, lost and put up again from the command line."""

import json
import shutil
import time
from datetime import UTC, datetime

import pytest

from data import depot
from data.store import Store
from recsys import shelf
from recsys.types import Article, ArticleId, Event, Kind
from training.recipe import Recipe
from training.run import run

NOW = int(time.time())
THEN = f"{datetime.fromtimestamp(NOW, UTC):%Y-%m-%dT%H:%M:%S}"
ASK = ("recommend", "--article", "daily/a-1", "--visitor", "reader-1", "--now", THEN, "--json")


@pytest.fixture
def place(tmp_path, typed):
    articles = [
        Article("daily", f"a-{n}", f"https://d.example/{n}", f"Ferry {n}", NOW - 999, body="tide")
        for n in range(12)
    ]
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_articles(articles)
        store.put_events(
            Event(f"e{n}", Kind.CLICK, articles[n % 12].id, NOW - 900 + n, f"v{n % 4}", f"s{n % 4}")
            for n in range(40)
        )
        run(store, tmp_path / "bundles", Recipe(dims=4, factors=4), NOW)
    (tmp_path / "recsys.toml").write_text("[policy]\nexploration = 0.0\n")
    assert typed("keys", "create", "cms", "--scope", "articles").code == 0
    assert typed("visitors", "erase", "nobody", "--yes").code == 0
    return tmp_path


def lose(place):
    for path in place.iterdir():
        if path.name != "backups":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_is_lost_comes_back_and_answers_as_before(typed, place):
    answer, keys = typed(*ASK).out, typed("keys", "list", "--json").out
    assert json.loads(answer)["items"]
    made = json.loads(typed("backup", "--keep", "2", "--json").out)
    assert made["rows"]["events"] == 40
    lose(place)
    done = typed("restore", place / "backups")
    assert (done.code, f"restored {made['backup']}: 12 articles, 40 events" in done.out) == (
        0,
        True,
    )
    assert "readers who were erased after the backup are back" in done.err
    assert typed(*ASK).out == answer
    assert typed("keys", "list", "--json").out == keys
    assert "store.restore" in typed("audit").out
    again = typed("restore", place / "backups")
    assert (again.code, "is not empty" in again.err) == (2, True)


def test_who_is_erased_after_a_backup_is_told_and_erased_again(typed, place, tmp_path):
    visitor = "reader-1"
    with Store.open(f"sqlite:///{place / 'recsys.db'}") as store:
        pseudonym = json.loads(typed("visitors", "show", visitor).out)["visitor"]
        store.put_events([Event("x", Kind.CLICK, ArticleId("daily", "a-1"), NOW, pseudonym)])
    assert typed("backup").code == 0
    typed("visitors", "erase", visitor, "--yes")
    erased = tmp_path.parent / f"{tmp_path.name}-erased.json"
    erased.write_text(typed("visitors", "erased", "--json").out)
    assert [one["visitor"] for one in json.loads(erased.read_text())][-1] == pseudonym
    lose(place)
    done = typed("restore", place / "backups", "--erasures", erased)
    assert "erased again: 1 readers" in done.out
    assert json.loads(typed("visitors", "show", visitor).out)["events"] == []
    assert "erased 0 readers" in typed("visitors", "erase", "--from", erased, "--yes").out
    neither = typed("visitors", "erase")
    assert (neither.code, "wants the id of one reader, or --from" in neither.err) == (2, True)


def test_a_backup_can_be_checked_alone(typed, place):
    made = json.loads(typed("backup", "--without-keyring", "--json").out)["backup"]
    assert "is sound: 12 articles" in typed("restore", made, "--check").out
    (place / "backups" / made / "store" / "articles.parquet").write_bytes(b"")
    broken = typed("restore", made, "--check")
    assert (broken.code, "articles.parquet differs from its checksum" in broken.err) == (2, True)


def test_without_the_keyring_it_says_what_to_do_first(typed, place):
    typed("backup", "--without-keyring")
    lose(place)
    done = typed("restore", place / "backups")
    assert "there is no keyring; put your copy to" in done.err


def test_where_there_is_no_backup_one_sentence_says_so(typed, tmp_path):
    done = typed("restore", tmp_path / "nothing")
    assert (done.code, "there is no backup in" in done.err) == (2, True)


def test_bundles_of_a_depot_are_backed_up_and_go_back_into_it(typed, place, tmp_path_factory):
    kept = tmp_path_factory.mktemp("depot")
    with (place / "recsys.toml").open("a") as file:
        file.write(f'[bundles]\nurl = "file://{kept}"\n')
    id = shelf.current(place / "bundles")
    depot.push(place / "bundles", id, f"file://{kept}")
    shutil.rmtree(place / "bundles")  # as on a machine that has trained nothing
    made = json.loads(typed("backup", "--json").out)
    assert made["bundle"] == id
    shutil.rmtree(kept)
    kept.mkdir()
    configuration = (place / "recsys.toml").read_text()
    lose(place)
    (place / "recsys.toml").write_text(configuration)
    assert typed("restore", made["backup"]).code == 0
    assert depot.pull(f"file://{kept}", place / "elsewhere") == id


def test_without_a_configuration_the_backups_own_says_where(typed, place, tmp_path_factory):
    other = place / "elsewhere.db"
    made = json.loads(typed("backup", "--json").out)["backup"]
    lose(place)
    (place / "recsys.toml").write_text(f'[store]\nurl = "sqlite:///{other}"\n')
    assert typed("restore", made).code == 0
    # Elsewhere: two backups of one second would have one name.
    again = json.loads(typed("backup", tmp_path_factory.mktemp("more"), "--json").out)["backup"]
    lose(place)
    assert typed("restore", again).code == 0
    assert other.exists()
    assert not (place / "recsys.db").exists()
    assert "elsewhere.db" in (place / "recsys.toml").read_text()

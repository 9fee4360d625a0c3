"""A reader can be shown and erased under the id that the publisher knows."""

import io
import json
import time

from data.store import Mark, Store

EVENTS = "kind,site,key,at,visitor,session\n" + "".join(
    f"click,daily,a-{n},{int(time.time()) - 900 + n},anna@example.org,s1\n" for n in range(3)
)


def imported(typed, tmp_path):
    (tmp_path / "clicks.csv").write_text(EVENTS)
    assert typed("import", "events", tmp_path / "clicks.csv").code == 0


def test_the_store_holds_pseudonyms_only(typed, tmp_path):
    imported(typed, tmp_path)
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        events = [event for _, event in store.changes(Mark()).events]
    assert {len(event.visitor) for event in events} == {32}
    assert {len(event.session) for event in events} == {32}
    assert b"anna" not in (tmp_path / "recsys.db").read_bytes()


def test_what_is_held_is_shown_and_erased_for_good(typed, tmp_path):
    imported(typed, tmp_path)
    held = json.loads(typed("visitors", "show", "anna@example.org").out)
    assert [event["key"] for event in held["events"]] == ["a-0", "a-1", "a-2"]
    assert json.loads(typed("visitors", "show", "nobody").out)["events"] == []
    done = typed("visitors", "erase", "anna@example.org", "--yes", "--json")
    assert json.loads(done.out) == {"events": 3}
    told = json.loads(typed("audit", "--json").out)[0]
    assert (told["action"], told["subject"]) == ("visitor.erase", "")
    imported(typed, tmp_path)
    assert json.loads(typed("visitors", "show", "anna@example.org").out)["events"] == []


def test_erasing_asks_first(typed, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    imported(typed, tmp_path)
    assert typed("visitors", "erase", "anna@example.org").code != 0
    assert len(json.loads(typed("visitors", "show", "anna@example.org").out)["events"]) == 3

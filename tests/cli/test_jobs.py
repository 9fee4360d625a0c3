"""A schedule deletes what is older than the publisher wants to keep."""

import json
import time

from data.store import Store
from recsys.types import ArticleId, Event, Kind

DAY = 86_400


def stock(tmp_path):
    now = int(time.time())
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as store:
        store.put_events(
            Event(str(age), Kind.CLICK, ArticleId("daily", "a"), now - age * DAY)
            for age in (1, 20, 40, 400, 500)
        )


def test_old_events_go_and_the_rest_stays(typed, tmp_path):
    stock(tmp_path)
    assert "deleted 2 events older than 395 days" in typed("job", "retention").out
    assert json.loads(typed("job", "retention", "--json").out)["detail"]["deleted"] == 0


def test_the_age_is_a_setting(typed, tmp_path):
    stock(tmp_path)
    (tmp_path / "recsys.toml").write_text("[retention]\ndays = 30\n")
    assert json.loads(typed("job", "retention", "--json").out)["detail"]["deleted"] == 3
    (tmp_path / "recsys.toml").write_text("[retention]\ndays = 0\n")
    done = typed("job", "retention")
    assert (done.code, "days = 0" in done.err) == (2, True)

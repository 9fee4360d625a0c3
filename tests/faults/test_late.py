"""Events that come late or out of order count where they belong, and once."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from served import SITES, STILL, article

from data.store import Store
from recsys import shelf
from recsys.trending import HALF_LIVES
from recsys.types import ArticleId, Event, Kind
from service.holder import Holder
from service.settings import Settings
from training.run import run

from .conftest import RECIPE

NOW = int(time.time())
WEEK = 7 * 86_400
PAGES = [article(site, place, published=NOW - 30 * 86_400) for site in SITES for place in range(8)]
OLD = ArticleId("travel", "a-5")


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'recsys.db'}") as opened:
        opened.put_articles(PAGES)
        yield opened


def holder(folder: Path) -> Holder:
    settings = Settings(
        folder / "bundles",
        f"sqlite:///{folder / 'recsys.db'}",
        folder / "keyring.json",
        SITES,
        STILL,
    )
    made = Holder(settings)
    made.refresh(NOW)
    return made


def voices(holder: Holder, article: ArticleId) -> np.ndarray:
    live = holder._served.live
    return live.trends.voices.counts(NOW)[:, live.view.catalogue.ids.row(str(article))]


def visits(readers: int = 60) -> list[Event]:
    """Visits of three pages each, over three hours."""
    draw = random.Random(3)
    return [
        Event(
            f"{reader}-{step}",
            Kind.READ,
            page.id,
            NOW - 10_000 + 150 * reader + 20 * step,
            session=f"s{reader}",
        )
        for reader in range(readers)
        for step, page in enumerate(draw.sample(PAGES, 3))
    ]


def test_events_out_of_order_teach_what_they_teach_in_order(tmp_path):
    events, learned, heard = visits(), [], []
    for name in ("ordered", "shuffled"):
        (tmp_path / name).mkdir()
        with Store.open(f"sqlite:///{tmp_path / name / 'recsys.db'}") as store:
            store.put_articles(PAGES)
            serving = holder(tmp_path / name)
            if name == "shuffled":
                random.Random(1).shuffle(events)
            store.put_events(events)
            serving.refresh(NOW)
            heard.append(serving._served.live.trends.voices.counts(NOW).sum(axis=1))
            learned.append(run(store, tmp_path / name / "bundles", RECIPE, NOW))
    for part in ("trends", "coread"):
        one, two = (getattr(bundle, part).arrays() for bundle in learned)
        for column in one:
            assert np.allclose(one[column], two[column], rtol=1e-5), (part, column)
    # Which page of a visit came first nobody can know yet, but it is one visit.
    assert np.allclose(heard[0][1:], heard[1][1:], rtol=0.02)


def test_an_event_of_last_week_counts_on_the_slow_clock_and_hardly_on_the_fast(store, tmp_path):
    serving = holder(tmp_path)
    store.put_events(
        Event(f"old-{n}", Kind.READ, OLD, NOW - WEEK, session=f"s{n}") for n in range(8)
    )
    serving.refresh(NOW)
    heard = voices(serving, OLD)
    landing = 8 * 0.25
    assert heard == pytest.approx([landing * 2 ** (-WEEK / life) for life in HALF_LIVES])
    assert heard[0] < 1e-9 < 0.9 < heard[-1]


def test_an_event_that_comes_after_a_training_it_belongs_before_is_heard_once(store, tmp_path):
    store.put_events(visits())
    run(store, tmp_path / "bundles", RECIPE, NOW)
    serving = holder(tmp_path)
    assert serving.state.bundle == shelf.current(tmp_path / "bundles")
    before = voices(serving, OLD)
    late = Event("late", Kind.READ, OLD, NOW - 3 * 86_400, session="late")
    store.put_events([late])
    serving.refresh(NOW)
    once = voices(serving, OLD)
    assert once[-1] > before[-1] + 0.1  # it is followed by its number, not by its time
    assert store.put_events([late]).same == 1
    serving.refresh(NOW)
    assert voices(serving, OLD).tolist() == once.tolist()
    # The next bundle knows it, and nobody counts it again after that bundle's mark.
    run(store, tmp_path / "bundles", RECIPE, NOW)
    serving.refresh(NOW)
    assert voices(serving, OLD) == pytest.approx(once)
    assert voices(holder(tmp_path), OLD) == pytest.approx(once)

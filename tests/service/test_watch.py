"""A bundle that readers receive worse is left, once, and only on evidence from everywhere."""

import dataclasses
import os
import random
import time

import pytest

from data import audit, leases, reception
from recsys import shelf
from recsys.bundle import Bundle, Manifest, write
from recsys.types import ArticleId, Event, Kind
from service import metrics
from service.fills import BUNDLES, Fill, Fills
from service.holder import Holder
from service.settings import Watch
from service.watch import LEASE, Watcher

T = int(time.time())
DAY = 86_400
WATCH = Watch(impressions=600, answers=200, settle=120)


@pytest.fixture
def root(settings):
    return settings.bundles


@pytest.fixture
def publish(root):
    """Publish a bundle made at some time; it knows no article, which is not what is judged here."""

    def published(created: int) -> str:
        made = dataclasses.replace(Bundle.empty(), manifest=Manifest(created=created))
        shelf.publish(root, id := write(made, root).name)
        return id

    return published


@pytest.fixture
def two(publish) -> tuple[str, str]:
    """The bundle before and the one in service."""
    return publish(T - 2 * DAY), publish(T - 3600)


@pytest.fixture
def look(settings, root):
    """Look once at ``T``, as a worker does that has refreshed; returns what was left."""

    def looked(now: int = T, fills: Fills | None = None, **watch: object) -> str:
        own = dataclasses.replace(settings, watch=dataclasses.replace(WATCH, **watch))
        holder = Holder(own)
        holder.refresh(now)
        holder.fills = fills or Fills()
        watcher = Watcher(own, holder)
        left = watcher.look(now)
        if watcher.lease:
            watcher.lease.release()
        return left

    return looked


def cards(
    bundle: str,
    rate: float,
    many: int = 240,
    at: int = T - 1800,
    pages: tuple[str, ...] = ("daily", "culture", "travel"),
    **values: object,
) -> list[Event]:
    """Slates of six cards, each for a reader of its own, of which a share is clicked."""
    draw = random.Random(f"{bundle}{rate}{pages}{at}")
    made = []
    for n in range(many):
        slate = f"{bundle}-{'-'.join(pages)}-{at}-{n}-{values}"
        for place in range(6):
            of = {
                "article": ArticleId("daily", f"a-{place}"),
                "at": at,
                "session": f"s-{slate}",
                "seen_on": pages[n % len(pages)],
                "slate": slate,
                "position": place,
                "bundle": bundle,
                "placement": "article",
                **values,
            }
            made.append(Event(f"{slate}-{place}", Kind.IMPRESSION, **of))
            if draw.random() < rate:
                made.append(Event(f"{slate}-{place}-c", Kind.CLICK, **of))
    return made


def entries(store) -> list[audit.Entry]:
    return [e for e in audit.entries(store) if e.action == "bundle.rollback"]


def test_a_bundle_that_nobody_clicks_is_left_and_written_down(look, store, two, root):
    old, new = two
    before = metrics.total("recsys_rollbacks_total", reason="clicks")
    store.put_events(cards(old, 0.15) + cards(new, 0.02))
    assert look() == new
    assert shelf.current(root) == old
    (entry,) = entries(store)
    assert (entry.actor, entry.subject, entry.detail["left"]) == ("watch", old, new)
    assert entry.detail["reason"] == "clicks"
    assert entry.detail["rate"] <= entry.detail["high"] < entry.detail["bound"]
    assert entry.detail["many"] == entry.detail["before"] == 1440
    assert metrics.total("recsys_rollbacks_total", reason="clicks") == before + 1


@pytest.mark.parametrize("rate", [0.15, 0.13, 0.3])
def test_one_that_is_clicked_about_as_much_or_more_stays(look, store, two, root, rate):
    old, new = two
    store.put_events(cards(old, 0.15) + cards(new, rate))
    assert look() == ""
    assert shelf.current(root) == new


def test_it_goes_back_one_step_until_something_new_is_published(look, store, publish, root):
    oldest, old, new = publish(T - 3 * DAY), publish(T - 2 * DAY), publish(T - 3600)
    store.put_events(cards(oldest, 0.4) + cards(old, 0.15) + cards(new, 0.02))
    assert look() == new
    assert look() == look(now=T + 60) == ""
    assert shelf.current(root) == old
    newest = publish(T - 1800)
    store.put_events(cards(newest, 0.02, at=T - 1000))
    assert look() == newest
    assert shelf.history(root) == [old, oldest]


def test_without_a_bundle_before_it_there_is_no_way_back(look, store, publish, root):
    only = publish(T - 3600)
    store.put_events(cards(only, 0.0))
    assert look() == ""
    assert look() == ""


def test_what_a_person_has_just_made_current_is_not_left_for_what_was_before(
    settings, look, store, publish, root, monkeypatch
):
    old, new = publish(T - 2 * DAY), publish(T - 3600)
    store.put_events(cards(old, 0.15) + cards(new, 0.02))
    judged = Watcher._clicks

    def meanwhile(self, watched, now):
        fall = judged(self, watched, now)
        publish(T - 60)
        return fall

    monkeypatch.setattr(Watcher, "_clicks", meanwhile)
    assert look() == ""
    assert shelf.history(root)[1:] == [new, old]
    assert entries(store) == []


def test_too_few_cards_or_readers_say_nothing(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15) + cards(new, 0.0, many=90))
    assert look() == ""
    assert look(impressions=100) == ""  # 540 cards, but 90 readers
    store.put_events(cards(new, 0.0, many=30, at=T - 1700))
    assert look(impressions=100) == new


def test_one_reader_with_many_cards_is_a_machine(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15) + cards(new, 0.15))
    store.put_events(cards(new, 0.0, many=2_000, at=T - 1700, session="robot"))
    assert look() == ""
    assert reception.spread(store, new, 0, T, T, {("daily", "article", "")}).readers == 80


def test_a_box_that_is_broken_on_one_site_is_no_reason(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15))
    store.put_events(cards(new, 0.0, many=600, pages=("daily",)))
    assert look() == ""
    store.put_events(cards(new, 0.15, pages=("culture", "travel")))
    assert look() == ""


def test_where_there_is_only_one_site_it_is_reason_enough(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15, pages=("daily",)) + cards(new, 0.0, pages=("daily",)))
    assert look() == new


def test_places_are_compared_with_themselves(look, store, two):
    old, new = two
    # Newsletters are clicked three times as often; the new bundle has answered none yet.
    store.put_events(cards(old, 0.05) + cards(old, 0.45, placement="newsletter"))
    store.put_events(cards(new, 0.05) + cards(new, 0.0, placement="sidebar"))
    assert look() == ""


def test_hours_are_compared_with_themselves(look, store, two):
    old, new = two
    night = T - DAY - 1800
    store.put_events(cards(old, 0.3, many=400, at=night - 12 * 3600))
    store.put_events(cards(old, 0.1, many=1_200, at=night))
    store.put_events(cards(new, 0.1, many=400))
    assert look() == ""


def test_arms_are_compared_with_themselves(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.3) + cards(old, 0.05, arm="x/plain"))
    store.put_events(cards(new, 0.05, arm="x/plain"))
    assert look() == ""


def test_cards_that_may_be_clicked_yet_do_not_count(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15) + cards(new, 0.0, at=T - 60))
    assert look() == ""
    assert look(now=T + 120) == new


def test_the_old_bundle_counts_only_as_far_back_as_is_said(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15, at=T - 30 * 3600) + cards(new, 0.0))
    assert look(back=24) == ""
    assert look(back=48) == new


def test_it_watches_for_as_long_as_is_said(look, store, two, root):
    old, new = two
    store.put_events(cards(old, 0.15) + cards(new, 0.0))
    os.utime(root / "current", (T - 7200, T - 7200))
    assert look(hours=1) == ""
    assert look(hours=3) == new


def test_one_worker_of_all_asks_the_store(look, store, two):
    old, new = two
    store.put_events(cards(old, 0.15) + cards(new, 0.0))
    other = leases.acquire(store, LEASE)
    assert look() == ""
    other.release()
    assert look() == new


def counted(old: str, new: str, share: float, sites: tuple[str, ...] = ("daily", "culture")):
    fills = Fills()
    for n in range(800):
        fills.count(old, ("daily", "culture")[n % 2], "article", "", 1.0 - 0.5 * (n % 10 == 0))
        fills.count(new, sites[n % len(sites)], "article", "", share)
    return fills


def test_a_bundle_that_leaves_slots_empty_is_left(look, store, two, root):
    old, new = two
    assert look(fills=counted(old, new, 0.5)) == new
    assert shelf.current(root) == old
    (entry,) = entries(store)
    assert (entry.actor, entry.detail["reason"], entry.detail["rate"]) == ("watch", "fill", 0.5)
    assert entry.detail["expected"] == pytest.approx(0.95)


def test_one_that_fills_about_as_much_stays(look, two):
    old, new = two
    assert look(fills=counted(old, new, 0.9)) == ""


def test_a_site_that_asks_for_what_is_not_there_is_no_reason(look, two):
    old, new = two
    assert look(fills=counted(old, new, 0.0, sites=("daily",))) == ""


def test_every_worker_acts_on_its_own_answers_whoever_asks_the_store(look, store, two):
    old, new = two
    leases.acquire(store, LEASE)
    assert look(fills=counted(old, new, 0.0)) == new


def test_what_is_counted_is_bounded():
    fills = Fills()
    for n in range(20):
        fills.count(f"b{n}", "daily", "article", "", 1.0)
    assert fills.of("b0") == {}
    assert fills.of("b19") == {("daily", "article", "", 0): Fill(1, 1.0, 1.0)}
    assert sum(bool(fills.of(f"b{n}")) for n in range(20)) == BUNDLES
    for n in range(5_000):
        fills.count("b19", f"site-{n}", "article", "", 1.0)
    assert len(fills.of("b19")) == 2_000


def test_the_error_of_a_fill_is_that_of_a_mean():
    some = sum((Fill(1, x, x * x) for x in (0.0, 1.0, 1.0, 0.5)), Fill())
    assert some.error == pytest.approx(0.41457809879442503 / 2)  # numpy's std over √4
    assert Fill().error == 0.0

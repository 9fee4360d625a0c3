"""What operators are told: named by the rules, listed for people, right with several workers."""

import os
import re
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY, Gauge
from prometheus_client.parser import text_string_to_metric_families
from served import STILL, serving

from data.store import Store
from recsys.candidates import SOURCES
from service import counts, metrics
from service.app import create_app
from service.holder import Holder
from service.metrics import Described, described

LISTED = Path(__file__).parents[2] / "deploy" / "prometheus" / "README.md"
PATH = "/v1/recommendations"
UNITS = ("seconds", "bytes", "ratio")
STATES = {
    "running",
    "refused",
    "failed",
    "progress",
    "ready",
    "workers",
    "threads",
    "files",
    "rows",
}
"""Gauges that count things or answer yes or no have no unit."""


def rows() -> list[str]:
    """Return the rows of the table in deploy/prometheus/README.md."""
    return [
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |"
        for m in described()
    ]


@pytest.mark.parametrize("metric", described(), ids=lambda metric: metric.name)
def test_a_metric_is_named_by_the_rules_of_prometheus(metric: Described) -> None:
    assert re.fullmatch(r"recsys_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.help.endswith(".")
    last = metric.name.rpartition("_")[2]
    assert (last == "total") == (metric.kind == "counter")
    assert not {"le", "quantile", "pid", "instance"} & set(metric.labels)
    match metric.kind:
        case "histogram":
            assert last in UNITS
        case "gauge":
            assert last in {*UNITS, *STATES, "info"}


def test_every_metric_that_is_scraped_is_described_and_every_gauge_is_of_live_workers() -> None:
    exposed = {f.name for f in REGISTRY.collect() if f.name.startswith("recsys_")}
    names = {m.name.removesuffix("_total") for m in described()}
    assert names - exposed == {"recsys_bundle_info"}
    assert exposed <= names
    gauges = [one for one in vars(metrics).values() if isinstance(one, Gauge)]
    assert gauges
    assert all(gauge._multiprocess_mode.startswith("live") for gauge in gauges)


@pytest.mark.parametrize("row", rows())
def test_the_list_for_people_has_the_metric(row: str) -> None:
    assert row in LISTED.read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def service(stocked, articles):
    return stocked(articles, "--workers", "2", "--threads", "3")


def test_each_stage_of_an_answer_is_timed_and_its_items_counted(service) -> None:
    for _ in range(10):
        service.get(PATH, site="daily", key="a-1")
    values = scraped(service.url)
    stages = ["parse", "resolve", "rank", "mix", "explore", "draw"]
    stages += [f"candidates/{source}" for source in SOURCES]
    boxes = values["recsys_slate_fill_ratio_count"]
    assert boxes >= 10
    for stage in stages:
        assert values[f'recsys_stage_seconds_count{{stage="{stage}"}}'] == boxes
    spent = sum(v for name, v in values.items() if name.startswith("recsys_stage_seconds_sum"))
    assert 0 < spent <= values[f'recsys_request_seconds_sum{{route="{PATH}"}}']
    by_site = [v for name, v in values.items() if name.startswith("recsys_site_items_total")]
    by_source = [v for name, v in values.items() if name.startswith("recsys_items_total")]
    assert sum(by_site) == sum(by_source) == 6 * boxes


def test_gauges_are_those_of_all_live_workers(service) -> None:
    values = scraped(service.url)
    now = time.time()
    assert values["recsys_workers"] == 2
    assert values["recsys_threads"] == 6
    assert values["recsys_ready"] == 1
    assert values["recsys_requests_in_progress"] == 0
    assert now - 60 < values["recsys_store_followed_timestamp_seconds"] <= now
    assert now - 60 < values["recsys_refreshed_timestamp_seconds"] <= now
    assert values["recsys_bundle_created_timestamp_seconds"] == 0
    assert values['recsys_worker_memory_bytes{kind="private"}'] > 2 * 20e6
    assert values["recsys_cpu_seconds_total"] > 0
    assert any(name.startswith("recsys_build_info{") for name in values)
    assert f'recsys_bundle_info{{bundle="",policy="{STILL.id}"}}' in values


def test_odd_requests_make_no_labels_of_their_own(service) -> None:
    before = set(scraped(service.url))
    for place in range(30):
        httpx.request(f"ODD{place}", f"{service.url}{PATH}", timeout=20)
        service.get(f"/nowhere/{place}", site=f"s{place}")
        service.get(PATH, site=f"stranger-{place}", placement=f"place-{place}")
    fresh = set(scraped(service.url)) - before
    labels = Counter(re.sub(r'le="[^"]*",?', "", name).partition("{")[2] for name in fresh)
    assert not [label for label in labels if re.search(r"ODD|nowhere|stranger|place-", label)]
    assert len(labels) < 12


def test_counts_outlive_killed_workers_and_their_files_do_not(store, articles, var) -> None:
    store.put_articles(articles)
    with serving(var, "--workers", "2") as own:
        own.wait_for("/healthz")
        folder = next((var / "tmp").glob("recsys-metrics-*"))
        asked = f'recsys_requests_total{{method="GET",route="{PATH}",status="200"}}'
        for round in (1, 2):
            for _ in range(10):
                own.get(PATH, site="daily", key="a-1")
            assert scraped(own.url)[asked] == 10 * round
            killed = own.workers()[0]
            os.kill(killed, signal.SIGKILL)
            until(lambda gone=killed: not list(folder.glob(f"*_{gone}.db")))
            until(lambda: scraped(own.url)["recsys_workers"] == 2)
            assert scraped(own.url)[asked] == 10 * round
        values = scraped(own.url)
        assert values["recsys_worker_starts_total"] == 2 + 2
        assert values["recsys_requests_in_progress"] == 0
        assert values[f'recsys_request_seconds_count{{route="{PATH}"}}'] == 20
        until(lambda: scraped(own.url)["recsys_ready"] == 1)
        kinds = Counter(path.name.partition("_")[0] for path in folder.glob("*.db"))
        assert (
            kinds["counter"] == kinds["histogram"] == 2 + 1
        )  # two workers and those that are gone


def test_what_killed_runs_have_left_is_dropped_and_what_others_count_in_is_not(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv(counts.FOLDER, "")
    monkeypatch.setattr(counts.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    killed, alive = tmp_path / "recsys-metrics-1", counts.begin()
    killed.mkdir()
    (killed / "run").touch()
    for old in (killed, alive):
        os.utime(old, (1, 1))
    young = tmp_path / "recsys-metrics-2"
    young.mkdir()
    mine = counts.begin()
    assert set(tmp_path.iterdir()) == {alive, young, mine}


def test_events_are_counted_by_kind_and_source(settings, articles) -> None:
    with Store.open(settings.store_url) as store:
        store.put_articles(articles)
    holder = Holder(settings)
    now = int(time.time())
    holder.refresh(now)
    client = create_app(settings, holder).test_client()
    shown = client.get(PATH, query_string={"site": "daily", "key": "a-1"}).json
    first = shown["items"][0]
    event = {
        "site": first["site"],
        "key": first["key"],
        "slate": shown["slate"],
        "position": 0,
    }
    before = feedback(first["source"])
    sent = client.post(
        "/v1/events",
        json={"events": [event | {"kind": "impression"}, event | {"kind": "click"}]},
        headers={"Origin": "https://daily.example"},
    )
    assert sent.status_code == 202, sent.json
    assert feedback(first["source"]) == {kind: n + 1 for kind, n in before.items()}
    assert metrics.NEWEST_EVENT._value.get() == 0
    holder.refresh(now + 1)
    assert now <= metrics.NEWEST_EVENT._value.get() <= time.time()
    again = Holder(settings)  # a worker that starts later has the event from the store
    again.refresh(now + 2)
    assert now <= metrics.NEWEST_EVENT._value.get() <= time.time()


def test_metrics_are_not_for_those_who_come_through_a_proxy(settings) -> None:
    client = create_app(settings).test_client()
    assert client.get("/metrics").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert client.get("/metrics", headers={header: "203.0.113.7"}).status_code == 403


def test_where_there_is_a_token_everybody_needs_it(settings) -> None:
    told = replace(settings, metrics_token="kept-secret")
    assert "kept-secret" not in repr(told)
    client = create_app(told).test_client()
    assert client.get("/metrics").status_code == 401
    wrong, right = ({"Authorization": f"Bearer {t}"} for t in ("kept-secre", "kept-secret"))
    assert client.get("/metrics", headers=wrong).status_code == 401
    answer = client.get("/metrics", headers=right | {"X-Forwarded-For": "203.0.113.7"})
    assert answer.status_code == 200
    assert b"recsys_bundle_info" in answer.data


def feedback(source: str) -> dict[str, float]:
    return {
        kind: metrics.total("recsys_feedback_total", kind=kind, source=source)
        for kind in ("impression", "click")
    }


def scraped(url: str) -> dict[str, float]:
    """Return what Prometheus would read, by name and labels in their order of name."""
    text = httpx.get(f"{url}/metrics", timeout=20).text
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def until(holds) -> None:
    deadline = time.monotonic() + 40
    while True:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)
